package request

import (
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/scenarios"
)

// Field is the text, number, true or false that a path leads to in a JSON document; quoted says that it is a text. The
// document is not held to be well-formed: of one that is not, the field may be anything. Nothing is copied: the field
// is valid as long as the document stays as it is.
func Field(document []byte, path scenarios.JSONPath) (field string, quoted, ok bool) {
	if len(document) == 0 {
		return "", false, false
	}
	v, found := lookUp(gjson.Parse(unsafe.String(&document[0], len(document))), path)
	if !found || !isPlain(v) {
		return "", false, false
	}
	return textOf(v), v.Type == gjson.String, true
}

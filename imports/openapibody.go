package imports

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// body gives a request the body of its operation.
func (a *api) body(r *request, o operation) {
	if o.of.RequestBody == nil || o.of.RequestBody.Value == nil {
		return
	}
	content := o.of.RequestBody.Value.Content
	kinds := make([]string, 0, len(content))
	for kind := range content {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(x, y string) int {
		if isJSON(x) != isJSON(y) {
			return map[bool]int{true: -1, false: 1}[isJSON(x)]
		}
		return strings.Compare(x, y)
	})
	for _, kind := range kinds {
		media := content[kind]
		if media == nil {
			continue
		}
		v, given := a.d.sampleOfMedia(media)
		if kind == "*/*" || kind == "application/*" {
			kind = typeOfJSON
		}
		if !given || !a.bodyOf(r, kind, v, media) {
			continue
		}
		return
	}
	a.d.leaveOut(o.line, o.column, "the body of %s %s (%.100s)", o.method, o.path, strings.Join(kinds, ", "))
}

// sampleOfMedia is the example of a body or parameter, or a value that fits its schema; ok is false without either.
func (d *draft) sampleOfMedia(media *openapi3.MediaType) (v any, ok bool) {
	v, ok = example(media.Example, media.Examples)
	if !ok && media.Schema != nil && media.Schema.Value != nil {
		return d.sampleOf(media.Schema.Value), true
	}
	return v, ok
}

func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	return kind == typeOfJSON || strings.HasSuffix(kind, "+json")
}

// bodyOf gives a request a body of some type; ok is false where a value cannot be one.
func (a *api) bodyOf(r *request, kind string, v any, media *openapi3.MediaType) (ok bool) {
	text, isText := v.(string)
	fields, isObject := v.(map[string]any)
	switch {
	case isJSON(kind):
		encoded, err := encodedJSON(v)
		if err != nil {
			return false
		}
		if isText && json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{") {
			encoded = text
		}
		r.body = plain(encoded)
	case strings.HasPrefix(kind, typeOfForm) && isObject && len(fields) == 0:
		return true // there is nothing to send
	case strings.HasPrefix(kind, typeOfForm) && isObject:
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			r.form = append(r.form, pair{name, plain(asText(fields[name]))})
		}
	case strings.HasPrefix(kind, "multipart/form-data") && isObject:
		r.parts = partsOfSample(fields, media)
	case isText && (strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "xml")):
		r.body = plain(text)
	case kind == "application/octet-stream" || strings.HasPrefix(kind, "image/"):
		r.body = plain("sample")
		a.d.leaveOut(r.line, r.column, "what the bytes of the body are (%.60s): give them by bodyFile", kind)
	default:
		return false
	}
	if len(r.parts) == 0 {
		r.headers = append(r.headers, pair{"Content-Type", plain(kind)})
	}
	return len(r.form)+len(r.parts)+len(r.body) > 0
}

func encodedJSON(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// partsOfSample are the parts of a form. Files are a few bytes, which stand in the scenario.
func partsOfSample(fields map[string]any, media *openapi3.MediaType) (all []formPart) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		p := formPart{name: name, value: plain(asText(fields[name]))}
		if media.Schema != nil && media.Schema.Value != nil {
			if ref := media.Schema.Value.Properties[name]; ref != nil && isFile(ref.Value) {
				p.value, p.filename, p.kind = plain("sample"), nameOf(name, "file")+".bin", "application/octet-stream"
			}
		}
		if _, isText := fields[name].(string); !isText && p.kind == "" {
			if _, isObject := fields[name].(map[string]any); isObject {
				p.kind = typeOfJSON
			}
		}
		if e := media.Encoding[name]; e != nil && e.ContentType != "" && !strings.ContainsAny(e.ContentType, ",*") {
			p.kind = e.ContentType
		}
		all = append(all, p)
	}
	return all
}

// isFile reports whether a property of a form is a file, or a list of files.
func isFile(s *openapi3.Schema) bool {
	if s != nil && s.Type.Is("array") && s.Items != nil {
		s = s.Items.Value
	}
	return s != nil && (s.Format == "binary" || s.ContentMediaType != "")
}

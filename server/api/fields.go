package api

import (
	"fmt"
	"strings"

	"github.com/policycortex/headroom/server/store"
)

// maxFieldsBytes is more than all names together.
const maxFieldsBytes = 512

// setFields reads the names of fields of a resource, separated by commas. Their order and repetitions make no
// difference.
func setFields(fields *store.Fields, name, value string) error {
	if value == "" || len(value) > maxFieldsBytes {
		return fmt.Errorf("query parameter %s has %d bytes; give it names of fields, separated by commas: %s", name,
			len(value), strings.Join(store.FieldNames(), ", "))
	}
	for field := range strings.SplitSeq(value, ",") {
		more, known := fields.With(field)
		if !known {
			return unknownField(name, field)
		}
		*fields = more
	}
	return nil
}

func unknownField(name, field string) error {
	near := ""
	for _, known := range store.FieldNames() {
		if isNear(field, known) {
			near += " Did you mean " + known + "?"
		}
	}
	return fmt.Errorf("query parameter %s names %.40q; the fields of a resource are %s.%s", name, field,
		strings.Join(store.FieldNames(), ", "), near)
}

// isNear recognizes a part of a name, and a name with up to two letters added, left out or changed.
func isNear(wrong, known string) bool {
	if len(wrong) > len(known)+2 {
		return false
	}
	wrong = strings.ToLower(wrong)
	return len(wrong) >= 4 && strings.Contains(known, wrong) || len(known) > 3 && distance(wrong, known) <= 2
}

// distance is that of Levenshtein, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// appendFields appends the parameter in its canonical form; nothing for all fields.
func appendFields(b []byte, fields store.Fields) []byte {
	return appendParameter(b, "fields", strings.Join(fields.Names(), ","))
}

// fieldsQuery is the query string of a single resource with these fields.
func fieldsQuery(fields store.Fields) string {
	return strings.TrimPrefix(string(appendFields(nil, fields)), "&")
}

// parseFields reads the query string of a single resource, in which fields is the only parameter.
func parseFields(query string) (fields store.Fields, err error) {
	err = eachParameter(query, func(name, value string) error {
		if name != "fields" {
			return unknownParameter(name, "fields")
		}
		return setFields(&fields, name, value)
	})
	return fields, err
}

package imports

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// samplesOfFormats are values of texts of known formats.
var samplesOfFormats = map[string]string{
	"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z", "email": "user@example.com",
	"uuid": "123e4567-e89b-42d3-a456-426614174000", "uri": "https://example.com/", "hostname": "example.com",
	"ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "aGVsbG8=", "password": "password", "duration": "PT1M",
}

// sampleOf is a value that fits a schema, as far as that is known without solving patterns.
func (d *draft) sampleOf(s *openapi3.Schema) any {
	const mostValues = 10_000
	b := budget(mostValues)
	v := b.sampleOf(s)
	if b < 0 {
		d.leaveOut(0, 0, "the rest of samples that have more than %d values", mostValues)
	}
	return v
}

// budget is how many values a sample may still have: schemas that name others grow fast.
type budget int

// sampleOf is a part of a sample. above are the schemas that it is a part of, of which it may be one again; it has no
// value there.
func (b *budget) sampleOf(s *openapi3.Schema, above ...*openapi3.Schema) any {
	const deepest = 8
	*b--
	if *b < 0 || s == nil || len(above) > deepest || slices.Contains(above, s) {
		return nil
	}
	for _, v := range append([]any{s.Example, s.Default, s.Const}, append(slices.Clone(s.Examples), s.Enum...)...) {
		if v != nil {
			return v
		}
	}
	switch {
	case len(s.AllOf) > 0:
		return b.merged(s, above)
	case len(s.OneOf) > 0 && s.OneOf[0] != nil:
		return b.sampleOf(s.OneOf[0].Value, below(s, above)...)
	case len(s.AnyOf) > 0 && s.AnyOf[0] != nil:
		return b.sampleOf(s.AnyOf[0].Value, below(s, above)...)
	case s.Type.Includes("object") || len(s.Properties) > 0:
		return b.merged(s, above)
	case s.Type.Includes("array"):
		if s.Items == nil || s.Items.Value == nil {
			return []any{}
		}
		if item := b.sampleOf(s.Items.Value, below(s, above)...); item != nil {
			return []any{item}
		}
		return []any{}
	case s.Type.Includes("integer"):
		return bounds(s).from
	case s.Type.Includes("number"):
		if s.Min != nil {
			return *s.Min
		}
		return 1.5
	case s.Type.Includes("boolean"):
		return true
	case s.Type.Includes("string"):
		return sampleText(s)
	}
	return nil
}

func below(s *openapi3.Schema, above []*openapi3.Schema) []*openapi3.Schema {
	return append(slices.Clone(above), s)
}

func sampleText(s *openapi3.Schema) string {
	if text, ok := samplesOfFormats[s.Format]; ok {
		return text
	}
	text := "string"
	if n := int(min(s.MinLength, 1000)); n > len(text) {
		text += strings.Repeat("x", n-len(text))
	}
	if s.MaxLength != nil && *s.MaxLength < uint64(len(text)) {
		text = text[:*s.MaxLength]
	}
	return text
}

// merged is an object with the properties of a schema and of those that it takes together.
func (b *budget) merged(s *openapi3.Schema, above []*openapi3.Schema) any {
	object := map[string]any{}
	for _, ref := range s.AllOf {
		if ref == nil || *b < 0 {
			continue
		}
		if part, ok := b.sampleOf(ref.Value, below(s, above)...).(map[string]any); ok {
			for name, v := range part {
				object[name] = v
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		ref := s.Properties[name]
		if *b < 0 || ref == nil || ref.Value == nil || ref.Value.ReadOnly {
			continue
		}
		v := b.sampleOf(ref.Value, below(s, above)...)
		if v != nil || slices.Contains(s.Required, name) {
			object[name] = v
		}
	}
	return object
}

package imports

import (
	"net/url"
	"strings"
)

// textMethod is what a method of a text gives.
func (s *script) textMethod(name string, of *jsValue, arguments []*jsValue) *jsValue {
	literal, known := of.literal()
	var first string
	if len(arguments) > 0 {
		first, _ = arguments[0].literal()
	}
	switch name {
	case "toString", "trim":
		return of
	case "toFixed", "padStart", "substring", "slice", "replace", "split":
		return unknown
	case "toUpperCase", "toLowerCase":
		if known && name == "toUpperCase" {
			return jsString(strings.ToUpper(literal))
		}
		if known {
			return jsString(strings.ToLower(literal))
		}
	case "includes":
		if known {
			return jsBool(strings.Contains(literal, first))
		}
	case "concat":
		out := of.text
		for _, a := range arguments {
			t, ok := s.asText(a)
			if !ok {
				return unknown
			}
			out = joined(out, t)
			if out.isLonger(mostText) {
				return unknown
			}
		}
		return &jsValue{kind: jsText, text: out}
	}
	return unknown
}

// component is encodeURIComponent of a value. What fills a path at run time is encoded there.
func (s *script) component(v *jsValue) *jsValue {
	t, ok := s.asText(v)
	if !ok {
		return unknown
	}
	var out text
	for _, p := range t {
		if p.literal != "" {
			p.literal = strings.ReplaceAll(url.QueryEscape(p.literal), "+", "%20")
		}
		out = joined(out, text{p})
	}
	return &jsValue{kind: jsText, text: out}
}

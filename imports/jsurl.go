package imports

import (
	"strings"
)

// newURL is a URL, or the parameters of a query.
func (s *script) newURL(name string, arguments []*jsValue) *jsValue {
	first := argument(arguments, 0)
	u := &jsValue{kind: jsBuiltin, name: "url"}
	if name == "URLSearchParams" {
		u.truth = true // of the query alone
		for _, m := range first.members {
			s.appendParameter(u, m.name, m.value)
		}
		for _, item := range first.items {
			if name, ok := argument(item.items, 0).literal(); ok {
				s.appendParameter(u, name, argument(item.items, 1))
			}
		}
		return u
	}
	t, ok := s.asText(first)
	base, okBase := s.asText(argument(arguments, 1))
	if !ok {
		return unknown
	}
	if written, _ := t.flat(); okBase && strings.HasPrefix(written, "/") {
		t = joined(base, t)
	}
	u.text = t
	return u
}

// appendParameter adds a parameter to the query of a URL.
func (s *script) appendParameter(u *jsValue, name string, v *jsValue) {
	t, ok := s.asText(v)
	if v.kind == jsArray && v.name == "" {
		t, ok = s.asText(s.listMethod("join", v, []*jsValue{jsString(",")}))
	}
	if !ok {
		t = s.d.needs(variableName(name), "the parameter "+name+" of a URL", s.d.known.IsField(name))
	}
	separator := "?"
	if written, _ := u.text.flat(); strings.Contains(written, "?") || u.truth && len(u.text) > 0 {
		separator = "&"
	} else if u.truth {
		separator = ""
	}
	u.text = joined(u.text, plain(separator), encoded(plain(name)), plain("="), encoded(t))
}

// urlMethod is what a method of a URL or of its parameters gives.
func (s *script) urlMethod(method string, of *jsValue, arguments []*jsValue) *jsValue {
	switch method {
	case "append", "set":
		if name, ok := argument(arguments, 0).literal(); ok {
			s.appendParameter(of, name, argument(arguments, 1))
		}
	case "toString":
		return &jsValue{kind: jsText, text: of.text}
	}
	return unknown
}

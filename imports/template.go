package imports

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Values for characters that would mean something else in a template: two braces open a placeholder, and a "$" before
// a variable is that of a literal one.
const (
	twoBraces = "two_braces"
	dollar    = "dollar"
)

var signText = map[string]string{twoBraces: "{{", dollar: "$"}

// signsOf are the values for such characters that a request or flow needs.
func (w *writer) signsOf(r *request) (names []string) {
	w.signs = map[string]bool{}
	for _, one := range append([]*request{r}, r.steps...) {
		if len(one.url) > 0 {
			w.path(one.url)
		}
		one.eachText(func(t *text) { w.template(*t) })
		one.json.eachName(w)
	}
	for _, name := range []string{dollar, twoBraces} {
		if w.signs[name] {
			names = append(names, name)
		}
	}
	return names
}

// template is a text as templates have it.
func (w *writer) template(t text) string {
	var b strings.Builder
	for i, p := range t {
		switch {
		case p.hole != "":
			b.WriteString("{{" + p.hole + "}}")
		case p.base64 != nil && len(*p.base64) == 1 && (*p.base64)[0].hole != "":
			b.WriteString("{{" + (*p.base64)[0].hole + "|base64}}")
		case p.base64 != nil: // settled to a literal before
			b.WriteString(text{p}.string())
		case p.variable != "":
			fallback := w.d.fallbacks[p.variable]
			if fallback == "" {
				fallback = "set-" + p.variable
			}
			b.WriteString("${" + p.variable + ":-" + fallback + "}")
		default:
			literal := escapeVariables(p.literal)
			ends := i+1 < len(t) && t[i+1].variable != "" && strings.HasSuffix(literal, "$")
			if ends {
				literal = strings.TrimSuffix(literal, "$")
			}
			if strings.Contains(literal, "{{") {
				w.signs[twoBraces] = true
				literal = strings.ReplaceAll(literal, "{{", "{{"+twoBraces+"}}")
			}
			b.WriteString(literal)
			if ends {
				w.signs[dollar] = true
				b.WriteString("{{" + dollar + "}}")
			}
		}
	}
	return b.String()
}

// path is a text as paths have it: without characters that a URL may not have.
func (w *writer) path(t text) string {
	s, parts := t.flat()
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == mark:
			b.WriteString(s[i : i+size])
		case c <= ' ' || c > '~' || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`' ||
			c == '|' || c == '{' || c == '}' || c == '%' && !escaped.MatchString(s[i:]):
			for _, octet := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", octet)
			}
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return w.template(unflat(b.String(), parts))
}

var escaped = regexp.MustCompile(`^%[0-9A-Fa-f]{2}`)

// escapeVariables keeps "${" what it is.
func escapeVariables(s string) string { return strings.ReplaceAll(s, "${", "$${") }

package imports

import (
	"regexp"
	"strings"
)

var postmanVariable = regexp.MustCompile(`\{\{\s*([^{}\s][^{}]*?)\s*\}\}`)

// text is a text with Postman's variables in it: those of the collection have their values, others are filled at run
// time.
func (c *collection) text(q *request, s string) (t text) {
	s = strings.ToValidUTF8(s, "\ufffd")
	for range 10 { // variables may name others
		room := mostText - len(s)
		next := postmanVariable.ReplaceAllStringFunc(s, func(m string) string {
			if v, ok := c.variables[postmanVariable.FindStringSubmatch(m)[1]]; ok && room >= len(v) {
				room -= len(v)
				return v
			}
			return m
		})
		if next == s {
			break
		}
		s = next
	}
	last := 0
	for _, m := range postmanVariable.FindAllStringSubmatchIndex(s, -1) {
		t = t.and(plain(s[last:m[0]]), c.filled(q, s[m[2]:m[3]]))
		last = m[1]
	}
	return joined(t, plain(s[last:]))
}

// filled is what stands for a variable; one whose name begins with $ is Postman's own.
func (c *collection) filled(q *request, name string) text {
	if name == "$guid" || name == "$randomUUID" {
		return hole("uuid")
	}
	if v, ok := postmanValues[name]; ok {
		q.values = append(q.values, v)
		after := ""
		if name == "$randomEmail" || name == "$randomExampleEmail" {
			after = "@example.com"
		}
		return joined(hole(v.name), plain(after))
	}
	if strings.HasPrefix(name, "$") {
		c.d.leaveOut(q.line, q.column, "Postman's variable {{%.60s}}: a variable of the environment stands for it",
			name)
		return c.d.needs(variableName(name), "{{"+nameOf(name, "value")+"}} of Postman", false)
	}
	return hole(nameOf(name, "value"))
}

// postmanValues are Postman's own variables as values.
var postmanValues = map[string]value{
	"$timestamp":          {name: "timestamp", source: "time: unix"},
	"$isoTimestamp":       {name: "iso_timestamp", source: "time: rfc3339"},
	"$randomInt":          {name: "random_int", from: 0, to: 1000},
	"$randomBoolean":      {name: "random_boolean", list: []string{"true", "false"}},
	"$randomAlphaNumeric": {name: "random_alpha_numeric", source: "string: 1"},
	"$randomPassword":     {name: "random_password", source: "string: 15"},
	"$randomUserName":     {name: "random_user_name", source: "string: 12, alphabet: abcdefghijklmnopqrstuvwxyz"},
	"$randomWord":         {name: "random_word", source: "string: 8, alphabet: abcdefghijklmnopqrstuvwxyz"},
	"$randomEmail":        {name: "random_email", source: "string: 12, alphabet: abcdefghijklmnopqrstuvwxyz"},
	"$randomExampleEmail": {name: "random_email", source: "string: 12, alphabet: abcdefghijklmnopqrstuvwxyz"},
}

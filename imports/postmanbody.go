package imports

import (
	"strings"

	"github.com/tidwall/gjson"
)

// kindsOfRaw are the types of bodies that are written as they are, by Postman's words for them.
var kindsOfRaw = map[string]string{"json": "application/json", "xml": "application/xml", "text": "text/plain"}

// body gives a request its body.
func (c *collection) body(q *request, body gjson.Result) {
	if body.Get("disabled").Bool() {
		return
	}
	switch mode := body.Get("mode").String(); mode {
	case "":
	case "raw":
		q.body = c.text(q, body.Get("raw").String())
		q.typed(kindsOfRaw[body.Get("options.raw.language").String()])
	case "urlencoded":
		c.fields(body.Get(mode), func(p gjson.Result) {
			q.form = append(q.form, pair{c.text(q, p.Get("key").String()).string(), c.text(q, p.Get("value").String())})
		})
	case "formdata":
		c.fields(body.Get(mode), func(p gjson.Result) { c.part(q, p) })
	case "file":
		source := body.Get("file.src").String()
		if source == "" {
			source = body.Get("file").String()
		}
		if source == "" || strings.HasPrefix(source, "{") {
			c.leaveOut(body, "the body of %.80q, which is a file without a name", q.name)
			return
		}
		q.file = source
	case "graphql":
		variables := body.Get("graphql.variables").String()
		filled := strings.Contains(variables, "{{")
		if strings.TrimSpace(variables) == "" || !filled && !gjson.Valid(variables) {
			variables = "{}"
		}
		q.body = c.text(q, `{"query":`+jsonQuoted(body.Get("graphql.query").String())+`,"variables":`+variables+`}`)
		q.typed(typeOfJSON)
	default:
		c.leaveOut(body, "the body of %.80q, which is a %.20s", q.name, mode)
	}
}

// fields calls do for each field of a form: a list of them, or a text.
func (c *collection) fields(list gjson.Result, do func(p gjson.Result)) {
	if list.Type == gjson.String && list.Str != "" {
		c.leaveOut(list, "a form that is written as a text")
		return
	}
	list.ForEach(func(_, p gjson.Result) bool {
		if !p.Get("disabled").Bool() && p.Get("key").String() != "" {
			do(p)
		}
		return true
	})
}

// part adds a part of a form with several: a text, or files.
func (c *collection) part(q *request, p gjson.Result) {
	part := formPart{name: p.Get("key").String(), kind: p.Get("contentType").String()}
	if p.Get("type").String() != "file" {
		part.value = c.text(q, p.Get("value").String())
		q.parts = append(q.parts, part)
		return
	}
	files := p.Get("src").Array()
	for _, f := range files {
		if f.Type == gjson.String && f.Str != "" {
			part.file = f.Str
			q.parts = append(q.parts, part)
		}
	}
	if part.file == "" {
		c.leaveOut(p, "the part %.60q of a form, which is a file without a name", part.name)
	}
}

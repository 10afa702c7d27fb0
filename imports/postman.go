package imports

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// collection is a Postman collection that is read.
type collection struct {
	d         *draft
	content   []byte
	variables map[string]string
	requests  []*request
	names     map[string]bool // of what is extracted
	depth     int
}

// postman reads a collection of Postman in the format 2.0 or 2.1
// (https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html). Its requests become one flow, in the
// order in which Postman runs them.
func (d *draft) postman(content []byte) error {
	if err := d.validJSON(content); err != nil {
		return err
	}
	root := gjson.ParseBytes(content)
	if inner := root.Get("collection"); inner.IsObject() { // as Postman's API gives it
		root = inner
	}
	if !root.Get("item").IsArray() {
		line, column := lineAt(content, max(0, root.Index))
		return d.fault(line, column, "it is no Postman collection: it has no list \"item\"")
	}
	c := &collection{d: d, content: content, variables: map[string]string{}, names: map[string]bool{}}
	root.Get("variable").ForEach(func(_, v gjson.Result) bool {
		name := v.Get("key").String()
		if name == "" {
			name = v.Get("id").String()
		}
		if v.Get("value").String() != "" && !v.Get("disabled").Bool() {
			c.variables[name] = v.Get("value").String()
		}
		return true
	})
	c.scripts(root, nil)
	c.items(root.Get("item"), root.Get("auth"))
	d.sequence(nameOf(root.Get("info.name").String(), "collection"), c.requests, defaultLoad)
	return nil
}

// validJSON says where a text is no JSON.
func (d *draft) validJSON(content []byte) error {
	if gjson.ValidBytes(content) {
		return nil
	}
	var v any
	err := json.Unmarshal(content, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line, column := lineAt(content, int(syntax.Offset)-1)
		return d.fault(line, column, "it is not JSON: %s", syntax.Error())
	}
	return d.fault(1, 0, "it is not JSON")
}

// at is the place of a value.
func (c *collection) at(v gjson.Result) (line, column int) { return lineAt(c.content, v.Index) }

func (c *collection) leaveOut(v gjson.Result, format string, args ...any) {
	line, column := c.at(v)
	c.d.leaveOut(line, column, format, args...)
}

// items reads requests, and folders of them. auth is how they sign in where they do not say.
func (c *collection) items(list, auth gjson.Result) {
	const deepest = 50
	if c.depth > deepest {
		return
	}
	c.depth++
	defer func() { c.depth-- }()
	list.ForEach(func(_, item gjson.Result) bool {
		own := auth
		if a := item.Get("auth"); a.IsObject() {
			own = a
		}
		if inner := item.Get("item"); inner.IsArray() {
			c.scripts(item, nil)
			c.items(inner, own)
			return true
		}
		if r := item.Get("request"); r.Exists() {
			c.request(item, r, own)
		}
		return true
	})
}

// request adds a request.
func (c *collection) request(item, r, auth gjson.Result) {
	if r.Type == gjson.String { // a URL alone
		r = gjson.Parse(`{"url":` + r.Raw + `}`)
	}
	if a := r.Get("auth"); a.IsObject() {
		auth = a
	}
	word := r.Get("method").String()
	if word == "" {
		word = "GET"
	}
	line, column := c.at(item)
	method, ok := methodOf(word)
	if !ok {
		c.leaveOut(item, "the method %.20q of %.80q", word, item.Get("name").String())
		return
	}
	q := &request{name: item.Get("name").String(), method: method, line: line, column: column}
	q.url = c.address(q, r.Get("url"))
	if len(q.url) == 0 {
		c.leaveOut(item, "%.80q, which has no URL", q.name)
		return
	}
	r.Get("header").ForEach(func(_, h gjson.Result) bool {
		if !h.Get("disabled").Bool() && h.Get("key").String() != "" {
			q.headers = append(q.headers, pair{h.Get("key").String(), c.text(q, h.Get("value").String())})
		}
		return true
	})
	c.signIn(q, auth)
	c.body(q, r.Get("body"))
	c.requests = append(c.requests, q)
	c.scripts(item, q)
}

// address is the URL of a request: a text, or an object with its parts.
func (c *collection) address(q *request, u gjson.Result) text {
	raw := u.Get("raw").String()
	if u.Type == gjson.String {
		raw = u.Str
	}
	if raw == "" && u.IsObject() {
		raw = partsOf(u)
	}
	u.Get("variable").ForEach(func(_, v gjson.Result) bool { // of the path: /items/:id
		if name := v.Get("key").String(); name != "" && v.Get("value").String() != "" {
			segment := regexp.MustCompile(`/:` + regexp.QuoteMeta(name) + `\b`)
			raw = segment.ReplaceAllLiteralString(raw, "/"+v.Get("value").String())
		}
		return true
	})
	raw = pathVariable.ReplaceAllString(raw, "/{{$1}}$2")
	u.Get("query").ForEach(func(_, p gjson.Result) bool {
		if p.Get("disabled").Bool() {
			raw = withoutParameter(raw, p.Get("key").String(), p.Get("value").String())
		}
		return true
	})
	t := c.text(q, raw)
	if s, _ := t.flat(); raw != "" && !strings.Contains(s, "://") && !strings.HasPrefix(s, string(mark)) &&
		!strings.HasPrefix(s, "/") {
		t = joined(plain("http://"), t) // as Postman does
	}
	return t
}

var pathVariable = regexp.MustCompile(`/:([A-Za-z_][A-Za-z0-9_]*)([/?#]|$)`)

// partsOf puts a URL together.
func partsOf(u gjson.Result) string {
	list := func(v gjson.Result, separator string) string {
		if v.Type == gjson.String {
			return v.Str
		}
		var all []string
		v.ForEach(func(_, item gjson.Result) bool {
			all = append(all, item.String())
			return true
		})
		return strings.Join(all, separator)
	}
	raw := list(u.Get("host"), ".")
	if raw == "" {
		return ""
	}
	if scheme := u.Get("protocol").String(); scheme != "" {
		raw = strings.TrimSuffix(scheme, "://") + "://" + raw
	}
	if port := u.Get("port").String(); port != "" {
		raw += ":" + port
	}
	raw += "/" + strings.TrimPrefix(list(u.Get("path"), "/"), "/")
	separator := "?"
	u.Get("query").ForEach(func(_, p gjson.Result) bool {
		if !p.Get("disabled").Bool() {
			raw += separator + p.Get("key").String() + "=" + p.Get("value").String()
			separator = "&"
		}
		return true
	})
	return raw
}

// withoutParameter is a URL without a parameter of its query.
func withoutParameter(raw, key, v string) string {
	before, query, found := strings.Cut(raw, "?")
	if !found {
		return raw
	}
	kept := slices.DeleteFunc(strings.Split(query, "&"), func(p string) bool { return p == key+"="+v })
	if len(kept) == 0 {
		return before
	}
	return before + "?" + strings.Join(kept, "&")
}

// field is a value of a list of keys and values, as Postman has it for ways of signing in.
func field(list gjson.Result, name string) string {
	found := ""
	list.ForEach(func(key, v gjson.Result) bool {
		if v.Get("key").String() == name {
			found = v.Get("value").String()
		} else if key.String() == name { // format 2.0: an object
			found = v.String()
		}
		return true
	})
	return found
}

// signIn gives a request the header or parameter by which it signs in.
func (c *collection) signIn(q *request, auth gjson.Result) {
	kind := auth.Get("type").String()
	of := auth.Get(kind)
	switch kind {
	case "", "noauth":
	case "bearer":
		q.headers = append(q.headers, pair{"Authorization", joined(plain("Bearer "), c.text(q, field(of, "token")))})
	case "basic":
		signedIn := "Basic " + field(of, "username") + ":" + field(of, "password")
		q.headers = append(q.headers, pair{"Authorization", plain(signedIn)})
	case "apikey":
		name, v := field(of, "key"), c.text(q, field(of, "value"))
		if name == "" {
			return
		}
		if field(of, "in") != "query" {
			if v.isLiteral() {
				v = c.d.conceal(v.string(), name, "the header "+name)
			}
			q.headers = append(q.headers, pair{name, v})
			return
		}
		separator := "?"
		if s, _ := q.url.flat(); strings.Contains(s, "?") {
			separator = "&"
		}
		if v.isLiteral() {
			v = c.d.conceal(v.string(), name, "the parameter "+name)
		}
		q.url = joined(q.url, plain(separator+name+"="), v)
	default:
		c.leaveOut(auth, "signing in by %.40q: get a token beforehand, and write a header Authorization", kind)
	}
}

// kindsOfRaw are the types of bodies that are written as they are, by Postman's words for them.
var kindsOfRaw = map[string]string{"json": "application/json", "xml": "application/xml", "text": "text/plain"}

// body gives a request its body.
func (c *collection) body(q *request, body gjson.Result) {
	typed := func(kind string) {
		has := slices.ContainsFunc(q.headers, func(h pair) bool { return strings.EqualFold(h.name, "Content-Type") })
		if !has && kind != "" {
			q.headers = append(q.headers, pair{"Content-Type", plain(kind)})
		}
	}
	switch mode := body.Get("mode").String(); mode {
	case "":
	case "raw":
		q.body = c.text(q, body.Get("raw").String())
		typed(kindsOfRaw[body.Get("options.raw.language").String()])
	case "urlencoded":
		body.Get(mode).ForEach(func(_, p gjson.Result) bool {
			if p.Get("disabled").Bool() {
				return true
			}
			if len(q.body) > 0 {
				q.body = joined(q.body, plain("&"))
			}
			q.body = joined(q.body, encoded(c.text(q, p.Get("key").String())), plain("="),
				encoded(c.text(q, p.Get("value").String())))
			return true
		})
		typed("application/x-www-form-urlencoded")
	case "formdata":
		var forms []pair
		body.Get(mode).ForEach(func(_, p gjson.Result) bool {
			switch {
			case p.Get("disabled").Bool():
			case p.Get("type").String() == "file":
				c.leaveOut(p, "the part %.60q of a form, which is a file", p.Get("key").String())
			default:
				forms = append(forms, pair{p.Get("key").String(), c.text(q, p.Get("value").String())})
			}
			return true
		})
		if len(forms) > 0 {
			q.body = c.d.multipart(q, forms)
		}
	case "graphql":
		variables := body.Get("graphql.variables").String()
		if strings.TrimSpace(variables) == "" || !gjson.Valid(variables) {
			variables = "{}"
		}
		q.body = c.text(q, `{"query":`+jsonQuoted(body.Get("graphql.query").String())+`,"variables":`+variables+`}`)
		typed("application/json")
	default:
		c.leaveOut(body, "the body of %.80q, which is a %.20s", q.name, mode)
	}
}

var postmanVariable = regexp.MustCompile(`\{\{\s*([^{}\s][^{}]*?)\s*\}\}`)

// text is a text with Postman's variables in it: those of the collection have their values, others are filled at run
// time.
func (c *collection) text(q *request, s string) (t text) {
	s = strings.ToValidUTF8(s, "\ufffd")
	for range 10 { // variables may name others
		next := postmanVariable.ReplaceAllStringFunc(s, func(m string) string {
			if v, ok := c.variables[postmanVariable.FindStringSubmatch(m)[1]]; ok {
				return v
			}
			return m
		})
		if next == s || len(next) > 1<<20 {
			break
		}
		s = next
	}
	last := 0
	for _, m := range postmanVariable.FindAllStringSubmatchIndex(s, -1) {
		t = joined(t, plain(s[last:m[0]]), c.filled(q, s[m[2]:m[3]]))
		last = m[1]
	}
	return joined(t, plain(s[last:]))
}

// filled is what stands for a variable; one whose name begins with $ is Postman's own.
func (c *collection) filled(q *request, name string) text {
	switch name {
	case "$guid", "$randomUUID":
		return hole("uuid")
	case "$randomInt":
		v := value{name: "random_int", from: 0, to: 1000}
		q.values = append(q.values, v)
		return hole(v.name)
	}
	if strings.HasPrefix(name, "$") {
		c.d.leaveOut(q.line, q.column, "Postman's variable {{%.60s}}: a variable of the environment stands for it",
			name)
		return c.d.needs(variableName(name), "{{"+nameOf(name, "value")+"}} of Postman", false)
	}
	return hole(nameOf(name, "value"))
}

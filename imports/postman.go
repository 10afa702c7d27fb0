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
	folders   []string        // in which the items stand that are read
	noCookies bool
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
	if root.Get("values").IsArray() && !root.Get("item").Exists() {
		return d.environmentOfPostman(root)
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
	c.items(root.Get("item"), inherited{root.Get("auth"), root.Get("protocolProfileBehavior")})
	d.sequence(nameOf(root.Get("info.name").String(), "collection"), c.requests, defaultLoad)
	for _, g := range d.groups {
		g.cookies = len(c.requests) > 1 && !c.noCookies
	}
	d.leaveOut(0, 0, "Postman follows redirects; here a redirect is the answer, unless a request has redirects: 10")
	return nil
}

// environmentOfPostman says what an environment is for.
func (d *draft) environmentOfPostman(root gjson.Result) error {
	const shown = 10
	var names []string
	root.Get("values").ForEach(func(_, v gjson.Result) bool {
		if len(names) < shown {
			names = append(names, variableName(nameOf(v.Get("key").String(), "value")))
		}
		return true
	})
	return d.fault(1, 0, "it is an environment of Postman: import the collection, and write the values as NAME=value "+
		"into a file for --env-file: %s", strings.Join(names, ", "))
}

// inherited is what items have from the folders that they are in.
type inherited struct{ auth, behavior gjson.Result }

// of is what an item has itself, or else inherits.
func (in inherited) of(item gjson.Result) inherited {
	if a := item.Get("auth"); a.IsObject() {
		in.auth = a
	}
	if b := item.Get("protocolProfileBehavior"); b.IsObject() {
		in.behavior = b
	}
	return in
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

// items reads requests, and folders of them.
func (c *collection) items(list gjson.Result, in inherited) {
	const deepest = 50
	if c.depth > deepest {
		return
	}
	c.depth++
	defer func() { c.depth-- }()
	list.ForEach(func(_, item gjson.Result) bool {
		own := in.of(item)
		if inner := item.Get("item"); inner.IsArray() {
			c.scripts(item, nil)
			c.folders = append(c.folders, item.Get("name").String())
			c.items(inner, own)
			c.folders = c.folders[:len(c.folders)-1]
			return true
		}
		if r := item.Get("request"); r.Exists() {
			c.request(item, r, own)
		}
		return true
	})
}

// request adds a request.
func (c *collection) request(item, r gjson.Result, in inherited) {
	if r.Type == gjson.String { // a URL alone
		r = gjson.Parse(`{"url":` + r.Raw + `}`)
	}
	in = in.of(r)
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
	c.signIn(q, in.auth)
	c.certificate(r.Get("certificate"))
	c.body(q, r.Get("body"))
	c.behavior(q, in.behavior)
	if folder := tagValue(strings.Join(c.folders, "/")); folder != "" {
		q.tags = append(q.tags, setting{"folder", folder})
	}
	c.requests = append(c.requests, q)
	c.scripts(item, q)
}

// certificate takes in the certificate that a request shows.
func (c *collection) certificate(v gjson.Result) {
	cert, key := v.Get("cert.src").String(), v.Get("key.src").String()
	if !v.IsObject() {
		return
	}
	if cert == "" || key == "" || v.Get("passphrase").String() != "" {
		c.leaveOut(v, "a certificate: write it and its key, without a passphrase, into files, and name them under tls")
		return
	}
	line, column := c.at(v)
	c.d.connect(&c.d.tls, "cert", flowScalar(escapeVariables(cert)), line, column)
	c.d.connect(&c.d.tls, "key", flowScalar(escapeVariables(key)), line, column)
}

// behavior takes in the settings of a request.
func (c *collection) behavior(q *request, settings gjson.Result) {
	d := c.d
	settings.ForEach(func(key, v gjson.Result) bool {
		switch key.String() {
		case "strictSSL":
			if !v.Bool() {
				d.connect(&d.tls, "insecureSkipVerify", "true", q.line, q.column)
			}
		case "followRedirects":
			if v.Bool() && q.follows == 0 {
				q.follows = 10
			}
		case "maxRedirects":
			if v.Int() > 0 {
				q.follows = int(min(v.Int(), 20))
			}
		case "disableCookies":
			c.noCookies = c.noCookies || v.Bool()
		case "protocolVersion":
			if version, ok := map[string]string{"http1": "1.1", "http2": "2"}[v.String()]; ok {
				d.connect(&d.http, "version", version, q.line, q.column)
			}
		case "tlsDisabledProtocols":
			if strings.Contains(v.Raw, `"TLSv1_2"`) {
				d.connect(&d.tls, "minVersion", "1.3", q.line, q.column)
			}
		case "disableBodyPruning", "disableUrlEncoding", "disabledSystemHeaders", "tlsPreferServerCiphers":
		default:
			d.leaveOut(q.line, q.column, "the setting %.40q of %.80q", key.String(), q.name)
		}
		return true
	})
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
		if token := c.text(q, field(of, "token")); len(token) > 0 {
			q.auth = &credentials{bearer: token}
		}
	case "oauth2":
		token := field(of, "accessToken")
		if token == "" {
			c.leaveOut(auth, "signing in by oauth2: get a token beforehand, and set API_TOKEN")
			q.auth = &credentials{bearer: c.d.needs("API_TOKEN", "the token of OAuth 2.0", true)}
			return
		}
		q.auth = &credentials{bearer: c.text(q, token)}
	case "basic":
		q.auth = &credentials{
			user: c.text(q, field(of, "username")), password: c.text(q, field(of, "password")), basic: true,
		}
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
		if v.isLiteral() {
			v = c.d.conceal(v.string(), name, "the parameter "+name)
		}
		q.withQuery(joined(plain(name+"="), v))
	default:
		c.leaveOut(auth, "signing in by %.40q: get a token beforehand, and write a header Authorization", kind)
	}
}

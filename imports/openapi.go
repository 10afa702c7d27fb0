package imports

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/goccy/go-yaml"
)

// openAPI reads an OpenAPI document of version 3 (https://spec.openapis.org/oas/latest.html), or one of Swagger 2. Each
// operation becomes a request, with what the document gives as examples and otherwise with values that fit its schemas.
func (d *draft) openAPI(content []byte) error {
	doc, err := d.loadOpenAPI(content)
	if err != nil {
		return err
	}
	a := &api{d: d, doc: doc}
	prefix := a.server()
	g := &group{name: "api", load: defaultLoad}
	if doc.Info != nil {
		g.name = nameOf(doc.Info.Title, "api")
	}
	for _, o := range a.operations() {
		if o.deprecated {
			d.leaveOut(o.line, o.column, "%s %s, which is deprecated", o.method, o.path)
			continue
		}
		g.requests = append(g.requests, a.request(o, prefix))
	}
	d.groups = append(d.groups, g)
	if len(doc.Webhooks) > 0 {
		d.leaveOut(0, 0, "the webhooks, which the service calls itself")
	}
	return nil
}

var swagger2 = regexp.MustCompile(`(?m)^\s*\{?\s*["']?swagger["']?\s*:\s*["']?2\.`)

// loadOpenAPI reads a document. Other files that it refers to are not read.
func (d *draft) loadOpenAPI(content []byte) (doc *openapi3.T, err error) {
	// A library that fails on a broken document is no reason to fail without a word.
	defer func() {
		if fault := recover(); fault != nil {
			doc, err = nil, d.fault(0, 0, "it is no OpenAPI document that can be read: %.200s", fmt.Sprint(fault))
		}
	}()
	var tree any
	if err := yaml.Unmarshal(content, &tree); err != nil { // for the place of a fault
		return nil, d.yamlFault(err)
	}
	if swagger2.Match(content) {
		return d.loadSwagger(tree)
	}
	loader := openapi3.NewLoader()
	loader.IncludeOrigin = true
	doc, err = loader.LoadFromData(content)
	switch {
	case err != nil && strings.Contains(err.Error(), "external reference"):
		return nil, d.fault(0, 0, "it refers to other files, which are not read: put them together first: %.300v", err)
	case err != nil:
		return nil, d.fault(0, 0, "it is no OpenAPI document: %.300v", err)
	case doc.Paths.Len() == 0:
		return nil, d.fault(0, 0, "it has no paths")
	}
	return doc, nil
}

var yamlPlace = regexp.MustCompile(`^\[(\d+):(\d+)\] (.*)`)

// yamlFault says what is wrong with YAML, and where.
func (d *draft) yamlFault(err error) error {
	if m := yamlPlace.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		return d.fault(line, column, "it is not YAML: %s", m[3])
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return d.fault(0, 0, "it is not YAML: %s", first)
}

// loadSwagger reads a document of Swagger 2.
func (d *draft) loadSwagger(tree any) (*openapi3.T, error) {
	encoded, err := json.Marshal(tree)
	var old openapi2.T
	if err == nil {
		err = json.Unmarshal(encoded, &old)
	}
	var doc *openapi3.T
	if err == nil {
		doc, err = openapi2conv.ToV3(&old)
	}
	if err != nil {
		return nil, d.fault(0, 0, "it is no Swagger document: %.300v", err)
	}
	if doc.Paths.Len() == 0 {
		return nil, d.fault(0, 0, "it has no paths")
	}
	return doc, nil
}

// api is a document that is read.
type api struct {
	d   *draft
	doc *openapi3.T
}

// server sets the target to the first server of the document. What is returned stands before every path.
func (a *api) server() (prefix string) {
	for _, s := range a.doc.Servers {
		if s == nil {
			continue
		}
		address := s.URL
		for name, v := range s.Variables {
			if v != nil {
				address = strings.ReplaceAll(address, "{"+name+"}", v.Default)
			}
		}
		u, err := url.Parse(address)
		if err != nil {
			a.d.leaveOut(place(s.Origin), 0, "the server %.100q", address)
			continue
		}
		u.RawQuery, u.Fragment, u.User = "", "", nil
		if (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
			a.d.target = plain(strings.TrimRight(u.String(), "/"))
			return ""
		}
		return strings.TrimRight("/"+strings.Trim(u.EscapedPath(), "/"), "/")
	}
	return ""
}

func place(o *openapi3.Origin) int {
	if o == nil || o.Key == nil {
		return 0
	}
	return o.Key.Line
}

// operation is one of a path.
type operation struct {
	path, method string
	item         *openapi3.PathItem
	of           *openapi3.Operation
	line, column int
	deprecated   bool
}

// operations are those of the document, in its order as far as that is known.
func (a *api) operations() (all []operation) {
	for _, path := range a.doc.Paths.Keys() {
		item := a.doc.Paths.Value(path)
		if item == nil {
			continue
		}
		for word, of := range item.Operations() {
			o := operation{path: path, item: item, of: of, line: place(of.Origin), deprecated: of.Deprecated}
			if of.Origin != nil && of.Origin.Key != nil {
				o.column = of.Origin.Key.Column
			}
			method, ok := methodOf(word)
			if !ok {
				a.d.leaveOut(o.line, o.column, "%.20s %s", word, path)
				continue
			}
			o.method = method
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(x, y operation) int {
		if x.line != y.line {
			return x.line - y.line
		}
		return strings.Compare(x.path+" "+x.method, y.path+" "+y.method)
	})
	return all
}

// request is what an operation sends.
func (a *api) request(o operation, prefix string) *request {
	r := &request{name: o.of.OperationID, method: o.method, line: o.line, column: o.column}
	parameters := a.parameters(o)
	r.url = a.path(r, prefix+o.path, parameters)
	separator := "?"
	for _, p := range parameters {
		v, given := a.valueOf(r, p)
		if !given && !p.Required {
			continue
		}
		switch p.In {
		case openapi3.ParameterInQuery:
			r.url = joined(r.url, plain(separator+url.QueryEscape(p.Name)+"="), encoded(v))
			separator = "&"
		case openapi3.ParameterInHeader:
			r.headers = append(r.headers, pair{p.Name, v})
		case openapi3.ParameterInCookie:
			r.headers = append(r.headers, pair{"Cookie", joined(plain(p.Name+"="), v)})
		}
	}
	a.signIn(r, o, separator)
	a.body(r, o)
	if o.of.Responses != nil {
		for code := range o.of.Responses.Map() {
			if n, err := strconv.Atoi(code); err == nil && n >= 200 && n <= 399 {
				r.status = append(r.status, n)
			}
		}
		slices.Sort(r.status)
	}
	if len(o.of.Callbacks) > 0 {
		a.d.leaveOut(o.line, o.column, "the callbacks of %s %s, which the service sends itself", o.method, o.path)
	}
	return r
}

// parameters are those of an operation and of its path; the operation's go before.
func (a *api) parameters(o operation) (all []*openapi3.Parameter) {
	for _, list := range []openapi3.Parameters{o.of.Parameters, o.item.Parameters} {
		for _, ref := range list {
			if ref == nil || ref.Value == nil {
				continue
			}
			p := ref.Value
			same := func(q *openapi3.Parameter) bool { return q.Name == p.Name && q.In == p.In }
			if !slices.ContainsFunc(all, same) {
				all = append(all, p)
			}
		}
	}
	return all
}

var pathParameter = regexp.MustCompile(`\{([^{}]+)\}`)

// path is the path of an operation with its parameters.
func (a *api) path(r *request, path string, parameters []*openapi3.Parameter) (t text) {
	last := 0
	for _, m := range pathParameter.FindAllStringSubmatchIndex(path, -1) {
		name := path[m[2]:m[3]]
		v := hole(nameOf(name, "id"))
		i := slices.IndexFunc(parameters, func(p *openapi3.Parameter) bool { return p.In == "path" && p.Name == name })
		if i >= 0 {
			if given, ok := a.valueOf(r, parameters[i]); ok {
				v = encodedPath(given)
			}
		}
		t = joined(t, plain(path[last:m[0]]), v)
		last = m[1]
	}
	return joined(t, plain(path[last:]))
}

func encodedPath(t text) (out text) {
	for _, p := range t {
		if p.literal != "" {
			p.literal = url.PathEscape(p.literal)
		}
		out = append(out, p)
	}
	return out
}

// valueOf is a value of a parameter; ok is false where the document has none for it, and only its type can be guessed.
func (a *api) valueOf(r *request, p *openapi3.Parameter) (t text, ok bool) {
	if v, given := example(p.Example, p.Examples); given {
		return plain(asText(v)), true
	}
	var s *openapi3.Schema
	if p.Schema != nil {
		s = p.Schema.Value
	}
	if s == nil {
		return hole(nameOf(p.Name, "value")), false
	}
	given := func(v value) (text, bool) {
		v.name = nameOf(p.Name, "value")
		r.values = append(r.values, v)
		return hole(v.name), p.Required
	}
	switch {
	case s.Example != nil:
		return plain(asText(s.Example)), true
	case len(s.Examples) > 0:
		return plain(asText(s.Examples[0])), true
	case s.Default != nil:
		return plain(asText(s.Default)), true
	case s.Const != nil:
		return plain(asText(s.Const)), true
	case len(s.Enum) > 0:
		var list []string
		for _, v := range s.Enum {
			list = append(list, asText(v))
		}
		return given(value{list: list})
	case s.Type.Is("integer"):
		return given(bounds(s))
	case s.Format == "uuid":
		return hole("uuid"), p.Required
	case s.Format != "" || s.Type.Is("boolean") || s.Type.Is("number"):
		return plain(asText(sampleOf(s))), p.Required
	}
	return hole(nameOf(p.Name, "value")), false
}

// bounds are the numbers that an integer may be, at most a hundred.
func bounds(s *openapi3.Schema) value {
	from := int64(1)
	if s.Min != nil && math.Abs(*s.Min) < 1<<50 {
		from = int64(math.Ceil(*s.Min))
	}
	to := from + 99
	if s.Max != nil && *s.Max < float64(to) && *s.Max >= float64(from) {
		to = int64(*s.Max)
	}
	return value{from: from, to: to}
}

// example is the first example of something.
func example(one any, several openapi3.Examples) (v any, ok bool) {
	if one != nil {
		return one, true
	}
	names := make([]string, 0, len(several))
	for name := range several {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if ref := several[name]; ref != nil && ref.Value != nil && ref.Value.Value != nil {
			return ref.Value.Value, true
		}
	}
	return nil, false
}

// asText is a value as a parameter has it; a list has commas.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return numberText(v)
	case []any:
		all := make([]string, len(v))
		for i, item := range v {
			all[i] = asText(item)
		}
		return strings.Join(all, ",")
	case map[string]any:
		encoded, err := json.Marshal(v)
		if err == nil {
			return string(encoded)
		}
	}
	return fmt.Sprint(v)
}

// signIn gives a request what the first of its ways to sign in asks for.
func (a *api) signIn(r *request, o operation, separator string) {
	security := a.doc.Security
	if o.of.Security != nil {
		security = *o.of.Security
	}
	if len(security) == 0 || a.doc.Components == nil {
		return
	}
	names := make([]string, 0, len(security[0]))
	for name := range security[0] {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		ref := a.doc.Components.SecuritySchemes[name]
		if ref == nil || ref.Value == nil {
			continue
		}
		s := ref.Value
		key := func() text {
			return a.d.needs(variableName(name), "the key of the security scheme "+nameOf(name, "key"), true)
		}
		switch {
		case s.Type == "apiKey" && s.In == "header":
			r.headers = append(r.headers, pair{s.Name, key()})
		case s.Type == "apiKey" && s.In == "query":
			r.url = joined(r.url, plain(separator+url.QueryEscape(s.Name)+"="), key())
			separator = "&"
		case s.Type == "apiKey" && s.In == "cookie":
			r.headers = append(r.headers, pair{"Cookie", joined(plain(s.Name+"="), key())})
		case s.Type == "http" && strings.EqualFold(s.Scheme, "basic"):
			r.headers = append(r.headers, pair{"Authorization", joined(plain("Basic "),
				a.d.needs("BASIC_CREDENTIALS", "user:password in base64, for the header Authorization", true))})
		case s.Type == "http" && strings.EqualFold(s.Scheme, "bearer"), s.Type == "oauth2", s.Type == "openIdConnect":
			r.headers = append(r.headers, pair{"Authorization", joined(plain("Bearer "),
				a.d.needs("API_TOKEN", "what follows Bearer in the header Authorization", true))})
		default:
			a.d.leaveOut(place(s.Origin), 0, "the security scheme %.60q", name)
		}
	}
}

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
		v, given := example(media.Example, media.Examples)
		if !given && media.Schema != nil && media.Schema.Value != nil {
			v, given = sampleOf(media.Schema.Value), true
		}
		if !given {
			continue
		}
		t, ok := bodyOf(kind, v)
		if !ok {
			continue
		}
		r.body = t
		r.headers = append(r.headers, pair{"Content-Type", plain(kind)})
		return
	}
	a.d.leaveOut(o.line, o.column, "the body of %s %s (%.100s)", o.method, o.path, strings.Join(kinds, ", "))
}

func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// bodyOf is a value as a body of some kind has it.
func bodyOf(kind string, v any) (t text, ok bool) {
	text, isText := v.(string)
	switch {
	case isJSON(kind):
		if isText && json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{") {
			return plain(text), true
		}
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return nil, false
		}
		return plain(strings.TrimSuffix(b.String(), "\n")), true
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded"):
		fields, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		form := url.Values{}
		for name, field := range fields {
			form.Set(name, asText(field))
		}
		return plain(form.Encode()), true
	}
	return plain(text), isText && (strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "xml"))
}

// samplesOfFormats are values of texts of known formats.
var samplesOfFormats = map[string]string{
	"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z", "email": "user@example.com",
	"uuid": "123e4567-e89b-42d3-a456-426614174000", "uri": "https://example.com/", "hostname": "example.com",
	"ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "aGVsbG8=", "password": "password", "duration": "PT1M",
}

// sampleOf is a value that fits a schema, as far as that is known without solving patterns. above are the schemas that
// it is a part of, of which it may be one again; it has no value there.
func sampleOf(s *openapi3.Schema, above ...*openapi3.Schema) any {
	const deepest = 8
	if s == nil || len(above) > deepest || slices.Contains(above, s) {
		return nil
	}
	for _, v := range append([]any{s.Example, s.Default, s.Const}, append(slices.Clone(s.Examples), s.Enum...)...) {
		if v != nil {
			return v
		}
	}
	switch {
	case len(s.AllOf) > 0:
		return merged(s, above)
	case len(s.OneOf) > 0 && s.OneOf[0] != nil:
		return sampleOf(s.OneOf[0].Value, below(s, above)...)
	case len(s.AnyOf) > 0 && s.AnyOf[0] != nil:
		return sampleOf(s.AnyOf[0].Value, below(s, above)...)
	case s.Type.Includes("object") || len(s.Properties) > 0:
		return merged(s, above)
	case s.Type.Includes("array"):
		if s.Items == nil || s.Items.Value == nil {
			return []any{}
		}
		if item := sampleOf(s.Items.Value, below(s, above)...); item != nil {
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
func merged(s *openapi3.Schema, above []*openapi3.Schema) any {
	object := map[string]any{}
	for _, ref := range s.AllOf {
		if ref == nil {
			continue
		}
		if part, ok := sampleOf(ref.Value, below(s, above)...).(map[string]any); ok {
			for name, v := range part {
				object[name] = v
			}
		}
	}
	for name, ref := range s.Properties {
		if ref == nil || ref.Value == nil || ref.Value.ReadOnly {
			continue
		}
		v := sampleOf(ref.Value, below(s, above)...)
		if v != nil || slices.Contains(s.Required, name) {
			object[name] = v
		}
	}
	return object
}

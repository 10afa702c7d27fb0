package imports

import (
	"encoding/json"
	"fmt"
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
	if err != nil && withTextualVersion(tree) { // version: 1.0 is a number to YAML
		encoded, encodeErr := json.Marshal(tree)
		if encodeErr == nil {
			doc, err = loader.LoadFromData(encoded)
		}
	}
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

// withTextualVersion makes a text of the version of a document that is written as a number; ok is false for others.
func withTextualVersion(tree any) (ok bool) {
	document, _ := tree.(map[string]any)
	info, _ := document["info"].(map[string]any)
	version := info["version"]
	_, isText := version.(string)
	if version == nil || isText {
		return false
	}
	info["version"] = fmt.Sprint(version)
	return true
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
	for i, s := range a.doc.Servers {
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
		for _, other := range a.doc.Servers[i+1:] {
			if other != nil {
				a.d.leaveOut(place(other.Origin), 0, "the server %.100s: the target is the first one", other.URL)
			}
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
	for _, p := range parameters {
		v, given := a.valueOf(r, p)
		if !given && !p.Required {
			continue
		}
		switch p.In {
		case openapi3.ParameterInQuery:
			a.query(r, p, v)
		case openapi3.ParameterInHeader:
			r.headers = append(r.headers, pair{p.Name, v})
		case openapi3.ParameterInCookie:
			r.headers = append(r.headers, pair{"Cookie", joined(plain(p.Name+"="), v)})
		}
	}
	a.signIn(r, o)
	a.body(r, o)
	if o.of.Responses != nil {
		for code := range o.of.Responses.Map() {
			if n, err := strconv.Atoi(code); err == nil && n >= 200 && n <= 399 {
				r.status = append(r.status, n)
			}
		}
		slices.Sort(r.status)
	}
	if o.of.Servers != nil && len(*o.of.Servers) > 0 || len(o.item.Servers) > 0 {
		a.d.leaveOut(o.line, o.column, "the servers that %s %s has itself: it is sent to the target", o.method, o.path)
	}
	if len(o.of.Callbacks) > 0 {
		a.d.leaveOut(o.line, o.column, "the callbacks of %s %s, which the service sends itself", o.method, o.path)
	}
	return r
}

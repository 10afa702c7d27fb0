package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is the document at /openapi.json, as a test uses it.
type description struct {
	document  map[string]any
	patterns  map[string]*regexp.Regexp // by path
	compiler  *jsonschema.Compiler
	compiling sync.Mutex // a compiler is for one at a time
	schemas   sync.Map   // by place in the document
}

// described is the description of an API without authentication, which is the same for all of its instances.
var described = sync.OnceValues(func() (*description, error) { return newDescription(false) })

func newDescription(authenticated bool) (*description, error) {
	s := httptest.NewRecorder()
	serveDescription(s, authenticated)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.Body.Bytes()))
	if err != nil {
		return nil, err
	}
	d := &description{document: document.(map[string]any), compiler: jsonschema.NewCompiler()}
	d.patterns = map[string]*regexp.Regexp{}
	for path := range d.at("paths").(map[string]any) {
		pattern := parameterInPath.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+")
		d.patterns[path] = regexp.MustCompile("^" + pattern + "$")
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource("mem:///openapi.json", document)
}

func describe(t testing.TB) *description {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// at follows a path of keys through objects and their $refs; it returns nil when there is nothing.
func (d *description) at(keys ...string) any {
	var value any = d.document
	for _, key := range keys {
		object, _ := d.resolve(value).(map[string]any)
		value = object[key]
	}
	return d.resolve(value)
}

func (d *description) resolve(value any) any {
	object, _ := value.(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return value
}

// schema compiles what stands at a path of keys, which may lead through $refs.
func (d *description) schema(keys ...string) (*jsonschema.Schema, error) {
	place := ""
	var value any = d.document
	for _, key := range keys {
		object := value.(map[string]any)
		if ref, ok := object["$ref"].(string); ok {
			place, object = strings.TrimPrefix(ref, "#"), d.resolve(value).(map[string]any)
		}
		place += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		value = object[key]
	}
	if schema, ok := d.schemas.Load(place); ok {
		return schema.(*jsonschema.Schema), nil
	}
	d.compiling.Lock()
	defer d.compiling.Unlock()
	schema, err := d.compiler.Compile("mem:///openapi.json#" + place)
	if err == nil {
		d.schemas.Store(place, schema)
	}
	return schema, err
}

// pathOf returns the documented path that a request belongs to, or "". One without parameters goes before one with.
func (d *description) pathOf(method, path string) (found string) {
	for documented, pattern := range d.patterns {
		switch {
		case !pattern.MatchString(path) || d.at("paths", documented, method) == nil:
		case documented == path:
			return path
		default:
			found = documented
		}
	}
	return found
}

var parameterInPath = regexp.MustCompile(`\\\{[a-z_]+\\\}`)

// fromOutside are the statuses below 500 that come from outside a handler.
var fromOutside = []int{http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusForbidden}

// check holds an answer against the description: it has its status, its headers, its content type and its schema. For
// what is not described there is TestEveryRouteIsDescribed.
func (d *description) check(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	method := strings.ToLower(r.Method)
	path := d.pathOf(method, r.URL.Path)
	if path == "" {
		return
	}
	const statusClientGone = 499 // is for the metrics: nobody gets it
	if w.Code == statusClientGone {
		return
	}
	if w.Header().Get("Preference-Applied") == "performance" {
		w = unwrapped(t, w)
	}
	status := fmt.Sprint(w.Code)
	// What comes from outside a handler is described once, for all of them.
	if d.at("paths", path, method, "responses", status) == nil &&
		(w.Code >= 500 || slices.Contains(fromOutside, w.Code)) {
		status = "default"
	}
	if err := d.checkAnswer(w, "paths", path, method, "responses", status); err != nil {
		t.Errorf("%s %s, status %d: %v\n%.300s", r.Method, r.URL, w.Code, err, w.Body)
	}
}

// decoded is the body of an answer, which stays unread.
func decoded(t testing.TB, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	if w.Header().Get("Content-Encoding") != "gzip" {
		return w.Body.Bytes()
	}
	reader, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// unwrapped is the answer as it would have been, had the client not asked for its timings in the body.
func unwrapped(t testing.TB, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	var both struct{ Data, Performance json.RawMessage }
	if err := json.Unmarshal(decoded(t, w), &both); err != nil || both.Data == nil || both.Performance == nil {
		t.Errorf("not data and performance (error %v): %.300s", err, w.Body)
	}
	plain := httptest.NewRecorder()
	plain.Code, plain.Body = w.Code, bytes.NewBuffer(both.Data)
	maps.Copy(plain.Header(), w.Header().Clone())
	plain.Header().Del("Content-Encoding")
	for _, name := range []string{"Etag", "Vary"} { // which tell of what may be kept; this must not be
		if plain.Header().Get(name) == "" {
			plain.Header().Set(name, "none")
		}
	}
	return plain
}

func (d *description) checkAnswer(w *httptest.ResponseRecorder, keys ...string) error {
	answer, ok := d.at(keys...).(map[string]any)
	if !ok {
		return fmt.Errorf("the status is not described")
	}
	headers, _ := answer["headers"].(map[string]any)
	for name, header := range headers {
		if d.resolve(header).(map[string]any)["required"] == true && w.Header().Get(name) == "" {
			return fmt.Errorf("header %s is missing", name)
		}
	}
	content, _ := answer["content"].(map[string]any)
	if content == nil {
		if w.Body.Len() > 0 {
			return fmt.Errorf("a body that is not described")
		}
		return nil
	}
	contentType, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if content[contentType] == nil {
		return fmt.Errorf("the content type %q is not described", contentType)
	}
	if !strings.HasSuffix(contentType, "json") || w.Header().Get("Content-Encoding") != "" {
		return nil
	}
	schema, err := d.schema(append(keys, "content", contentType, "schema")...)
	if err != nil {
		return err
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		return err
	}
	return schema.Validate(body)
}

// TestDescriptionIsOpenAPI validates the document by the schema that the OpenAPI Initiative publishes.
func TestDescriptionIsOpenAPI(t *testing.T) {
	d := describe(t)
	authenticated, err := newDescription(true)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("testdata/openapi-3.1-schema.json") // https://spec.openapis.org/oas/3.1/schema/2022-10-07
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rules, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///rules.json", rules); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("mem:///rules.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range []map[string]any{d.document, authenticated.document} {
		if err := schema.Validate(document); err != nil {
			t.Error(err)
		}
	}
	delete(d.document["info"].(map[string]any), "title")
	defer func() { d.document["info"].(map[string]any)["title"] = "Headroom reference API" }()
	if schema.Validate(d.document) == nil {
		t.Error("a document without a title passes: the schema holds nothing")
	}
}

// TestDescriptionSchemasCompile finds a $ref that leads nowhere, and operations without their common answers.
func TestDescriptionSchemasCompile(t *testing.T) {
	d := describe(t)
	for name := range d.at("components", "schemas").(map[string]any) {
		if _, err := d.schema("components", "schemas", name); err != nil {
			t.Error(err)
		}
	}
	text, err := json.Marshal(d.document)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/([^"]+)"`).FindAllSubmatch(text, -1) {
		if d.at(strings.Split(string(ref[1]), "/")...) == nil {
			t.Errorf("#/%s leads nowhere", ref[1])
		}
	}
}

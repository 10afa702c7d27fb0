package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// orderService is a service with a sign-in by JSON, and things that only who is signed in may have.
func orderService(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		var sent struct{ User, Password string }
		err := json.NewDecoder(r.Body).Decode(&sent)
		if err != nil || sent.User != "ann" || sent.Password != "pw-of-ann" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"token": "t-17", "user": {"name": "ann"}}`)
	})
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t-17" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"id": %q}`, r.PathValue("id"))
	})
	return serviceOf(t, mux.ServeHTTP)
}

// imported are files of other tools that load the shop.
var imported = map[string]string{
	"load.js": `import http from 'k6/http';
import { check } from 'k6';
export const options = { vus: 2, duration: '1s', thresholds: { checks: ['rate==1'] } };
export default function () {
  const res = http.post('URL/login', JSON.stringify({ user: 'ann', password: 'pw-of-ann' }));
  check(res, { 'signed in': (r) => r.status === 200 && r.json('user.name') === 'ann' });
  http.get('URL/orders/17', { headers: { Authorization: 'Bearer ' + res.json('token') } });
}
`,
	"shop.json": `{"info": {"name": "shop", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
"item": [
  {"name": "login", "request": {"method": "POST", "url": "{{base}}/login",
    "body": {"mode": "raw", "raw": "{\"user\": \"ann\", \"password\": \"pw-of-ann\"}"}},
   "event": [{"listen": "test", "script": {"exec": "pm.globals.set('token', pm.response.json().token)"}}]},
  {"name": "order", "request": {"url": "{{base}}/orders/17",
    "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]}}}],
"variable": [{"key": "base", "value": "URL"}]}
`,
	"openapi.yaml": `openapi: 3.0.3
info: {title: shop, version: "1"}
servers: [{url: URL}]
paths:
  /orders/{id}:
    get:
      security: [{token: []}]
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {"200": {description: an order}}
components: {securitySchemes: {token: {type: http, scheme: bearer}}}
`,
	"requests.sh": `curl URL/login -d '{"user": "ann", "password": "pw-of-ann"}' -H 'Content-Type: application/json'
curl -H "Authorization: Bearer $API_TOKEN" URL/orders/17
`,
}

// TestImportedFilesRun: what is made of the files of other tools is valid, lacks their secrets, and does what they do.
func TestImportedFilesRun(t *testing.T) {
	t.Parallel()
	url := orderService(t)
	for name, file := range imported {
		dir := t.TempDir()
		write(t, dir, name, strings.ReplaceAll(file, "URL", url))
		p := headroom(t, "import", name, "--out", "made.yaml")
		p.Dir = dir
		p.exits(t, exitOK)
		says(t, p.stderr.String(), name+": ", "next: headroom try made.yaml")
		made := text(t, filepath.Join(dir, "made.yaml"))
		if strings.Contains(made, "pw-of-ann") || !strings.HasPrefix(made, "# Made of "+name) {
			t.Errorf("%s:\n%s", name, made)
		}
		headroom(t, "validate", filepath.Join(dir, "made.yaml")).exits(t, exitOK)
		p = headroom(t, "try", filepath.Join(dir, "made.yaml"))
		p.Env = append(p.Environ(), "PASSWORD=pw-of-ann", "API_TOKEN=t-17")
		p.exits(t, exitOK)
		p = headroom(t, "import", name, "--out", "made.yaml")
		p.Dir = dir
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), "made.yaml exists: name another file")
	}
}

// shopService is a service with all that the imported files of TestImportedFeatures ask for.
func shopService(t *testing.T) (url string, sent func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	mux := http.NewServeMux()
	note := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, text)
	}
	mux.HandleFunc("POST /tokens", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		note("tokens " + user + " " + password)
		fmt.Fprint(w, `{"token": "t-17"}`)
	})
	mux.HandleFunc("GET /basket", func(w http.ResponseWriter, r *http.Request) {
		note("basket " + r.Header.Get("Authorization"))
		http.SetCookie(w, &http.Cookie{Name: "basket", Value: "b-1"})
	})
	mux.HandleFunc("POST /basket", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		cookie, _ := r.Cookie("basket")
		note(fmt.Sprint("add ", string(body), " ", r.Header.Get("Content-Type"), " ", cookie, err))
	})
	mux.HandleFunc("POST /search", func(_ http.ResponseWriter, r *http.Request) {
		note("search " + r.FormValue("q"))
	})
	mux.HandleFunc("POST /photos/{id}", func(w http.ResponseWriter, r *http.Request) {
		file, header, err := r.FormFile("photo")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		content, err := io.ReadAll(file)
		note(fmt.Sprint("photo ", r.PathValue("id"), " ", header.Filename, " ", string(content), " ",
			r.FormValue("title"), err))
	})
	mux.HandleFunc("DELETE /tokens/{token}", func(_ http.ResponseWriter, r *http.Request) {
		note("forget " + r.PathValue("token"))
	})
	return serviceOf(t, mux.ServeHTTP), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// shops are files of other tools that do the same in a shop, and what else it gets of them.
var shops = map[string]struct {
	file string
	also []string
}{
	"shop.js": {`import http from 'k6/http';
import encoding from 'k6/encoding';
import { check, group, sleep } from 'k6';
export const options = {
  scenarios: { shop: { executor: 'per-vu-iterations', vus: 2, iterations: 2, maxDuration: '30s' } },
  thresholds: { 'http_req_duration{group:::buy}': ['p(95)<10000'], checks: ['rate==1'] },
};
const photo = open('./photo.jpg', 'b');
export function setup() {
  const res = http.post('URL/tokens', null, { headers: { Authorization: 'Basic ' + encoding.b64encode('ann:pw-of-ann') } });
  return { token: res.json('token') };
}
export default function (data) {
  http.get('URL/basket', { headers: { Authorization: 'Bearer ' + data.token } });
  sleep(0.01);
  group('buy', () => {
    for (let i = 0; i < 25; i++) {
      http.post('URL/basket', JSON.stringify({ article: 17, note: 'a "gift"' }), { headers: { 'Content-Type': 'application/json' } });
    }
  });
  http.post('URL/search', { q: 'red & blue' });
  const res = http.post('URL/photos/3', { title: 'my cat', photo: http.file(photo, 'cat.jpg') });
  check(res, { 'is there': (r) => r.status === 200 });
}
export function teardown(data) { http.del('URL/tokens/' + data.token); }
`, []string{"forget t-17"}},
	"shop.json": {`{"info": {"name": "shop", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
"item": [
  {"name": "token", "request": {"method": "POST", "url": "{{base}}/tokens", "auth": {"type": "basic", "basic": [
    {"key": "username", "value": "ann"}, {"key": "password", "value": "pw-of-ann"}]}},
   "event": [{"listen": "test", "script": {"exec": ["pm.test('ok', () => pm.response.to.have.status(200));",
    "pm.collectionVariables.set('token', pm.response.json().token);"]}}]},
  {"name": "Basket", "item": [
    {"name": "basket", "request": {"url": "{{base}}/basket"}},
    {"name": "add", "request": {"method": "POST", "url": "{{base}}/basket", "body": {"mode": "raw",
     "raw": "{\"article\": 17, \"note\": \"a \\\"gift\\\"\"}", "options": {"raw": {"language": "json"}}}}}]},
  {"name": "search", "request": {"method": "POST", "url": "{{base}}/search", "body": {"mode": "urlencoded",
    "urlencoded": [{"key": "q", "value": "red & blue"}]}}},
  {"name": "photo", "request": {"method": "POST", "url": {"raw": "{{base}}/photos/:id", "variable": [{"key": "id", "value": "3"}]},
    "body": {"mode": "formdata", "formdata": [{"key": "title", "value": "my cat"},
     {"key": "photo", "type": "file", "src": "cat.jpg"}]}}}],
"auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]},
"variable": [{"key": "base", "value": "URL"}]}
`, nil},
	"openapi.yaml": {`openapi: 3.1.0
info: {title: shop, version: "1"}
servers: [{url: URL}]
security: [{token: []}]
paths:
  /tokens:
    post: {security: [{basic: []}], responses: {"200": {description: a token}}}
  /basket:
    get: {responses: {"200": {description: the basket}}}
    post:
      requestBody: {content: {application/json: {example: {article: 17, note: 'a "gift"'}}}}
      responses: {"200": {description: added}}
  /search:
    post:
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: object, properties: {q: {type: string,
        example: red & blue}}}}}}
      responses: {"200": {description: found}}
  /photos/{id}:
    post:
      parameters: [{name: id, in: path, required: true, schema: {type: integer, minimum: 3, maximum: 3}}]
      requestBody: {content: {multipart/form-data: {schema: {type: object, properties: {title: {type: string, example: my cat},
        photo: {type: string, contentMediaType: image/jpeg}}}}}}
      responses: {"200": {description: kept}}
components: {securitySchemes: {token: {type: http, scheme: bearer}, basic: {type: http, scheme: basic}}}
`, nil},
}

// TestImportedFeatures: scenarios of realistic files are valid, and a run of them sends what the files say.
func TestImportedFeatures(t *testing.T) {
	t.Parallel()
	for name, tool := range shops {
		url, sent := shopService(t)
		dir := t.TempDir()
		write(t, dir, name, strings.ReplaceAll(tool.file, "URL", url))
		write(t, dir, "photo.jpg", "bytes of a photo")
		write(t, dir, "cat.jpg", "bytes of a photo")
		p := headroom(t, "import", name, "--out", "made.yaml")
		p.Dir = dir
		p.exits(t, exitOK)
		made := filepath.Join(dir, "made.yaml")
		headroom(t, "validate", made).exits(t, exitOK)
		args := []string{"run", made, "--out", filepath.Join(dir, "run")}
		if name != "shop.js" { // which says how long
			args = append(args, "--set", "scenarios.shop.duration=1s", "--set", "scenarios.shop.rate=20")
		}
		p = headroom(t, args...)
		p.Env = append(p.Environ(), "BASIC_USER=ann", "BASIC_PASSWORD=pw-of-ann", "API_TOKEN=t-17")
		p.exits(t, exitOK)
		got := strings.Join(sent(), "\n") + "\n"
		want := []string{
			"tokens ann pw-of-ann", "basket Bearer t-17", `add {"article":17,"note":"a \"gift\""} application/json `,
			"search red & blue", "photo 3 ", " my cat<nil>",
		}
		for _, one := range append(want, tool.also...) {
			if !strings.Contains(got, one) {
				t.Errorf("%s: %s was not sent by\n%s", name, one, text(t, made))
			}
		}
		inFlow := strings.Contains(got, "basket=b-1 <nil>") && strings.Contains(got, "cat.jpg bytes of a photo")
		if name != "openapi.yaml" && !inFlow {
			t.Errorf("%s: no cookie or file is in\n%s", name, got)
		}
		if adds := strings.Count(got, "\nadd "); name == "shop.js" && adds != 100 {
			t.Errorf("%s: %d times 25 articles", name, adds)
		}
	}
}

// TestImportOfACommand: a curl command may be pasted behind the word import, with its own options.
func TestImportOfACommand(t *testing.T) {
	t.Parallel()
	p := headroom(t, "import", "curl", "http://127.0.0.1:1/a b", "-H", "X-Say: it's", "--max-time", "2")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "path: \"/a%20b\"", `X-Say: "it's"`, "timeout: 2s")
	p = headroom(t, "import", "-", "--format", "curl")
	p.Stdin = strings.NewReader("curl http://127.0.0.1:1/\n")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "Made of stdin, curl commands")
}

// TestImportMistakes: each names the file and the place, where there is one.
func TestImportMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file, want string
		args       []string
	}{
		"a.js":   {"import http from 'k6/http';\nlet x = ;\n", "a.js:2:9: it is not JavaScript", nil},
		"b.json": {"{\"info\": {\"_postman_id\": \"x\"},\n \"item\": [}", "b.json:2:11: it is not JSON", nil},
		"c.yaml": {"openapi: 3.0.0\npaths: [\n", "c.yaml:", nil},
		"d.har":  {"{\"log\": {\"entries\": [\n{]}}", "d.har:2: entry 1: ", nil},
		"e.jmx":  {"<jmeterTestPlan>\n<a></b>", "e.jmx:2: it is not XML", nil},
		"f.sh":   {"curl 'http://127.0.0.1/\n", "f.sh:1:6: it is no text for a shell", nil},
		"g.txt":  {"hello", "g.txt: its content does not tell what it is: name the format, which is k6,", nil},
		"h.txt":  {"hello", "no such file", []string{"import", "nothing.js"}},
		"i.txt": {
			"hello", `--format "gatling": there are [k6 postman`,
			[]string{"import", "i.txt", "--format", "gatling"},
		},
		"j.js":     {"export default function () {}", "j.js:", nil},
		"empty.js": {" ", "empty.js:1: it is empty", nil},
	} {
		args := tt.args
		if args == nil {
			args = []string{"import", name}
		}
		p := headroom(t, args...)
		write(t, p.Dir, name, tt.file)
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), tt.want)
	}
}

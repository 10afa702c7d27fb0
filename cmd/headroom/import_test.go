package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
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

package loadgen

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// runFile runs a scenario file against a service; the file may name others in dir.
func runFile(t *testing.T, dir, src, url string, engine scenarios.Engine) (*scenarios.Plan, *runOutcome) {
	t.Helper()
	secrets := &scenarios.Redactor{}
	in := scenarios.Inputs{Overrides: []string{"target.url=" + url, "engine=" + string(engine)}, Secrets: secrets}
	plan, err := in.Parse(filepath.Join(dir, "s.yaml"), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	feeders, err := request.LoadFeeders(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	m := run1(t, plan, url, Options{Feeders: feeders, Secrets: secrets})
	out := &runOutcome{errors: map[string]string{}}
	for _, s := range m.Series {
		out.requests += s.Requests
		for class := range s.Errors {
			out.errors[s.Name+" "+class] = s.ErrorSamples[class]
		}
	}
	out.warnings = m.Warnings
	return plan, out
}

// runOutcome is what a test asks of a run: how many requests were sent, and what failed, by request and class.
type runOutcome struct {
	requests int64
	errors   map[string]string
	warnings []string
}

const bodiesFile = `
feeders: {people: {csv: people.csv, choice: sequential}}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 60
    duration: 500ms
    requests:
      - name: all
        values: {name: {feeder: people, column: name}, token: {feeder: people, column: token}}
        steps:
          - {name: path, path: "/path/{{name}}?token={{token}}&raw={{token|base64}}"}
          - name: text
            path: /json
            method: POST
            headers: {Content-Type: application/json}
            body: '{"name": "{{name}}", "token": "{{token}}", "n": {{iteration}}}'
          - name: json
            path: /json
            method: POST
            json: {name: "{{name}}", token: "{{token}}", n: "{{iteration|raw}}"}
          - {name: form, path: /form, method: POST, form: {name: "{{name}}", token: "{{token}}", a b: "c d"}}
          - name: form_text
            path: /form
            method: POST
            headers: {Content-Type: application/x-www-form-urlencoded}
            body: "name={{name}}&token={{token}}&a+b=c+d"
          - name: parts
            path: /multipart
            method: POST
            multipart:
              name: "{{name}}"
              token: "{{token}}"
              photo: {file: photo.jpg, contentType: image/jpeg}
          - {name: bytes, path: /bytes, method: POST, body: !!binary "/9j/4A=="}
          - {name: file, path: /bytes, method: PUT, bodyFile: photo.jpg}
`

const photo = "\xff\xd8\xff\xe0"

// person is a row of the test's feeder.
type person struct{ name, token string }

var people = []person{{`O"Neil \ 2`, "a+b/c="}, {"A & B=ü", "100%"}, {"plain", "x y"}}

// peopleFiles writes what bodiesFile names.
func peopleFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	rows := "name,token\n"
	for _, p := range people {
		rows += fmt.Sprintf("\"%s\",%s\n", strings.ReplaceAll(p.name, `"`, `""`), p.token)
	}
	for name, content := range map[string]string{"people.csv": rows, "photo.jpg": photo} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// arrived collects what a server understood of requests.
type arrived struct {
	mu  sync.Mutex
	all map[string]map[person]int // by path
}

func (a *arrived) add(path string, p person) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all[path] == nil {
		a.all[path] = map[person]int{}
	}
	a.all[path][p]++
}

// TestBodiesArrive: whatever a value holds, a server that parses what it is sent gets that value, by both engines.
func TestBodiesArrive(t *testing.T) {
	t.Parallel()
	dir := peopleFiles(t)
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		got := &arrived{all: map[string]map[person]int{}}
		mux := http.NewServeMux()
		mux.HandleFunc("/path/{name}", func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			got.add("path", person{r.PathValue("name"), q.Get("token")})
		})
		mux.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
			var body struct {
				Name, Token string
				N           *int
			}
			err := json.NewDecoder(r.Body).Decode(&body)
			if err != nil || body.N == nil || r.Header.Get("Content-Type") != "application/json" {
				http.Error(w, fmt.Sprint(err, body, r.Header), http.StatusBadRequest)
				return
			}
			got.add("json", person{body.Name, body.Token})
		})
		mux.HandleFunc("/form", func(w http.ResponseWriter, r *http.Request) {
			if r.PostFormValue("a b") != "c d" {
				http.Error(w, fmt.Sprint(r.PostForm), http.StatusBadRequest)
				return
			}
			got.add("form", person{r.PostFormValue("name"), r.PostFormValue("token")})
		})
		mux.HandleFunc("/multipart", func(w http.ResponseWriter, r *http.Request) {
			file, head, err := r.FormFile("photo")
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			content, _ := io.ReadAll(file)
			kind := head.Header.Get("Content-Type")
			if string(content) != photo || head.Filename != "photo.jpg" || kind != "image/jpeg" {
				http.Error(w, fmt.Sprint(content, head), http.StatusBadRequest)
				return
			}
			got.add("multipart", person{r.FormValue("name"), r.FormValue("token")})
		})
		mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
			content, _ := io.ReadAll(r.Body)
			if string(content) != photo {
				http.Error(w, fmt.Sprint(content), http.StatusBadRequest)
			}
		})
		_, out := runFile(t, dir, bodiesFile, serve(t, mux.ServeHTTP), engine)
		if len(out.errors) > 0 || out.requests != 30*8 {
			t.Fatalf("%d requests, errors %v", out.requests, out.errors)
		}
		for _, path := range []string{"path", "json", "form", "multipart"} {
			each := 10
			if path == "json" || path == "form" {
				each = 20 // of two steps
			}
			for p, n := range got.all[path] {
				if !slices.Contains(people, p) || n != each {
					t.Errorf("%s: %d times %q", path, n, p)
				}
			}
			if len(got.all[path]) != len(people) {
				t.Errorf("%s: %d people arrived", path, len(got.all[path]))
			}
		}
	})
}

const authFile = `
feeders: {people: {csv: people.csv, choice: sequential}}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 30
    duration: 300ms
    headers: {X-Run: of-the-scenario}
    auth: {bearer: of-the-scenario}
    requests:
      - name: all
        values: {name: {feeder: people, column: name}, token: {feeder: people, column: token}}
        steps:
          - name: bearer
            path: /bearer
            extract:
              second: {header: Set-Cookie, regex: '^second=([^;]+)'}
              third: {cookie: third}
              page: {regex: 'name="csrf" value="([^"]*)"', decode: html}
          - {name: basic, path: /basic, auth: {basic: {user: "{{name}}", password: "{{token}}"}}}
          - name: extracted
            path: /extracted
            headers: {X-Run: of-the-step, X-Second: "{{second}}", X-Third: "{{third}}", X-Page: "{{page}}"}
`

// TestHeadersArrive: what scenario and request say of headers and credentials is sent, and of an answer all cookies
// can be extracted, and what stands in HTML.
func TestHeadersArrive(t *testing.T) {
	t.Parallel()
	dir := peopleFiles(t)
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		got := &arrived{all: map[string]map[person]int{}}
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			want, have := "", ""
			switch r.URL.Path {
			case "/bearer":
				want = "of-the-scenario Bearer of-the-scenario"
				have = r.Header.Get("X-Run") + " " + r.Header.Get("Authorization")
				for _, line := range []string{"first=1", "second=2; Path=/", "third=old", "third=3; HttpOnly"} {
					w.Header().Add("Set-Cookie", line)
				}
				fmt.Fprint(w, `<input name="csrf" value="a&amp;b&#39;&quot;c">`)
			case "/basic":
				user, password, _ := r.BasicAuth()
				got.add("basic", person{user, password})
			case "/extracted":
				want = `of-the-step 2 3 a&b'"c`
				for _, name := range []string{"X-Run", "X-Second", "X-Third", "X-Page"} {
					have += " " + r.Header.Get(name)
				}
				have = strings.TrimSpace(have)
			}
			if want != have {
				http.Error(w, fmt.Sprintf("%q, want %q", have, want), http.StatusBadRequest)
			}
		})
		_, out := runFile(t, dir, authFile, url, engine)
		if len(out.errors) > 0 || out.requests != 9*3 {
			t.Fatalf("%d requests, errors %v", out.requests, out.errors)
		}
		for p, n := range got.all["basic"] {
			if !slices.Contains(people, p) || n != 3 {
				t.Errorf("%d times %q", n, p)
			}
		}
	})
}

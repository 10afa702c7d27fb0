package loadgen

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// site is a service with a login as frameworks make them: a form with a token against forgery, which a cookie has as
// well, and a session in a second cookie, which is given after a redirect.
type site struct {
	mu       sync.Mutex
	number   int
	tokens   map[string]bool   // that forms were given
	sessions map[string]string // names of users
	logins   map[string]int    // by name
	visits   map[string]int    // likewise
	wrong    []string
	setups   int
	ended    []string // what teardown was sent
	visitsAt int      // visits when teardown came
}

func newSite() *site {
	return &site{
		tokens: map[string]bool{}, sessions: map[string]string{}, logins: map[string]int{}, visits: map[string]int{},
	}
}

const sitePassword = `p&"w+ord/`

func (s *site) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	cookie := func(name string) string {
		c, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return c.Value
	}
	refuse := func(why string) {
		s.wrong = append(s.wrong, r.URL.Path+": "+why)
		http.Error(w, why, http.StatusForbidden)
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /tenants":
		s.setups++
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id": "tenant&%d"}`, s.setups)
	case "DELETE /tenants":
		s.ended = append(s.ended, r.URL.Query().Get("id"))
		for _, n := range s.visits {
			s.visitsAt += n
		}
	case "GET /login":
		token := fmt.Sprintf("token&<%d>", s.number)
		s.tokens[token] = true
		http.SetCookie(w, &http.Cookie{Name: "csrftoken", Value: url.QueryEscape(token), Path: "/"})
		fmt.Fprintf(w, `<form><input type="hidden" name="csrf" value="%s"></form>`, html.EscapeString(token))
	case "POST /login":
		token := r.PostFormValue("csrf")
		switch {
		case !s.tokens[token] || cookie("csrftoken") != url.QueryEscape(token):
			refuse(fmt.Sprintf("token %q, cookie %q", token, cookie("csrftoken")))
		case r.PostFormValue("password") != sitePassword:
			refuse(fmt.Sprintf("password %q", r.PostFormValue("password")))
		default:
			id := fmt.Sprintf("session-%d-of-a-user", s.number)
			s.sessions[id] = r.PostFormValue("user")
			s.logins[r.PostFormValue("user")]++
			http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: id, Path: "/", HttpOnly: true})
			http.SetCookie(w, &http.Cookie{Name: "elsewhere", Value: "x", Path: "/other"})
			http.Redirect(w, r, "/welcome", http.StatusSeeOther)
		}
	case "GET /welcome":
		if s.sessions[cookie("sessionid")] == "" {
			refuse("no session after the redirect")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "welcomed", Value: "yes", Path: "/account"})
		fmt.Fprintf(w, `{"name": %q}`, s.sessions[cookie("sessionid")])
	case "GET /account":
		name := s.sessions[cookie("sessionid")]
		switch {
		case name == "" || name != r.Header.Get("X-User"):
			refuse(fmt.Sprintf("session of %q, user %q", name, r.Header.Get("X-User")))
		case cookie("csrftoken") == "" || cookie("welcomed") != "yes" || cookie("elsewhere") != "":
			refuse("cookies " + fmt.Sprint(r.Cookies()))
		case cookie("own") != "1" || r.Header.Get("X-Tenant") != "tenant&1":
			refuse("headers " + fmt.Sprint(r.Header))
		}
		s.visits[name]++
		http.SetCookie(w, &http.Cookie{Name: "visits", Value: fmt.Sprint(s.visits[name]), Path: "/account"})
		if n := s.visits[name]; n > 1 && cookie("visits") != fmt.Sprint(n-1) {
			s.wrong = append(s.wrong, fmt.Sprintf("visit %d of %s has the cookie %q", n, name, cookie("visits")))
		}
	default:
		http.NotFound(w, r)
	}
}

const siteFile = `
feeders: {users: {csv: users.csv, choice: sequential}}
setup:
  - {name: tenant, method: POST, path: /tenants, expectedStatus: 201, extract: {tenant: {json: $.id}}}
teardown:
  - {name: remove, method: DELETE, path: "/tenants?id={{tenant}}"}
scenarios:
  s:
    %s
    duration: 500ms
    cookies: true
    headers: {X-Tenant: "{{tenant}}", X-User: "{{name}}", Cookie: own=1}
    login:
      values: {user: {feeder: users, column: name}, password: {feeder: users, column: password}}
      steps:
        - name: form
          path: /login
          extract: {csrf: {regex: 'name="csrf" value="([^"]*)"', decode: html}}
        - name: send
          method: POST
          path: /login
          form: {csrf: "{{csrf}}", user: "{{user}}", password: "{{password}}"}
          redirects: 1
          checks: [{name: is welcomed, json: $.name, exists: true}]
          extract: {name: {json: $.name}}
    requests: [{name: account, path: /account}]
`

func siteFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	rows := "name,password\n"
	for i := range 10 {
		rows += fmt.Sprintf("user%d,\"%s\"\n", i, strings.ReplaceAll(sitePassword, `"`, `""`))
	}
	if err := os.WriteFile(filepath.Join(dir, "users.csv"), []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSessions: each user logs in once, with a token of a form and two cookies, and has its own cookies and name from
// then on; by both engines, by HTTP/2 too, in closed and open models.
func TestSessions(t *testing.T) {
	t.Parallel()
	dir := siteFiles(t)
	for _, model := range []struct {
		name, keys string
		users      int
	}{
		{"closed", "executor: constant-vus\n    vus: 4\n    thinkTime: 5ms", 4},
		{"open", "executor: constant-arrival-rate\n    rate: 100\n    maxVUs: 3", 3},
	} {
		t.Run(model.name, func(t *testing.T) {
			const byHTTP2 = "wire by HTTP/2"
			sideBySide(t, append(slices.Clone(bothEngines), byHTTP2), func(t *testing.T, engine scenarios.Engine) {
				server, file := newSite(), fmt.Sprintf(siteFile, model.keys)
				if engine == byHTTP2 {
					engine, file = scenarios.EngineWire, "http: {version: 2}"+file
				}
				_, out := runFile(t, dir, file, serve(t, server.handle), engine)
				if len(out.errors) > 0 || len(server.wrong) > 0 || len(out.warnings) > 1 {
					t.Fatalf("errors %v, refused %.5q, warnings %q", out.errors, server.wrong, out.warnings)
				}
				visits := 0
				for name, n := range server.logins {
					if n != 1 || server.visits[name] == 0 {
						t.Errorf("%s logged in %d times and came %d times", name, n, server.visits[name])
					}
					visits += server.visits[name]
				}
				if len(server.logins) != model.users || int64(visits) != out.requests {
					t.Errorf("%d users logged in, %d visits of %d requests", len(server.logins), visits, out.requests)
				}
				if server.setups != 1 || fmt.Sprint(server.ended) != "[tenant&1]" || server.visitsAt != visits {
					t.Errorf("%d setups, teardown of %q after %d of %d visits", server.setups, server.ended,
						server.visitsAt, visits)
				}
			})
		})
	}
}

// TestNewcomers: without a login, each iteration of an open load begins without cookies, and keeps them to its end,
// along redirects as well; users of a closed load keep theirs.
func TestNewcomers(t *testing.T) {
	t.Parallel()
	const file = `
scenarios:
  s:
    %s
    duration: 300ms
    cookies: true
    requests:
      - name: visit
        steps: [{name: first, path: /first%s}, {name: second, path: /second}]
`
	for _, tt := range []struct {
		name, keys, redirects string
		newcomers             bool
	}{
		{"open", "executor: constant-arrival-rate\n    rate: 50", "", true},
		{"open, redirected", "executor: constant-arrival-rate\n    rate: 50", ", redirects: 1", true},
		{"closed", "executor: constant-vus\n    vus: 2\n    thinkTime: 10ms", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engines := bothEngines
			if tt.redirects != "" {
				engines = engines[:1]
			}
			sideBySide(t, engines, func(t *testing.T, engine scenarios.Engine) {
				var mu sync.Mutex
				known, unknown, number := 0, 0, 0
				url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					number++
					_, err := r.Cookie("id")
					switch {
					case r.URL.Path == "/first" && err != nil:
						unknown++
						http.SetCookie(w, &http.Cookie{Name: "id", Value: fmt.Sprint(number), Path: "/"})
						if tt.redirects != "" {
							http.Redirect(w, r, "/between", http.StatusFound)
						}
					case r.URL.Path == "/first":
						known++
					case err != nil:
						http.Error(w, "no cookie", http.StatusForbidden)
					}
				})
				_, out := runFile(t, t.TempDir(), fmt.Sprintf(file, tt.keys, tt.redirects), url, engine)
				iterations := int(out.requests) / 2
				if len(out.errors) > 0 {
					t.Fatal(out.errors)
				}
				fine := unknown == 2 && known > 0
				if tt.newcomers {
					fine = unknown == iterations && known == 0
				}
				if !fine {
					t.Errorf("%d without cookie and %d with one, of %d iterations", unknown, known, iterations)
				}
			})
		})
	}
}

// TestLifeFailures: what goes wrong in setup, login or teardown is told with its step, and without secrets; teardown is
// sent whatever happened after setup.
func TestLifeFailures(t *testing.T) {
	t.Parallel()
	dir := siteFiles(t)
	src := fmt.Sprintf(siteFile, "executor: constant-vus\n    vus: 1")
	for _, tt := range []struct{ name, from, to, fault, warning string }{
		{
			"setup", "path: /tenants, ", "path: /nothing, ",
			"setup: step tenant: status 404, expected 201", "",
		},
		{
			"login", "column: password", "column: name",
			"scenario s, login of user 0: step send: status 403, expected 200 to 399", "",
		},
		{
			"check", "exists: true", "equals: nobody",
			"scenario s, login of user 0: step send: the check is welcomed does not hold: $.name is \"REDACTED\"", "",
		},
		{
			"extraction", "name: {json: $.name}}", "name: {cookie: token}}",
			"scenario s, login of user 0: step send: extraction failed: name: the answer sets no cookie token", "",
		},
		{"teardown", "method: DELETE", "method: PUT", "", "teardown: step remove: status 404, expected 200 to 399"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newSite()
			target := serve(t, server.handle)
			in := scenarios.Inputs{Overrides: []string{"target.url=" + target}, Secrets: &scenarios.Redactor{}}
			plan, err := in.Parse(filepath.Join(dir, "s.yaml"), []byte(strings.Replace(src, tt.from, tt.to, 1)))
			if err != nil {
				t.Fatal(err)
			}
			feeders, err := request.LoadFeeders(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			m, err := Run(ctx, plan, target, Options{Feeders: feeders, Secrets: in.Secrets})
			if (err == nil) != (tt.fault == "") || !strings.Contains(fmt.Sprint(err), tt.fault) {
				t.Errorf("the error is %v, want %s", err, tt.fault)
			}
			if tt.warning != "" && (m == nil || !strings.Contains(strings.Join(m.Warnings, "\n"), tt.warning)) {
				t.Errorf("the measurements are %+v, want the warning %s", m, tt.warning)
			}
			ended := 1
			if tt.name == "setup" || tt.name == "teardown" {
				ended = 0
			}
			if len(server.ended) != ended {
				t.Errorf("teardown came %d times", len(server.ended))
			}
		})
	}
}

// TestSecretsOfSessions: messages about requests tell neither cookies nor what a login or setup has extracted.
func TestSecretsOfSessions(t *testing.T) {
	t.Parallel()
	const file = `
setup: [{name: key, path: /key, extract: {key: {regex: '(.+)'}}}]
scenarios:
  s:
    executor: constant-vus
    vus: 1
    thinkTime: 20ms
    duration: 100ms
    cookies: true
    login: [{name: enter, path: /enter, extract: {mark: {header: X-Mark}}}]
    requests: [{name: r, path: "/r?a={{key}}", headers: {X-M: "{{mark}}"}}]
`
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/key":
				fmt.Fprint(w, "of-the-setup-111")
			case "/enter":
				w.Header().Set("X-Mark", "of-the-login-222")
				http.SetCookie(w, &http.Cookie{Name: "c", Value: "of-the-cookie-333"})
			default:
				c, _ := r.Cookie("c")
				http.Error(w, fmt.Sprint(r.URL.Query().Get("a"), r.Header.Get("X-M"), c), http.StatusTeapot)
			}
		})
		_, out := runFile(t, t.TempDir(), file, url, engine)
		got := out.errors["r status 418"]
		if strings.Contains(got, "of-the-") || strings.Count(got, scenarios.Redacted) < 3 {
			t.Errorf("told as %q", got)
		}
	})
}

// TestLifeIsTried: headroom try shows setup, login and teardown beside the requests.
func TestLifeIsTried(t *testing.T) {
	t.Parallel()
	dir := siteFiles(t)
	server := newSite()
	target := serve(t, server.handle)
	in := scenarios.Inputs{Overrides: []string{"target.url=" + target}, Secrets: &scenarios.Redactor{}}
	src := fmt.Sprintf(siteFile, "executor: constant-vus\n    vus: 2")
	plan, err := in.Parse(filepath.Join(dir, "s.yaml"), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	feeders, err := request.LoadFeeders(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	trials, _, err := Trials(plan, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	options := Options{Feeders: feeders, Secrets: in.Secrets}
	err = Try(t.Context(), plan, target, options, trials, func(tried *Tried) {
		names = append(names, tried.Scenario+"/"+tried.Flow+"/"+tried.Request)
		if !tried.Fine() {
			t.Errorf("%s: %s", tried.Request, tried.Failure)
		}
	})
	want := "/setup/tenant s/login/form s/login/send s//account /teardown/remove"
	if err != nil || strings.Join(names, " ") != want || len(server.wrong) > 0 {
		t.Errorf("%v, %v; tried %q, want %q", err, server.wrong, names, want)
	}
}

package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

const sessionFile = `target: {url: "http://127.0.0.1:1"}
setup:
  values: {n: {range: [1, 9]}}
  steps:
    - {name: make, method: POST, path: "/tenants/{{n}}", extract: {tenant: {json: $.id}}}
    - {name: check, path: "/tenants/{{tenant}}"}
teardown: [{name: remove, method: DELETE, path: "/tenants/{{tenant}}"}]
scenarios:
  s:
    executor: constant-vus
    vus: 2
    duration: 1s
    cookies: true
    headers: {X-Tenant: "{{tenant}}"}
    auth: {bearer: "{{token}}"}
    login:
      - {name: enter, path: /login, extract: {token: {json: $.token}}}
    requests: [{name: r, path: "/r/{{tenant}}"}]
`

// TestSessionsAreRead holds what a file with setup, login and teardown becomes.
func TestSessionsAreRead(t *testing.T) {
	p, err := Parse("s.yaml", []byte(sessionFile))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Scenarios[0]
	var names []string
	for q := range p.AllRequests() {
		names = append(names, fmt.Sprintf("%s/%s/%d", q.Flow, q.Name, q.Step))
	}
	if got := strings.Join(names, " "); got != "setup/make/0 setup/check/1 teardown/remove/0 /r/0 login/enter/0" {
		t.Errorf("the requests are %s", got)
	}
	if !s.Cookies || !s.HasSessions() || len(p.Setup[0].Values) != 1 {
		t.Errorf("%+v, %+v", s, p.Setup)
	}
	for _, tt := range []struct {
		of   Request
		want string
	}{
		{s.Requests[0], "X-Tenant: {{tenant}}\nAuthorization: Bearer {{token}}"},
		{s.Login[0], "X-Tenant: {{tenant}}"}, // the token is not known yet
		{p.Setup[0], ""},
		{p.Teardown[0], ""},
	} {
		if got := headersOf(tt.of); got != tt.want {
			t.Errorf("%s has the headers %q, want %q", tt.of.Name, got, tt.want)
		}
	}
}

func TestSessionFaults(t *testing.T) {
	for _, tt := range []struct{ from, to, fault string }{
		{
			"X-Tenant: \"{{tenant}}\"", "X-Tenant: \"{{tenent}}\"",
			`s.yaml:14:25: scenarios.s.headers.X-Tenant names the value "tenent", which is not declared under values; ` +
				`did you mean "tenant"?`,
		},
		{
			"path: /login", "path: '/login?{{token}}'",
			`s.yaml:17:29: scenarios.s.login.enter.path names "token", which this step or a later one extracts`,
		},
		{
			"\"/tenants/{{tenant}}\"}]\nscen", "\"/tenants/{{token}}{{tenant}}\"}]\nscen",
			`names the value "token", which is not declared under values, and no step extracts it`,
		},
		{
			"auth: {bearer: \"{{token}}\"}", "gracefulStop: 1s",
			`s.yaml:17:47: scenarios.s.login.enter.extract.token is used nowhere; ` +
				`remove it, or write {{token}} where it is needed`,
		},
		{
			"{name: r, path", "{name: r, values: {token: {list: [a]}}, path",
			`s.yaml:18:35: token is extracted by login already; choose another name`,
		},
		{
			"{token: {json: $.token}}", "{tenant: {json: $.token}}",
			`s.yaml:17:47: tenant is extracted by setup already; choose another name`,
		},
		{
			"{name: remove, ", "{name: remove, tags: {a: b}, ",
			`s.yaml:7:27: teardown.remove.tags: teardown is not a part of the load; leave it out`,
		},
		{
			"executor: constant-vus\n    vus: 2", "executor: replay\n    file: a.log",
			`scenarios.s.cookies does not go with executor replay; leave it out`,
		},
		{"login:\n      - {", "login:\n      x: {", `unknown key "x" in scenarios.s.login`},
		{
			"  steps:\n    - {name: make", "  step:\n    - {name: make",
			`s.yaml:4:3: unknown key "step" in setup; did you mean "steps"?`,
		},
	} {
		src := strings.Replace(sessionFile, tt.from, tt.to, 1)
		if src == sessionFile {
			t.Fatalf("%q is not in the file", tt.from)
		}
		_, err := Parse("s.yaml", []byte(src))
		if got := fmt.Sprint(err); !strings.Contains(got, tt.fault) {
			t.Errorf("%s:\n%s, want\n%s", tt.to, got, tt.fault)
		}
	}
}

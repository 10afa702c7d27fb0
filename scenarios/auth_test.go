package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// scenarioWith is a scenario with headers or auth of its own, and a request with rest.
func scenarioWith(scenario, rest string) string {
	return strings.Replace(oneRequest(rest), "    requests:\n", scenario+"    requests:\n", 1)
}

// TestHeadersOfScenarios: the headers of a scenario are those of its requests, but for what these say themselves.
func TestHeadersOfScenarios(t *testing.T) {
	for _, tt := range []struct{ scenario, request, want string }{
		{"    headers: {X-A: '{{uuid}}', X-B: b}\n", "headers: {x-b: own, X-C: c}", "x-b: own\nX-C: c\nX-A: {{uuid}}"},
		{"    auth: {bearer: 'a-b'}\n", "", "Authorization: Bearer a-b"},
		{"    auth: {basic: {user: ann, password: \"p:w\"}}\n", "", "Authorization: Basic YW5uOnA6dw=="},
		{
			"    auth: {basic: {user: ann, password: {secret: {env: PW}}}}\n", "",
			"Authorization: Basic YW5uOmh1bnRlcjI=",
		},
		{
			"    auth: {basic: {user: ann, password: x}}\n",
			"values: {u: {list: [a]}}\nauth: {basic: {user: '{{u}}', password: '{{uuid}}'}}",
			"Authorization: {{u}}:{{uuid}} as basic",
		},
		{"    auth: {bearer: a-b}\n", "headers: {authorization: none}", "authorization: none"},
		{"    headers: {Content-Type: text/plain}\n", "json: {}", "Content-Type: application/json"},
		{"    headers: {Content-Type: text/plain}\n", "body: a", "Content-Type: text/plain"},
	} {
		in := Inputs{Lookup: environment(map[string]string{"PW": "hunter2"})}
		p, err := in.Parse("s.yaml", []byte(scenarioWith(tt.scenario, tt.request)))
		if err != nil {
			t.Errorf("%s%s: %v", tt.scenario, tt.request, err)
			continue
		}
		q := p.Scenarios[0].Requests[0]
		got := headersOf(q)
		if len(q.Headers) > 0 && q.Headers[0].Basic {
			got += " as basic"
		}
		if got != tt.want {
			t.Errorf("%s%s: the headers are\n%s\nwant\n%s", tt.scenario, tt.request, got, tt.want)
		}
	}
}

func TestAuthFaults(t *testing.T) {
	for _, tt := range []struct{ scenario, request, fault string }{
		{
			"    auth: {}\n", "",
			`s.yaml:7:5: scenarios.s.auth needs exactly one of basic and bearer; for example {bearer: "{{token}}"}`,
		},
		{
			"", "auth: {basic: {user: a}}",
			`s.yaml:11:16: scenarios.s.requests.r.auth.basic needs password; ` +
				`for example password: {secret: {env: PASSWORD}}`,
		},
		{
			"", "auth: {basic: {user: 'a:b', password: c}}",
			`s.yaml:11:30: scenarios.s.requests.r.auth.basic.user has a colon, which ends the user of basic authentication`,
		},
		{
			"", "headers: {authorization: a}\nauth: {bearer: b}",
			`s.yaml:12:9: scenarios.s.requests.r.auth: the header Authorization is given as well; remove one of the two`,
		},
		{
			"    headers: {X: '{{id}}'}\n", "values: {id: {list: [a]}}\nbody: '{{id}}'",
			`s.yaml:7:18: scenarios.s.headers.X names the value "id", which is not declared under values`,
		},
		{
			"", "auth: {token: a}",
			`s.yaml:11:16: unknown key "token" in scenarios.s.requests.r.auth; use bearer`,
		},
	} {
		_, err := Parse("s.yaml", []byte(scenarioWith(tt.scenario, tt.request)))
		if got := fmt.Sprint(err); !strings.Contains(got, tt.fault) {
			t.Errorf("%s%s:\n%s, want\n%s", tt.scenario, tt.request, got, tt.fault)
		}
	}
}

// TestSecretsOfAuth holds that no credential is in anything that is shown.
func TestSecretsOfAuth(t *testing.T) {
	for _, auth := range []string{
		"auth: {bearer: hunter2secret}", "auth: {basic: {user: ann, password: hunter2secret}}",
		"auth: {basic: {user: ann, password: '${PW}'}}",
		"values: {t: {list: [hunter2secret]}}\nauth: {bearer: '{{t}}'}",
	} {
		secrets := &Redactor{}
		in := Inputs{Secrets: secrets, Lookup: environment(map[string]string{"PW": "hunter2secret"})}
		p, err := in.Parse("s.yaml", []byte(oneRequest(auth)))
		if err != nil {
			t.Fatal(err)
		}
		if got := secrets.Text(p.Source.Text); strings.Contains(got, "hunter2secret") {
			t.Errorf("the file is shown as %s", got)
		}
		for name, value := range p.Source.Variables {
			if value != Redacted {
				t.Errorf("the variable %s is shown as %s", name, value)
			}
		}
		const said = "hunter2secret was sent as YW5uOmh1bnRlcjJzZWNyZXQ="
		got := secrets.Text(said)
		if strings.Contains(got, "hunter2") || strings.Contains(got, "YW5uOmh1bnRlcjJzZWNyZXQ") {
			t.Errorf("%s: a message is shown as %s", auth, got)
		}
	}
}

package scenarios

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// environment is a Lookup in a map.
func environment(vars map[string]string) Lookup {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// withRequest is a scenario file around the keys of one request.
func withRequest(keys string) string {
	return "target: {url: http://127.0.0.1:1}\nscenarios:\n  s:\n    executor: constant-vus\n    vus: 1\n    " +
		"duration: 1s\n    requests:\n      - name: one\n" +
		"        " + strings.ReplaceAll(strings.TrimSpace(keys), "\n", "\n        ") + "\n"
}

func TestVariables(t *testing.T) {
	vars := environment(map[string]string{"PATH_": "/items", "EMPTY": "", "WHO": "bob", "JSON": `{"a": 1}`})
	for _, test := range []struct{ text, want string }{
		{`/${WHO}`, "/bob"},
		{`/x${WHO}y${WHO}`, "/xboby" + "bob"},
		{`${PATH_}/1`, "/items/1"},
		{`/${UNSET:-dflt}`, "/dflt"},
		{`/${UNSET:-}`, "/"},
		{`/${EMPTY:-dflt}`, "/dflt"},
		{`/${EMPTY}`, "/"},
		{`/${WHO:-dflt}`, "/bob"},
		{`/$WHO/$$/$`, "/$WHO/$$/$"},
		{`/$${WHO}`, "/${WHO}"},
		{`/$${`, "/${"},
		{`/$$${WHO}`, "/$${WHO}"},
	} {
		plan, err := Inputs{Lookup: vars}.Parse("x.yaml", []byte(withRequest("path: /\nbody: '"+test.text+"'")))
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		want := Template{{Literal: test.want}}
		if got := plan.Scenarios[0].Requests[0].Body; !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %+v, want %+v", test.text, got, want)
		}
	}
}

// Variables stand in any value, those of --set included, and in no key.
func TestVariablesAnywhere(t *testing.T) {
	src := "name: ${NAME}\nseed: ${SEED:-7}\ntarget: {url: '${URL}'}\nscenarios:\n  s:\n    executor: constant-vus\n " +
		"   vus: ${VUS}\n    duration: 1s\n    requests: [{name: one, path: /}]\nthresholds: {http_req_duration: " +
		"['p(95)<${LIMIT}']}\n"
	in := Inputs{Lookup: environment(map[string]string{
		"NAME": "own", "URL": "http://h:1", "VUS": "3", "LIMIT": "50",
		"D": "2s",
	}), Overrides: []string{"scenarios.s.duration=${D}"}}
	plan, err := in.Parse("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if s := plan.Scenarios[0]; plan.Name != "own" || plan.Seed != 7 || plan.Target.URL != "http://h:1" ||
		s.Load != (Users{VUs: 3, Duration: 2 * time.Second}) || plan.Thresholds[0].Limit != 50 {
		t.Errorf("%+v", plan)
	}
	want := Source{
		File: "x.yaml", Text: src, Overrides: in.Overrides,
		Variables: map[string]string{
			"NAME": "own", "SEED": "7", "URL": "http://h:1", "VUS": "3", "LIMIT": "50",
			"D": "2s",
		},
	}
	if !reflect.DeepEqual(plan.Source, want) {
		t.Errorf("source %+v, want %+v", plan.Source, want)
	}
	again, err := Saved{
		File: plan.Source.File, Text: plan.Source.Text, Overrides: plan.Source.Overrides,
		Variables: plan.Source.Variables,
	}.Parse()
	if err != nil || !reflect.DeepEqual(again, plan) {
		t.Errorf("read again it is %+v, %v", again, err)
	}
}

func TestVariableFaults(t *testing.T) {
	for _, test := range []struct{ keys, want string }{
		{
			"path: /${NOPE}",
			`x.yaml:9:15: the variable "NOPE" is not set; set it, or name a file that does by --env-file; ${NOPE:-…} gives a default`,
		},
		{
			"path: /\nbody: a${b.c}d",
			`x.yaml:10:15: "${b.c}d" is not a variable; write ${NAME} or ${NAME:-default} for a variable of the environment, $${ for the characters ${`,
		},
		{"path: /\nbody: '${'", `x.yaml:10:15: "${" is not a variable`},
		{"path: /\nbody: '${A:default}'", `x.yaml:10:15: "${A:default}" is not a variable`},
		{"path: /\nheaders: {X: {secret: {env: NOPE}}}", `x.yaml:10:37: the variable "NOPE" is not set`},
		{
			"path: /\nheaders: {X: {secret: {file: nope}}}",
			`x.yaml:10:38: scenarios.s.requests.one.headers.X.secret.file: stat nope: no such file or directory`,
		},
		{
			"path: /\nheaders: {X: {secret: {}}}",
			`x.yaml:10:23: scenarios.s.requests.one.headers.X.secret needs exactly one of env and file`,
		},
		{"path: /\nheaders: {X: {secret: {env: A, file: b}}}", `needs exactly one of env and file`},
		{"path: /\nheaders: {X: {secret: {env: EMPTY}}}", `scenarios.s.requests.one.headers.X.secret is empty`},
		{"path: /\nheaders: {X: {}}", `scenarios.s.requests.one.headers.X needs a text or secret: {env: NAME}`},
		{"path: /\nheaders: {X: {secret: {value: abc}}}", `write the text itself`},
		{"path: /\nheaders: {X: {secret: {env: LINES}}}", `the header X has a line break or control character`},
		{"path: '/{{a}}'\nvalues: {a: {secret: {env: EMPTY}, list: [a]}}", `has a secret and something else`},
	} {
		_, err := Inputs{Lookup: environment(map[string]string{"EMPTY": "", "LINES": "a\nb"})}.Parse("x.yaml",
			[]byte(withRequest(test.keys)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s:\n got %v\nwant %s", test.keys, err, test.want)
		}
	}
}

// A secret is a part of the literal text that is sent, as if it had been written there: sending it costs nothing more.
func TestSecretsAreLiterals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from {{the}} file/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := withRequest(`path: '/x?t={{t}}&i={{iteration}}'
headers:
  Authorization: 'Bearer {{t}}'
  X-One: {secret: {env: ONE}}
  X-Two: '{{iteration}}{{t}}'
body: {secret: {env: ONE}}
values: {t: {secret: {file: ` + file + `}}}`)
	secrets := &Redactor{}
	plan, err := Inputs{
		Lookup:  environment(map[string]string{"ONE": "first {{one}}"}),
		Secrets: secrets,
	}.Parse("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	q := plan.Scenarios[0].Requests[0]
	want := Request{
		Path: Template{{Literal: "/x?t=from%20%7B%7Bthe%7D%7D%20file%2F&i="}, {Value: "iteration"}},
		Headers: []Header{
			{Name: "Authorization", Value: Template{{Literal: "Bearer from {{the}} file/"}}},
			{Name: "X-One", Value: Template{{Literal: "first {{one}}"}}},
			{Name: "X-Two", Value: Template{{Value: "iteration"}, {Literal: "from {{the}} file/"}}},
		},
		Body: Template{{Literal: "first {{one}}"}},
	}
	if !reflect.DeepEqual(q.Path, want.Path) || !reflect.DeepEqual(q.Headers, want.Headers) ||
		!reflect.DeepEqual(q.Body, want.Body) || q.Values != nil {
		t.Errorf("got %+v\nwant %+v", q, want)
	}
	for _, text := range []string{"from {{the}} file/", "first {{one}}", "from%20%7B%7Bthe%7D%7D%20file%2F"} {
		if got := secrets.Text("a " + text + " b"); got != "a REDACTED b" {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	if saved, err := (Saved{File: "x.yaml", Text: src}).Parse(); err != nil ||
		saved.Scenarios[0].Requests[0].Body[0].Literal != Redacted {
		t.Errorf("the saved scenario is %+v, %v", saved, err)
	}
}

// Whatever is known for secrets is not in what the redactor returns: neither as it is, nor in any form in which
// programs show it.
func TestRedactor(t *testing.T) {
	secret := func(n int) string { return fmt.Sprintf("s%02dX-7+k/%02d=\"q'%%", n, n) }
	plain := func(n int) string { return fmt.Sprintf("s%02dX7kqz%02dw", n, n) }
	src := withRequest(`path: '/x?api_key=` + plain(1) + `&page=2&access_token={{t}}'
headers:
  Authorization: "Bearer ` + plain(2) + `"
  authorization2: "visible-header"
  COOKIE: 'theme=dark; sid=` + plain(3) + `'
  X-Partner: '` + plain(4) + `'
  X-Folded: >-
    a
    b
  X-Api-Key: >-
    ` + plain(5) + `
    ` + plain(6) + `
  Proxy-Authorization: "\x73` + plain(7)[1:] + `"
  X-Referer: 'http://user:` + plain(8) + `@h/x'
  X-Auth-Token: Zm9v
  X-Csrf-Token: '` + strings.ReplaceAll(secret(9), "'", "''") + `'
body: '{"user": "bob-visible", "password": "` + plain(10) + `", "nested": {"client_secret":"` + plain(11) + `"}, "pin": 12345678901}'
values:
  t: {list: [` + plain(12) + `, ` + plain(13) + `]}`)
	src = "redact: [x-partner]\n" + src
	secrets := &Redactor{}
	if _, err := (Inputs{Secrets: secrets}).Parse("x.yaml", []byte(src)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for n := 1; n <= 13; n++ {
		all = append(all, plain(n))
		if n == 9 {
			all[n-1] = secret(n)
		}
	}
	all = append(all, "12345678901")
	text := src
	for _, s := range all {
		quoted := strconv.Quote(s)
		text += "\n" + s + " " + url.QueryEscape(s) + " " + url.PathEscape(s) + " " + quoted + " " +
			base64.StdEncoding.EncodeToString([]byte("bob:"+s))
	}
	got := secrets.Text(text)
	for _, s := range all {
		for _, form := range []string{
			s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(strconv.Quote(s), `"`),
			base64.StdEncoding.EncodeToString([]byte("bob:" + s))[8:16],
		} {
			if strings.Contains(got, form) && (form == s || !isNumber(s)) {
				t.Errorf("%q as %q is still in it", s, form)
			}
		}
	}
	for _, s := range []string{"visible-header", "bob-visible", "page=2", "X-Folded"} {
		if !strings.Contains(got, s) {
			t.Errorf("%q is gone", s)
		}
	}
	if strings.Contains(got, "Zm9v") || strings.Contains(got, `\x73`) {
		t.Error("a short secret, or one that is escaped, is still in the scenario file")
	}
	if again := secrets.Text(got); again != got {
		t.Errorf("redacted twice it is\n%s\nand once\n%s", again, got)
	}
	if _, err := (Saved{File: "x.yaml", Text: secrets.Text(src)}).Parse(); err != nil {
		t.Errorf("the saved scenario is not one: %v\n%s", err, secrets.Text(src))
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestRedactedPlaces(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"nothing here: at 10:30, a=b, me@example.org", "nothing here: at 10:30, a=b, me@example.org"},
		{"GET https://bob:S3@h:8/x?token=abc&page=2#a", "GET https://REDACTED@h:8/x?token=REDACTED&page=2#a"},
		{"https://only-a-token@h/", "https://REDACTED@h/"},
		{
			`parse "postgres://bob:p/w@d@h/db": invalid port ":p" after host`,
			`parse "postgres://REDACTED@h/db": invalid port ":p" after host`,
		},
		{"http://h:80/@scope/pkg and http://h/me@x", "http://h:80/@scope/pkg and http://h/me@x"},
		{`{"url":"http:\/\/a:b@h\/"}`, `{"url":"http:\/\/REDACTED@h\/"}`},
		{"host=h user=u password=abc dbname=d", "host=h user=u password=REDACTED dbname=d"},
		{
			`{"password": "a\"b", "n": 1, "pin": 77, "token": ""}`,
			`{"password": "REDACTED", "n": 1, "pin": "REDACTED", "token": ""}`,
		},
		{`{\"password\":\"abc\",\"x\":1}`, `{\"password\":\"REDACTED\",\"x\":1}`},
		{"Authorization: Bearer abc\r\nX-Other: abc", "Authorization: Bearer REDACTED\r\nX-Other: abc"},
		{"headers: {Authorization: Bearer {{t}}, X: y}", "headers: {Authorization: Bearer {{t}}, X: y}"},
		{"Authorization: Bearer ${T:-abc}-x", "Authorization: Bearer ${T:-REDACTED}REDACTED"},
		{"Authorization: *token", "Authorization: *token"},
		{"Authorization: |\n  abc", "Authorization: |\n  abc"},
		{"Authorization: {secret: {env: T}}", "Authorization: {secret: {env: T}}"},
		{
			"extract: {token: {json: $.token}, c: {header: Set-Cookie}}",
			"extract: {token: {json: $.token}, c: {header: Set-Cookie}}",
		},
		{"map[Authorization:[Bearer abc] X:[y]]", "map[Authorization:[Bearer REDACTED] X:[y]]"},
	} {
		if got := (*Redactor)(nil).Text(test.text); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

// Short words and names that the user gave are shown: redacting them would take the sense of everything else.
func TestWhatIsNoSecret(t *testing.T) {
	secrets := &Redactor{}
	src := strings.Replace(withRequest("path: /\nbody: 'password=checkout1&pin=1000&pass=ab1&pwd=admin&secret=S3CRET'"),
		"name: one", "name: checkout1", 1)
	if _, err := (Inputs{Secrets: secrets}).Parse("x.yaml", []byte(src)); err != nil {
		t.Fatal(err)
	}
	if got, want := secrets.Text("checkout1 sent 1000 requests as admin, ab1, (S3CRET) S3CRETS"),
		"checkout1 sent 1000 requests as admin, ab1, (REDACTED) S3CRETS"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := secrets.Text(src); !strings.Contains(got,
		"password=REDACTED&pin=REDACTED&pass=REDACTED&pwd=REDACTED&secret=REDACTED") {
		t.Error(got)
	}
	const advice = "set it to postgres://user:password@host:port/database"
	if got := secrets.Text(advice); got != advice {
		t.Error(got)
	}
}

// No fault shows a secret, wherever it stands and whatever is wrong with it.
func TestFaultsHaveNoSecrets(t *testing.T) {
	secret := "vErYsEcReT" + strings.Repeat("-0123456789", 11)
	for _, src := range []string{
		"target: {url: 'https://bob:" + secret + "@h/'}",
		"target: {url: 'https://bob:" + secret + "@h:port/'}",
		"target: {url: 'https://h/?api_key=" + secret + "'}",
		"target: {url: h, proxy: 'ftp://bob:" + secret + "@h'}",
		"target: {url: '${URL_TOKEN}'}",
		withRequest("path: /\nheaders: {Authorization: 'Bearer " + secret + "{{'}"),
		withRequest("path: 'x?token=" + secret + "'"),
		withRequest("path: '/ x?token=" + secret + "'"),
		withRequest("path: /\nbody: '{\"password\": \"" + secret + "{{\"}'"),
		withRequest("path: /\nheaders: {Authorization: [Bearer " + secret + "]}"),
		withRequest("path: /\nheaders: {Authorization: Bearer " + secret + "\n"),
		withRequest("path: /\nheaders: {Authorization: 'Bearer " + secret + "\n"),
		withRequest("path: /\nheaders: {Authorization: \"Bearer " + secret + "\\q\"}"),
		withRequest("path: /\nmethod: {secret: " + secret + "}"),
		withRequest("path: /\nheaders:\n  Authorization: Bearer " + secret + "\n bad"),
	} {
		for _, override := range []string{
			"", "scenarios.s.requests.one.headers.Authorization=Bearer " + secret,
			"x.headers.Cookie=a=" + secret, "target.url=http://bob:" + secret + "@h",
			"target.urll=http://bob:" + secret + "@h",
		} {
			in := Inputs{Lookup: environment(map[string]string{"URL_TOKEN": secret})}
			if override != "" {
				in.Overrides = []string{override}
			}
			_, err := in.Parse("x.yaml", []byte(src))
			if err != nil && strings.Contains(err.Error(), secret[:12]) {
				t.Errorf("%s\n--set %s\n%v", src, override, err)
			}
		}
	}
}

// What is said of a text that was redacted is no part of the secret in it, when the whole is redacted again.
func TestRedactedLeavesTheReason(t *testing.T) {
	for _, value := range []string{
		"{Authorization: Bearer Pl4nted77abc", "{Authorization: Pl4nted77abc",
		"{Cookie: sid=Pl4nted77abc", "{X-Foo: a", `{X-A: "b?token=Pl4nted77abc`,
	} {
		secrets := &Redactor{}
		in := Inputs{Overrides: []string{"scenarios.s.requests.one.headers=" + value}, Secrets: secrets}
		_, err := in.Parse("x.yaml", []byte(withRequest("path: /")))
		if err == nil {
			t.Fatalf("%s was taken", value)
		}
		said := secrets.Text("headroom: " + err.Error())
		if strings.Contains(said, "Pl4") || !strings.Contains(said, ": could not find") {
			t.Errorf("%s: %s", value, said)
		}
	}
	text := "dial postgres://h?password=REDACTED: connection refused"
	if got := (&Redactor{}).Text(text); got != text {
		t.Errorf("%q became %q", text, got)
	}
}

// Secrets stand in documents of several kinds, and in one within another.
func TestSecretsInDocuments(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{
			`{"nested":"{\"api_key\":\"J5eeeeee55\",\"page\":\"2\"}"}`,
			`{"nested":"{\"api_key\":\"REDACTED\",\"page\":\"2\"}"}`,
		},
		{`{"nested":"{\"api_key\":\"J5eeee…`, `{"nested":"{\"api_key\":\"REDACTED`},
		{`{"note":"a \"quoted\" word","token":"J5eeeeee55"}`, `{"note":"a \"quoted\" word","token":"REDACTED"}`},
		{
			`<login><user>bob</user><password>X1aaaaaa11</password></login>`,
			`<login><user>bob</user><password>REDACTED</password></login>`,
		},
		{
			`<wsse:Password Type="text">X1aaaaaa11</wsse:Password>`,
			`<wsse:Password Type="text">REDACTED</wsse:Password>`,
		},
		{`<password>X1aaaa…`, `<password>REDACTED…`},
		{`<user name="bob" password="X1aaaaaa11"/>`, `<user name="bob" password="REDACTED"/>`},
		{`usage: login <token> [<user>]`, `usage: login <token> [<user>]`},
		{`{"tokens":["J3cccccc33", "J3dddddd44"],"page":["2"]}`, `{"tokens":["REDACTED", "REDACTED"],"page":["2"]}`},
		{`{"token":[ "J3cccccc33" ]}`, `{"token":[ "REDACTED" ]}`},
		{`{"nested":"{\"tokens\":[\"J3cccccc33\"]}"}`, `{"nested":"{\"tokens\":[\"REDACTED\"]}"}`},
		{`{"token":["a]b","J3cccccc33`, `{"token":["REDACTED","REDACTED`},
		{`{"tokens":1234,"token":[]}`, `{"tokens":1234,"token":[]}`},
	} {
		var r *Redactor
		got := r.Text(test.text)
		if got != test.want {
			t.Errorf("%s\n became %s\n want %s", test.text, got, test.want)
		}
		if again := r.Text(got); again != got {
			t.Errorf("%s\n became %s", got, again)
		}
		if !strings.Contains(test.want, Redacted) || strings.Contains(test.text, "…") {
			continue
		}
		learned := &Redactor{}
		learned.Learn(test.text)
		for _, secret := range []string{"J3cccccc33", "J3dddddd44", "J5eeeeee55", "X1aaaaaa11"} {
			if strings.Contains(test.text, secret) && learned.Text("so "+secret) != "so "+Redacted {
				t.Errorf("%s: %s was not learned", test.text, secret)
			}
		}
	}
}

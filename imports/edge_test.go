package imports

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/policycortex/headroom/scenarios"
)

func converted(t *testing.T, format Format, content string) *Result {
	t.Helper()
	r, err := Convert("f", []byte(content), format)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, r)
	return r
}

// TestK6Scripts holds what single expressions of scripts become, and what is left out.
func TestK6Scripts(t *testing.T) {
	const before = "import http from 'k6/http';\nimport exec from 'k6/execution';\n" +
		"import { check, sleep } from 'k6';\nconst U = 'http://127.0.0.1:1';\n"
	for name, test := range map[string]struct {
		script string
		has    []string // in the scenario
		lacks  string   // the beginning of what is left out
	}{
		"no options": {
			"export default () => { http.get(U); }",
			[]string{"executor: constant-vus", "vus: 1", "duration: 1m", "path: /"},
			"",
		},
		"iterations": {
			"export const options = { vus: 5, iterations: 100 };\nexport default function () { http.get(U + '/a'); }",
			[]string{"executor: shared-iterations", "vus: 5", "iterations: 100"},
			"",
		},
		"ramping users": {
			"export const options = { stages: [{duration: '1m', target: 20}, {duration: '1h30s', target: 0}] };\n" +
				"export default function () { http.get(`${U}/a`); }",
			[]string{"executor: ramping-vus", "stages: [{target: 20, duration: 1m}, {target: 0, duration: 1h0m30s}]"},
			"",
		},
		"numbers of the environment": {
			"export const options = { vus: parseInt(__ENV.VUS || '7'), duration: __ENV.FOR || '30s' };\n" +
				"export default () => { http.get(U); }",
			[]string{"vus: ${VUS:-7}", "duration: ${FOR:-30s}", "    VUS: __ENV.VUS of the script"},
			"",
		},
		"a form": {
			"export default () => { http.post(U + '/f', { 'a b': 'c&d', n: 1, pin: '12345678' }); }",
			[]string{`form: {"a b": "c&d", "n": "1", pin: "${PIN:-set-PIN}"}`},
			"",
		},
		"members that are set again": {
			"const base = { a: 1, b: 2 };\nexport default () => { const o = { ...base, a: 3 }; o.b = 4; " +
				"http.post(U + '/f', Object.assign({}, base, o)); http.post(U + '/g', base); }",
			[]string{`form: {a: "3", b: "4"}`, `form: {a: "1", b: "2"}`},
			"",
		},
		"a batch": {
			`export default () => { http.batch([['GET', U + '/a'], { method: 'PUT', url: U + '/b', body: 'x' }, U + '/c']); }`,
			[]string{"path: /a", "method: PUT", "body: x", "path: /c"},
			"http.batch: its requests are sent one after",
		},
		"a loop over a list": {
			"export default () => { for (const p of ['a', 'b']) http.get(`${U}/${p}`); }",
			[]string{"path: /a", "path: /b"},
			"",
		},
		"a loop around one request": {
			"export default () => { for (let i = 0; i < 5; i++) { http.get(U + '/a'); } }",
			[]string{"- repeat: 5\n            steps:\n              - name: get_a\n                path: /a"},
			"",
		},
		"a pause in a loop": {
			"export const options = { vus: 3, duration: '10s' };\n" +
				"export default () => { for (let i = 0; i < 9; i++) { http.get(U + '/a'); sleep(1); } }",
			[]string{"thinkTime: 1s", "- repeat: 9\n            steps:\n              - name: get_a\n" +
				"                path: /a\n                pause: 1s\n"},
			"",
		},
		"a pause behind a loop": {
			"export default () => { for (let i = 0; i < 9; i++) { http.get(U + '/a'); } sleep(1); }",
			[]string{"path: /a\n"},
			"the pause behind a loop",
		},
		"a loop without an end": {
			"export default () => { while (true) { http.get(U + '/a'); } }",
			[]string{"path: /a"},
			"the loop: what it repeats is sent once",
		},
		"a function that calls itself": {
			"function f() { http.get(U + '/a'); f(); }\nexport default () => { f(); }",
			[]string{"path: /a"},
			"",
		},
		"the number of the iteration": {
			"export default () => { http.get(`${U}/${__ITER}/${exec.scenario.iterationInTest}`); }",
			[]string{`path: "/{{iteration}}/{{iteration}}"`},
			"",
		},
		"whole random numbers": {
			"const min = 5, max = 9;\n" +
				"export default () => { http.get(U + '/' + Math.floor(Math.random() * (max - min + 1) + min));" +
				" http.get(U + '/' + Math.ceil(Math.random() * 6));" +
				" http.get(U + '/' + Math.round(Math.random() * 3)); }",
			[]string{"number: {range: [5, 9]}", "number_2: {range: [1, 6]}", "number_3: {range: [0, 3]}"},
			"that Math.round gives the first and the last number half as often",
		},
		"the number of the iteration in a circle": {
			"const all = ['x', 'y'];\n" +
				"export default () => { http.get(`${U}/${__ITER % 7}/${__ITER % 3 + 1}/" +
				"${all[__ITER % all.length]}`); }",
			[]string{
				"number: {range: [0, 6], choice: sequential}", "number_2: {range: [1, 3], choice: sequential}",
				`item: {list: ["x", "y"], choice: sequential}`,
			},
			"",
		},
		"an unknown value": {
			"export default () => { http.get(`${U}/${crypto.md5('a')}`); }",
			[]string{`path: "/${CRYPTO_MD5:-set-CRYPTO_MD5}"`},
			"what crypto.md5 is: the variable CRYPTO_MD5 stands for it",
		},
		"a random one of a list": {
			"const all = ['x', 'y'];\n" +
				"export default () => { http.get(U + '/' + all[Math.floor(Math.random() * all.length)]); }",
			[]string{`path: "/{{item}}"`, `item: {list: ["x", "y"]}`},
			"",
		},
		"braces": {
			"export default () => { http.post(U, '{{a}} ${b}'); }",
			[]string{`body: "{{two_braces}}a}} $${b}"`, `two_braces: {list: ["{{"]}`},
			"",
		},
		"a sign before a variable": {
			"export default () => { http.get(`${U}/$${__ENV.PRICE}`); }",
			[]string{`path: "/{{dollar}}${PRICE:-set-PRICE}"`, `dollar: {list: ["$"]}`},
			"",
		},
		"a check that is none": {
			"export default () => { const r = http.get(U); check(r, { fast: (r) => r.timings.duration < 100 }); }",
			[]string{"path: /"},
			`the check "fast"`,
		},
		"elements": {
			"export default () => { const r = http.get(U); check(r, { some: (r) => r.json().items.length > 0, " +
				"none: (r) => r.json('error') === undefined, 'big, {odd}': (r) => r.body.length >= 10 }); }",
			[]string{
				`{name: "some", json: "$.items[0]"}`, `{name: "none", json: "$.error", exists: "false"}`,
				`{name: "big odd", bodySize: {min: 10}}`,
			},
			"",
		},
		"a pause of users": {
			"export const options = { vus: 3, duration: '10s' };\nexport default () => { http.get(U); sleep(0.5); }",
			[]string{"thinkTime: 500ms"},
			"",
		},
		"cookies and a timeout": {
			"export default () => { http.get(U, { cookies: { sid: 'abcdefgh1' }, timeout: '10s', redirects: 0 }); }",
			[]string{`Cookie: "${COOKIE:-set-COOKIE}"`, "timeout: 10s"},
			"",
		},
		"another service": {
			"export default () => { http.get(U); http.get(U); " +
				"http.get('http://bob:pw-of-bob@127.0.0.2/x?token=secret99'); }",
			[]string{`url: "http://127.0.0.1:1"`},
			"GET http://127.0.0.2/x: another service",
		},
	} {
		t.Run(name, func(t *testing.T) { becomes(t, K6, before+test.script, test.has, test.lacks) })
	}
}

// becomes holds what a scenario has in it that is made of a file, and what something that is left out begins with.
func becomes(t *testing.T, format Format, file string, has []string, lacks string) {
	t.Helper()
	r := converted(t, format, file)
	for _, want := range has {
		if !strings.Contains(string(r.Text), want) {
			t.Errorf("%s is not in\n%s", want, r.Text)
		}
	}
	left := lacks == ""
	for _, n := range r.LeftOut {
		left = left || strings.HasPrefix(n.Text, lacks)
	}
	if !left {
		t.Errorf("%q is not in %v", lacks, r.LeftOut)
	}
}

// TestLongSequences: a flow has at most 100 steps.
func TestLongSequences(t *testing.T) {
	var b strings.Builder
	for i := range 250 {
		fmt.Fprintf(&b, "curl http://127.0.0.1:1/p%d\n", i)
	}
	r := converted(t, Curl, b.String())
	plan, err := scenarios.Parse("f.yaml", r.Text)
	if err != nil || r.Requests != 250 || len(plan.Scenarios[0].Requests) != 250 || len(r.LeftOut) != 2 {
		t.Errorf("%d requests, %v, left out %v", r.Requests, err, r.LeftOut)
	}
}

// TestManyNotes: of more than 200 the rest is counted.
func TestManyNotes(t *testing.T) {
	r := converted(t, Curl, "curl http://127.0.0.1:1/\n"+strings.Repeat("curl --retry 3 http://127.0.0.1:1/\n", 230))
	if n := len(r.LeftOut); n != 201 || !strings.HasPrefix(r.LeftOut[200].Text, "and ") ||
		!strings.Contains(string(r.Text), "# - "+r.LeftOut[200].Text+"\n") {
		t.Errorf("%d notes, the last %v", n, r.LeftOut[n-1])
	}
}

// TestTheSameSecretHasOneVariable, and different ones have several.
func TestTheSameSecretHasOneVariable(t *testing.T) {
	r := converted(t, Curl, `curl http://127.0.0.1:1/a -H 'X-Api-Key: first-key-1'
curl http://127.0.0.1:1/b -H 'X-Api-Key: second-key-2'
curl http://127.0.0.1:1/c -H 'x-api-key: first-key-1'
`)
	if n := strings.Count(string(r.Text), "${X_API_KEY:-"); n != 2 || len(r.Variables) != 2 ||
		r.Variables[1].Name != "X_API_KEY_2" {
		t.Errorf("%d times, %v\n%s", n, r.Variables, r.Text)
	}
}

// TestDetect: the content goes before the name.
func TestDetect(t *testing.T) {
	for content, want := range map[string]Format{
		"import http from 'k6/http'":                                              K6,
		"// a\nexport default function () {}":                                     K6,
		`{"log": {"entries": []}}`:                                                HAR,
		`{"info": {"_postman_id": "x"}}`:                                          Postman,
		`{"collection": {"info": {"schema": "https://schema.getpostman.com/x"}}}`: Postman,
		"openapi: 3.0.0":                                                          OpenAPI,
		`{"swagger": "2.0"}`:                                                      OpenAPI,
		"<?xml version=\"1.0\"?>\n<!-- x -->\n<jmeterTestPlan>":                   JMeter,
		"#!/bin/sh\ncurl http://h/":                                               Curl,
		"hello":                                                                   "",
	} {
		if got := Detect("x", []byte(content)); got != want {
			t.Errorf("%s is %q, want %q", content, got, want)
		}
	}
	for name, want := range map[string]Format{"a.js": K6, "b.JMX": JMeter, "c.har": HAR, "d.txt": ""} {
		if got := Detect(name, []byte("hello")); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestSwagger reads a document of the version before OpenAPI.
func TestSwagger(t *testing.T) {
	r := converted(t, OpenAPI, `swagger: "2.0"
info: {title: old, version: "1"}
host: old.example.com
basePath: /v1
schemes: [https]
paths:
  /items:
    post:
      consumes: [application/json]
      parameters:
        - {name: item, in: body, schema: {type: object, properties: {name: {type: string, example: pen}}}}
      responses: {"201": {description: created}}
`)
	for _, want := range []string{`url: "https://old.example.com/v1"`, "method: POST", `json: {name: "pen"}`} {
		if !strings.Contains(string(r.Text), want) {
			t.Errorf("%s is not in\n%s", want, r.Text)
		}
	}
}

// FuzzScalar holds that any text is read by YAML as what it is, in a block and in braces.
func FuzzScalar(f *testing.F) {
	for _, s := range []string{
		"", "a", "true", "a: b", "it's", `"q" \ 'x'`, "a\nb", "a\n\nb\n", " lead", "trail ", "\t", "# c", "{x}",
		"é\u2028\u00a0", "\x00\x7f", "- a", "1.5", "~", "a\r\nb", "\ufeff", "😀\U000e0001", "|", "a\nb\n", "@x",
		"`x`", "%a", "http://h/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		written := "a: " + scalar(s, 0) + "\nc: {b: " + flowScalar(s) + "}\n"
		var all struct {
			A string
			C struct{ B string }
		}
		if err := yaml.Unmarshal([]byte(written), &all); err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		if all.A != s || all.C.B != s {
			t.Errorf("%q is read as %q and %q of\n%s", s, all.A, all.C.B, written)
		}
	})
}

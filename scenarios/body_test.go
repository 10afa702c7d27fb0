package scenarios

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oneRequest is a scenario with one request, of which rest are further lines.
func oneRequest(rest string) string {
	var b strings.Builder
	b.WriteString("target: {url: \"http://127.0.0.1:1\"}\nscenarios:\n  s:\n    executor: constant-arrival-rate\n" +
		"    rate: 1\n    duration: 1s\n    requests:\n      - name: r\n        path: /\n        method: POST\n")
	for line := range strings.Lines(rest) {
		b.WriteString("        " + line)
	}
	return b.String() + "\n"
}

// shown is a template as a test writes it down: the encoding of a hole follows its name.
func shown(t Template) string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.Literal)
		if p.Value == "" {
			continue
		}
		b.WriteString("{{" + p.Value)
		if p.Base64 {
			b.WriteString("|base64")
		}
		b.WriteString([]string{"", "|raw", "|url", "|form", "|json"}[p.Encoding] + "}}")
	}
	return b.String()
}

func headersOf(q Request) string {
	var all []string
	for _, h := range q.Headers {
		all = append(all, h.Name+": "+shown(h.Value))
	}
	return strings.Join(all, "\n")
}

// TestBodies holds what each key makes of a body, and how what fills its holes is written.
func TestBodies(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo.jpg"), []byte("\xff\xd8{{n}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	const values = "values: {n: {range: [1, 9]}, pw: {secret: {env: PW}}}\n"
	for _, tt := range []struct{ name, rest, body, headers string }{
		{"text", "body: 'a {{n}} \"{{n}}\"'", `a {{n}} "{{n}}"`, ""},
		{
			"JSON by its type", `
headers: {content-type: "application/vnd.api+json; charset=utf-8"}
body: '{"a": "{{n}}", "b\"": {{n}}, "c": "x\"{{n}}"}'`,
			`{"a": "{{n|json}}", "b\"": {{n}}, "c": "x\"{{n|json}}"}`,
			"content-type: application/vnd.api+json; charset=utf-8",
		},
		{"JSON by its look", `body: '{"a": "{{n}}", "b": {{n}}}'`, `{"a": "{{n|json}}", "b": {{n}}}`, ""},
		{"list of JSON", `body: '["{{n}}"]'`, `["{{n|json}}"]`, ""},
		{"no JSON", `body: '{"a": "{{n}}"'`, `{"a": "{{n}}"`, ""},
		{
			"text by its type", "headers: {Content-Type: text/plain}\nbody: '{\"a\": \"{{n}}\"}'", `{"a": "{{n}}"}`,
			"Content-Type: text/plain",
		},
		{
			"form by its type",
			"headers: {Content-Type: application/x-www-form-urlencoded}\nbody: 'a={{n}}&b={{n|raw}}'",
			"a={{n|form}}&b={{n|raw}}", "Content-Type: application/x-www-form-urlencoded",
		},
		{
			"filters", `body: '{{ n | base64 }} {{n|url}} {{n|form}} {{n|json}} {{n|base64|url}}'`,
			"{{n|base64}} {{n|url}} {{n|form}} {{n|json}} {{n|base64|url}}", "",
		},
		{
			"secret in JSON", `body: '{"password": "{{pw}}", "raw": "{{pw|base64}}"}'`,
			`{"password": "p\"w +/", "raw": "cCJ3ICsv"}`, "",
		},
		{
			"json", `
json:
  user: "Ann \"{{n}}\""
  "{{n}}": [1, 2.50, true, null, "3", "true", ~, -0.1e5]
  nested: {count: "{{n|raw}}", both: "{{n|raw}}.", empty: {}, none: []}`,
			`{"user":"Ann \"{{n|json}}\"","{{n|json}}":[1,2.50,true,null,"3","true",null,-0.1e5],` +
				`"nested":{"count":{{n|raw}},"both":"{{n|raw}}.","empty":{},"none":[]}}`,
			"Content-Type: application/json",
		},
		{
			"json of a variable", "json:\n  a: '${NUMBER}'\n  b: \"${NUMBER}\"\n  c: ${NUMBER}\n  d: ${PW}",
			`{"a":"17","b":"17","c":17,"d":"p\"w +/"}`, "Content-Type: application/json",
		},
		{
			"json list, own type", "headers: {Content-Type: application/x-patch}\njson: [{op: add}]",
			`[{"op":"add"}]`, "Content-Type: application/x-patch",
		},
		{
			"form", "form: {a b: 'x&{{n}}', c: [1, \"{{n|raw}}\", \"{{pw}}\"], d: {secret: {env: PW}}}",
			"a+b=x%26{{n|form}}&c=1&c={{n|raw}}&c=p%22w+%2B%2F&d=p%22w+%2B%2F",
			"Content-Type: application/x-www-form-urlencoded",
		},
		{"file", "bodyFile: photo.jpg", "\xff\xd8{{n}}", ""},
		{"binary", "body: !!binary /9h7e24=", "\xff\xd8{{n", ""},
		{"binary block", "body: !!binary |\n  /9h7\n  e24=", "\xff\xd8{{n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Inputs{Lookup: environment(map[string]string{"PW": `p"w +/`, "NUMBER": "17"})}
			rest := tt.rest
			if strings.Contains(rest, "{{n") && !strings.Contains(rest, "bodyFile") {
				rest = values + rest
				if !strings.Contains(tt.rest, "{{pw") {
					rest = strings.Replace(rest, ", pw: {secret: {env: PW}}", "", 1)
				}
			} else if strings.Contains(rest, "{{pw") {
				rest = "values: {pw: {secret: {env: PW}}}\n" + rest
			}
			p, err := in.Parse(filepath.Join(dir, "s.yaml"), []byte(oneRequest(rest)))
			if err != nil {
				t.Fatal(err)
			}
			q := p.Scenarios[0].Requests[0]
			if got := shown(q.Body); got != tt.body {
				t.Errorf("the body is\n%s, want\n%s", got, tt.body)
			}
			if got := headersOf(q); got != tt.headers {
				t.Errorf("the headers are %q, want %q", got, tt.headers)
			}
			literal := !strings.Contains(tt.body, "{{")
			if strings.HasPrefix(tt.name, "json") && literal && !json.Valid([]byte(shown(q.Body))) {
				t.Errorf("%s is not JSON", shown(q.Body))
			}
		})
	}
}

// TestMultipart holds the form of the parts; that servers understand them, the engines' test shows.
func TestMultipart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "photo.jpg"), []byte("\xff\xd8"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := oneRequest(`
values: {n: {range: [1, 9]}}
multipart:
  title: 'about {{n}}'
  "a\"b": [one, {text: '{"x": "{{n}}"}', contentType: application/json}]
  photo: {file: photo.jpg, contentType: image/jpeg}
  raw: {file: photo.jpg, filename: "x\"y.bin"}`)
	p, err := Parse(filepath.Join(dir, "s.yaml"), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	q := p.Scenarios[0].Requests[0]
	found := regexp.MustCompile(`^Content-Type: multipart/form-data; boundary=(headroom-[0-9a-f]{32})$`).
		FindStringSubmatch(headersOf(q))
	if found == nil {
		t.Fatalf("the headers are %q", headersOf(q))
	}
	want := strings.ReplaceAll(`--B
Content-Disposition: form-data; name="title"

about {{n}}
--B
Content-Disposition: form-data; name="a%22b"

one
--B
Content-Disposition: form-data; name="a%22b"
Content-Type: application/json

{"x": "{{n|json}}"}
--B
Content-Disposition: form-data; name="photo"; filename="photo.jpg"
Content-Type: image/jpeg

`+"\xff\xd8"+`
--B
Content-Disposition: form-data; name="raw"; filename="x%22y.bin"
Content-Type: application/octet-stream

`+"\xff\xd8"+`
--B--
`, "\n", "\r\n")
	if got := strings.ReplaceAll(shown(q.Body), found[1], "B"); got != want {
		t.Errorf("the body is\n%s\nwant\n%s", got, want)
	}
	again, err := Parse(filepath.Join(dir, "s.yaml"), []byte(src))
	if err != nil || shown(again.Scenarios[0].Requests[0].Body) != shown(q.Body) {
		t.Errorf("the same file gives another body, %v", err)
	}
}

// TestBodyFaults holds that each mistake in a body is told with its place.
func TestBodyFaults(t *testing.T) {
	for _, tt := range []struct{ rest, fault string }{
		{
			"body: a\njson: {}",
			`s.yaml:12:9: scenarios.s.requests.r.json: the request has scenarios.s.requests.r.body as well; remove one of the two`,
		},
		{
			"body: '{{uuid|jsn}}'",
			`s.yaml:11:15: scenarios.s.requests.r.body: there is no filter "jsn"; did you mean "json"?`,
		},
		{
			"body: '{{uuid|json|url}}'",
			`s.yaml:11:15: scenarios.s.requests.r.body: "{{uuid|json|url}}" has too many filters; write one of form, json, raw, url, with base64 before it or without`,
		},
		{
			"bodyFile: missing.bin",
			`s.yaml:11:19: scenarios.s.requests.r.bodyFile: stat missing.bin: no such file or directory`,
		},
		{
			"bodyFile: .",
			`s.yaml:11:19: scenarios.s.requests.r.bodyFile: . is no regular file`,
		},
		{
			"json: {a: 0x1F}",
			`s.yaml:11:19: scenarios.s.requests.r.json.a is 0x1F, which JSON does not have; write it in quotes for a text, or as a decimal number`,
		},
		{
			"json: {a: [.inf]}",
			`s.yaml:11:20: scenarios.s.requests.r.json.a.0 is .inf, which JSON does not have; write it in quotes for a text, or as a decimal number`,
		},
		{
			"json: {a: !!binary aGFsbG8=}",
			`s.yaml:11:19: scenarios.s.requests.r.json.a cannot be binary; JSON has texts only: write it as one`,
		},
		{
			"json: {a: '{{b}}'}",
			`s.yaml:11:19: scenarios.s.requests.r.json.a names the value "b", which is not declared under values`,
		},
		{
			"body: !!binary a-b",
			`s.yaml:11:15: what follows !!binary is not base64; for example !!binary SGVsbG8=`,
		},
		{
			"tags: {a: !!binary aGFsbG8=}",
			`s.yaml:11:19: scenarios.s.requests.r.tags.a cannot be binary; write it as a text`,
		},
		{
			"form: {a: {b: c}}",
			`s.yaml:11:20: unknown key "b" in scenarios.s.requests.r.form.a`,
		},
		{
			"multipart: {}",
			`s.yaml:11:20: scenarios.s.requests.r.multipart is empty; for example {title: a text, photo: {file: photo.jpg}}`,
		},
		{
			"multipart: {a: {text: b, file: c}}",
			`s.yaml:11:21: scenarios.s.requests.r.multipart.a needs exactly one of file, text and secret; for example {file: photo.jpg, contentType: image/jpeg}`,
		},
		{
			"multipart: {a: {text: b, contentType: \"c\\nd\"}}",
			`s.yaml:11:47: scenarios.s.requests.r.multipart.a.contentType has a line break or control character`,
		},
		{
			"headers: {Content-Type: multipart/form-data}\nmultipart: {a: b}",
			`s.yaml:12:9: scenarios.s.requests.r.multipart sets Content-Type itself, with the boundary between its parts; leave the header out`,
		},
	} {
		_, err := Parse("s.yaml", []byte(oneRequest(tt.rest)))
		if err == nil {
			t.Errorf("%s: no fault", tt.rest)
			continue
		}
		if got := fmt.Sprint(err); !strings.HasPrefix(got, tt.fault) {
			t.Errorf("%s:\n%s, want\n%s", tt.rest, got, tt.fault)
		}
	}
}

// TestSecretsOfBodies holds that a password in a body is in nothing that is shown.
func TestSecretsOfBodies(t *testing.T) {
	for _, rest := range []string{
		"json: {login: {user: ann, password: hunter2secret}}",
		"form: {user: ann, password: [hunter2secret]}",
		"multipart: {user: ann, password: {text: hunter2secret}}",
		"multipart: {user: ann, password: hunter2secret}",
		"values: {pw: {list: [hunter2secret]}}\njson: {password: '{{pw|raw}}'}",
		"values: {pw: {list: [hunter2secret]}}\nmultipart: {password: '{{pw}}'}",
		"values: {pw: {list: [hunter2secret]}}\nbody: '{\"password\": \"{{pw|json}}\"}'",
	} {
		secrets := &Redactor{}
		p, err := Inputs{Secrets: secrets}.Parse("s.yaml", []byte(oneRequest(rest)))
		if err != nil {
			t.Fatal(err)
		}
		shown := secrets.Text(p.Source.Text)
		if strings.Contains(shown, "hunter2secret") || !strings.Contains(shown, Redacted) {
			t.Errorf("the file is shown as %s", shown)
		}
		if got := secrets.Text("the server said hunter2secret"); strings.Contains(got, "hunter2secret") {
			t.Errorf("%s: a message is shown as %s", rest, got)
		}
	}
	const sent = "--B\r\nContent-Disposition: form-data; name=\"password\"; filename=\"a\"\r\n" +
		"Content-Type: text/plain\r\n\r\nhunter2secret\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nann\r\n--B--\r\n"
	got := (&Redactor{}).Text(sent)
	if strings.Contains(got, "hunter2secret") || !strings.Contains(got, "\r\n\r\nann") {
		t.Errorf("a body is shown as %s", got)
	}
}

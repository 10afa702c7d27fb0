package imports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// bodyOfFirst is the body that a scenario sends first, with its type.
func bodyOfFirst(t *testing.T, r *Result) (body, kind string) {
	t.Helper()
	plan, err := asSaved(string(r.Text)).Parse()
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, r.Text)
	}
	first := plan.Scenarios[0].Requests[0]
	for _, h := range first.Headers {
		if h.Name == "Content-Type" {
			kind = h.Value.Text()
		}
	}
	signs := strings.NewReplacer("{{two_braces}}", "{{", "{{dollar}}", "$")
	return signs.Replace(first.Body.Text()), kind
}

// quoted is an argument of a command of the shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// TestBodiesSayTheSame: what is written by the key of its type is sent as it was.
func TestBodiesSayTheSame(t *testing.T) {
	for body, key := range map[string]string{
		`{"a": 1, "b": [true, null, "x"], "c": {"d": -1.50}}`:                              "json: {a: 1,",
		`{"long": "` + strings.Repeat("word ", 40) + `", "n": 0, "list": [{"a": {}}, []]}`: "json:\n",
		`{"true": "true", "null": "null", "n": "017", "e": ""}`:                            "json: {",
		`{"a": "it's {{here}}, ${x}", "$${y}": "\"q\" \\ \u0000 \u2028 é"}`:                "json:",
		`{"lines": "one\n two\n\nthree\n"}`:                                                "json:",
		`[1, "2"]`:                                                                         "json: [1,",
		`{"a": 1e5}`:                                                                       "body:", // no person's number
		`{"a": 1, "a": 2}`:                                                                 "body:",
		`{"a": "\ud800"}`:                                                                  "body:",
		`"text"`:                                                                           "body:",
		`{"a": 12345678901234567890}`:                                                      "body:",
		`{"": {"": ""}}`:                                                                   "json:",
		`{"a b": ": #", "-": "- x", "?": "?", "&a": "*b", "!!x": "%"}`:                     "json:",
	} {
		r := converted(t, Curl, "curl http://127.0.0.1:1/ -H 'Content-Type: application/json' -d "+quoted(body))
		if !strings.Contains(string(r.Text), "        "+key) {
			t.Errorf("%s: %s is not in\n%s", body, key, r.Text)
		}
		got, kind := bodyOfFirst(t, r)
		if kind != typeOfJSON || !sameJSON(t, got, body) {
			t.Errorf("%s: %s is sent as %s, of\n%s", body, got, kind, r.Text)
		}
	}
	for body, want := range map[string]string{
		"a=1&b=x+y%26z&b=%C3%A9": "a=1&b=x+y%26z&b=%C3%A9", "a=1&b=2&a=3": "a=1&b=2&a=3", "a": "a", "=x": "=x",
		"q=%zz": "q=%zz", "a=%FF": "a=%FF", "user[name]=ann": "user%5Bname%5D=ann", "a=": "a=",
	} {
		got, kind := bodyOfFirst(t, converted(t, Curl, "curl http://127.0.0.1:1/ -d "+quoted(body)))
		if got != want || kind != typeOfForm {
			t.Errorf("%s is sent as %s, %s", body, got, kind)
		}
	}
}

// sameJSON reports whether two documents are the same but for blanks.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var compactA, compactB bytes.Buffer
	if json.Compact(&compactA, []byte(a)) != nil || json.Compact(&compactB, []byte(b)) != nil {
		return a == b
	}
	var valueA, valueB any
	if json.Unmarshal([]byte(a), &valueA) != nil || json.Unmarshal([]byte(b), &valueB) != nil {
		return a == b
	}
	oneA, _ := json.Marshal(valueA)
	oneB, _ := json.Marshal(valueB)
	return bytes.Equal(oneA, oneB)
}

// FuzzJSONBodies holds that any JSON is sent as it was.
func FuzzJSONBodies(f *testing.F) {
	f.Add(`{"a": [1, {"b": "{{x}} ${y} 'z'\n"}], "c": "true", "d": -0.5}`)
	f.Add("[\"\\u0085\", {\"k\u0085: v\": \"\\ud83d\\ude00\"}]")
	f.Fuzz(func(t *testing.T, body string) {
		if !json.Valid([]byte(body)) || strings.ContainsAny(body, "\x00\r") {
			return
		}
		r, err := Convert("f", []byte("curl http://127.0.0.1:1/ -H 'Content-Type: application/json' --data-raw "+
			quoted(body)), Curl)
		if err != nil || len(r.Variables) > 0 || len(r.LeftOut) > 0 { // a shell has other texts, secrets are replaced
			return
		}
		got, _ := bodyOfFirst(t, r)
		if !sameJSON(t, got, strings.ToValidUTF8(body, "\ufffd")) {
			t.Errorf("%s\nis sent as\n%s\nof\n%s", body, got, r.Text)
		}
	})
}

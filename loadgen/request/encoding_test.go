package request

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// setOf are the requests of a scenario of one request, which has one value x with one text.
func setOf(t testing.TB, text string, path, body scenarios.Template) *Set {
	t.Helper()
	s, err := New(1, &scenarios.Scenario{Name: "s", Requests: []scenarios.Request{{
		Name: "r", Weight: 1, Method: "POST", Path: path, Body: body,
		Values: []scenarios.Value{{Name: "x", Keys: scenarios.ListKeys{text}, Choice: scenarios.Uniform}},
	}}}, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEncodings holds how a text is written in a body and in a path.
func TestEncodings(t *testing.T) {
	const text = "a \"b\\c/+=%&ü?\t#"
	for _, tt := range []struct {
		part       scenarios.Part
		body, path string
	}{
		{scenarios.Part{}, text, "a%20%22b%5Cc%2F%2B%3D%25%26%C3%BC%3F%09%23"},
		{scenarios.Part{Encoding: scenarios.Raw}, text, "a%20%22b%5Cc/+=%25&%C3%BC?%09%23"},
		{
			scenarios.Part{Encoding: scenarios.ForURL},
			"a%20%22b%5Cc%2F%2B%3D%25%26%C3%BC%3F%09%23",
			"a%20%22b%5Cc%2F%2B%3D%25%26%C3%BC%3F%09%23",
		},
		{
			scenarios.Part{Encoding: scenarios.ForForm},
			"a+%22b%5Cc%2F%2B%3D%25%26%C3%BC%3F%09%23",
			"a+%22b%5Cc%2F%2B%3D%25%26%C3%BC%3F%09%23",
		},
		{
			scenarios.Part{Encoding: scenarios.ForJSON},
			`a \"b\\c/+=%&ü?\t#`,
			`a%20%5C%22b%5C%5Cc/+=%25&%C3%BC?\t%23`,
		},
		{scenarios.Part{Base64: true}, "YSAiYlxjLys9JSbDvD8JIw==", "YSAiYlxjLys9JSbDvD8JIw%3D%3D"},
		{
			scenarios.Part{Base64: true, Encoding: scenarios.ForForm},
			"YSAiYlxjLys9JSbDvD8JIw%3D%3D",
			"YSAiYlxjLys9JSbDvD8JIw%3D%3D",
		},
	} {
		tt.part.Value = "x"
		s := setOf(t, text, scenarios.Template{{Literal: "/"}, tt.part}, scenarios.Template{tt.part, {Literal: "."}})
		d := s.Draw(0)
		if got := string(s.Body(&d)); got != tt.body+"." {
			t.Errorf("%+v: the body is %s, want %s", tt.part, got, tt.body)
		}
		if got := string(s.AppendPath(nil, &d)); got != "/"+tt.path {
			t.Errorf("%+v: the path is %s, want %s", tt.part, got, tt.path)
		}
	}
}

// FuzzEncodings holds the encodings against what reads them.
func FuzzEncodings(f *testing.F) {
	f.Add("O\"Neil \\ \x00\n+/=%ü\xff")
	f.Fuzz(func(t *testing.T, text string) {
		in := func(e scenarios.Encoding) string {
			return string(newEncoder(scenarios.Part{}, e)([]byte("before "+text), len("before ")))[len("before "):]
		}
		if got, err := url.QueryUnescape(in(scenarios.ForForm)); err != nil || got != text {
			t.Errorf("form: %q, %v", got, err)
		}
		if got, err := url.PathUnescape(in(scenarios.ForURL)); err != nil || got != text {
			t.Errorf("url: %q, %v", got, err)
		}
		var got string
		err := json.Unmarshal([]byte(`"`+in(scenarios.ForJSON)+`"`), &got)
		if err != nil || got != strings.ToValidUTF8(got, "") && got != text {
			t.Errorf("json: %q, %v", got, err)
		}
		if strings.ToValidUTF8(text, "") == text && got != text {
			t.Errorf("json: %q of %q", got, text)
		}
		for _, query := range []bool{false, true} {
			target := string(targetEncoder(query)([]byte("/"+text), 1))
			if strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) {
				t.Errorf("path: %q", target)
			}
		}
	})
}

// BenchmarkEncodings: a value that an encoding keeps costs a look at its bytes; no value costs memory.
func BenchmarkEncodings(b *testing.B) {
	for name, text := range map[string]string{"kept": "plain-text", "escaped": `O"Neil & Söhne`} {
		for encoding, word := range map[scenarios.Encoding]string{
			scenarios.ForJSON: "json", scenarios.ForForm: "form", scenarios.ForURL: "url",
		} {
			b.Run(word+"/"+name, func(b *testing.B) {
				body := scenarios.Template{{Literal: `{"a":"`}, {Value: "x", Encoding: encoding}}
				s := setOf(b, text, literal("/"), body)
				d := s.Draw(0)
				r := &s.requests[0]
				space := make([]byte, 0, 512)
				b.ReportAllocs()
				for b.Loop() {
					space = r.append(space[:0], r.body, &d)
				}
			})
		}
	}
}

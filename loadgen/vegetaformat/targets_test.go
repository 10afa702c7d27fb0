package vegetaformat

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// gzipped is a text, compressed.
func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// targetText is a target on one line.
func targetText(t *vegeta.Target) string {
	var headers []string
	for name, values := range t.Header {
		headers = append(headers, fmt.Sprintf("%s: %s", name, strings.Join(values, ", ")))
	}
	slices.Sort(headers)
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %q", t.Method, t.URL, strings.Join(headers, "; "), t.Body))
}

// TestTargetsAreReadAsVegetaReads holds the reader to vegeta's own, where that reads what is written.
func TestTargetsAreReadAsVegetaReads(t *testing.T) {
	body := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(body, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := http.Header{"X-Flag": {"1"}}
	for name, test := range map[string]struct{ format, file string }{
		"one":                 {"http", "GET http://h/a"},
		"one after the other": {"http", "GET http://h/a\nPOST http://h/b\nHEAD https://h:8/c?d=e"},
		"headers as they are": {
			"http",
			"GET http://h/a\nx-small: 1\nX-B:2\nX-B : 3\nX-Flag: own\n\nGET http://h/b",
		},
		"a body":                   {"http", "POST http://h/a\nA: b\n@" + body + "\nGET http://h/b\n\n\n"},
		"comments":                 {"http", "# one\n\nGET http://h/a\n# two\nA: b\n\n#three\nGET http://h/b\n"},
		"blanks and ends of lines": {"http", "  GET http://h/a \r\n A: b\r\n\r\nGET http://h/b\r\n"},
		"user and password":        {"http", "GET http://bob:pw@h/"},
		"a method of one's own":    {"http", "PURGE http://h/a"},
		"JSON": {
			"json",
			`{"method":"POST","url":"http://h/a","body":"YWJj","header":{"x-small":["1","2"]}}` + "\n\n" +
				`{"url":"http://h/b","method":"GET"}` + "\n",
		},
		"JSON, no body of its own": {"json", `{"method":"POST","url":"http://h/a","body":""}` + "\n"},
		"JSON, a header of the run": {
			"json",
			`{"method":"POST","url":"http://h/a","header":{"X-Flag":["own"]}}` + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			targeter := vegeta.NewHTTPTargeter(strings.NewReader(test.file), []byte("run's"), flags)
			if test.format == "json" {
				targeter = vegeta.NewJSONTargeter(strings.NewReader(test.file), []byte("run's"), flags)
			}
			want, err := vegeta.ReadAllTargets(targeter)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadTargets(strings.NewReader(test.file), "f", test.format, []byte("run's"), flags)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d targets, want %d: %v", len(got), len(want), err)
			}
			for i := range want {
				if targetText(&got[i]) != targetText(&want[i]) {
					t.Errorf("target %d is %s, want %s", i, targetText(&got[i]), targetText(&want[i]))
				}
			}
		})
	}
}

// TestTargetsThatVegetaLoses: what is written is sent, where vegeta sends something else, or nothing.
func TestTargetsThatVegetaLoses(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, test := range map[string]struct {
		format, file string
		want         []string
	}{
		"a comment between targets": {
			"http", "GET http://h/a\n# comment\nGET http://h/b\n",
			[]string{`GET http://h/a  ""`, `GET http://h/b  ""`},
		},
		"a target behind headers": {
			"http", "GET http://h/a\nA: b\nGET http://h/b",
			[]string{`GET http://h/a A: b ""`, `GET http://h/b  ""`},
		},
		"a long line": {
			"http", "GET http://h/a\nA: " + long + "\n\nGET http://h/b",
			[]string{`GET http://h/a A: ` + long + ` ""`, `GET http://h/b  ""`},
		},
		"a header of capitals": {"http", "GET http://h/a\nDNT : 1", []string{`GET http://h/a DNT: 1 ""`}},
		"JSON whose last line has no end": {"json", `{"method":"GET","url":"http://h/a"}` + "\n" +
			`{"method":"GET","url":"http://h/b"}`, []string{`GET http://h/a  ""`, `GET http://h/b  ""`}},
		"a mark":     {"http", "\ufeffGET http://h/a", []string{`GET http://h/a  ""`}},
		"compressed": {"http", gzipped(t, "GET http://h/a"), []string{`GET http://h/a  ""`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadTargets(strings.NewReader(test.file), "f", test.format, nil, nil)
			if err != nil || len(got) != len(test.want) {
				t.Fatalf("%d targets, want %d: %v", len(got), len(test.want), err)
			}
			for i, want := range test.want {
				if targetText(&got[i]) != want {
					t.Errorf("target %d is %s, want %s", i, targetText(&got[i]), want)
				}
			}
		})
	}
}

func TestTargetFaults(t *testing.T) {
	for name, test := range map[string]struct{ format, file, want string }{
		"a version": {
			"http", "# a\nGET http://h/ok HTTP/1.1",
			`f:2: "HTTP/1.1" stands behind the URL: leave it out`,
		},
		"a blank": {"http", "GET http://h/a b", "f:1: the URL has a blank: write %20"},
		"no URL":  {"http", "GET", "f:1: the line is no target: write a method and a URL, as in"},
		"small letters": {
			"http", "get http://h/",
			"f:1: the line is no target: it begins with the method in capitals",
		},
		"a path alone": {
			"http", "GET /a",
			"f:1: the URL is not absolute: write it as http://127.0.0.1:8080/path",
		},
		"another scheme": {
			"http", "GET ftp://h/a",
			"f:1: the URL has the scheme ftp, and must have http or https",
		},
		"no URL at all": {"http", "GET http://bob:S3CRET@h:port/", "f:1: the URL cannot be parsed"},
		"a line that is none": {
			"http", "GET http://h/\nAuthorization Bearer S3CRET",
			"f:2: the line is neither a header",
		},
		"an empty header": {"http", "GET http://h/\nA:", "f:2: the line is neither a header"},
		"a header's name": {
			"http", "GET http://h/\nAuthorization Bearer S3CRET: c",
			"f:2: what stands before the colon is no name of a header",
		},
		"a header's value": {"http", "GET http://h/\nA: c\x01", `f:2: the header A has a control character`},
		"no file of a body": {
			"http", "GET http://h/\n\nPOST http://h/\n@/nowhere/x",
			"f:4: read the target's body: open /nowhere/x",
		},
		"a header behind it":    {"http", "GET http://h/\n\nA: b", "f:3: the line is no target"},
		"a secret in its place": {"http", "Authorization: S3CRET", "f:1: the line is no target"},
		"a secret as method": {
			"json", `{"method":"Bearer S3CRET","url":"http://h/"}`,
			"f:1: the method is none: write it as GET",
		},
		"nothing": {"http", "# nothing\n", "f:1: there are no targets"},
		"JSON as http": {
			"http", `{"method":"GET","url":"http://h/"}`,
			"f:1: it is JSON, not a target of the format http: use -format json",
		},
		"UTF-16": {"http", "\xff\xfeG\x00", "f:1: it is UTF-16"},
		"JSON, array": {
			"json", `[{"method":"GET","url":"http://h/"}]`,
			"f:1: the line begins a JSON array, and a target is an object on a line of its own: jq -c '.[]' FILE",
		},
		"JSON, array, lines": {
			"json", "[\n" + `{"method":"GET","url":"http://h/"}]`,
			"f:1: the line begins a JSON array",
		},
		"JSON, a plain body": {
			"json", `{"method":"POST","url":"http://h/","body":"hello!"}`,
			"f:1: the line is not a target of vegeta's JSON format: its body must be in base64 (aGVsbG8= is hello)",
		},
		"JSON, another key": {
			"json", `{"method":"GET","url":"http://h/","headers":{"A":["b"]}}`,
			`unknown field "headers"`,
		},
		"JSON, a method":        {"json", `{"method":"G T","url":"http://h/"}`, "f:1: the method is none"},
		"JSON, no absolute URL": {"json", "\n" + `{"method":"GET","url":"h/a"}`, "f:2: the URL is not absolute"},
		"an unknown format":     {"xml", "", "write http or json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadTargets(strings.NewReader(test.file), "f", test.format, nil, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "S3CRET") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// FuzzTargets holds that what is read can be sent, and that every fault has its place.
func FuzzTargets(f *testing.F) {
	for _, file := range []string{
		"GET http://h/a\nA: b\n# c\n\nPOST http://bob:pw@h/?q\n@x",
		`{"method":"POST","url":"http://h/a","body":"YWJj","header":{"A":["1"]}}`, "GET http://h/ok HTTP/1.1",
	} {
		f.Add("http", file)
		f.Add("json", file)
	}
	f.Fuzz(func(t *testing.T, format, file string) {
		if strings.Contains(file, "@/") || strings.Contains(file, "@.") {
			t.Skip("files of this machine")
		}
		targets, err := ReadTargets(strings.NewReader(file), "f", format, nil, nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") && !strings.Contains(err.Error(), "http and json") {
				t.Errorf("a fault without a place: %v", err)
			}
			return
		}
		for i := range targets {
			if _, e := targets[i].Request(); e != nil {
				err = errors.Join(err, e)
			}
		}
		if err != nil {
			t.Errorf("vegeta cannot send it: %v", err)
		}
	})
}

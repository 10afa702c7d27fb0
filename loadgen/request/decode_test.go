package request

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/policycortex/headroom/scenarios"
)

// codings are the ways of compressing a body, by what Content-Encoding calls them; a name may be there twice.
var codings = []struct {
	name string
	to   func(w io.Writer) (io.WriteCloser, error)
}{
	{"gzip", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }},
	{"X-GZIP", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }},
	{"deflate", func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil }},
	{"deflate", func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) }},
	{"br", func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriter(w), nil }},
	{"zstd", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }},
}

func compressed(t testing.TB, text string, to func(w io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := to(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCompressedAnswers: checks and extractions look at what is in a compressed body, whichever engine took its head.
func TestCompressedAnswers(t *testing.T) {
	const text = `{"token": "t0", "items": [1, 2, 3]}`
	in, err := newInspection(&scenarios.Request{
		Checks: []scenarios.Check{
			{JSON: jsonPath("items", 2), Test: scenarios.Equals, Want: "3"},
			{Body: true, Test: scenarios.Contains, Want: `"token"`},
		},
		Extract: []scenarios.Extraction{{Name: "token", JSON: jsonPath("token")}},
	}, map[string]int{"token": 0})
	if err != nil {
		t.Fatal(err)
	}
	var a Answer
	for range 2 { // memory and decoders are used again
		for i, coding := range codings {
			body := compressed(t, text, coding.to)
			for _, head := range []func(){
				func() { a.Header([]byte("Content-encoding"), []byte(coding.name)) },
				func() { a.TakeHeaders(http.Header{"Content-Encoding": {coding.name}}) },
			} {
				a.Start(in)
				head()
				a.Piece(body[:3])
				a.Piece(body[3:])
				var into Texts
				class, why := a.extract(&into)
				if got := a.passed(200, int64(len(body))); got != 0b11 || class != "" || string(into[0]) != "t0" {
					t.Errorf("%d, %s: checks %b, extracted %q: %s", i, coding.name, got, into, why)
				}
				if got := a.Text(200); got != "200 OK: "+text {
					t.Errorf("%d, %s: it reads %s", i, coding.name, got)
				}
			}
		}
		a.Start(in)
		a.Piece([]byte(text)) // what is not compressed after what was
		if got := a.passed(200, int64(len(text))); got != 0b11 {
			t.Errorf("not compressed: checks %b", got)
		}
	}
}

// TestUndecodable: what cannot be decoded meets no check of the body, and the message says why.
func TestUndecodable(t *testing.T) {
	in, err := newInspection(&scenarios.Request{Checks: []scenarios.Check{
		{Body: true, Test: scenarios.Regex, Want: "^x"},
		{JSON: jsonPath(), Test: scenarios.Exists},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := strings.Repeat("x", 4*maxKeptBody)
	for i, coding := range codings {
		whole := compressed(t, bomb, coding.to)
		for name, test := range map[string]struct {
			body []byte
			why  string
		}{
			"cut":     {whole[:len(whole)/2], "the body is"},
			"too big": {whole, "the body has more than 1048576 bytes when it is decompressed"},
			"other":   {[]byte("xxxxxxxxxxxxxxxx"), "the body is not "},
		} {
			var a Answer
			a.Start(in)
			a.Header([]byte("Content-Encoding"), []byte(coding.name))
			a.Piece(test.body)
			if got := a.passed(200, 1); got != 0 {
				t.Errorf("%d, %s, %s: checks %b are met", i, coding.name, name, got)
			}
			if seen := a.seen(&in.checks[0], 200); name != "cut" && !strings.HasPrefix(seen, test.why) {
				t.Errorf("%d, %s, %s: it says %.200s", i, coding.name, name, seen)
			}
		}
	}
	var a Answer
	a.Start(in)
	a.Header([]byte("Content-Encoding"), []byte("compress"))
	a.Piece([]byte("x"))
	if got := a.seen(&in.checks[0], 200); !strings.Contains(got, `the content coding "compress", which is not known here`) {
		t.Errorf("it says %s", got)
	}
}

// TestBeginningOfCompressedAnswer: a message quotes the text of an answer that failed and that nothing looks into,
// although only the beginning is kept.
func TestBeginningOfCompressedAnswer(t *testing.T) {
	text := "something went wrong " + randomText(100_000)
	for i, coding := range codings {
		var a Answer
		a.Start(nil)
		a.TakeHead([]byte("HTTP/1.1 500 Oh\r\nContent-Encoding: " + coding.name + "\r\n\r\n"))
		a.Beginning(compressed(t, text, coding.to))
		want := "500 Internal Server Error: something went wrong"
		if coding.name == "zstd" { // of which the blocks are larger than what is kept
			want = "500 Internal Server Error, with "
		}
		if got := a.Text(500); !strings.HasPrefix(got, want) {
			t.Errorf("%d, %s: it reads %.100q", i, coding.name, got)
		}
		a.Start(nil)
		a.TakeHead([]byte("HTTP/1.1 500 Oh\r\n\r\n"))
		a.Beginning([]byte("plain"))
		if got := a.Text(500); got != "500 Internal Server Error: plain" {
			t.Errorf("it reads %q", got)
		}
	}
}

// randomText is text that compresses badly.
func randomText(length int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < length; x = x*1664525 + 1013904223 {
		b.WriteByte('a' + byte(x>>24)%26)
	}
	return b.String()
}

func FuzzDecode(f *testing.F) {
	for _, coding := range codings {
		f.Add(compressed(f, "some text, some text", coding.to), coding.name)
	}
	f.Fuzz(func(t *testing.T, body []byte, coding string) {
		text, err := appendDecoded([]byte("before"), body, coding)
		if !bytes.HasPrefix(text, []byte("before")) || len(text) > maxKeptBody {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	})
}

// BenchmarkCheck is what the checks of an answer cost the generator.
func BenchmarkCheck(b *testing.B) {
	text := `{"items": [` + strings.TrimSuffix(strings.Repeat(`{"id": 17, "name": "a name of some length"},`, 100), ",") + `]}`
	schema := writeSchema(b, `{"type": "object", "required": ["items"], "properties": {"items": {"items": {"type": "object",
		"required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}}}}`)
	for _, bench := range []struct {
		name   string
		check  scenarios.Check
		coding int // -1: none
	}{
		{"contains", scenarios.Check{Body: true, Test: scenarios.Contains, Want: "]}"}, -1},
		{"regex", scenarios.Check{Body: true, Test: scenarios.Regex, Want: `"id": \d+}`}, -1},
		{"json", scenarios.Check{JSON: jsonPath("items", -1, "id"), Test: scenarios.Exists}, -1},
		{"schema", scenarios.Check{Schema: schema, Test: scenarios.Matches}, -1},
		{"gzip", scenarios.Check{Body: true, Test: scenarios.Contains, Want: "]}"}, 0},
		{"deflate", scenarios.Check{Body: true, Test: scenarios.Contains, Want: "]}"}, 2},
		{"br", scenarios.Check{Body: true, Test: scenarios.Contains, Want: "]}"}, 4},
		{"zstd", scenarios.Check{Body: true, Test: scenarios.Contains, Want: "]}"}, 5},
	} {
		b.Run(bench.name, func(b *testing.B) {
			in, err := newInspection(&scenarios.Request{Checks: []scenarios.Check{bench.check}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			body, name := []byte(text), []byte(nil)
			if bench.coding >= 0 {
				name = []byte(codings[bench.coding].name)
				body = compressed(b, text, codings[bench.coding].to)
			}
			var a Answer
			header := []byte("Content-Encoding")
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				a.Start(in)
				if name != nil {
					a.Header(header, name)
				}
				a.Piece(body)
				a.passed(200, int64(len(body)))
			}
		})
	}
}

package recording

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// written is a log's requests, a line each.
func written(l *Log) string {
	var b strings.Builder
	for n := range l.Len() {
		fmt.Fprintf(&b, "%v %s %s", l.At(n), l.Method(n), l.Path(n))
		for line := range strings.SplitSeq(strings.TrimPrefix(string(l.Headers(n)), "\r\n"), "\r\n") {
			fmt.Fprintf(&b, " | %s", line)
		}
		if body := l.Body(n); len(body) > 0 {
			fmt.Fprintf(&b, " | %q", body)
		}
		fmt.Fprintf(&b, " = %s\n", l.Names[l.Name(n)].Name)
	}
	fmt.Fprintf(&b, "%v", l.Length)
	for _, text := range l.LeftOut {
		fmt.Fprintf(&b, "\nleft out: %s", text)
	}
	return b.String()
}

func lines(text ...string) string { return strings.Join(text, "\n") }

const (
	at0 = `127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] `
	at1 = `::1 - frank s [10/Oct/2025:11:55:37 +0000] `
	har = `{"log": {"version": "1.2", "creator": {"name": "x"}, "entries": [`
)

var readable = []struct {
	name    string
	options Options
	file    string
	format  scenarios.RecordingFormat
	want    string
}{
	{
		"combined", Options{}, lines(
			at0+`"GET /a?x=1&y=%20 HTTP/1.1" 200 5 "http://r/\"q\"" "curl/8 \x22\xc3\xbc"`,
			at0+`"GET /users/17 HTTP/2.0" 304 - "-" "-" "10.0.0.1" rt=0.01`,
			at1+`"HEAD /a b\xff HTTP/1.0" 404 0 "-" "curl/8"`, "", at0+`"GET / HTTP/1.1" 200 5 "-" ""`,
			at0+`"POST /a HTTP/1.1" 200 5 "-" "x"`, at0+`"-" 400 0 "-" "-"`, at0+`"\x16\x03\x01" 400 150 "-" "-"`,
			at0+`"PUT /b HTTP/1.1" 200 5 "-" "x"`, at0+`"POST /c HTTP/1.1" 200 5 "-" "x"`,
		), scenarios.Combined, lines(
			`0s GET /a?x=1&y=%20 | Referer: http://r/"q" | User-Agent: curl/8 "ü = GET /a`,
			`333.333333ms GET /users/17 | User-Agent: headroom = GET /users/:id`,
			`666.666666ms GET / | User-Agent: headroom = GET /`,
			`1s HEAD /a%20b%FF | User-Agent: curl/8 = HEAD /a%20b%FF`,
			`2s`,
			`left out: 2 × POST, whose body the file does not have`,
			`left out: 2 × no HTTP request, to which the server could only have answered that`,
			`left out: 1 × PUT, whose body the file does not have`,
		),
	},
	{
		"common, one name",
		Options{Name: "page", Replaced: []string{"user-agent"}},
		at0 + `"GET /a HTTP/1.1" 200 5` + "\r\n" + at0 + `"HEAD /b HTTP/1.1" 200 5`,
		scenarios.Combined, lines(`0s GET /a |  = page`, `500ms HEAD /b |  = page`, `1s`),
	},
	{
		"JSON lines", Options{}, lines(
			`{"time": "2025-10-10T13:55:36.250+02:00", "method": "GET", "path": "/b", "host": "h", "headers": {"x-a": ["1", "2"], "Host": "h", "Connection": "close", "Accept": "*/*"}}`,
			`{"time": "2025-10-10T11:55:36.1Z", "method": "POST", "path": "/not", "request_uri": "/a", "body": "{\"a\":1}"}`,
			`{"ts": 1760097336.5, "request_method": "DELETE", "uri": "http://other/c/9f86d081884c7d65?x#y", "body": ""}`,
			`{"timestamp": "1760097337", "method": "GET", "url": "/d,e/2025-10-10/550e8400-e29b-41d4-a716-446655440000"}`,
			`{"timestamp": 1760097336600, "method": "GET", "url": "/v1/x"}`,
			`{"ts": 1760097337, "method": "POST", "uri": "/c"}`,
			`{"ts": 1760097337, "method": "TRACE", "uri": "/c", "body": ""}`,
			`{"ts": 1760097337, "method": "OPTIONS", "uri": "*", "body": ""}`,
			`{"ts": 1760097337, "method": "GET", "uri": "/", "headers": {"a b": "c"}}`,
		), scenarios.RecordedJSONLines, lines(
			`0s POST /a | User-Agent: headroom | "{\"a\":1}" = POST /a`,
			`150ms GET /b | X-A: 1 | X-A: 2 | Accept: */* | User-Agent: headroom = GET /b`,
			`400ms DELETE /c/9f86d081884c7d65?x | User-Agent: headroom = DELETE /c/:id`,
			`500ms GET /v1/x | User-Agent: headroom = GET /v1/x`,
			`900ms GET /d,e/2025-10-10/550e8400-e29b-41d4-a716-446655440000 | User-Agent: headroom = GET /d%2Ce/:id/:id`,
			`902ms`,
			`left out: 1 × POST, whose body the file does not have`,
			`left out: 1 × a header that cannot be sent (a name that is none, or a control character)`,
			`left out: 1 × method "TRACE", which is not replayed`,
			`left out: 1 × no HTTP URL`,
		),
	},
	{
		"HAR", Options{}, har + lines(
			`{"startedDateTime": "2025-10-10T11:55:36.500Z", "time": 3, "request": {"method": "POST", "url": "https://h/f", "headers": [{"name": ":path", "value": "/f"}, {"name": "cookie", "value": "a=1"}, {"name": "cookie", "value": "b=2"}, {"name": "User-Agent", "value": "Mozilla"}, {"name": "content-length", "value": "3"}], "postData": {"mimeType": "text/plain", "text": "a\nb"}}, "response": {"content": {"text": "{}"}}},`,
			`{"startedDateTime": "2025-10-10T11:55:36.100Z", "request": {"method": "GET", "url": "http://h?q", "headers": []}},`,
			`{"startedDateTime": "2025-10-10T11:55:36.600Z", "request": {"method": "POST", "url": "http://h/g", "headers": [], "postData": {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "c%2Bd"}, {"name": "e", "value": "&"}]}}},`,
			`{"startedDateTime": "2025-10-10T11:55:36.600Z", "request": {"method": "POST", "url": "http://h/g", "headers": [], "postData": {"mimeType": "multipart/form-data", "params": [{"name": "a"}]}}},`,
			`{"startedDateTime": "2025-10-10T11:55:36.600Z", "request": {"method": "GET", "url": "wss://h/g"}},`,
			`{"startedDateTime": "2025-10-10T11:55:36.600Z", "_fromCache": "disk", "request": {"method": "GET", "url": "http://h/g"}}`,
		) + `], "pages": []}}`, scenarios.HAR, lines(
			`0s GET /?q | User-Agent: headroom = GET /`,
			`400ms POST /f | User-Agent: Mozilla | Cookie: a=1; b=2 | "a\nb" = POST /f`,
			`500ms POST /g | User-Agent: headroom | "a+b=c%2Bd&e=%26" = POST /g`,
			`502ms`,
			`left out: 1 × a form with several parts, whose bytes the file does not have`,
			`left out: 1 × from the browser's cache, never sent`,
			`left out: 1 × websocket, which is not replayed`,
		),
	},
	{
		"vegeta", Options{}, "\ufeff" + lines(
			`{"method": "GET", "url": "http://h:8080/a"}`,
			`{"method": "POST", "url": "http://h:8080/b", "body": "eHl6", "header": {"X-B": ["1"], "X-A": ["2", "3"]}}`,
		), scenarios.VegetaJSON, lines(
			`0s GET /a | User-Agent: headroom = GET /a`,
			`0s POST /b | X-A: 2 | X-A: 3 | X-B: 1 | User-Agent: headroom | "xyz" = POST /b`, `0s`,
		),
	},
}

func TestRead(t *testing.T) {
	for _, test := range readable {
		t.Run(test.name, func(t *testing.T) {
			for _, format := range []scenarios.RecordingFormat{"", test.format} {
				o := test.options
				o.Format = format
				l, err := Read(strings.NewReader(test.file), "f", o)
				if err != nil {
					t.Fatalf("format %q: %v", format, err)
				}
				if got := written(l); got != test.want || l.Format != test.format {
					t.Errorf("format %q is %s:\n%s\nwant\n%s", format, l.Format, got, test.want)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	const good = at0 + `"GET / HTTP/1.1" 200 5 "-" "-"`
	const entry = `{"startedDateTime": "2025-10-10T11:55:36Z", "request": {"method": "GET", "url": "http://h/"}}`
	for name, test := range map[string]struct {
		format     scenarios.RecordingFormat
		file, want string
	}{
		"empty":           {"", " \n", "f:1: it is empty"},
		"no lines":        {scenarios.Combined, "\n", "f: it has no requests"},
		"unknown":         {"", "hello", "f:1: its content does not tell its format"},
		"unknown object":  {"", `{"a": 1}`, "f:1: its content does not tell its format"},
		"combined line":   {"", good + "\n\nGET /\n", "f:3: the line is not of the combined log format"},
		"combined time":   {scenarios.Combined, strings.Replace(good, "Oct", "Okt", 1), "f:1: the line is not"},
		"combined status": {scenarios.Combined, strings.Replace(good, "200", "2x0", 1), "f:1: the line is not"},
		"combined quote":  {scenarios.Combined, strings.ReplaceAll(good, `"`, ``), "f:1: the line is not"},
		"nothing to replay": {
			"", strings.Replace(good, "GET", "POST", 1),
			"f: nothing of it can be replayed: 1 × POST",
		},
		"JSON line": {scenarios.RecordedJSONLines, "[]", "f:1: the line is not a JSON object"},
		"JSON line cut": {
			scenarios.RecordedJSONLines,
			`{"ts": 1, "method": "GET", "uri": "/"}` + "\n" + `{"ts": 1, `, "f:2: the line is not a JSON object",
		},
		"JSON time": {
			scenarios.RecordedJSONLines, `{"ts": "today", "method": "GET", "uri": "/"}`,
			"f:1: there is no StartUTC or start_time",
		},
		"JSON negative time": {
			scenarios.RecordedJSONLines, `{"ts": -5, "method": "GET", "uri": "/"}`,
			"f:1: -5 is not a time",
		},
		"JSON time not set": {
			scenarios.RecordedJSONLines,
			`{"ts": "0001-01-01T00:00:00Z", "method": "GET", "uri": "/"}`, "f:1: the year 1 is not of a recording",
		},
		"years of centuries": {
			scenarios.RecordedJSONLines,
			`{"ts": "2150-01-01T00:00:00Z", "method": "GET", "uri": "/"}` + "\n" +
				`{"ts": "1700-01-01T00:00:00Z", "method": "GET", "uri": "/"}`, "f:2: the year 1700",
		},
		"JSON method": {
			scenarios.RecordedJSONLines, `{"ts": 1, "uri": "/"}`,
			"f:1: there is no method or request_method",
		},
		"JSON path": {
			scenarios.RecordedJSONLines, `{"ts": 1, "method": "GET", "uri": 1}`,
			"f:1: there is no request_uri or",
		},
		"JSON body": {
			scenarios.RecordedJSONLines, `{"ts": 1, "method": "POST", "uri": "/", "body": {}}`,
			"f:1: the body is not a text",
		},
		"JSON headers": {
			scenarios.RecordedJSONLines, `{"ts": 1, "method": "GET", "uri": "/", "headers": []}`,
			"f:1: the headers are not an object",
		},
		"JSON header": {
			scenarios.RecordedJSONLines,
			`{"ts": 1, "method": "GET", "uri": "/", "headers": {"a": {}}}`, `f:1: the header "a" is not a text`,
		},
		"HAR without log": {
			scenarios.HAR, `{"a": {}}`,
			`f:1: entry 1: it is not an HTTP Archive: there is no "log"`,
		},
		"HAR cut": {"", har + entry, "f:1: entry 1: unexpected EOF"},
		"HAR time": {
			"", har + "\n" + entry + ",\n\n" + strings.Replace(entry, "2025", "25", 1) + "]}}",
			`f:4: entry 2: startedDateTime "25-10-10`,
		},
		"HAR syntax": {"", har + "\n" + entry + ",\n{]}", "f:3: entry 2: invalid character"},
		"HAR request": {
			"", har + `{"startedDateTime": "2025-10-10T11:55:36Z"}]}}`,
			"f:1: entry 1: it has no request",
		},
		"vegeta target": {scenarios.VegetaJSON, `{"method": "GET"}`, "f:1: the target has no method or no url"},
		"vegeta line":   {scenarios.VegetaJSON, `GET http://h/`, "f:1: the line is not a target"},
		"long line": {
			scenarios.Combined, good + "\n" + strings.Repeat("x", maxLine+1),
			"f:2: bufio.Scanner: token too long",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.file), "f", Options{Format: test.format})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	l, err := Read(strings.NewReader(`{"method": "GET", "url": "http://a/"}`+"\n"+
		`{"method": "GET", "url": "http://b:1/"}`+"\n"+`{"method": "GET", "url": "http://a/x"}`), "f", Options{})
	if err != nil || strings.Join(l.Hosts, " ") != "a b:1" {
		t.Errorf("%v, %v", l, err)
	}
}

func TestNamesAreBounded(t *testing.T) {
	var file strings.Builder
	word := func(i int) string { return strings.Map(func(c rune) rune { return c - '0' + 'a' }, fmt.Sprint(i)) }
	for i := range 12_000 {
		fmt.Fprintf(&file, "{\"method\": \"GET\", \"url\": \"/only/%s\"}\n", word(i))
	}
	for i := range 98 {
		for range 2 + i {
			fmt.Fprintf(&file, "{\"method\": \"PUT\", \"url\": \"/often/%s\"}\n", word(i))
		}
	}
	// Names that come when there is no place for more are among the others, however frequent.
	l, err := Read(strings.NewReader(file.String()), "f", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if last := l.Names[99]; len(l.Names) != 100 || last != (scenarios.RecordedName{Name: Other, Method: Several}) {
		t.Errorf("%d names, the last %v", len(l.Names), l.Names[len(l.Names)-1])
	}
}

func TestTheMostFrequentNamesAreKept(t *testing.T) {
	var file strings.Builder
	word := func(i int) string { return strings.Map(func(c rune) rune { return c - '0' + 'a' }, fmt.Sprint(i)) }
	for i := range 150 {
		for range 1 + i {
			fmt.Fprintf(&file, "{\"method\": \"GET\", \"url\": \"http://h/%s\"}\n", word(i))
		}
	}
	l, err := Read(strings.NewReader(file.String()), "f", Options{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for n := range l.Len() {
		counts[l.Names[l.Name(n)].Name]++
	}
	if len(l.Names) != 100 || l.Names[0].Name != "GET /"+word(149) || counts[l.Names[0].Name] != 150 ||
		counts[Other] != 51*52/2 || l.Names[99] != (scenarios.RecordedName{Name: Other, Method: "GET"}) {
		t.Errorf("%d names, first %v × %d, others %d", len(l.Names), l.Names[0], counts[l.Names[0].Name], counts[Other])
	}
}

func TestIDs(t *testing.T) {
	for segment, want := range map[string]bool{
		"": false, "users": false, "v1": false, "api2": false, "favicon.ico": false, "deadbeef": false, "facade": false,
		"app.3f2a.js": false,
		"0":           true, "17": true, "2025-10-10": true, "1.2.3": true, "3f2a9b1c": true,
		"550e8400-e29b-41d4-a716-446655440000": true,
		"user-1234-of-the-tenant-x":            true, "a-long-slug-without-any-digit": false,
		"01ARZ3NDEKTSV4RRFFQ69G5FAV": true,
	} {
		if got := isID([]byte(segment)); got != want {
			t.Errorf("isID(%q) = %v", segment, got)
		}
	}
}

// TestCompact holds how much memory a long log takes: 24 bytes a request, and each different text once.
func TestCompact(t *testing.T) {
	t.Run("plain", func(t *testing.T) { compact(t, func(text string) string { return text }) })
	t.Run("gzip", func(t *testing.T) { compact(t, func(text string) string { return zipped(t, text) }) })
}

func compact(t *testing.T, packed func(string) string) {
	t.Helper()
	const requests, different = 200_000, 5000
	var file strings.Builder
	for i := range requests {
		fmt.Fprintf(&file, "%s\"GET /things/%d HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"\n", at0,
			i%different)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	in := strings.NewReader(packed(file.String()))
	before := heap()
	l, err := Read(in, "f", Options{})
	if err != nil {
		t.Fatal(err)
	}
	used := float64(heap() - before)
	if most := requests*24*1.3 + different*20*2.5; used > most {
		t.Errorf("%.0f bytes for %d requests, more than %.0f", used, requests, most)
	}
	runtime.KeepAlive(l)
	runtime.KeepAlive(in)
}

// check holds what those who send a log rely on.
func check(t *testing.T, l *Log) {
	before := time.Duration(0)
	for n := range l.Len() {
		path, at := string(l.Path(n)), l.At(n)
		u, err := url.Parse("http://host:1" + path + "#0-0")
		if err != nil || u.Host != "host:1" || u.RequestURI() != path {
			t.Fatalf("net/http sends %q for %q, %v", u.RequestURI(), path, err)
		}
		if strings.ContainsAny(path, " \r\n\x00") || at < before || l.Length > 0 && at >= l.Length {
			t.Errorf("request %d, %q, is at %v of %v", n, path, at, l.Length)
		}
		before = at
		name := l.Names[l.Name(n)]
		if name.Method != l.Method(n) && name.Method != Several || len(name.Name) > maxNameLength ||
			strings.ContainsAny(name.Name, ",{}") {
			t.Errorf("%s %s has the name %v", l.Method(n), path, name)
		}
		request := "GET / HTTP/1.1\r\nHost: h" + string(l.Headers(n)) + "\r\n\r\n"
		if _, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request))); err != nil {
			t.Errorf("%q is no request: %v", request, err)
		}
	}
	if len(l.Names) > maxNames || l.Len() == 0 {
		t.Errorf("%d names, %d requests", len(l.Names), l.Len())
	}
}

func fuzz(f *testing.F, format scenarios.RecordingFormat) {
	for _, test := range readable {
		if test.format == format {
			for line := range strings.Lines(test.file) {
				f.Add(line)
			}
			f.Add(test.file)
		}
	}
	f.Fuzz(func(t *testing.T, file string) {
		l, err := Read(strings.NewReader(file), "f", Options{Format: format})
		if err == nil {
			check(t, l)
		} else if !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("a fault without a file: %v", err)
		}
		if _, err := Read(strings.NewReader(file), "f", Options{}); err != nil &&
			!strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("a fault without a file: %v", err)
		}
	})
}

func FuzzCombined(f *testing.F)   { fuzz(f, scenarios.Combined) }
func FuzzJSONLines(f *testing.F)  { fuzz(f, scenarios.RecordedJSONLines) }
func FuzzHAR(f *testing.F)        { fuzz(f, scenarios.HAR) }
func FuzzVegetaJSON(f *testing.F) { fuzz(f, scenarios.VegetaJSON) }

// TestPeakRate: of the busiest minute, wherever it begins, or of all of a shorter time.
func TestPeakRate(t *testing.T) {
	// log has a request at each of the instants, in seconds.
	log := func(at ...float64) string {
		var b strings.Builder
		for _, s := range at {
			fmt.Fprintf(&b, `{"ts": %.3f, "method": "GET", "path": "/"}`+"\n", 1_700_000_000+s)
		}
		return b.String()
	}
	// every has requests at equal distances from one second to another.
	every := func(from, to, distance float64) (at []float64) {
		for s := from; s < to; s += distance {
			at = append(at, s)
		}
		return at
	}
	day := slices.Concat(every(0.25, 600, 1), every(170.5, 230.5, 0.5))
	burst := slices.Concat(every(0.25, 600, 1), every(300.5, 301, 0.001))
	for name, c := range map[string]struct {
		file string
		want float64
	}{
		"steady":                   {log(every(0.25, 600, 0.5)...), 2},
		"a busy minute":            {log(day...), 3},
		"a busy moment":            {log(burst...), (60 + 500) / 60.0},
		"half a minute":            {log(every(0, 30, 0.25)...), 4},
		"a second":                 {log(5, 5, 5), 3},
		"whole seconds":            {log(every(0, 120, 1)...), 1},
		"vegeta's, without a time": {`{"method": "GET", "url": "http://h/a"}`, 0},
	} {
		l, err := Read(strings.NewReader(c.file), "log", Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := l.PeakRate(); got < 0.99*c.want || got > 1.01*c.want {
			t.Errorf("%s: %v/s, want %v/s", name, got, c.want)
		}
	}
}

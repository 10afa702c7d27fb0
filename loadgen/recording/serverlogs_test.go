package recording

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

var update = flag.Bool("update", false, "write the golden files anew")

// serverLogs are files in the formats of servers, as their documentation has them, and the format that is found.
var serverLogs = map[string]scenarios.RecordingFormat{
	"aws-alb.log": scenarios.LoadBalancerLog, "aws-elb.log": scenarios.LoadBalancerLog, "cloudfront.log": scenarios.W3C,
	"iis.log": scenarios.W3C, "haproxy.log": scenarios.HAProxyLog, "envoy.log": scenarios.EnvoyLog,
	"urls.txt": scenarios.URLs,
}

func testFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestServerLogs holds what is replayed of the logs of servers, and that their format is found by itself but for
// HAProxy's, which may begin with a message.
func TestServerLogs(t *testing.T) {
	for name, format := range serverLogs {
		t.Run(name, func(t *testing.T) {
			file := testFile(t, name)
			if format == scenarios.HAProxyLog {
				_, file, _ = strings.Cut(file, "\n")
			}
			found, err := Read(strings.NewReader(file), name, Options{})
			if err != nil || found.Format != format {
				t.Fatalf("its format is %v, %v", found, err)
			}
			l, err := Read(strings.NewReader(testFile(t, name)), name, Options{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			check(t, l)
			golden := filepath.Join("testdata", name+".golden")
			got := written(l) + "\nhosts: " + strings.Join(l.Hosts, " ") + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := testFile(t, name+".golden"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestFaultsOfServerLogs: each names the file, the line, and what the format is like.
func TestFaultsOfServerLogs(t *testing.T) {
	for name, test := range map[string]struct {
		format     scenarios.RecordingFormat
		file, want string
	}{
		"load balancer": {scenarios.LoadBalancerLog, "http 2026-11-02T22:23:00Z app/a", "f:1: the line is not of an"},
		"W3C, no fields": {
			scenarios.W3C, "2026-11-19 00:00:03 GET /",
			"f:1: the line comes before a line #Fields:",
		},
		"W3C, too few": {
			scenarios.W3C, "#Fields: date time cs-method cs-uri-stem\n2026-11-19 GET",
			"f:2: the line has 2",
		},
		"W3C, no date": {
			scenarios.W3C, "#Fields: time cs-method cs-uri-stem\n00:00:03 GET /",
			"f:2: the line has no date",
		},
		"HAProxy, TCP": {
			scenarios.HAProxyLog, "10.0.1.2:1 [28/Nov/2026:12:14:14.655] fe be/s 0/0/1 5 -- 1/1",
			"f:1: the line",
		},
		"Envoy":           {scenarios.EnvoyLog, "[2026-04-15] \"GET / HTTP/1.1\"", "f:1: the line is not of Envoy's"},
		"a list of words": {scenarios.URLs, "/a\nnothing", "f:2: the line is neither a URL nor a path"},
		"another format":  {scenarios.Combined, testFile(t, "envoy.log"), "f:1: the line is of the format envoy"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.file), "f", Options{Format: test.format})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestBadLinesAreSkipped counts them, and says where the first of them is.
func TestBadLinesAreSkipped(t *testing.T) {
	file := `{"ts":1,"method":"GET","uri":"/a"}` + "\n{\n" + `{"method":"GET","uri":"/b"}` + "\n"
	l, err := Read(strings.NewReader(file), "f", Options{Format: scenarios.RecordedJSONLines, SkipBadLines: true})
	if err != nil {
		t.Fatal(err)
	}
	want := "2 × bad line, the first of them line 2: the line is not a JSON object"
	if l.Len() != 1 || len(l.LeftOut) != 1 || l.LeftOut[0] != want {
		t.Errorf("%d requests, left out %q, want %q", l.Len(), l.LeftOut, want)
	}
	_, err = Read(strings.NewReader("{\n[\n"), "f", Options{Format: scenarios.RecordedJSONLines, SkipBadLines: true})
	if err == nil || !strings.Contains(err.Error(), "nothing of it can be replayed: 2 × bad line") {
		t.Errorf("a file of bad lines alone: %v", err)
	}
}

// TestTheFileBeginsAgain: after the last request comes the first one.
func TestTheFileBeginsAgain(t *testing.T) {
	l, err := Read(strings.NewReader("/a\nHEAD /b\n"), "f", Options{})
	if err != nil || l.Len() != 2 || l.Length != 0 {
		t.Fatalf("%v, %v", l, err)
	}
	for n, want := range []string{"GET /a", "HEAD /b", "GET /a", "HEAD /b"} {
		n := int64(n)
		if got := l.Method(n) + " " + string(l.Path(n)); got != want || l.Names[l.Name(n)].Name != want {
			t.Errorf("request %d is %s, named %s, want %s", n, got, l.Names[l.Name(n)].Name, want)
		}
	}
}

// TestFieldsOfJSONLines: the user's paths go before the usual names.
func TestFieldsOfJSONLines(t *testing.T) {
	plan, err := scenarios.Parse("x.yaml", []byte(`
target: {url: "http://127.0.0.1:1"}
scenarios:
  again:
    executor: replay
    file: a.log
    fields: {time: $.at, method: $.http.verb, url: "$['http.target']", query: "$.q[-1]", headers: $.http.sent, userAgent: $.agent}
`))
	if err != nil {
		t.Fatal(err)
	}
	fields := plan.Scenarios[0].Load.(scenarios.Replay).Recording.Fields
	file := `{"at":"2026-11-02 00:22:41.5 +0100","time":"x","http":{"verb":"get","sent":{"X-A":"1"}},"http.target":"/a",` +
		`"q":["b=0","b=1"],"agent":"curl"}` + "\n" +
		`{"at":"2026-11-01T23:22:42.250+00","http":{"verb":"","sent":null},"http.target":"GET /c HTTP/1.1"}` + "\n" +
		`{"at":1793575363000000123,"http":{"verb":"GET"},"http.target":"/d"}`
	l, err := Read(strings.NewReader(file), "f", Options{Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	want := lines("0s GET /a?b=1 | X-A: 1 | User-Agent: curl = GET /a", "750ms GET /c | User-Agent: headroom = GET /c",
		"1.500000123s GET /d | User-Agent: headroom = GET /d", "1.502s")
	if got := written(l); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, err = Read(strings.NewReader(`{"http":{"verb":"GET"},"http.target":"/a"}`), "f", Options{Fields: fields})
	if err == nil || !strings.Contains(err.Error(), "f:1: there is no $.at that is RFC 3339") {
		t.Errorf("without a time: %v", err)
	}
}

// TestTimesOfJSONLines holds how logs write an instant.
func TestTimesOfJSONLines(t *testing.T) {
	const want = "2026-11-01T23:22:41.25Z"
	for _, text := range []string{
		`"2026-11-02T00:22:41.250+01:00"`, `"2026-11-02T00:22:41.250+0100"`, `"2026-11-01T23:22:41,250+0000"`,
		`"2026-11-02 00:22:41.250+01:00"`, `"2026-11-02 00:22:41.250 +0100"`, `"2026/11/01 23:22:41.250"`,
		`"2026-11-01T23:22:41.250"`, `"02/Nov/2026:00:22:41.250 +0100"`, `1793575361.25`, `1793575361250`,
		`1793575361250000`, `1793575361250000000`, `"1793575361250"`, `"Sun, 01 Nov 2026 23:22:41.250 GMT"`,
	} {
		l, err := Read(strings.NewReader(`{"time":`+text+`,"method":"GET","uri":"/a"}`+"\n"+
			`{"time":"2026-11-01T23:22:40Z","method":"GET","uri":"/0"}`), "f", Options{})
		if err != nil || l.At(1).String() != "1.25s" {
			t.Errorf("%s is not %s: %v, %v", text, want, l, err)
		}
	}
}

func fuzzLog(f *testing.F, format scenarios.RecordingFormat) {
	for name, of := range serverLogs {
		if of == format {
			f.Add(testFile(f, name))
			for line := range strings.Lines(testFile(f, name)) {
				f.Add(line)
			}
		}
	}
	fuzz(f, format)
}

func FuzzLoadBalancerLog(f *testing.F) { fuzzLog(f, scenarios.LoadBalancerLog) }
func FuzzW3C(f *testing.F)             { fuzzLog(f, scenarios.W3C) }
func FuzzHAProxyLog(f *testing.F)      { fuzzLog(f, scenarios.HAProxyLog) }
func FuzzEnvoyLog(f *testing.F)        { fuzzLog(f, scenarios.EnvoyLog) }
func FuzzURLs(f *testing.F)            { fuzzLog(f, scenarios.URLs) }

package request

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// replayPlan is a plan that replays a file; keys are the scenario's besides executor and file.
func replayPlan(t testing.TB, file, keys string) (*scenarios.Plan, Recordings) {
	t.Helper()
	plan, recordings, err := tryReplay(t, file, keys)
	if err != nil {
		t.Fatal(err)
	}
	return plan, recordings
}

func tryReplay(t testing.TB, file, keys string) (*scenarios.Plan, Recordings, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "recorded"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "target: {url: \"http://127.0.0.1:1\"}\nscenarios:\n  again:\n    executor: replay\n    file: recorded\n" +
		keys
	plan, err := scenarios.Parse(filepath.Join(dir, "replay.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return LoadRecordings(t.Context(), plan)
}

// jsonLog is a log of requests of all kinds, at random instants within a second, in no order.
func jsonLog(count int) string {
	random := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	for i := range count {
		at := 1_700_000_000_000 + random.Int64N(1000)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b,
				`{"ts": %d, "method": "GET", "uri": "/items/%d?a=b c&d=%%20", "headers": {"x-n": ["%d", "2"], "Cookie": "a=1"}}`, at, i, i)
		case 1:
			fmt.Fprintf(&b,
				`{"ts": %d, "method": "POST", "uri": "/items", "body": "%s", "headers": {"Content-Type": "text/plain", "User-Agent": "recorded"}}`, at, strings.Repeat("x", i*100))
		case 2:
			fmt.Fprintf(&b, `{"ts": %d, "method": "HEAD", "uri": "/head"}`, at)
		default:
			fmt.Fprintf(&b, `{"ts": %d, "method": "%s", "uri": "/ü/\"<%d>", "body": ""}`, at,
				[]string{"PUT", "DELETE", "OPTIONS"}[i/4%3], i)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestWhatIsLeftOutIsSaid(t *testing.T) {
	plan, recordings := replayPlan(t,
		`{"ts": 1, "method": "GET", "uri": "/"}`+"\n"+`{"ts": 1, "method": "PATCH", "uri": "/"}`, "")
	warnings := recordings.Warnings(plan)
	if len(warnings) != 1 || warnings[0] != "again: not replayed from recorded: 1 × PATCH, whose body the file "+
		"does not have" {
		t.Errorf("warnings %q", warnings)
	}
}

func TestRecordingFaults(t *testing.T) {
	const line = `{"ts": 1.5, "method": "GET", "uri": "/a"}`
	const target = `{"method": "GET", "url": "http://h/a"}`
	for name, test := range map[string]struct{ file, keys, want string }{
		"broken": {
			line + "\nx", "", "RECORDED:2: the line is not a JSON object; skipBadLines: true leaves out such " +
				"lines (scenario again)",
		},
		"no rate": {target, "", "replay.yaml:5:5: recorded has no times (it is of the format vegeta-json), and " +
			"scenario again no rate; add one"},
		"rate": {
			line, "    rate: 5\n",
			"replay.yaml:5:5: recorded has its own times (it is of the format json-lines), and scenario again has a " +
				"rate; remove it",
		},
		"warmup": {
			line, "    warmup: 3s\n",
			"replay.yaml:5:5: the warmup of scenario again, 3s, is not shorter than the replay of recorded, 2ms",
		},
		"long": {
			line + "\n" + strings.Replace(line, "1.5", "100000", 1), "",
			"replay.yaml:5:5: recorded would take 27h46m39s, more than 24h",
		},
		"slow": {target, "    rate: 1\n    timeUnit: 24h\n    warmup: 24h\n", "is not shorter"},
		"no selector": {
			line, "    thresholds: {\"http_reqs{name:GET /b}\": count>0}\n",
			"replay.yaml:6:44: http_reqs{name:GET /b,scenario:again} selects no request of the file that is " +
				"replayed; did you mean \"GET /a\"?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan, _, err := tryReplay(t, test.file, test.keys)
			if err == nil {
				t.Fatalf("no fault: %+v", plan)
			}
			if got := strings.ReplaceAll(err.Error(), "\n", " "); !strings.Contains(shortPaths(got), test.want) {
				t.Errorf("got %s\nwant %s", shortPaths(got), test.want)
			}
		})
	}
	if _, _, err := tryReplay(t, line,
		"    thresholds: {\"http_reqs{name:GET /a,method:GET}\": count>0}\n"); err != nil {
		t.Error(err)
	}
}

// shortPaths takes the directories out of an error.
func shortPaths(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if strings.HasPrefix(w, "/") && (strings.Contains(w, "/recorded:") || strings.Contains(w, "/replay.yaml:")) {
			words[i] = strings.Replace(w[strings.LastIndex(w, "/")+1:], "recorded:", "RECORDED:", 1)
		}
	}
	return strings.Join(words, " ")
}

// BenchmarkRenderRecorded is what the wire engine writes of a recording.
func BenchmarkRenderRecorded(b *testing.B) {
	plan, recordings := replayPlan(b, jsonLog(1000), "")
	set, err := New(1, &plan.Scenarios[0], Sources{Recording: recordings["again"]})
	if err != nil {
		b.Fatal(err)
	}
	r := NewRenderer(set, &url.URL{Scheme: "http", Host: "127.0.0.1:8080"})
	var dst []byte
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		d := set.Draw(int64(n % 1000))
		dst, _ = r.Append(dst[:0], &d)
	}
}

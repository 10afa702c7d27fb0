package loadgen

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// replayPlan is a plan that replays a file; keys are the scenario's besides executor and file.
func replayPlan(t testing.TB, file, keys string) (*scenarios.Plan, request.Recordings) {
	t.Helper()
	plan, recordings, err := tryReplay(t, file, keys)
	if err != nil {
		t.Fatal(err)
	}
	return plan, recordings
}

func tryReplay(t testing.TB, file, keys string) (*scenarios.Plan, request.Recordings, error) {
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
	return request.LoadRecordings(t.Context(), plan)
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

// TestEnginesReplayTheSame: whoever replays a file sends the same requests, and so do its shards together.
func TestEnginesReplayTheSame(t *testing.T) {
	t.Parallel()
	var server seen
	url := serve(t, server.handle) + "/base"
	plan, recordings := replayPlan(t, jsonLog(200),
		"    maxVUs: 8\n    headers: {X-Tenant: t1, X-Trace: \"{{uuid}}-{{iteration}}\", Accept: \"*/*\"}\n    "+
			"warmup: 50ms\n    speed: 4\n")
	var want []string
	for _, by := range append(wire.Backends(), "vegeta", "shards") {
		plan.Engine = scenarios.EngineWire
		backend := by
		var shards []*results.Shard
		switch by {
		case "vegeta":
			plan.Engine, backend, shards = scenarios.EngineVegeta, wire.Best, []*results.Shard{nil}
		case "shards":
			backend, shards = wire.Best, []*results.Shard{{Index: 0, Of: 3}, {Index: 1, Of: 3}, {Index: 2, Of: 3}}
		default:
			shards = []*results.Shard{nil}
		}
		var planned, sent, measured int64
		for _, shard := range shards {
			m := run1(t, plan, url, Options{backend: backend, Recordings: recordings, Shard: shard})
			for _, s := range m.Series {
				measured += s.Requests
				if s.Failed > 0 {
					t.Errorf("%s, %s: %d of %d failed: %v", by, s.Name, s.Failed, s.Requests, s.ErrorSamples)
				}
			}
			planned, sent = planned+m.Loads[0].Planned, sent+m.Loads[0].Sent
		}
		log := recordings["again"]
		warm := int64(0)
		for n := range log.Len() {
			if log.At(n) < 4*50*time.Millisecond {
				warm++
			}
		}
		if planned != 200 || sent != 200 || measured != 200-warm {
			t.Errorf("%s: planned %d, sent %d, measured %d of 200 of which %d are warm-up", by, planned, sent,
				measured, warm)
		}
		got := server.take()
		if want == nil {
			want = got
		}
		if len(got) != 200 || !slices.Equal(got, want) {
			t.Errorf("%s sent %d requests, and not those of the first", by, len(got))
		}
	}
	for _, line := range []string{
		"POST /base/items host=", "GET /base/items/0?a=b%20c&d=%20 host=",
		"/base/%C3%BC/%22%3C3%3E host=", "X-Tenant: t1\r\n", "X-N: 0\r\nX-N: 2\r\n", "User-Agent: recorded\r\n",
		"-199\r\n",
	} {
		if !slices.ContainsFunc(want, func(text string) bool { return strings.Contains(text, line) }) {
			t.Errorf("no request has %q", line)
		}
	}
}

// TestReplayIsInOrderAndInTime: over one connection requests come in the order of their times, and each is meant to be
// sent at the file's instant divided by the speed.
func TestReplayIsInOrderAndInTime(t *testing.T) {
	t.Parallel()
	for _, engine := range bothEngines {
		var server seen
		url := serve(t, server.handle)
		plan, recordings := replayPlan(t, jsonLog(100), "    maxVUs: 1\n    speed: 2.5\n    name: all\n")
		plan.Engine = engine
		m := run1(t, plan, url, Options{Recordings: recordings})
		log := recordings["again"]
		s := &plan.Scenarios[0]
		if last := log.At(99); s.Load.Length() < last*2/5 || s.Load.Length() > last*2/5+2*time.Millisecond {
			t.Errorf("the replay of %v takes %v", log.At(99), s.Load.Length())
		}
		sc := scheduleOf(s, 1, log)
		for n := range sc.Total() {
			if at, want := sc.At(n), log.At(n)*2/5; (at - want).Abs() > 1 {
				t.Fatalf("request %d is meant for %v, want %v", n, at, want)
			}
		}
		if until := sc.Until(s.Load.Length()); sc.Total() != 100 || until != 100 {
			t.Errorf("%d of %d requests before the end", until, sc.Total())
		}
		if len(m.Series) != 1 || m.Series[0].Name != "all" || m.Series[0].Method != "several" ||
			m.Series[0].Requests != 100 {
			t.Errorf("series %+v", m.Series)
		}
		for n, request := range server.requests {
			if want := fmt.Sprintf("%s %s host", log.Method(int64(n)),
				log.Path(int64(n))); !strings.HasPrefix(request, want) {
				t.Fatalf("%s: request %d is %.60q, want %q", engine, n, request, want)
			}
		}
	}
}

// TestReplayWaitsForNoAnswer: a service that stalls is asked for as much, and what waited counts from its instant.
func TestReplayWaitsForNoAnswer(t *testing.T) {
	t.Parallel()
	onBackends(t, testReplayWaitsForNoAnswer)
}

func testReplayWaitsForNoAnswer(t *testing.T, by wire.Backend) {
	slow := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })
	plan, recordings := replayPlan(t, jsonLog(60),
		"    maxVUs: 1\n    name: all\n    speed: 10\n    gracefulStop: 1s\n")
	m := run1(t, plan, slow, Options{backend: by, Recordings: recordings})
	l := m.Loads[0]
	if l.Planned != 60 || l.Sent+l.Dropped != 60 || l.Dropped == 0 || !l.Open {
		t.Errorf("planned %d, sent %d, dropped %d", l.Planned, l.Sent, l.Dropped)
	}
	if longest := m.Series[0].Response.Max(); longest < 500 {
		t.Errorf("the last of 20 requests that had to wait for one another took %v ms", longest)
	}
}

func TestReplayOfTargets(t *testing.T) {
	t.Parallel()
	var server seen
	url := serve(t, server.handle)
	plan, recordings := replayPlan(t, strings.Repeat(`{"method": "GET", "url": "http://elsewhere/a"}`+"\n", 30)+
		`{"method": "GET", "url": "http://h/b"}`, "    rate: 6000\n    timeUnit: 1m\n")
	if d := plan.Scenarios[0].Load.Length(); d != 310*time.Millisecond {
		t.Errorf("31 requests at 100/s take %v", d)
	}
	m := run1(t, plan, url, Options{Recordings: recordings})
	if got := server.take(); len(got) != 31 || m.Loads[0].Sent != 31 || !strings.HasPrefix(got[30], "GET /b") {
		t.Errorf("%d requests", len(got))
	}
	if len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0],
		"several hosts (elsewhere, h); all are sent to the target") {
		t.Errorf("warnings %q", m.Warnings)
	}
}

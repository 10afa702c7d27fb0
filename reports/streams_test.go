package reports

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
)

// streamRun is a run of requests beside a thousand subscribers, of whom the fault has broken some.
func streamRun(t testing.TB) *results.Run {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	r := passedRun(t)
	s := results.NewStream("live", "stream", 1000)
	s.Most, s.Timed, s.IDs = 1000, true, true
	s.StreamCounts = results.StreamCounts{
		Attempts: 1043, Opened: 1040, Resumed: 40, Refused: 1, Breaks: 40, Events: 5_000_000, Bytes: 650_000_000,
		Numbered: 5_000_000, Missed: 2, ConnectedSeconds: 49_950, ExpectedSeconds: 50_000,
		Errors: map[string]int64{"connection reset": 40, "connection refused": 2, "status 503": 1},
	}
	s.ErrorSamples = map[string]string{"connection reset": "read: connection reset by peer", "status 503": "status 503"}
	s.Delivery, s.FirstByte = durations(random, 5000, 4), durations(random, 1040, 1)
	s.FirstEvent, s.Gap = durations(random, 1040, 12), durations(random, 5000, 10)
	m := &r.Measurements
	m.Streams = []*results.Stream{s}
	m.Loads = append(m.Loads, &results.Load{
		Scenario: "live", Executor: "subscribers", Engine: "streams (epoll)", Planned: 1000, Sent: 1000, MaxVUs: 1000,
		MeasuredFrom: 10, MeasuredTo: 60, Lag: durations(random, 1043, 0.1), OwnLag: durations(random, 5000, 0.05),
	})
	for second := range 60 {
		p := results.StreamPoint{
			Scenario: "live", Second: second, Warmup: second < 10, Connected: min(1000, 100*(second+1)),
			Events: int64(min(1000, 100*(second+1)) * 100), P50: 4, P95: 8 + float64(second%7), P99: 20, Max: 44,
		}
		if second == 30 {
			p.Breaks, p.Connected = 40, 960
		}
		m.StreamPoints = append(m.StreamPoints, p)
	}
	return r
}

// streamsAlone is that run without the requests, by clocks that differ.
func streamsAlone(t testing.TB) *results.Run {
	t.Helper()
	r := streamRun(t)
	m := &r.Measurements
	m.Loads, m.Series, m.Points = m.Loads[len(m.Loads)-1:], nil, nil
	m.Streams[0].FromFuture = 17
	return r
}

func TestStreamsInReports(t *testing.T) {
	for name, run := range map[string]func(testing.TB) *results.Run{
		"streams":       streamRun,
		"streams-alone": streamsAlone,
	} {
		for _, kind := range []string{".json", ".txt"} {
			holdGolden(t, name+kind, draw(t, kind, run(t)))
		}
		var page bytes.Buffer
		if err := RunMarkdown(&page, run(t)); err != nil {
			t.Fatal(err)
		}
		holdGolden(t, name+".md", page.Bytes())
	}
}

// TestStreamsOnThePage: the page has the section and its charts, and without requests nothing of those.
func TestStreamsOnThePage(t *testing.T) {
	parts := []string{`id="streams"`, "stream-delivery-chart", "stream-breaks-chart", "connection reset × 40"}
	ofRequests := []string{`id="latency"`, `id="requests"`, "There were no responses", "Nothing was sent"}
	both, alone, none := string(draw(t, ".html", streamRun(t))), string(draw(t, ".html", streamsAlone(t))),
		string(draw(t, ".html", passedRun(t)))
	for _, part := range parts {
		if !strings.Contains(both, part) || !strings.Contains(alone, part) || strings.Contains(none, part) {
			t.Errorf("%q is not where it should be", part)
		}
	}
	for _, part := range ofRequests {
		if strings.Contains(alone, part) {
			t.Errorf("the page of streams alone has %q", part)
		}
	}
	if !strings.Contains(both, ofRequests[0]) || !strings.Contains(both, ofRequests[1]) ||
		strings.Contains(both, "clocks differ") || !strings.Contains(alone, "delivery, not valid: the clocks differ") {
		t.Error("a page lacks what it should have, or has what it should not")
	}
}

func TestStreamFigures(t *testing.T) {
	names := func(r *results.Run) (all []string) {
		figures, err := RunFigures(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range figures {
			if strings.HasPrefix(f.Metric, "stream_") {
				all = append(all, f.Name())
			}
		}
		var b bytes.Buffer
		if err := export.OpenMetrics(&b, figures); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), `headroom_stream_connected{statistic="rate"} 0.999`) {
			t.Errorf("%s", b.String())
		}
		return all
	}
	want := "stream_delivery med, stream_delivery p(95), stream_delivery p(99), stream_events rate, " +
		"stream_connected rate"
	if got := strings.Join(names(streamRun(t)), ", "); got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	if got := strings.Join(names(streamsAlone(t)), ", "); got != "stream_events rate, stream_connected rate" {
		t.Errorf("with clocks that differ: %s", got)
	}
}

func TestPercentilesOfStreams(t *testing.T) {
	dir := t.TempDir()
	files, err := WritePercentiles(dir, streamsAlone(t))
	if err != nil || len(files) != 1 || files[0] != filepath.Join(dir, "delivery-live.hgrm") {
		t.Fatalf("%q, %v", files, err)
	}
	if content, err := os.ReadFile(files[0]); err != nil || !bytes.Contains(content, []byte("Percentile")) {
		t.Errorf("%.100s, %v", content, err)
	}
}

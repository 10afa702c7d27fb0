package reports

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// The size of hourRun.
const (
	hourRequests = 32
	hourSeconds  = 3600
)

// hourRun is a run of an hour that passed without a warning: a scenario of 32 requests in four stages, with a gate of
// each request and one of each stage, beside a scenario of flows of two steps.
func hourRun(t testing.TB) *results.Run {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 3))
	r := sampleRun(t)
	r.Name, r.Description = "shop-for-an-hour", "Browsing at four rates, and purchases beside it."
	m := &results.Measurements{
		Engine: "wire (epoll)", Started: time.Date(2026, 11, 23, 21, 4, 5, 0, time.UTC), Elapsed: hourSeconds + 0.02,
		Generator: r.Measurements.Generator, Health: &results.Health{Processes: results.ProcessesElsewhere},
		Marks: []results.Mark{{Text: "kill cache", Due: 1800, Begun: 1800.0004, Done: 1800.0171}},
	}
	browse := &results.Load{
		Scenario: "browse", Executor: "ramping-arrival-rate", Open: true, MaxVUs: 100, Planned: 900_000, Sent: 900_000,
		MeasuredPlanned: 900_000, MeasuredTo: hourSeconds, LastAnswer: hourSeconds,
		Lag: durations(random, 10000, 0.05), OwnLag: durations(random, 10000, 0.03),
	}
	buy := &results.Load{
		Scenario: "buy", Executor: "constant-arrival-rate", Open: true, MaxVUs: 10, Planned: 36_000, Sent: 36_000,
		MeasuredPlanned: 36_000, MeasuredTo: hourSeconds, LastAnswer: hourSeconds,
		Lag: durations(random, 10000, 0.05), OwnLag: durations(random, 10000, 0.03),
	}
	m.Loads = []*results.Load{browse, buy}
	for i, name := range []string{"quiet", "morning", "noon", "rush"} {
		browse.Stages = append(browse.Stages, results.Stage{
			Name: name, From: float64(900 * i), To: float64(900 * (i + 1)), LastAnswer: float64(900 * (i + 1)),
			Steady: true,
		})
		for k := range hourRequests {
			s := sampleSeries(random, "browse", fmt.Sprintf("page-%02d", k), "GET", 20*(i+1)*(k+1), 0, float64(i+1)*0.5)
			s.Stage, s.Tags["stage"] = name, name
			m.Series = append(m.Series, s)
		}
		r.Verdict.Gates = append(r.Verdict.Gates, heldGate(t, "http_req_duration{scenario:browse,stage:"+name+"}", 20))
	}
	for _, name := range []string{"open-basket", "pay"} {
		s := sampleSeries(random, "buy", name, "POST", 20, 0, 3)
		s.Tags["flow"] = "purchase"
		m.Series = append(m.Series, s)
	}
	for second := range hourSeconds {
		m.Points = append(m.Points, pointsOfHour(random, second)...)
		m.Health.Seconds = append(m.Health.Seconds,
			results.HealthSecond{At: float64(second + 1), Length: 1, Generator: 0.6})
	}
	r.Verdict = results.Verdict{Outcome: results.Pass, Gates: r.Verdict.Gates[6:]}
	for k := range hourRequests {
		r.Verdict.Gates = append(r.Verdict.Gates, heldGate(t, fmt.Sprintf("http_req_duration{name:page-%02d}", k), 30))
	}
	r.Measurements = *m
	return r
}

// pointsOfHour are those of one second of hourRun.
func pointsOfHour(random *rand.Rand, second int) []results.Point {
	slow := (1 + 0.4*random.Float64()) * float64(1+second/900)
	times := results.Point{Second: second, P50: slow, P95: 3 * slow, P99: 5 * slow, Max: 12 * slow}
	asked := int64(100 * (1 + second/900))
	var points []results.Point
	add := func(scenario, request string, asked, requests int64) {
		p := times
		p.Scenario, p.Request, p.Asked, p.Requests = scenario, request, asked, requests
		points = append(points, p)
	}
	add("browse", "", asked, asked)
	for k := range hourRequests {
		add("browse", fmt.Sprintf("page-%02d", k), 0, int64(k/8+1))
	}
	add("buy", "", 10, 20)
	add("buy", "open-basket", 0, 10)
	add("buy", "pay", 0, 10)
	return points
}

func heldGate(t testing.TB, metric string, limit float64) results.Gate {
	t.Helper()
	source := fmt.Sprintf("p(95)<%v", limit)
	threshold, err := scenarios.ParseThreshold(metric, source)
	if err != nil {
		t.Fatal(err)
	}
	g := results.Gate{
		Threshold: threshold, Metric: metric, Expression: source, Op: threshold.Op, Target: limit,
	}
	g.Hold(limit/2, "ms", 1000)
	return g
}

// TestHourIsDrawn: the page of an hour's run with 34 requests has all of it, in a size that a browser can hold.
func TestHourIsDrawn(t *testing.T) {
	page := string(draw(t, ".html", hourRun(t)))
	const most = 6_000_000
	if len(page) > most {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, want := range []string{
		"Each value stands for 5 s: the mean of its seconds.",
		"✓ 33 more gates held, each with at least 50.00 % to spare",
		"All requests of the schedule were sent; generator&#39;s own lag P99 at most",
		`"request-response-chart"`, `"rate-chart"`, `"browse, asked"`, `"limit p(95)\u003c20"`, flowsPerSecond,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestFoldsOfSeconds: counts are averaged over the seconds that there are, percentiles keep their highest, and a
// stretch is a gap when all of its seconds are.
func TestFoldsOfSeconds(t *testing.T) {
	dots := []dot{{x: 3, y: 1}, {x: 4, y: 5}, {x: 5, gap: true}, {x: 6, y: 2}, {x: 10, gap: true}, {x: 11, gap: true}}
	for _, tt := range []struct {
		fold fold
		want []dot
	}{
		{averaged, []dot{{x: 0, y: 3}, {x: 5, y: 2}, {x: 10, gap: true}}},
		{highest, []dot{{x: 0, y: 5}, {x: 5, y: 2}, {x: 10, gap: true}}},
	} {
		if got := tt.fold.every(5, 0, dots); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %v, want %v", tt.fold.what, got, tt.want)
		}
	}
	ends := []dot{{x: 1, y: 1}, {x: 2.0004, y: 3}, {x: 3, y: 4}} // of the seconds 0, 1 and 2
	if got := averaged.every(2, 1, ends); len(got) != 2 || got[0].y != 2 || got[1].y != 4 {
		t.Errorf("of the ends of seconds: %v", got)
	}
	if got := averaged.every(1, 0, dots); len(got) != len(dots) {
		t.Errorf("seconds were taken together that need not be: %v", got)
	}
}

func TestStepOfCharts(t *testing.T) {
	for _, tt := range []struct{ seconds, lines, want int }{
		{60, 3, 1},
		{900, 3, 1},
		{901, 3, 2},
		{3600, 3, 5},
		{3600, 500, 15},
		{3600, 10_000, 30},
		{86400, 2, 120},
		{37 * 24 * 3600, 1, 3600},
		{400 * 24 * 3600, 1, 11 * 3600},
	} {
		if got := stepOf(tt.seconds, tt.lines); got != tt.want {
			t.Errorf("%d s and %d lines: a dot stands for %d s, want %d", tt.seconds, tt.lines, got, tt.want)
		}
	}
	notes := averaged.note(120) + averaged.note(7200)
	if !strings.Contains(notes, "2 min") || !strings.Contains(notes, "2 h") {
		t.Errorf("notes: %q", notes)
	}
}

// TestFoldedGates: a gate that did not hold is never folded, and few are not at all.
func TestFoldedGates(t *testing.T) {
	d := digest{Run: hourRun(t)}
	gates := d.Verdict.Gates
	gates[20].Passed = false
	open, folded := foldGates(gates)
	if len(open) != 1+tightestShown || len(open)+len(folded) != len(gates) {
		t.Errorf("%d gates are open and %d folded of %d", len(open), len(folded), len(gates))
	}
	for _, g := range folded {
		if gateClass(g) != "held" {
			t.Errorf("%s is folded", g.Metric)
		}
	}
	open, folded = foldGates(gates[:manyGates])
	if len(open) != manyGates || folded != nil {
		t.Errorf("of %d gates %d are folded", manyGates, len(folded))
	}
}

// TestTrustIsShortWhenClean: what anything could be said against stays open.
func TestTrustIsShortWhenClean(t *testing.T) {
	clean := hourRun(t)
	for name, spoil := range map[string]func(*results.Run){
		"warning":     func(r *results.Run) { r.Verdict.Warnings = []string{"late"} },
		"measurement": func(r *results.Run) { r.Measurements.Warnings = []string{"late"} },
		"invalid":     func(r *results.Run) { r.Verdict.Invalid = []string{"late"} },
		"dropped":     func(r *results.Run) { r.Measurements.Loads[1].Dropped = 1 },
		"ports":       func(r *results.Run) { r.Measurements.Loads[0].OutOfPorts = 1 },
		"cut":         func(r *results.Run) { r.Measurements.Loads[0].Cut = true },
		"shards":      func(r *results.Run) { r.Shards = []results.ShardRun{{}} },
	} {
		r := *clean
		r.Measurements.Loads = nil
		for _, l := range clean.Measurements.Loads {
			one := *l
			r.Measurements.Loads = append(r.Measurements.Loads, &one)
		}
		if short := trustInShort(t, &r); short == "" {
			t.Fatal("a clean run is not told in short")
		}
		spoil(&r)
		if short := trustInShort(t, &r); short != "" {
			t.Errorf("%s: told in short as %q", name, short)
		}
	}
}

func trustInShort(t *testing.T, r *results.Run) string {
	t.Helper()
	d, err := newDigest(r)
	if err != nil {
		t.Fatal(err)
	}
	return d.TrustInShort()
}

// TestMarksHaveRoom: what happened at the same time has one label, and lines of its own.
func TestMarksHaveRoom(t *testing.T) {
	marks := []results.Mark{
		{Text: "b", Begun: 10.2}, {Text: "a", Begun: 10}, {Text: "c", Begun: 40}, {Text: "d", Begun: 42},
	}
	got := fmt.Sprint(labelled(marks, 100))
	want := fmt.Sprint([]results.Mark{
		{Text: "a, b", Begun: 10}, {Begun: 10.2}, {Text: "c, d", Begun: 40}, {Begun: 42},
	})
	if got != want {
		t.Errorf("the marks are %s, want %s", got, want)
	}
}

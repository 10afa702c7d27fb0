package judge

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

const comparedScenario = `seed: 1
target: {url: "http://127.0.0.1:1"}
tags: {branch: main}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 100
    duration: 60s
    requests:
      - {name: item, path: /item, weight: 9}
      - {name: home, path: /}
thresholds:
  http_req_duration{name:item}: "p(95)<50"
  http_req_failed: "rate<0.01"
`

// comparedRun is a run of one request, 60 seconds of 100 response times around the median of 10 ms times slower, of
// which failed fail, in bursts.
func comparedRun(t *testing.T, random *rand.Rand, slower, memory float64, failed int) *results.Run {
	t.Helper()
	return comparedRunOf(t, random, 60, slower, memory, failed, false)
}

// comparedRunOf is a comparedRun of so many seconds.
func comparedRunOf(t *testing.T, random *rand.Rand, seconds int, slower, memory float64, failed int,
	gated bool,
) *results.Run {
	t.Helper()
	const perSecond = 100
	series := &results.Series{
		Scenario: "s", Name: "item", Method: "GET", Tags: map[string]string{"scenario": "s", "name": "item"},
		Requests: int64(seconds * perSecond), Failed: int64(failed), Response: results.NewHistogram(),
		Service: results.NewHistogram(),
	}
	r := &results.Run{
		Name: "compared", Scenario: results.Scenario{File: "compared.yaml", Text: comparedScenario, Seed: 1},
		Measurements: results.Measurements{
			Loads: []*results.Load{{
				Scenario: "s", Open: true, MeasuredTo: float64(seconds),
				LastAnswer: float64(seconds), Lag: results.NewHistogram(), OwnLag: results.NewHistogram(),
			}},
			Series: []*results.Series{series},
		},
	}
	m := &r.Measurements
	batches := &results.TimeBlocks{
		Metric: "http_req_duration", Selector: map[string]string{"name": "item"},
		Scenario: "s",
	}
	h, x := results.NewHistogram(), random.NormFloat64()
	for second := range seconds {
		h.Reset()
		for range perSecond {
			x = memory*x + math.Sqrt(1-memory*memory)*random.NormFloat64()
			h.Record(time.Duration(slower * 10e6 * math.Exp(0.5*x)))
		}
		p := results.Point{
			Scenario: "s", Request: "item", Second: second, Requests: perSecond, P50: h.Percentile(50),
			P95: h.Percentile(95), P99: h.Percentile(99), Max: h.Max(),
		}
		p.Failed = int64(min(failed, perSecond))
		failed -= int(p.Failed)
		m.Points = append(m.Points, p)
		if err := errors.Join(series.Response.Merge(h), batches.Add(second, h)); err != nil {
			t.Fatal(err)
		}
	}
	if gated {
		m.TimeBlocks = []*results.TimeBlocks{batches}
	}
	plan, err := planOf(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Verdict, err = Run(m, plan.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compared(t *testing.T, old, new *results.Run) *Pair {
	t.Helper()
	c, err := ComparePair(old, new)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPairErrors simulates what a difference is worth: how often two runs of one service are said to differ, and how
// often a service that is 20 % slower is found out. The seeds are fixed.
func TestPairErrors(t *testing.T) {
	t.Parallel()
	const pairs = 60
	// By memory, the share of pairs that may be said to differ. The last is of slow moments of a second in runs of a
	// minute.
	for _, tt := range []struct{ memory, most float64 }{{0, 0.05}, {0.9, 0.05}, {0.99, 0.2}} {
		memory, most := tt.memory, tt.most
		random := rand.New(rand.NewPCG(3, uint64(1000*memory)))
		told := map[string]int{}
		for range pairs {
			base := comparedRun(t, random, 1, memory, 0)
			for i, name := range []string{"same", "slower"} {
				for _, f := range compared(t, base, comparedRun(t, random, []float64{1, 1.2}[i], memory, 0)).Figures {
					if f.Differs {
						told[name+" "+f.Figure]++
					}
				}
			}
		}
		t.Logf("memory %v, of %d pairs: %v", memory, pairs, told)
		for _, figure := range []string{"P50", "P95", "rate", "failed"} {
			if n := told["same "+figure]; float64(n) > pairs*most {
				t.Errorf("memory %v: %s of two runs of one service is said to differ in %d of %d pairs", memory, figure,
					n, pairs)
			}
		}
		if memory == 0 && (told["slower P50"] < pairs || told["slower P95"] < pairs*9/10) {
			t.Errorf("of %d services that are 20 %% slower so many are found out: %v", pairs, told)
		}
	}
}

func TestComparePair(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := compared(t, comparedRunOf(t, random, 60, 1, 0, 0, true), comparedRunOf(t, random, 60, 2, 0, 600, true))
	for i, want := range []struct {
		figure         string
		differs        bool
		oldMin, newMin float64
	}{
		{"P50", true, 9, 18},
		{"P95", true, 20, 40},
		{"rate", false, 99, 99},
		{"failed", true, 0, 0.09},
	} {
		f := c.Figures[i]
		if f.Figure != want.figure || f.Differs != want.differs || f.Old.Value < want.oldMin ||
			f.New.Value < want.newMin || !f.Comparable {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	// The 600 failures came in one burst of six seconds, and are worth far fewer than so many independent ones.
	if in := c.Figures[3].New.Interval; in.Effective > 100 || !in.Corrected {
		t.Errorf("failures in one burst: %+v", in)
	}
	if g := c.Gates[0]; !g.Differs || g.Old.Margin < 0 || g.New.Margin > g.Old.Margin {
		t.Errorf("gate %+v", g)
	}
	if g := c.Gates[1]; !g.Share || !g.Comparable {
		t.Errorf("gate %+v", g)
	}
}

// TestShortRunsAreIncomparable: runs that are too short to tell how much neighbouring requests depend on each other are
// not compared, however far apart their figures lie, and the reason is given. Before, 17 of 19 pairs of runs of 6 s of
// one server were called different.
func TestShortRunsAreIncomparable(t *testing.T) {
	for _, tt := range []struct {
		old, new int
		why      string
	}{
		{6, 6, "the runs are too short (6 s measured, each needs at least 10 s)"},
		{60, 6, "the runs are too short (60 s and 6 s measured, each needs at least 10 s)"},
		{9, 60, "the runs are too short (9 s and 60 s measured, each needs at least 10 s)"},
		{10, 10, ""},
	} {
		random := rand.New(rand.NewPCG(1, 2))
		c := compared(t, comparedRunOf(t, random, tt.old, 1, 0, 0, true),
			comparedRunOf(t, random, tt.new, 4, 0, 100, true))
		var all []Difference
		for _, f := range c.Figures {
			all = append(all, f.Difference)
		}
		for _, g := range c.Gates {
			all = append(all, g.Difference)
		}
		for i, d := range all {
			if d.Incomparable != tt.why || d.Comparable != (tt.why == "") || !d.Comparable && d.Differs {
				t.Errorf("%d s and %d s: figure %d: %+v, want %q", tt.old, tt.new, i, d, tt.why)
			}
		}
		if tt.why == "" && (!all[0].Differs || !all[1].Differs || !all[4].Differs) {
			t.Errorf("a service four times slower is not found out: %+v", all)
		}
	}
}

// TestUnchangedServer simulates pairs of short runs of one server whose slow moments last some tenths of a second or
// about one: how often any of the four figures of a request is said to differ though nothing changed.
func TestUnchangedServer(t *testing.T) {
	t.Parallel()
	const pairs = 25
	for _, tt := range []struct {
		seconds int
		memory  float64
		most    int // of 25 pairs
	}{{9, 0.99, 0}, {12, 0.9, 2}, {12, 0.99, 5}} {
		for _, gated := range []bool{false, true} {
			random := rand.New(rand.NewPCG(5, uint64(tt.seconds)))
			told := 0
			for range pairs {
				old := comparedRunOf(t, random, tt.seconds, 1, tt.memory, 0, gated)
				figures := compared(t, old, comparedRunOf(t, random, tt.seconds, 1, tt.memory, 0, gated)).Figures
				if slices.ContainsFunc(figures, func(f FigureChange) bool { return f.Differs }) {
					told++
				}
			}
			t.Logf("%d s, memory %v, gated %v: %d of %d pairs", tt.seconds, tt.memory, gated, told, pairs)
			if told > tt.most {
				t.Errorf("%d s, memory %v, gated %v: %d of %d pairs of runs of one server differ", tt.seconds,
					tt.memory, gated, told, pairs)
			}
		}
	}
}

// TestComparisonWarnings: what both runs warn of is said once, and what differs besides the service is said.
func TestComparisonWarnings(t *testing.T) {
	old, new := comparedRun(t, rand.New(rand.NewPCG(1, 2)), 1, 0, 0),
		comparedRun(t, rand.New(rand.NewPCG(1, 3)), 1, 0, 0)
	old.Measurements.Started, old.Tool.Version, new.Measurements.Aborted = time.Unix(1, 0), "v1", "x: it was 1"
	old.Verdict.Warnings, new.Verdict.Warnings = []string{"a", "b"}, []string{"b", "c"}
	new.Verdict.Invalid = []string{"starved"}
	want := []string{
		"the new run was made before the old one: are they in the right order?",
		"the version of headroom differs: v1, then unknown",
		"old: a", "both: b", "new: INVALID: starved", "new: ended early, because a threshold was crossed: x: it was 1",
		"new: c",
	}
	if got := compared(t, old, new).Warnings; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFiguresOfGates: a percentile of a request that a gate judges has the gate's interval.
func TestFiguresOfGates(t *testing.T) {
	r := comparedRun(t, rand.New(rand.NewPCG(1, 2)), 1, 0, 0)
	m := &r.Measurements
	batches := &results.TimeBlocks{
		Metric: "http_req_duration", Selector: map[string]string{"name": "item"},
		Scenario: "s",
	}
	for second := range 60 {
		h := results.NewHistogram()
		for i := range 100 {
			h.Record(time.Duration(1+second/10) * time.Duration(i+1) * time.Millisecond)
		}
		if err := batches.Add(second, h); err != nil {
			t.Fatal(err)
		}
	}
	m.TimeBlocks = []*results.TimeBlocks{batches}
	plan, err := planOf(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Verdict, err = Run(m, plan.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	c := compared(t, r, r)
	gate, figure := c.Gates[0].Difference.New.Interval, c.Figures[1].New.Interval
	if *gate.Low != *figure.Low || *gate.High != *figure.High || !figure.Corrected {
		t.Errorf("the gate has %v to %v, the figure %v to %v", *gate.Low, *gate.High, *figure.Low, *figure.High)
	}
}

// TestCompareRefuses: what asks another load of the service cannot be compared; what does not, can.
func TestCompareRefuses(t *testing.T) {
	replaced := func(old, new string) func(*results.Run) {
		return func(r *results.Run) {
			if !strings.Contains(r.Scenario.Text, old) {
				t.Fatalf("no %q in the scenario", old)
			}
			r.Scenario.Text = strings.Replace(r.Scenario.Text, old, new, 1)
		}
	}
	for _, tt := range []struct {
		change func(*results.Run)
		want   string // empty: may be compared
	}{
		{func(*results.Run) {}, ""},
		{replaced("branch: main", "branch: feature"), ""},
		{replaced("127.0.0.1:1", "127.0.0.1:2"), ""},
		{replaced("duration: 60s", "duration: 90s"), ""},
		{replaced("p(95)<50", "p(95)<60"), ""},
		{replaced("rate: 100", "rate: 200"), "scenario s: rate is 100 in one and 200 in the other"},
		{replaced("weight: 9", "weight: 8"), "scenario s: request item: weight is 9 in one and 8 in the other"},
		{replaced("path: /item", "path: /other"), "scenario s: request item: their path differ"},
		{replaced("name: home", "name: start"), "scenario s: their requests differ"},
		{replaced("  s:", "  t:"), "their scenarios differ: s and t"},
		{func(r *results.Run) { r.Scenario.Seed = 2 }, "their seeds differ: 1 and 2"},
		{func(r *results.Run) { r.Shard = &results.Shard{Index: 1, Of: 4} }, "is shard 1/4 of a run"},
		{func(r *results.Run) { r.Measurements.Loads[0].RecordingSHA256 = "x" }, "scenario s replayed different files"},
	} {
		old, new := comparedRun(t, rand.New(rand.NewPCG(1, 2)), 1, 0, 0),
			comparedRun(t, rand.New(rand.NewPCG(1, 3)), 1, 0, 0)
		tt.change(new)
		_, err := ComparePair(old, new)
		var refused *NotAlikeError
		if got := fmt.Sprint(err); errors.As(err, &refused) != (tt.want != "") || tt.want != "" &&
			!strings.Contains(got, tt.want) {
			t.Errorf("%s, want %q", got, tt.want)
		}
	}
}

// TestCompareNamesSettings: each setting that differs is named, and a run from before they were recorded is told as
// that.
func TestCompareNamesSettings(t *testing.T) {
	with := func(server, generator map[string]string, settings ...string) *results.Run {
		return &results.Run{Environment: results.Environment{
			ServerSettings: server, GeneratorSettings: generator,
			Settings: settings,
		}}
	}
	merged := func(gogc string) *results.Run {
		return &results.Run{Shards: []results.ShardRun{{
			Shard:    results.Shard{Index: 0, Of: 2},
			Settings: map[string]string{"GOGC": "100"},
		}, {Shard: results.Shard{Index: 1, Of: 2}, Settings: map[string]string{"GOGC": gogc}}}}
	}
	now := func() *results.Run {
		return with(map[string]string{"HEADROOM_RATE_LIMIT": "100", "GOGC": "400"}, map[string]string{"GOGC": "100"},
			"postgres jit=off", "server GOGC=400")
	}
	for name, c := range map[string]struct {
		old, new *results.Run
		want     []string
	}{
		"both from before": {with(nil, nil, "server GOGC=1"), with(nil, nil, "server GOGC=1"), nil},
		"the same":         {now(), now(), nil},
		"one from before": {with(nil, nil, "postgres jit=off", "server GOGC=400"), now(), []string{
			"the old run did not record the settings of the reference server: they may differ",
			"the old run did not record the settings of the load generator: they may differ",
		}},
		"others": {now(), with(map[string]string{
			"HEADROOM_RATE_LIMIT": "5", "GOGC": "400",
			"OTEL_SDK_DISABLED": "true",
		}, map[string]string{"GOGC": "50"}, "postgres jit=off"), []string{
			"the reference server's HEADROOM_RATE_LIMIT differs: 100, then 5",
			"the reference server's OTEL_SDK_DISABLED differs: not set, then true",
			"the load generator's GOGC differs: 100, then 50",
		}},
		"own services": {with(nil, map[string]string{"GOGC": "100"}), with(nil, map[string]string{"GOGC": "100"}), nil},
		"merged": {
			merged("100"), merged("200"),
			[]string{"the load generator's GOGC of shard 1/2 differs: 100, then 200"},
		},
	} {
		if got := pairWarnings(c.old, c.new); !slices.Equal(got, c.want) {
			t.Errorf("%s: warnings %q, want %q", name, got, c.want)
		}
	}
}

package results

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// process records n response times, lognormal around 10 ms, whose logarithms are an autoregressive process:
// x = memory·x + noise.
func process(random *rand.Rand, x float64, n int, memory float64, h *Histogram) float64 {
	for range n {
		x = memory*x + math.Sqrt(1-memory*memory)*random.NormFloat64()
		h.Record(time.Duration(10e6 * math.Exp(0.5*x)))
	}
	return x
}

// simulated is a run of so many seconds with perSecond response times.
func simulated(t *testing.T, random *rand.Rand, seconds, perSecond int, memory float64) *Measurements {
	t.Helper()
	batches := &Batches{Metric: "http_req_duration", Scenario: "s"}
	all := NewHistogram()
	x := random.NormFloat64()
	for second := range seconds {
		h := NewHistogram()
		x = process(random, x, perSecond, memory, h)
		if err := batches.Add(second, h); err != nil {
			t.Fatal(err)
		}
		if err := all.Merge(h); err != nil {
			t.Fatal(err)
		}
	}
	return &Measurements{
		Loads:   []*Load{{Scenario: "s", MeasuredTo: float64(seconds)}},
		Series:  []*Series{{Scenario: "s", Requests: all.Count(), Response: all, Service: NewHistogram()}},
		Batches: []*Batches{batches},
	}
}

// coverage is the share of the runs, of 20 stretches, whose interval holds the true quantile, with and without the batches.
func coverage(t *testing.T, runs, perStretch int, percentile, quantile, memory float64) (corrected, plain float64) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(1000*memory+percentile)))
	truth := 10 * math.Exp(0.5*quantile)
	holds := func(in *Interval) float64 {
		// A histogram tells values apart to 0.1 %.
		if in.Low != nil && in.High != nil && *in.Low <= truth*1.001 && truth*0.999 <= *in.High {
			return 1 / float64(runs)
		}
		return 0
	}
	all, groups := NewHistogram(), make([]group, mostGroups)
	for i := range groups {
		groups[i] = group{"s": NewHistogram()}
	}
	x := random.NormFloat64()
	for range runs {
		all.Reset()
		for _, g := range groups {
			g["s"].Reset()
			x = process(random, x, perStretch, memory, g["s"])
			if err := all.Merge(g["s"]); err != nil {
				t.Fatal(err)
			}
		}
		corrected += holds(quantileInterval(all, groups, percentile))
		plain += holds(quantileInterval(all, nil, percentile))
	}
	return corrected, plain
}

// TestIntervalCovers simulates what the 95 % are about: how often the interval holds the truth. The seeds are fixed; with
// 200 runs, 90 % is 3.2 standard errors below 95 %. The last rows are of slow moments that last as long as a stretch, and
// the very last of those that are also seldom: a run that met none cannot know of them.
func TestIntervalCovers(t *testing.T) {
	t.Parallel()
	const runs, p95, p99 = 200, 1.644854, 2.326348
	for _, tt := range []struct {
		perStretch                          int
		percentile, quantile, memory, least float64
	}{
		{100, 50, 0, 0, 0.9},
		{100, 95, p95, 0, 0.9},
		{100, 99, p99, 0, 0.9},
		{100, 50, 0, 0.9, 0.9},
		{100, 95, p95, 0.9, 0.9},
		{300, 95, p95, 0.99, 0.9},
		{300, 99, p99, 0.99, 0.85},
		{300, 95, p95, 0.997, 0.85},
		{300, 99, p99, 0.997, 0.5},
	} {
		corrected, plain := coverage(t, runs, tt.perStretch, tt.percentile, tt.quantile, tt.memory)
		t.Logf("P%v, %d requests, memory %v: %.1f %% with the correction, %.1f %% without", tt.percentile, mostGroups*tt.perStretch, tt.memory, 100*corrected, 100*plain)
		if corrected < tt.least {
			t.Errorf("P%v, memory %v: the interval holds the truth in %.1f %% of the runs", tt.percentile, tt.memory, 100*corrected)
		}
		if independent := tt.memory == 0; independent != (plain >= 0.9) {
			t.Errorf("P%v, memory %v: without the correction it does in %.1f %%", tt.percentile, tt.memory, 100*plain)
		}
	}
}

// The ranks are those of the tables of G. J. Hahn and W. Q. Meeker, and the sample sizes those below which there are none.
func TestOrderRanks(t *testing.T) {
	for _, tt := range []struct {
		n    int64
		p    float64
		want [2]int64
	}{{100, 0.5, [2]int64{40, 61}}, {71, 0.95, [2]int64{63, 72}}, {72, 0.95, [2]int64{64, 72}}, {5, 0.5, [2]int64{0, 6}}} {
		if got := orderRanks(tt.n, tt.p); got != tt.want {
			t.Errorf("n %d, p %v: %v, want %v", tt.n, tt.p, got, tt.want)
		}
	}
	for freedom, want := range map[int]float64{9: 2.262, 19: 2.093, 39: 2.023} {
		if got := student975(freedom); math.Abs(got-want) > 0.001 {
			t.Errorf("t of %d degrees of freedom is %v, want %v", freedom, got, want)
		}
	}
}

// TestBatchesAreBounded: however long a run is, its batches are few and hold all that was counted.
func TestBatchesAreBounded(t *testing.T) {
	b := &Batches{}
	const from, seconds = 7, 1000
	for second := from; second < from+seconds; second++ {
		if err := b.Add(second, histogram(time.Duration(second)*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Counts) > maxBatches || b.Seconds != 8 || b.From != 0 {
		t.Errorf("%d batches of %d s from %d", len(b.Counts), b.Seconds, b.From)
	}
	var n int64
	for i, text := range b.Counts {
		h, err := decodeHistogram(text)
		if err != nil {
			t.Fatal(err)
		}
		n += h.Count()
		if first, last := float64(i*b.Seconds), float64((i+1)*b.Seconds); h.Min() < first*0.999 || h.Max() > last*1.001 {
			t.Errorf("batch %d holds the seconds %v to %v", i, h.Min(), h.Max())
		}
	}
	if n != seconds {
		t.Errorf("%d of %d values are left", n, seconds)
	}
}

// A clear case stays clear: one bad second in a run does not make a distant limit a doubtful one.
func TestIntervalOfAClearCase(t *testing.T) {
	m := simulated(t, rand.New(rand.NewPCG(1, 2)), 60, 100, 0)
	slow := NewHistogram()
	for range 400 {
		slow.Record(100 * time.Millisecond)
	}
	if err := m.Batches[0].Add(60, slow); err != nil {
		t.Fatal(err)
	}
	if err := m.Series[0].Response.Merge(slow); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[float64]Outcome{250: Pass, 10: Fail, 60: Unresolved} {
		v, err := Judge(m, []scenarios.Threshold{threshold("http_req_duration", "p95", "<", limit)})
		if err != nil || v.Outcome != want {
			t.Errorf("P95 below %v: %s, %+v, %v, want %s", limit, v.Outcome, v.Gates[0].Interval, err, want)
		}
	}
}

// Scenarios that are far apart in time are as good as ones side by side: the time between them is no stretch.
func TestIntervalAcrossAPause(t *testing.T) {
	m := simulated(t, rand.New(rand.NewPCG(5, 6)), 12, 100, 0.9)
	late := simulated(t, rand.New(rand.NewPCG(7, 8)), 12, 100, 0.9)
	late.Batches[0].Scenario, late.Batches[0].From = "late", 3600
	m.Series, m.Batches = append(m.Series, late.Series...), append(m.Batches, late.Batches...)
	v, err := Judge(m, []scenarios.Threshold{threshold("http_req_duration", "p95", "<", 1000)})
	if err != nil || !v.Gates[0].Interval.Corrected || v.Gates[0].Interval.Effective > 1200 {
		t.Errorf("%+v, %v", v.Gates[0].Interval, err)
	}
}

// An interval that could not be corrected is told where it matters: not when the limit is beyond all that was met.
func TestUncorrectedIntervalIsTold(t *testing.T) {
	for seconds, want := range map[int]map[float64]bool{9: {1000: false, 30: true, 1: false}, 10: {1000: false, 30: false, 1: false}} {
		m := simulated(t, rand.New(rand.NewPCG(1, 2)), seconds, 100, 0)
		for limit, told := range want {
			v, err := Judge(m, []scenarios.Threshold{threshold("http_req_duration", "p95", "<", limit)})
			said := strings.Contains(strings.Join(v.Warnings, "\n"), "fewer than 10 s with answers are too few")
			if err != nil || said != told || v.Gates[0].Unresolved {
				t.Errorf("%d s, limit %v ms: %+v, warnings %q, %v", seconds, limit, v.Gates[0], v.Warnings, err)
			}
		}
	}
}

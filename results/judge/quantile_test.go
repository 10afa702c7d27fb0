package judge

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// process records n response times, lognormal around 10 ms, whose logarithms are an autoregressive process:
// x = memory·x + noise.
func process(random *rand.Rand, x float64, n int, memory float64, h *results.Histogram) float64 {
	for range n {
		x = memory*x + math.Sqrt(1-memory*memory)*random.NormFloat64()
		h.Record(time.Duration(10e6 * math.Exp(0.5*x)))
	}
	return x
}

// simulated is a run of so many seconds with perSecond response times.
func simulated(t *testing.T, random *rand.Rand, seconds, perSecond int, memory float64) *results.Measurements {
	t.Helper()
	batches := &results.TimeBlocks{Metric: "http_req_duration", Scenario: "s"}
	all := results.NewHistogram()
	x := random.NormFloat64()
	for second := range seconds {
		h := results.NewHistogram()
		x = process(random, x, perSecond, memory, h)
		if err := batches.Add(second, h); err != nil {
			t.Fatal(err)
		}
		if err := all.Merge(h); err != nil {
			t.Fatal(err)
		}
	}
	return &results.Measurements{
		Loads: []*results.Load{{Scenario: "s", MeasuredTo: float64(seconds)}},
		Series: []*results.Series{{
			Scenario: "s", Requests: all.Count(), Response: all,
			Service: results.NewHistogram(),
		}},
		TimeBlocks: []*results.TimeBlocks{batches},
	}
}

// A clear case stays clear: one bad second in a run does not make a distant limit a doubtful one.
func TestIntervalOfAClearCase(t *testing.T) {
	m := simulated(t, rand.New(rand.NewPCG(1, 2)), 60, 100, 0)
	slow := results.NewHistogram()
	for range 400 {
		slow.Record(100 * time.Millisecond)
	}
	if err := m.TimeBlocks[0].Add(60, slow); err != nil {
		t.Fatal(err)
	}
	if err := m.Series[0].Response.Merge(slow); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[float64]results.Outcome{250: results.Pass, 10: results.Fail, 60: results.Unresolved} {
		v, err := Run(m, []scenarios.Threshold{threshold("http_req_duration", "p95", "<", limit)})
		if err != nil || v.Outcome != want {
			t.Errorf("P95 below %v: %s, %+v, %v, want %s", limit, v.Outcome, v.Gates[0].Interval, err, want)
		}
	}
}

// Scenarios that are far apart in time are as good as ones side by side: the time between them is no stretch.
func TestIntervalAcrossAPause(t *testing.T) {
	m := simulated(t, rand.New(rand.NewPCG(5, 6)), 12, 100, 0.9)
	late := simulated(t, rand.New(rand.NewPCG(7, 8)), 12, 100, 0.9)
	late.TimeBlocks[0].Scenario, late.TimeBlocks[0].From = "late", 3600
	m.Series, m.TimeBlocks = append(m.Series, late.Series...), append(m.TimeBlocks, late.TimeBlocks...)
	v, err := Run(m, []scenarios.Threshold{threshold("http_req_duration", "p95", "<", 1000)})
	if err != nil || !v.Gates[0].Interval.Corrected || v.Gates[0].Interval.Effective > 1200 {
		t.Errorf("%+v, %v", v.Gates[0].Interval, err)
	}
}

// An interval that could not be corrected is told where it matters: not when the limit is beyond all that was met.
func TestUncorrectedIntervalIsWarnedOf(t *testing.T) {
	for seconds, want := range map[int]map[float64]bool{
		9:  {1000: false, 30: true, 1: false},
		10: {1000: false, 30: false, 1: false},
	} {
		m := simulated(t, rand.New(rand.NewPCG(1, 2)), seconds, 100, 0)
		for limit, told := range want {
			v, err := Run(m, []scenarios.Threshold{threshold("http_req_duration", "p95", "<", limit)})
			said := strings.Contains(strings.Join(v.Warnings, "\n"), "with fewer than 10 s of responses")
			if err != nil || said != told || v.Gates[0].Unresolved {
				t.Errorf("%d s, limit %v ms: %+v, warnings %q, %v", seconds, limit, v.Gates[0], v.Warnings, err)
			}
		}
	}
}

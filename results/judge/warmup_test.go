package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// warming is a scenario's warm-up so far, second by second.
type warming struct {
	Warming
	second int
}

// add takes in a second with a share of hits from 0 to 1 among 1,000 answers; less than 0: answers do not tell.
func (w *warming) add(requests int64, p95, hitShare float64) []string {
	answers, hits := int64(1000), int64(1000*hitShare)
	if hitShare < 0 {
		answers, hits = 0, 0
	}
	w.Add(results.Point{Second: w.second, Requests: requests, P95: p95, Max: p95}, hits, answers)
	w.second++
	return w.Unsteady()
}

func TestUnsteady(t *testing.T) {
	type second struct {
		requests int64
		p95, hit float64
	}
	steady := second{100, 5, 0.9}
	for name, tt := range map[string]struct {
		at   func(i int) second // of 20 seconds
		want string             // of what is said of the last ten; empty: steady
	}{
		"all the same": {func(int) second { return steady }, ""},
		"no cache":     {func(int) second { return second{100, 5, -1} }, ""},
		"throughput grows": {
			func(i int) second { return second{int64(100 + 2*i), 5, 0.9} },
			"throughput moved by +",
		},
		"latency falls": {
			func(i int) second { return second{100, 50 - 2*float64(i), 0.9} },
			"P95 response time moved by -",
		},
		"cache fills": {
			func(i int) second { return second{100, 5, 0.5 + float64(i)/50} },
			"cache hit ratio moved by +",
		},
		"moved and came down": {func(i int) second { return second{100, max(5, 50-5*float64(i)), 0.9} }, ""},
		"a little": {func(i int) second {
			return second{
				1000 + int64(i), 5 + float64(i)/100,
				0.9 + float64(i)/1000,
			}
		}, ""},
		"silence": {
			func(i int) second { return second{int64(100 * (i % 2)), float64(5 * (i % 2)), -1} },
			"no response came in 5 of the last 10 seconds",
		},
		"errors without times": {
			func(int) second { return second{100, 0, -1} },
			"no response came in 10 of the last 10 seconds",
		},
		"hangs": {func(i int) second {
			return second{
				int64(100 * min(1, 19-i)),
				5 * float64(min(1, 19-i)), -1,
			}
		}, "no response came in 1 of the last 10 seconds"},
	} {
		var w warming
		var got []string
		for i := range 20 {
			s := tt.at(i)
			got = w.add(s.requests, s.p95, s.hit)
			if short := len(got) == 1 && strings.Contains(got[0], "are needed"); short != (i < 9) {
				t.Errorf("%s, after %d seconds: %q", name, i+1, got)
			}
		}
		if (len(got) == 0) != (tt.want == "") || tt.want != "" &&
			(len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestWarmupEnd(t *testing.T) {
	var w warming
	for i := range 20 {
		w.add(100, 50-2*float64(i), -1)
	}
	if got := w.End(20, 7); got.Ended != results.WarmupRunOver || got.Seconds != 7 || got.Unsteady != nil {
		t.Errorf("%+v", got)
	}
	m := measured()
	m.Loads[0].Warmup = w.End(20, 80)
	v, err := Run(m, nil)
	if err != nil || v.Outcome != results.Pass || len(v.Warnings) == 0 ||
		!strings.Contains(v.Warnings[0], "limit of 20 s before it was steady: P95") {
		t.Errorf("%s, %q, %v", v.Outcome, v.Warnings, err)
	}
	m.Loads[0].Warmup.Unsteady = nil // another scenario, with which it ends, was not steady
	if v, _ := Run(m, nil); strings.Contains(strings.Join(v.Warnings, ""), "warm-up ended") {
		t.Errorf("%q", v.Warnings)
	}
}

// TestWarmingErrors simulates warm-ups in noise: that one which has nothing to wait for ends soon, however much its
// seconds scatter, and that one with something goes on while that moves.
func TestWarmingErrors(t *testing.T) {
	const trials, limit = 500, 60
	little, much := [3]float64{0.02, 0.1, 0.01}, [3]float64{0.2, 0.4, 0.1} // of throughput, P95, hit ratio
	fall := func(perSecond float64) func(int) float64 {
		return func(second int) float64 { return max(5, 25-perSecond*float64(second)) }
	}
	for _, tt := range []struct {
		name          string
		p95           func(second int) float64
		noise         [3]float64
		early, latest float64 // the 5th percentile of the ends is at least, the 95th at most so many seconds
	}{
		{"nothing moves", fall(1000), little, 10, 15},
		{"nothing moves, much scatter", fall(1000), much, 10, 30},
		{"P95 falls from 25 to 5 ms in 5 s", fall(4), little, 10, 20},
		{"P95 falls from 25 to 5 ms in 20 s", fall(1), little, 28, 42},
		{"P95 falls from 25 to 5 ms in 20 s, much scatter", fall(1), much, 10, 45},
		{
			"P95 falls to 5 ms, its excess of 40 ms by half every 5 s",
			func(i int) float64 { return 5 + 40*math.Pow(2, -float64(i)/5) }, little, 36, limit,
		},
		{"P95 grows by 1 ms a second", func(i int) float64 { return 5 + float64(i) }, little, 55, limit},
	} {
		random := rand.New(rand.NewPCG(7, 11))
		ends := make([]float64, trials)
		for i := range ends {
			ends[i] = simulateWarmup(random, tt.p95, tt.noise, limit)
		}
		slices.Sort(ends)
		middle := ends[trials/2]
		low, high := ends[trials/20], ends[trials-1-trials/20]
		t.Logf("| %s | %.0f | %.0f | %.0f |", tt.name, low, middle, high)
		if low < tt.early || high > tt.latest {
			t.Errorf("%s: steady after %v to %v s", tt.name, low, high)
		}
	}
}

// simulateWarmup returns the second after which a scenario is found steady, or the limit.
func simulateWarmup(random *rand.Rand, p95 func(second int) float64, noise [3]float64, limit int) float64 {
	noisy := func(x, by float64) float64 { return max(x/100, x*(1+by*random.NormFloat64())) }
	var w warming
	for w.second < limit {
		hits := min(1, noisy(0.8, noise[2]))
		if len(w.add(int64(noisy(1000, noise[0])), noisy(p95(w.second), noise[1]), hits)) == 0 {
			break
		}
	}
	return float64(w.second)
}

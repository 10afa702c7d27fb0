package judge

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// longRun is a run of twenty minutes whose memory grows by so many bytes a minute, with noise of some pages, and whose
// P95 grows by a share over all of it.
func longRun(growth, slower float64) *results.Measurements {
	random := rand.New(rand.NewPCG(7, 8))
	const length, mib = 1200, 1 << 20
	m := &results.Measurements{
		Loads: []*results.Load{{
			Scenario: "s", Executor: "constant-arrival-rate", MeasuredFrom: 60, MeasuredTo: length,
		}},
		Health: &results.Health{},
	}
	for second := range length {
		at := float64(second + 1)
		bytes := 40*mib + growth*at/60 + 4096*float64(random.IntN(50))
		if second < 60 {
			bytes += 100 * mib // the warm-up does not count
		}
		held := &results.Footprint{Memory: int64(bytes), Files: 30, Goroutines: 20}
		m.Health.Seconds = append(m.Health.Seconds, results.HealthSecond{At: at, Length: 1, Footprint: held})
		of := &results.Footprint{Memory: 2 * int64(bytes), Files: 90}
		m.Samples = append(m.Samples, results.Sample{At: at, Footprint: of})
		m.Points = append(m.Points, results.Point{
			Scenario: "s", Second: second, Requests: 1000, P95: 10 * (1 + slower*at/length), Max: 20,
		})
	}
	return m
}

// TestFootprint: what the processes hold is judged over the measured time, growth by its interval, and what the machine
// did not tell fails.
func TestFootprint(t *testing.T) {
	const mib = 1 << 20
	flat, growing := longRun(0, 0), longRun(0.5*mib, 0.5)
	for _, c := range []struct {
		name, source string
		m            *results.Measurements
		want         string
	}{
		{"generator_memory", "max<42205184", flat, "pass"}, // 40.25 MiB
		{"generator_memory", "min<41943040", flat, "fail"}, // 40 MiB
		{"server_memory", "max>83886080", flat, "pass"},
		{"generator_files", "max<=30", flat, "pass"},
		{"server_files", "p(95)<90", flat, "fail"},
		{"generator_goroutines", "avg<20.1", flat, "pass"},
		{"server_goroutines", "max<100", flat, "no data"}, // the server did not say
		{"generator_memory_growth", "value<104858", flat, "pass"},
		{"generator_memory_growth", "value<104858", growing, "fail"},
		{"server_memory_growth", "value>943718", growing, "pass"}, // twice 0.5 MiB a minute
		{"server_memory_growth", "value<1048576", growing, "unresolved"},
		{"p95_drift", "value<1.01", flat, "pass"},
		{"p95_drift", "value<1.2", growing, "fail"},
		{"p95_drift{scenario:s}", "value<1.3", growing, "pass"},
		{"p95_drift", "value<2", &results.Measurements{}, "no data"},
	} {
		threshold, err := scenarios.ParseThreshold(c.name, c.source)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Run(c.m, []scenarios.Threshold{threshold})
		if err != nil {
			t.Fatal(err)
		}
		g := v.Gates[0]
		got := "fail"
		switch {
		case g.Unresolved:
			got = "unresolved"
		case g.Passed:
			got = "pass"
		case strings.HasPrefix(g.Reason, "no data"):
			got = "no data"
		}
		if got != c.want {
			t.Errorf("%s %s: %s with %v (%+v), want %s", c.name, c.source, got, g.Actual, g.Interval, c.want)
		}
		if strings.HasSuffix(c.name, "growth") && (g.Interval == nil || *g.Interval.Low > g.Actual ||
			*g.Interval.High < g.Actual || math.Abs(*g.Interval.High-*g.Interval.Low) > 0.1*mib) {
			t.Errorf("%s: the interval of %v is %+v", c.name, g.Actual, g.Interval)
		}
	}
}

package judge

import (
	"fmt"
	"math"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// A measured part drifts when a trend is clearer than chance makes it once in a thousand times, and large.
const driftP = 0.001

// A trend is large from a change of these shares of the median on.
const (
	driftChange  = 0.05 // of throughput and hit ratio
	driftLatency = 0.2  // of the P95 of a second, which moves by itself
)

// drifts lists what still moved in the measured windows of the scenarios with a constant load.
func drifts(m *results.Measurements) []string {
	var found []string
	for _, l := range m.Loads {
		if !scenarios.Executor(l.Executor).Steady() {
			continue // it is meant to move
		}
		for _, moved := range measuredCourse(m, l, l.MeasuredFrom, l.MeasuredTo).moved(driftP) {
			found = append(found, fmt.Sprintf("%s: the measured part was not steady: %s: warm up longer, or find out "+
				"what grows", l.Scenario, moved.text))
		}
	}
	return found
}

// measuredCourse is that of a stretch of a scenario's measured part, with the hit ratio as the server has it.
func measuredCourse(m *results.Measurements, l *results.Load, from, to float64) *course {
	var c course
	for _, p := range m.Points {
		if p.Scenario != l.Scenario || p.Request != "" || p.Partial || float64(p.Second) < from ||
			float64(p.Second+1) > to {
			continue
		}
		c.rate.add(float64(p.Second), float64(p.Requests))
		if p.Max > 0 {
			c.p95.add(float64(p.Second), p.P95)
		}
	}
	for _, s := range m.Samples {
		if t := s.Tiers["overall"]; t.Hits+t.Misses > 0 && s.At-1 >= from && s.At <= to {
			c.hitRatio.add(s.At, t.Ratio())
		}
	}
	return &c
}

// course is how a scenario went, second by second.
type course struct{ rate, p95, hitRatio timeline }

// timeline is values at ascending times, in seconds.
type timeline struct{ at, y []float64 }

func (l *timeline) add(at, y float64) { l.at, l.y = append(l.at, at), append(l.y, y) }

// movement is a trend that is large and clear.
type movement struct {
	stats.Trend
	what string
	text string // all of it in words
}

// responseP95 is what is judged of a course's times.
const responseP95 = "P95 response time"

// moved tells what has a trend that is large and clearer than chance makes it at a level.
func (c *course) moved(level float64) (all []movement) {
	for _, part := range []struct {
		what, unit string
		timeline
		least float64
	}{
		{"throughput", "/s", c.rate, driftChange},
		{responseP95, " ms", c.p95, driftLatency},
		{"cache hit ratio", "", c.hitRatio, driftChange},
	} {
		t, ok := stats.NewTrend(part.at, part.y)
		if !ok || t.P >= level || math.Abs(t.Change) < part.least {
			continue
		}
		all = append(all, movement{t, part.what, fmt.Sprintf("%s moved by %+.0f %% of its median, %+.3g%s per second "+
			"(Mann-Kendall p = %.1g)",
			part.what, 100*t.Change, t.Slope, part.unit, t.P)})
	}
	return all
}

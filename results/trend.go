package results

import (
	"fmt"
	"math"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Trend is how a series of values moved over time.
type Trend struct {
	Slope  float64 // units a second: the median of the slopes between all pairs (Theil 1950, Sen 1968)
	Change float64 // Slope times the time covered, as a share of the median value
	P      float64 // probability of so clear an order without any trend (Mann 1945, Kendall 1975), two-sided
}

const (
	// minTrend is the fewest values of which a trend is told: the normal approximation of the test needs about as many.
	minTrend = 10
	// maxTrend bounds the pairs; longer series are averaged in blocks, which also takes most of the dependence between
	// neighbours out of them: the test assumes that there is none.
	maxTrend = 200
)

// NewTrend tests values y at ascending times for a trend. ok is false when there are too few.
//
// Mann and Kendall count the pairs in which the later value is larger, less those in which it is smaller: S. Without a
// trend its mean is 0 and its variance (n(n-1)(2n+5) - Σ t(t-1)(2t+5)) / 18 over groups of t equal values.
func NewTrend(at, y []float64) (trend Trend, ok bool) {
	at, y = inBlocks(at), inBlocks(y)
	n := len(y)
	if n < minTrend || len(at) != n {
		return Trend{}, false
	}
	s := 0
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		for j := i + 1; j < n; j++ {
			switch {
			case y[j] > y[i]:
				s++
			case y[j] < y[i]:
				s--
			}
			slopes = append(slopes, (y[j]-y[i])/(at[j]-at[i]))
		}
	}
	sorted := slices.Sorted(slices.Values(y))
	trend = Trend{Slope: median(slopes), P: 1}
	if middle := median(sorted); middle != 0 {
		trend.Change = trend.Slope * (at[n-1] - at[0]) / math.Abs(middle)
	}
	if variance := mannKendallVariance(sorted); s != 0 && variance > 0 {
		z := (math.Abs(float64(s)) - 1) / math.Sqrt(variance) // less 1: S moves in steps of 2
		trend.P = math.Erfc(z / math.Sqrt2)
	}
	return trend, true
}

func mannKendallVariance(sorted []float64) float64 {
	term := func(k int) float64 { return float64(k) * float64(k-1) * float64(2*k+5) }
	sum := term(len(sorted))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		sum -= term(j - i)
		i = j
	}
	return sum / 18
}

// median sorts v, which must not be empty.
func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// inBlocks averages neighbours such that at most maxTrend values are left. A last block that is not full is dropped.
func inBlocks(v []float64) []float64 {
	size := (len(v) + maxTrend - 1) / maxTrend
	if size <= 1 {
		return v
	}
	var out []float64
	for block := range slices.Chunk(v, size) {
		if len(block) < size {
			break
		}
		sum := 0.0
		for _, x := range block {
			sum += x
		}
		out = append(out, sum/float64(size))
	}
	return out
}

// A measured part drifts when a trend is clearer than chance makes it once in a thousand times, and large.
const driftP = 0.001

// A trend is large from a change of these shares of the median on.
const (
	driftChange  = 0.05 // of throughput and hit ratio
	driftLatency = 0.2  // of the P95 of a second, which moves by itself
)

// drifts lists what still moved in the measured windows of the scenarios with a constant load.
func drifts(m *Measurements) []string {
	var found []string
	for _, l := range m.Loads {
		if !scenarios.Executor(l.Executor).Steady() {
			continue // it is meant to move
		}
		for _, moved := range measuredCourse(m, l, l.MeasuredFrom, l.MeasuredTo).moved(driftP) {
			found = append(found, fmt.Sprintf("%s: the measured part was not steady: %s: warm up for longer, or look for what grows", l.Scenario, moved.text))
		}
	}
	return found
}

// measuredCourse is that of a stretch of a scenario's measured part, with the hit ratio as the server has it.
func measuredCourse(m *Measurements, l *Load, from, to float64) *course {
	var c course
	for _, p := range m.Points {
		if p.Scenario != l.Scenario || p.Request != "" || p.Partial || float64(p.Second) < from || float64(p.Second+1) > to {
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
	Trend
	what string
	last float64 // where the line of the trend ends
	text string  // all of it in words
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
		t, ok := NewTrend(part.at, part.y)
		if !ok || t.P >= level || math.Abs(t.Change) < part.least {
			continue
		}
		// Sen's line goes through the medians of time and value.
		last := median(slices.Clone(part.y)) + t.Slope*(part.at[len(part.at)-1]-median(slices.Clone(part.at)))
		all = append(all, movement{t, part.what, last, fmt.Sprintf("%s moved by %+.0f %% of its median, %+.3g%s a second (Mann-Kendall p = %.1g)",
			part.what, 100*t.Change, t.Slope, part.unit, t.P)})
	}
	return all
}

package judge

import (
	"fmt"
	"math"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
)

// Warming is what an automatic warm-up is judged by: the full seconds of a scenario that is warming up.
type Warming struct{ seconds []warmSecond }

// warmSecond is what was answered in a second.
type warmSecond struct {
	at, rate, p95 float64
	timed         bool    // there is a P95
	hitRatio      float64 // NaN where no answer said whether a cache gave it
}

const (
	// The last half of the seconds is looked at, so that what has moved for long must have been steady for as long, and
	// what moves at one speed for ever is never steady; but at least warmSeconds, the fewest of which a trend is told.
	warmSeconds = stats.MinTrend
	// warmP is the level of the test. An alarm without a trend costs some seconds, and a trend that is missed spoils
	// the measured part: so it is far above that of [drifts]. TestWarmingErrors has what comes of it.
	warmP = 0.2
)

// Add takes in a full second of a scenario, later than all before. cacheHits and cacheAnswers are the answers of that
// second that a cache gave, and those that say whether one did.
func (w *Warming) Add(p results.Point, cacheHits, cacheAnswers int64) {
	s := warmSecond{
		at: float64(p.Second), rate: float64(p.Requests), p95: p.P95, timed: p.Max > 0,
		hitRatio: math.NaN(),
	}
	if cacheAnswers > 0 {
		s.hitRatio = float64(cacheHits) / float64(cacheAnswers)
	}
	w.seconds = append(w.seconds, s)
}

// Unsteady says what moved over the last half of the time, at least ten seconds, or why that cannot be told; nothing
// where the scenario is steady: neither throughput, nor P95 of response time, nor the hit ratio that the clients see
// has a trend that chance makes in less than one of five series and that is large. Where answers do not say whether a
// cache gave them, the first two decide.
func (w *Warming) Unsteady() []string {
	n := len(w.seconds)
	if n < warmSeconds {
		return []string{fmt.Sprintf("there were %d full seconds; %d are needed", n, warmSeconds)}
	}
	silent := 0
	for _, s := range w.seconds[n-warmSeconds:] {
		if !s.timed {
			silent++
		}
	}
	if silent > 0 {
		return []string{fmt.Sprintf("no response came in %d of the last %d seconds", silent, warmSeconds)}
	}
	var c course
	for _, s := range w.seconds[n-max(warmSeconds, n/2):] {
		c.rate.add(s.at, s.rate)
		if s.timed {
			c.p95.add(s.at, s.p95)
		}
		if !math.IsNaN(s.hitRatio) {
			c.hitRatio.add(s.at, s.hitRatio)
		}
	}
	var texts []string
	for _, moved := range c.moved(warmP) {
		texts = append(texts, moved.text)
	}
	return texts
}

// End is how a warm-up of a limit in seconds went that was not ended for being steady: the limit ended it, or after so
// many seconds the run did.
func (w *Warming) End(limit, ran float64) *results.Warmup {
	if ran < limit {
		return &results.Warmup{Limit: limit, Seconds: ran, Ended: results.WarmupRunOver}
	}
	return &results.Warmup{Limit: limit, Seconds: limit, Ended: results.WarmupLimit, Unsteady: w.Unsteady()}
}

// unsteady warns of scenarios that their automatic warm-up left moving.
func unsteady(m *results.Measurements) []string {
	var warnings []string
	for _, l := range m.Loads {
		if l.Warmup != nil && len(l.Warmup.Unsteady) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: its warm-up reached its limit of %g s before it was "+
				"steady: %s: "+
				"raise warmupLimit, or find out what grows", l.Scenario, l.Warmup.Limit,
				strings.Join(l.Warmup.Unsteady, "; ")))
		}
	}
	return warnings
}

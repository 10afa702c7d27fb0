package judge

import (
	"net/http"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Refused is how many requests the service refused because of its load, with 429 or 503.
func Refused(s *results.Series) int64 {
	return s.Statuses[http.StatusTooManyRequests] + s.Statuses[http.StatusServiceUnavailable]
}

// Goodput is the good answers per second that were due in a stage: those that did not fail and, where an objective
// limits a percentile of the response time of the requests, came within that limit. Where a request is in several such
// objectives the one that most answers miss counts.
func Goodput(m *results.Measurements, stage string, objectives []scenarios.Threshold) (perSecond float64) {
	seconds := 0.0
	for _, l := range m.Loads {
		for _, s := range l.Stages {
			if s.Name == stage {
				seconds = max(seconds, s.To-s.From)
			}
		}
	}
	if seconds == 0 {
		return 0
	}
	good := 0.0
	for _, s := range m.Series {
		if s.Stage != stage {
			continue
		}
		// An answer that failed may be late as well. It is taken off once, which is kind to the service.
		good += float64(s.Requests - max(s.Failed, lateOf(s.Response, s, objectives)))
	}
	return good / seconds
}

// limitsTime says whether an objective is an upper bound of a percentile of the response time.
func limitsTime(o scenarios.Threshold) bool {
	_, ok := percentileOfThreshold(o)
	return ok && o.Metric == scenarios.HTTPReqDuration && o.Op.IsUpper()
}

// Recovery is how long after an offset, in seconds, the response times were within the objectives again and stayed so:
// until the end of the last second in which a percentile of an objective was above its limit, or a request failed. It
// is as exact as a second is long. Nil means that it was not seen.
func Recovery(m *results.Measurements, after float64, objectives []scenarios.Threshold) *float64 {
	last, seen := after, after
	for _, p := range m.Points {
		if p.Request == "" || float64(p.Second+1) <= after {
			continue
		}
		if p.Requests > 0 && !p.Partial {
			seen = max(seen, float64(p.Second+1))
		}
		if p.Failed > 0 || beyondLimits(&p, m, objectives) {
			last = max(last, float64(p.Second+1))
		}
	}
	if last >= seen {
		return nil
	}
	return new(last - after)
}

// beyondLimits says whether the times of a second of a request are above what objectives allow of it: by P95 for
// percentiles up to it, and by P99 for those above, which is what seconds have.
func beyondLimits(p *results.Point, m *results.Measurements, objectives []scenarios.Threshold) bool {
	for _, s := range m.Series {
		if s.Scenario != p.Scenario || s.Name != p.Request {
			continue
		}
		for _, o := range objectives {
			if !limitsTime(o) || !s.Matches(o.Selector) {
				continue
			}
			time := p.P99
			percentile, _ := percentileOfThreshold(o)
			switch {
			case percentile <= 50:
				time = p.P50
			case percentile <= 95:
				time = p.P95
			}
			if !o.Op.Holds(time, o.Limit) {
				return true
			}
		}
	}
	return false
}

// The shares of the capacity from which on what is answered well beyond it is called so.
const (
	holdsFrom    = 0.9
	degradesFrom = 0.5
	shedsFrom    = 0.05 // of the requests that are refused
)

// Behaviour names what a service does beyond its capacity.
func Behaviour(b *results.Beyond) string {
	switch {
	case b.Refused >= shedsFrom && b.Share >= degradesFrom:
		return "sheds"
	case b.Share >= holdsFrom:
		return "holds"
	case b.Share >= degradesFrom:
		return "degrades"
	}
	return "collapses"
}

package judge

import (
	"fmt"
	"net/http"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Refused is how many requests the service refused because of its load, with 429 or 503, or with what gRPC has in
// their place.
func Refused(s *results.Series) int64 {
	return s.Statuses[http.StatusTooManyRequests] + s.Statuses[http.StatusServiceUnavailable] +
		s.Statuses[scenarios.GRPCResourceExhausted] + s.Statuses[scenarios.GRPCUnavailable]
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

// LongestLimit is the highest limit of a percentile of the response time, in ms; 0 where no objective has one.
func LongestLimit(objectives []scenarios.Threshold) (limit float64) {
	for _, o := range objectives {
		if limitsTime(o) {
			limit = max(limit, o.Limit)
		}
	}
	return limit
}

// Overload is the load beyond the capacity, as a multiple of the capacity.
const Overload = 1.5

// The shares of the capacity from which on what is answered well beyond it is called so.
const (
	holdsFrom    = 0.9
	degradesFrom = 0.5
	shedsFrom    = 0.05 // of the requests that are refused
)

// Behaviour names what a service does beyond its capacity, or says why it cannot be told: what was sent is no overload
// where the generator was in the way or the machine was busy, and one that ended before a queue could grow beyond the
// limits tells nothing either. At 1.5 times the capacity such a queue answers in time what comes in twice the limit.
// All of the last half of the overload must come after that.
func Behaviour(m *results.Measurements, b *results.Beyond, objectives []scenarios.Threshold) (word, whyNot string) {
	whyNot, _ = vetoTrial(m)
	if whyNot == "" {
		whyNot, _ = lateTrial(m, objectives)
	}
	if whyNot != "" {
		return "", whyNot
	}
	longest := LongestLimit(objectives) / 1000
	if least := 2 * longest / (Overload - 1); b.Seconds < least {
		return "", fmt.Sprintf("not overloaded long enough: with a limit of %.3g s it takes %.3g s to tell",
			longest, least)
	}
	return behaviour(b), ""
}

func behaviour(b *results.Beyond) string {
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

package loadgen

import (
	"time"

	"github.com/policycortex/headroom/results"
)

// second is the book of the second that is being filled, of a scenario or of one of its requests.
type second struct {
	point    results.Point
	response *results.Histogram
}

func newSecond(scenario, request string, number int) second {
	return second{results.Point{Scenario: scenario, Request: request, Second: number}, results.NewHistogram()}
}

// add counts an answer; one that is not timed has no response time.
func (s *second) add(response time.Duration, timed, failed bool) {
	s.point.Requests++
	if failed {
		s.point.Failed++
	}
	if timed {
		s.response.Record(response)
	}
}

// close returns the point and turns to the next second.
func (s *second) close(warmup, partial bool) results.Point {
	p := s.point
	p.Warmup, p.Partial = warmup, partial
	p.P50, p.P95, p.P99, p.Max = s.response.Percentile(50), s.response.Percentile(95), s.response.Percentile(99), s.response.Max()
	if s.response.Count() > 0 {
		s.response.Reset()
	}
	s.point = results.Point{Scenario: p.Scenario, Request: p.Request, Second: p.Second + 1}
	return p
}

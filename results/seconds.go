package results

import (
	"math"

	"github.com/policycortex/headroom/scenarios"
)

// Seconds are what the selector of a threshold with a window picks of one scenario, by the second of the run in which
// the answers came: those of requests of the warm-up are not among them, but where the metric is a rate of requests.
type Seconds struct {
	Metric   scenarios.MetricName `json:"metric"`
	Selector map[string]string    `json:"selector,omitempty"`
	Scenario string               `json:"scenario"`
	// From and To bound the full seconds of the measured time of what is picked, in seconds since the start of the run.
	// What was answered after To, late, belongs to the last of them.
	From     int      `json:"from"`
	To       int      `json:"to"`
	Requests []int64  `json:"requests"` // answers from From on; shorter than the time while the run goes on
	Failed   []int64  `json:"failed,omitempty"`
	Counts   []Sparse `json:"counts,omitempty"` // of times
}

// NewSeconds returns the account of what a threshold with a window picks of a load.
func NewSeconds(t scenarios.Threshold, l *Load) *Seconds {
	s := &Seconds{Metric: t.Metric, Selector: t.Selector, Scenario: l.Scenario}
	s.Bound(l)
	return s
}

// Bound takes over the measured time of the load, before any of it has passed.
func (s *Seconds) Bound(l *Load) {
	from, to := l.MeasuredFrom, l.MeasuredTo
	if name, staged := s.Selector[scenarios.StageTag]; staged {
		for _, stage := range l.Stages {
			if stage.Name == name {
				from, to = max(from, stage.From), min(to, stage.To)
			}
		}
	}
	s.From, s.To = int(math.Ceil(from)), int(math.Floor(to))
}

// Add takes in what was answered in a second of the run, later than all seconds that were taken in before. h is nil
// unless the metric is a time.
func (s *Seconds) Add(second int, requests, failed int64, h *Histogram) error {
	if second < s.From {
		return nil
	}
	s.pad(second + 1)
	last := len(s.Requests) - 1
	s.Requests[last] = requests
	if s.Failed != nil {
		s.Failed[last] = failed
	}
	if h == nil || h.Count() == 0 {
		return nil
	}
	return s.Counts[last].merge(h)
}

// pad adds empty seconds up to one.
func (s *Seconds) pad(second int) {
	for s.From+len(s.Requests) < second {
		s.Requests = append(s.Requests, 0)
		switch {
		case Timed(s.Metric):
			s.Counts = append(s.Counts, Sparse{})
		case s.Metric == scenarios.HTTPReqFailed:
			s.Failed = append(s.Failed, 0)
		}
	}
}

// End closes the account when the measured time has ended: seconds before To where the run was cut short, and else
// within the last second, when everything had been sent and answered.
func (s *Seconds) End(measuredTo float64) {
	if whole := int(math.Floor(measuredTo)); whole < s.To-1 {
		s.To = whole
	}
	s.pad(s.To)
}

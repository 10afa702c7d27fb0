package results

import (
	"fmt"
	"maps"
	"math"

	"github.com/policycortex/headroom/scenarios"
)

// Seconds are what the selector of a threshold with a window picks of one scenario, by the second of the run in which the
// answers came: those of requests of the warm-up are not among them, but where the metric is a rate of requests.
type Seconds struct {
	Metric   string            `json:"metric"`
	Selector map[string]string `json:"selector,omitempty"`
	Scenario string            `json:"scenario"`
	// From and To bound the full seconds of the measured time of what is picked, in seconds since the start of the run.
	// What was answered after To, late, belongs to the last of them.
	From     int      `json:"from"`
	To       int      `json:"to"`
	Requests []int64  `json:"requests"` // answers from From on; shorter than the time while the run goes on
	Failed   []int64  `json:"failed,omitempty"`
	Counts   []string `json:"counts,omitempty"` // of times: as in Batches
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

// Add takes in what was answered in a second of the run, later than all seconds that were taken in before. h is nil unless
// the metric is a time.
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
	var err error
	s.Counts[last], err = encodeHistogram(h)
	return err
}

// pad adds empty seconds up to one.
func (s *Seconds) pad(second int) {
	for s.From+len(s.Requests) < second {
		s.Requests = append(s.Requests, 0)
		switch {
		case Timed(s.Metric):
			s.Counts = append(s.Counts, "")
		case s.Metric == "http_req_failed":
			s.Failed = append(s.Failed, 0)
		}
	}
}

// End closes the account when the measured time has ended: seconds before To where the run was cut short, and else within
// the last second, when everything had been sent and answered.
func (s *Seconds) End(measuredTo float64) {
	if whole := int(math.Floor(measuredTo)); whole < s.To-1 {
		s.To = whole
	}
	s.pad(s.To)
}

// Timed reports whether a metric is response or service time.
func Timed(metric string) bool {
	return metric == "http_req_duration" || metric == "http_req_service_duration"
}

// Window is a stretch of the run, by which a threshold "for" a time is judged.
type Window struct {
	From    int `json:"from"` // seconds since the start of the run
	Seconds int `json:"seconds"`
	Of      int `json:"of"` // windows that were judged
	// Fewest is the number of samples in that one of them which has the fewest.
	Fewest int64 `json:"fewest_samples"`
}

// second is what was answered in one second.
type second struct {
	covered, ended   bool // within the measured time of something; and it is over
	requests, failed int64
	times            []bucket
}

// bucket is a value of a histogram in microseconds, and how often it was counted.
type bucket struct{ value, count int64 }

// worstWindow judges a threshold in each window of its length that lies within the measured time, one beginning each
// second, from one instant of the run on, and returns the gate of the worst: of one without an answer, else of that which
// is furthest on the wrong side. A rate over a window is that of its own seconds.
func worstWindow(m *Measurements, t scenarios.Threshold, since int) (Gate, error) {
	blank := newGate(m, t)
	worst := blank
	first, seconds, err := m.seconds(t, since)
	if err != nil {
		return worst, err
	}
	length := int(t.Window.Seconds())
	w := Window{Seconds: length}
	sum := NewHistogram()
	for i := 0; i+length <= len(seconds); i++ {
		g, whole := windowGate(blank, t, seconds[i:i+length], sum)
		if !whole {
			continue
		}
		if w.Of++; w.Of == 1 || g.Samples < w.Fewest {
			w.Fewest = g.Samples
		}
		if w.Of == 1 || g.worseThan(&worst) {
			worst, w.From = g, first+i
		}
	}
	if w.Of == 0 {
		worst.Reason = fmt.Sprintf("no data: no %d s lie within the measured time: a threshold over no data fails", length)
		return worst, nil
	}
	if worst.Samples == 0 {
		worst.Reason = fmt.Sprintf("no data: nothing was answered in the %d s from %d s on: a threshold over no data fails", length, w.From)
	}
	worst.Window = &w
	return worst, nil
}

// windowGate judges one window; whole is false where it is not within the measured time or not over yet. sum is memory
// for it.
func windowGate(g Gate, t scenarios.Threshold, of []second, sum *Histogram) (gate Gate, whole bool) {
	var requests, failed int64
	sum.Reset()
	for i := range of {
		if !of[i].covered || !of[i].ended {
			return g, false
		}
		requests += of[i].requests
		failed += of[i].failed
		for _, b := range of[i].times {
			_ = sum.counts.RecordValues(b.value, b.count) // it was read from a histogram of this range
		}
	}
	switch t.Metric {
	case "http_req_failed":
		g.hold(share(failed, requests))
	case "http_reqs":
		g.hold(counter(requests, requests, "", true, float64(len(of))))
	default:
		g.hold(trend(sum, t.Aggregation))
	}
	return g, true
}

// worseThan compares the gates of two windows of one threshold.
func (g *Gate) worseThan(o *Gate) bool {
	switch {
	case (g.Samples == 0) != (o.Samples == 0):
		return g.Samples == 0
	case g.Passed != o.Passed:
		return o.Passed
	case g.Op == "<" || g.Op == "<=":
		return g.Actual > o.Actual
	case g.Op == ">" || g.Op == ">=":
		return g.Actual < o.Actual
	}
	return false
}

// seconds takes what the threshold picks of all scenarios together; first is the second of the run that the first is.
func (m *Measurements) seconds(t scenarios.Threshold, since int) (first int, all []second, err error) {
	var of []*Seconds
	end := 0
	for _, s := range m.Seconds {
		if s.Metric != t.Metric || !maps.Equal(s.Selector, t.Selector) || s.To <= max(s.From, since) {
			continue
		}
		if from := max(s.From, since); len(of) == 0 || from < first {
			first = from
		}
		of, end = append(of, s), max(end, s.To)
	}
	all = make([]second, max(0, end-first))
	for i := range all {
		all[i].ended = true
	}
	for _, s := range of {
		for i := max(s.From, first); i < s.To; i++ {
			at := &all[i-first]
			at.covered = true
			at.ended = at.ended && i-s.From < len(s.Requests)
		}
		for i := max(0, first-s.From); i < len(s.Requests); i++ {
			if err := s.addTo(&all[min(s.From+i, s.To-1)-first], i); err != nil {
				return 0, nil, err
			}
		}
	}
	return first, all, nil
}

// addTo adds the account's i-th second.
func (s *Seconds) addTo(to *second, i int) error {
	late := s.From+i >= s.To
	if s.Metric == "http_reqs" && late {
		return nil // a rate is that of the time
	}
	to.requests += s.Requests[i]
	if len(s.Failed) > i {
		to.failed += s.Failed[i]
	}
	if len(s.Counts) <= i || s.Counts[i] == "" {
		return nil
	}
	h, err := decodeHistogram(s.Counts[i])
	if err != nil {
		return err
	}
	for _, bar := range h.counts.Distribution() {
		if bar.Count > 0 {
			to.times = append(to.times, bucket{bar.From, bar.Count})
		}
	}
	return nil
}

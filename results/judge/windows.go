package judge

import (
	"fmt"
	"maps"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// second is what was answered in one second.
type second struct {
	covered, ended   bool // within the measured time of something; and it is over
	requests, failed int64
	times            []results.Sparse
}

// worstWindow judges a threshold in each window of its length that lies within the measured time, one beginning each
// second, from one instant of the run on, and returns the gate of the worst: of one without an answer, else of that
// which is furthest on the wrong side. A rate over a window is that of its own seconds.
func worstWindow(m *results.Measurements, t scenarios.Threshold, since int) (results.Gate, error) {
	if t.Metric == scenarios.ServerMetric {
		return worstFigureWindow(m, t), nil // it is judged at the end of a run alone
	}
	blank := newGate(m, t)
	first, seconds, err := secondsOf(m, t, since)
	if err != nil {
		return blank, err
	}
	length := int(t.Window.Seconds())
	worst := newWorstOf(blank, length)
	sum := results.NewHistogram()
	for i := 0; i+length <= len(seconds); i++ {
		window := seconds[i : i+length]
		if slices.ContainsFunc(window, func(s second) bool { return !s.covered || !s.ended }) {
			continue
		}
		g, err := windowGate(blank, window, sum)
		if err != nil {
			return blank, err
		}
		worst.take(g, first+i)
	}
	return worst.end("no response came"), nil
}

// worstOf is the worst gate of the windows of one threshold.
type worstOf struct {
	gate   results.Gate
	window results.Window
}

func newWorstOf(blank results.Gate, length int) *worstOf {
	return &worstOf{gate: blank, window: results.Window{Seconds: length}}
}

// take takes the gate of the window that begins at a second of the run.
func (o *worstOf) take(g results.Gate, from int) {
	w := &o.window
	w.Of++
	if w.Of == 1 || g.Samples < w.Fewest {
		w.Fewest = g.Samples
	}
	if w.Of == 1 || worse(&g, &o.gate) {
		o.gate, w.From = g, from
	}
}

// end returns the worst gate. nothing is what has happened in a window without data.
func (o *worstOf) end(nothing string) results.Gate {
	g, w := o.gate, o.window
	if w.Of == 0 {
		g.Reason = fmt.Sprintf("no data: no window of %d s fits in the measured time; a threshold without "+
			"data fails", w.Seconds)
		return g
	}
	if g.Samples == 0 {
		g.Reason = fmt.Sprintf("no data: %s in the %d s from %d s on; a threshold without data fails", nothing,
			w.Seconds, w.From)
	}
	g.Window = &w
	return g
}

// windowGate judges one window. sum is memory for it.
func windowGate(g results.Gate, of []second, sum *results.Histogram) (results.Gate, error) {
	var requests, failed int64
	sum.Reset()
	for i := range of {
		requests += of[i].requests
		failed += of[i].failed
		for _, times := range of[i].times {
			if err := times.AddTo(sum); err != nil {
				return g, err
			}
		}
	}
	var a aggregated
	switch g.Threshold.Metric {
	case scenarios.HTTPReqFailed:
		a = share(failed, requests)
	case scenarios.HTTPReqs:
		a = counter(requests, requests, "", true, float64(len(of)))
	default:
		a = trend(sum, g.Threshold.Aggregation)
	}
	g.Hold(a.value, a.unit, a.samples)
	return g, nil
}

// worse reports whether of the gates of two windows of one threshold g is the worse.
func worse(g, o *results.Gate) bool {
	switch {
	case (g.Samples == 0) != (o.Samples == 0):
		return g.Samples == 0
	case g.Passed != o.Passed:
		return o.Passed
	case g.Op.IsUpper():
		return g.Actual > o.Actual
	case g.Op.IsLower():
		return g.Actual < o.Actual
	}
	return false
}

// seconds takes what the threshold picks of all scenarios together; first is the second of the run that the first is.
func secondsOf(m *results.Measurements, t scenarios.Threshold, since int) (first int, all []second, err error) {
	var of []*results.Seconds
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
			if err := addSecond(&all[min(s.From+i, s.To-1)-first], s, i); err != nil {
				return 0, nil, err
			}
		}
	}
	return first, all, nil
}

// addSecond adds the i-th second of s.
func addSecond(to *second, s *results.Seconds, i int) error {
	late := s.From+i >= s.To
	if s.Metric == scenarios.HTTPReqs && late {
		return nil // a rate is that of the time
	}
	to.requests += s.Requests[i]
	if len(s.Failed) > i {
		to.failed += s.Failed[i]
	}
	if len(s.Counts) <= i || s.Counts[i].Empty() {
		return nil
	}
	times, err := s.Counts[i].Decoded()
	to.times = append(to.times, times)
	return err
}

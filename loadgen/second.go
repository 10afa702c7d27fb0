package loadgen

import (
	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/results"
)

// Second is what a run under way has measured so far. What it points to is shared and will change: it may be read until
// the function that got it returns, and neither be kept nor changed.
type Second struct {
	Progress
	// Measurements have the points and the health of the seconds since the last call alone.
	Measurements *results.Measurements
	// Flushed is until when each load has been measured, in seconds since the start of the run.
	Flushed []float64
}

// told is what the one who asked for the seconds has been told.
type told struct {
	watch  *procstat.Watch
	health int   // seconds
	next   []int // the first second that was not told, by scenario
}

// tellSecond tells what has been measured since it was told last.
func (r *run) tellSecond() {
	if r.options.Second == nil {
		return
	}
	health := r.told.watch.Since(r.told.health)
	r.told.health += len(health.Seconds)
	m := results.Measurements{Started: r.start, Health: &health}
	s := Second{Progress: r.progress(), Measurements: &m}
	m.Elapsed = s.Elapsed.Seconds()
	for i, c := range r.scenarios {
		flushed, next, release := c.collector.ShareSince(r.told.next[i], &m)
		defer release()
		r.told.next[i] = next
		s.Flushed = append(s.Flushed, flushed)
	}
	r.options.Second(s)
}

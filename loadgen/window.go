package loadgen

import (
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// window is the part of a scenario's schedule that is measured, as time since the scenario's start: the warm-up goes
// before it, and the schedule ends with it. An automatic warm-up has it lie as late as it may, and moves it to an earlier
// place, once and while that is still to come: what the system answers decides how much of the schedule is sent, and
// never what nor when.
//
// The loops read it as often as they like; only the goroutine that settles the seconds moves it.
type window struct {
	from, to   atomic.Int64  // nanoseconds
	iterations atomic.Int64  // that the schedule has before to; 0 for a closed executor
	settled    chan struct{} // closed when it does not move any more
}

func newWindow(s *scenarios.Scenario, sc *schedule) *window {
	w := &window{settled: make(chan struct{})}
	w.from.Store(int64(s.Warmup))
	w.to.Store(int64(s.Duration))
	if sc != nil {
		w.iterations.Store(sc.total)
	}
	if !s.AutoWarmup {
		close(w.settled)
	}
	return w
}

func (w *window) begin() time.Duration { return time.Duration(w.from.Load()) }
func (w *window) end() time.Duration   { return time.Duration(w.to.Load()) }

// has says whether what is meant to be sent at an instant is measured.
func (w *window) has(intended time.Duration) bool { return intended >= w.begin() }

// moves says whether the window may still be moved.
func (w *window) moves() bool {
	select {
	case <-w.settled:
		return false
	default:
		return true
	}
}

// move has the window begin at an instant. It keeps its length.
func (w *window) move(from time.Duration, sc *schedule) {
	to := from + w.end() - w.begin()
	if sc != nil {
		w.iterations.Store(sc.until(to))
	}
	w.to.Store(int64(to))
	w.from.Store(int64(from))
}

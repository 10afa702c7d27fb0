package arrival

import (
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Window is the part of a scenario's schedule that is measured, as time since the scenario's start: the warm-up goes
// before it, and the schedule ends with it. With an automatic warm-up it lies at first as late as it may, and is moved
// once to an earlier place, while that is still to come: what the system answers decides how much of the schedule is
// sent, and never what nor when.
//
// The loops read it as often as they like; only the goroutine that flushes the seconds moves it.
type Window struct {
	from, to   atomic.Int64  // nanoseconds
	iterations atomic.Int64  // that the schedule has before to; 0 for a closed executor
	fixed      chan struct{} // closed when it does not move any more
}

// NewWindow returns the window of a scenario; sc is nil for a closed executor.
func NewWindow(s *scenarios.Scenario, sc *Schedule) *Window {
	w := &Window{fixed: make(chan struct{})}
	w.from.Store(int64(s.Warmup))
	w.to.Store(int64(s.Load.Length()))
	if sc != nil {
		w.iterations.Store(sc.total)
	}
	if !s.AutoWarmup {
		close(w.fixed)
	}
	return w
}

// Begin is when the measured window begins, since the scenario's start.
func (w *Window) Begin() time.Duration { return time.Duration(w.from.Load()) }

// End is when it ends, and the schedule with it.
func (w *Window) End() time.Duration { return time.Duration(w.to.Load()) }

// Has says whether what is meant to be sent at an instant is measured.
func (w *Window) Has(intended time.Duration) bool { return intended >= w.Begin() }

// Moves says whether the window may still be moved.
func (w *Window) Moves() bool {
	select {
	case <-w.fixed:
		return false
	default:
		return true
	}
}

// Move has the window begin at an instant. It keeps its length.
func (w *Window) Move(from time.Duration, sc *Schedule) {
	to := from + w.End() - w.Begin()
	if sc != nil {
		w.iterations.Store(sc.Until(to))
	}
	w.to.Store(int64(to))
	w.from.Store(int64(from))
}

// Iterations is how many iterations the schedule has before End; 0 for a closed executor.
func (w *Window) Iterations() int64 { return w.iterations.Load() }

// Fixed is closed when the window does not move any more.
func (w *Window) Fixed() <-chan struct{} { return w.fixed }

// Fix has the window stay where it is. It is called once.
func (w *Window) Fix() { close(w.fixed) }

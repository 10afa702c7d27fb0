package wire

import (
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// How a loop waits until the intended instant t of its next iteration. Let w be how late the system wakes a thread (on
// a quiet Linux some tens of microseconds: a timer's interrupt, and the switch to the thread) and c the CPU time of one
// wake-up (about as much).
//
//	precise     sleeps until t - 20 µs, or until an answer comes, and looks over and over for what is left, which is mostly
//	            nothing: 20 µs is less than most wake-ups take. Lag max(0, w - 20 µs), CPU c a wake-up: up to rate·c for the
//	            sends.
//	spin        the same with 100 µs, within which nearly all wake-ups end: the lag is that of one look, about a
//	            microsecond; CPU min(1, rate·(100 µs + c)).
//	economical  wakes at whole milliseconds m alone, ⌈t⌉ for the sends: lag uniform in [0, 1 ms) and w, on average 0.5 ms;
//	            CPU at most 1000·c per second, whatever the rate. Answers, too, are seen at whole milliseconds: a service
//	            time reads up to 1 ms too long, on average 0.5 ms.
//
// None sends early, and none sends other requests or in another order.
const (
	preciseAhead = 20 * time.Microsecond
	spinAhead    = 100 * time.Microsecond
	tick         = time.Millisecond
)

// nextTick is the first whole millisecond that is not before t.
func nextTick(t time.Duration) time.Duration { return (t + tick - 1) / tick * tick }

// pause waits until there may be something to send or to sweep, or something has come.
func (l *loop) pause(end time.Duration) {
	if !l.timing.Open() {
		l.planUser()
	}
	until := min(end, l.sweepAt)
	due := !l.ended && l.busy < l.limit && l.hasRoom()
	if due {
		until = min(until, l.dueAt)
	}
	if len(l.holding) > 0 {
		until = min(until, l.holding[0].intended)
	}
	left := until - time.Since(l.start)
	switch {
	case !l.timing.Open(): // users wait for answers, or think
	case l.pacing == scenarios.Precise && due:
		left -= preciseAhead
	case l.pacing == scenarios.Spin && due:
		left -= spinAhead
	case l.pacing == scenarios.Economical:
		l.pauseToTick(until)
		return
	}
	l.io.wait(max(0, left))
}

// pauseToTick sleeps to a whole millisecond: the next one while answers are awaited, else the one in which there is
// something to do.
func (l *loop) pauseToTick(until time.Duration) {
	l.io.wait(0) // hands over what was sent
	at := nextTick(until)
	if l.busy > 0 {
		at = min(at, nextTick(l.now+1))
	}
	l.io.rest(at - time.Since(l.start))
	l.io.wait(0)
}

package loadgen

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// thinkTimes are the pauses of users after their iterations. That after iteration n is uniform from least to least+span
// and depends on the scenario's seed and n alone, whichever engine or shard sends it.
type thinkTimes struct {
	seed        uint64
	least, span time.Duration
}

// thinkStream keeps the pauses apart from the choices of the same iteration's request.
const thinkStream = 0x7468696e6b74696d

// newThinkTimes returns those of a scenario, whose seed it is given; nil when its users do not think.
func newThinkTimes(t scenarios.ThinkTime, seed uint64) *thinkTimes {
	if t.Max == 0 {
		return nil
	}
	return &thinkTimes{seed ^ thinkStream, t.Min, t.Max - t.Min}
}

// after is the pause after iteration n.
func (t *thinkTimes) after(n int64) time.Duration {
	r := iterationRandom(t.seed, n)
	return t.least + time.Duration(r.below(int(t.span)+1))
}

// thinking holds the instants, since the scenario's start, at which users have thought enough: a binary heap.
type thinking []time.Duration

func (t thinking) Len() int           { return len(t) }
func (t thinking) Less(i, j int) bool { return t[i] < t[j] }
func (t thinking) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push and Pop are for package heap; add and remove go without their allocation.
func (t *thinking) Push(x any) { *t = append(*t, x.(time.Duration)) }

// Pop takes the last out.
func (t *thinking) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

func (t *thinking) add(until time.Duration) {
	*t = append(*t, until)
	heap.Fix(t, len(*t)-1)
}

// remove takes out the earliest.
func (t *thinking) remove() {
	last := len(*t) - 1
	t.Swap(0, last)
	if *t = (*t)[:last]; last > 0 {
		heap.Fix(t, 0)
	}
}

// crowd is the users of a closed scenario whose requests several workers send.
type crowd struct {
	times *thinkTimes
	woken chan struct{} // has one when somebody began to think

	mu       sync.Mutex
	thinking thinking
	ready    int // users who wait for nothing
}

func newCrowd(times *thinkTimes, users int) *crowd {
	return &crowd{times: times, woken: make(chan struct{}, 1), ready: users}
}

// think is called when iteration n has ended, at an instant since the scenario's start.
func (c *crowd) think(n int64, ended time.Duration) {
	c.mu.Lock()
	c.thinking.add(ended + c.times.after(n))
	c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// next waits until a user is to send, at the latest until the schedule ends. It reports whether there is one.
func (c *crowd) next(ctx context.Context, start time.Time, w *window) bool {
	var settled <-chan struct{}
	if w.moves() {
		settled = w.settled
	}
	for {
		now := time.Since(start)
		if now >= w.end() || ctx.Err() != nil {
			return false
		}
		wait, ok := c.take(now)
		if ok {
			return true
		}
		timer := time.NewTimer(min(wait, w.end()-now))
		select {
		case <-timer.C:
		case <-c.woken:
		case <-settled: // the end may be an earlier one now
			settled = nil
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// take takes a user who is to send now, or says how long the first of those who think still does.
func (c *crowd) take(now time.Duration) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ready > 0:
		c.ready--
		return 0, true
	case len(c.thinking) == 0:
		return time.Hour, false
	case c.thinking[0] > now:
		return c.thinking[0] - now, false
	}
	c.thinking.remove()
	return 0, true
}

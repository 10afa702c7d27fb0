package arrival

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Crowd is the users of a closed load that one loop sends for: who of them is to send, and when. It reads no clock, and
// only one goroutine at a time may use it.
//
// The users of a loop are those of the shard whose numbers leave the same rest; each has its number for the whole load.
type Crowd struct {
	timing       *Timing
	index, loops int
	next, step   int64 // the number of the next iteration, where users share none

	size     int      // how many users there are at most: those who have done all of theirs are gone
	busy     int      // users whose iterations are under way
	ready    []int32  // who wait for nothing, or are not there yet: the last one is the first to send
	thinking Thinking // who pause
	rounds   []int64  // iterations that each user has begun, where each has as many
	left     int64    // likewise: those that none has begun yet
}

// Never is an instant that does not come.
const Never = time.Duration(math.MaxInt64)

// Count is a number of iterations that a closed load has.
type Count struct {
	Total  int64 // of this shard
	Each   int64 // of each user; 0: who is ready takes the next
	Stride int64 // how many users all shards have together
	taken  atomic.Int64
}

// NewCount returns that of a shard's load, which has its share of the users; nil for a load that ends by time.
func NewCount(load scenarios.Load, shard Shard) *Count {
	switch l := load.(type) {
	case scenarios.SharedIterations:
		return &Count{Total: shard.Of(l.Iterations)}
	case scenarios.UserIterations:
		return &Count{Total: int64(l.VUs) * l.Iterations, Each: l.Iterations, Stride: int64(l.AllUsers())}
	}
	return nil
}

// NewCrowd returns the users of loop index of so many.
func NewCrowd(t *Timing, index, loops int) *Crowd {
	c := &Crowd{
		timing: t, index: index, loops: loops, size: Share(t.Users, index, loops),
		next: t.Shard.Iteration(int64(index)), step: int64(loops) * t.Shard.Count,
	}
	for user := c.size - 1; user >= 0; user-- {
		c.ready = append(c.ready, int32(user))
	}
	if t.Count != nil && t.Count.Each > 0 {
		c.rounds, c.left = make([]int64, c.size), int64(c.size)*t.Count.Each
	}
	return c
}

// Due is the next instant, since the scenario's start, at which a user may be to send: now or earlier where one is. It
// may be earlier than that of the next send, and [Never] as long as all are busy. ended says that no iteration begins
// any more. now is the present instant.
func (c *Crowd) Due(now time.Duration) (at time.Duration, ended bool) {
	if now >= c.timing.Window.End() || c.spent() {
		return Never, true
	}
	limit, change := c.size, Never
	if ramp := c.timing.Ramp; ramp != nil {
		limit = Share(ramp.users(now, c.timing.Shard), c.index, c.loops)
		change = ramp.change(now)
		for len(c.thinking) > 0 && c.busy+len(c.thinking) > limit { // who is to go does not pause before that
			c.ready = append(c.ready, c.thinking.Remove())
		}
	}
	switch {
	case c.busy+len(c.thinking) < limit:
		return now, false
	case len(c.thinking) > 0:
		return min(c.thinking[0].until, change), false
	}
	return change, false
}

// spent reports whether all iterations have begun.
func (c *Crowd) spent() bool {
	count := c.timing.Count
	switch {
	case count == nil:
		return false
	case count.Each > 0:
		return c.left == 0
	}
	return count.taken.Load() >= count.Total
}

// Begin has a user send who is due, and returns it and the number of its iteration. ended says that there is none,
// because another loop has taken the last one meanwhile.
func (c *Crowd) Begin(now time.Duration) (user int32, n int64, ended bool) {
	count := c.timing.Count
	if count != nil && count.Each == 0 {
		taken := count.taken.Add(1) - 1
		if taken >= count.Total {
			return 0, 0, true
		}
		n = c.timing.Shard.Iteration(taken)
	}
	if len(c.thinking) > 0 && c.thinking[0].until <= now {
		user = c.thinking.Remove()
	} else {
		last := len(c.ready) - 1
		user, c.ready = c.ready[last], c.ready[:last]
	}
	c.busy++
	switch {
	case count == nil:
		n = c.next
		c.next += c.step
	case count.Each > 0:
		n = c.rounds[user]*count.Stride + c.Number(user)
		c.rounds[user]++
		c.left--
	}
	return user, n, false
}

// Number is that of a user in the whole load, from 0.
func (c *Crowd) Number(user int32) int64 {
	return c.timing.Shard.Iteration(int64(c.index) + int64(user)*int64(c.loops))
}

// End notes that iteration n of a user has ended at the instant now. It is to rest for at least so long.
func (c *Crowd) End(user int32, n int64, now, rest time.Duration) {
	c.busy--
	if c.rounds != nil && c.rounds[user] >= c.timing.Count.Each {
		c.size--
		return
	}
	if think := c.timing.Think; think != nil {
		rest = max(rest, think.After(n))
	}
	if rest > 0 || c.timing.Think != nil {
		c.thinking.Add(now+rest, user)
		return
	}
	c.ready = append(c.ready, user)
}

package arrival

import (
	"container/heap"
	"time"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/scenarios"
)

// ThinkTimes are the pauses of users after their iterations. That after iteration n is uniform from least to least+span
// and depends on the scenario's seed and n alone, whichever engine or shard sends it.
type ThinkTimes struct {
	seed        uint64
	least, span time.Duration
}

// thinkStream keeps the pauses apart from the choices of the same iteration's request.
const thinkStream = 0x7468696e6b74696d

// NewThinkTimes returns those of the scenario with the given seed; nil when its users do not think.
func NewThinkTimes(t scenarios.ThinkTime, seed uint64) *ThinkTimes {
	if t.Max == 0 {
		return nil
	}
	return &ThinkTimes{seed ^ thinkStream, t.Min, t.Max - t.Min}
}

// After is the pause after iteration n.
func (t *ThinkTimes) After(n int64) time.Duration {
	r := random.ForIteration(t.seed, n)
	return t.least + time.Duration(r.Below(int(t.span)+1))
}

// Thinking holds users who think, by the instants, since the scenario's start, at which they have thought enough: a
// binary heap.
type Thinking []thinker

type thinker struct {
	until time.Duration
	user  int32
}

func (t Thinking) Len() int           { return len(t) }
func (t Thinking) Less(i, j int) bool { return t[i].until < t[j].until }
func (t Thinking) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push and Pop are for package heap; Add and Remove avoid their allocation.
func (t *Thinking) Push(x any) { *t = append(*t, x.(thinker)) }

// Pop takes the last out.
func (t *Thinking) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// Add takes in a user.
func (t *Thinking) Add(until time.Duration, user int32) {
	*t = append(*t, thinker{until, user})
	heap.Fix(t, len(*t)-1)
}

// Remove takes out the one who has thought enough first.
func (t *Thinking) Remove() (user int32) {
	last := len(*t) - 1
	user = (*t)[0].user
	t.Swap(0, last)
	*t = (*t)[:last]
	if last > 0 {
		heap.Fix(t, 0)
	}
	return user
}

package arrival

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

func TestThinkTimesAreSeeded(t *testing.T) {
	span := scenarios.ThinkTime{Min: 10 * time.Millisecond, Max: 30 * time.Millisecond}
	one, same, other := NewThinkTimes(span, 1), NewThinkTimes(span, 1), NewThinkTimes(span, 2)
	var sum time.Duration
	differ := 0
	const n = 10000
	for i := range int64(n) {
		d := one.After(i)
		if d < span.Min || d > span.Max || d != same.After(i) {
			t.Fatalf("iteration %d: %v and %v", i, d, same.After(i))
		}
		if d != other.After(i) {
			differ++
		}
		sum += d
	}
	// The mean of n uniform numbers of a span of 20 ms deviates by 20/√(12n) = 0.06 ms.
	if mean := sum / n; mean < 19700*time.Microsecond || mean > 20300*time.Microsecond || differ < n-10 {
		t.Errorf("mean %v, %d of %d differ by the seed", mean, differ, n)
	}
	if d := NewThinkTimes(scenarios.ThinkTime{Min: time.Second, Max: time.Second}, 1).After(7); d != time.Second {
		t.Errorf("a constant think time is %v", d)
	}
	if NewThinkTimes(scenarios.ThinkTime{}, 1) != nil {
		t.Error("no think time thinks")
	}
}

func TestThinkingComesOutInOrder(t *testing.T) {
	var in, out []time.Duration
	var th Thinking
	for range 1000 {
		d := time.Duration(rand.IntN(500))
		in = append(in, d)
		th.Add(d, int32(d))
	}
	for len(th) > 0 {
		out = append(out, th[0].until)
		if user := th.Remove(); time.Duration(user) != out[len(out)-1] {
			t.Errorf("user %d has thought until %v", user, out[len(out)-1])
		}
	}
	slices.Sort(in)
	if !slices.Equal(in, out) {
		t.Errorf("got %v, want %v", out, in)
	}
	th.Add(1, 0)
	if n := testing.AllocsPerRun(100, func() { th.Remove(); th.Add(2, 0) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

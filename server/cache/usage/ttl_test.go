package usage

import (
	"math/rand/v2"
	"testing"
	"time"
)

// accesses of keys that are read at random moments, each at a rate of its own.
type randomAccesses struct{ meanInterval []time.Duration }

// run reads for so long and returns the intervals and, for a lifetime, the share of the reads that found an entry
// expired.
func (a randomAccesses) run(d, ttl time.Duration) (*Distribution, float64) {
	random := rand.New(rand.NewPCG(5, 6))
	var intervals Histogram
	reads, expired := 0, 0
	for _, mean := range a.meanInterval {
		stored, last := time.Duration(0), time.Duration(0)
		for {
			gap := time.Duration(random.ExpFloat64() * float64(mean))
			last += gap
			if last > d {
				break
			}
			intervals.Record(uint64(gap.Microseconds()))
			reads++
			if last-stored > ttl {
				expired++
				stored = last
			}
		}
	}
	return intervals.Read(), float64(expired) / float64(reads)
}

func TestTTLKeepsReaccesses(t *testing.T) {
	var a randomAccesses
	for i := range 200 {
		a.meanInterval = append(a.meanInterval, time.Duration(200+i*20)*time.Millisecond)
	}
	intervals, _ := a.run(2*time.Hour, time.Minute)
	ttl := time.Minute
	for range 10 {
		ttl = nextTTL(ttl, intervals)
	}
	_, ours := a.run(2*time.Hour, ttl)
	average := time.Duration(intervals.Mean()) * time.Microsecond
	_, theirs := a.run(2*time.Hour, average)
	t.Logf("average interval %s: lifetime %s, %.1f %% of the reads find an entry expired; with the average as "+
		"lifetime %.1f %%", average, ttl, 100*ours, 100*theirs)
	if ours > expiryMisses*1.2 {
		t.Errorf("%.1f %% of the reads find an entry expired, want %.0f %%", 100*ours, 100*expiryMisses)
	}
	if theirs < 0.4 {
		t.Errorf("%.1f %% with the average interval: the design would have been right", 100*theirs)
	}
}

func TestNextTTL(t *testing.T) {
	every := func(interval time.Duration, n int) *Distribution {
		var h Histogram
		for range n {
			h.Record(uint64(interval.Microseconds()))
		}
		return h.Read()
	}
	for name, test := range map[string]struct {
		present   time.Duration
		intervals *Distribution
		low, high time.Duration
	}{
		"too few to tell":       {time.Minute, every(time.Hour, minIntervals-1), time.Minute, time.Minute},
		"very often: the least": {20 * time.Second, every(time.Millisecond, 1000), minL1TTL, minL1TTL},
		"half at a time": {
			10 * time.Minute, every(time.Millisecond, 1000), 5 * time.Minute,
			5 * time.Minute,
		},
		// near enough to 50 s
		"a second: fifty of them": {time.Minute, every(time.Second, 1000), time.Minute, time.Minute},
		"two seconds: a hundred": {
			time.Minute, every(2*time.Second, 1000), 95 * time.Second,
			106 * time.Second,
		},
		"a minute: as much as is allowed":   {8 * time.Minute, every(time.Minute, 1000), maxL1TTL, maxL1TTL},
		"an hour: nothing helps, the least": {20 * time.Second, every(time.Hour, 1000), minL1TTL, minL1TTL},
	} {
		if got := nextTTL(test.present, test.intervals); got < test.low || got > test.high {
			t.Errorf("%s: %s, want %s to %s", name, got, test.low, test.high)
		}
	}
}

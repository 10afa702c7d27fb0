package usage

import "time"

// The lifetime in L1 follows the times between accesses to a key. It runs from when a value is stored, so if the value
// lives for T, an interval g between two accesses contains its end with a probability of min(1, g/T): the share of
// accesses that find an entry just expired is the mean of min(1, g/T) over all intervals. (By the average interval as
// T, a common choice, that is most of them: 63 % when accesses are random in time.) T is chosen so that this share is
// at most expiryMisses. Intervals longer than the greatest T that is allowed are left out: no T would help them.
//
// A longer lifetime does not make values older, because changes are invalidated. It only keeps unread entries for
// longer.
const (
	expiryMisses = 0.02
	minL1TTL     = 15 * time.Second
	maxL1TTL     = 10 * time.Minute
	// LongestTTL is the longest lifetime in L1.
	LongestTTL = maxL1TTL
	// minIntervals is the minimum size of a sample.
	minIntervals = 500
)

// lossAt returns the share of the accesses that would find their entry expired, 0 to 1; intervals are in microseconds.
func lossAt(intervals *Distribution, ttl time.Duration) float64 {
	lost, reachable := 0.0, 0.0
	for i, n := range intervals.buckets {
		gap := bucketMiddle(i)
		if n == 0 || gap > float64(maxL1TTL.Microseconds()) {
			continue
		}
		reachable += float64(n)
		lost += float64(n) * min(1, gap/float64(ttl.Microseconds()))
	}
	if reachable == 0 {
		return 0
	}
	return lost / reachable
}

// nextTTL returns the lifetime that suits the intervals. One step is a factor of two at most. Differences of less than
// a fifth, and samples that are too small, change nothing.
func nextTTL(present time.Duration, intervals *Distribution) time.Duration {
	if intervals.Count < minIntervals {
		return present
	}
	low, high := minL1TTL, maxL1TTL
	for high-low > time.Second {
		if middle := (low + high) / 2; lossAt(intervals, middle) > expiryMisses {
			low = middle
		} else {
			high = middle
		}
	}
	wanted := high
	if lossAt(intervals, minL1TTL) <= expiryMisses {
		wanted = minL1TTL
	}
	if ratio := float64(wanted) / float64(present); ratio > 0.8 && ratio < 1.2 {
		return present
	}
	return min(max(wanted, present/2), 2*present)
}

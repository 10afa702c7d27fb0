package usage

import "math"

// The rule for the size of L1: grow by 1.2 under a hit rate of 0.8, shrink by 0.9 above 0.95. By itself it swings for
// ever where a little less memory costs many hits (shrink, lose the working set, grow, shrink …), grows without end
// where no size reaches 0.8, and follows noise. What [sizer] adds is what a controller needs:
//
//   - a window with fewer than minWindow requests decides nothing;
//   - two windows in a row must ask for the same change;
//   - after a change the cache has settleWindows to fill or empty before it is judged;
//   - L1 grows only if it had to evict: more room does not help against entries that expire or are new;
//   - a growth that won no hits is taken back, and not tried again before a pause that doubles each time;
//   - a size that proved too small is not tried again before a pause that doubles each time.
const (
	GrowBelow    = 0.80
	ShrinkAbove  = 0.95
	GrowFactor   = 1.2
	shrinkFactor = 0.9

	minWindow     = 1000
	settleWindows = 2
	forgetWindows = 60
	// worthwhile is the gain in hit rate that justifies growing.
	worthwhile = 0.01
	// Pauses, in windows: after the first useless growth, after the first size that was too small, and the maximum.
	firstPause  = 8
	firstMemory = 60
	maxPause    = 480
)

// l1Window is what L1 did in one interval.
type l1Window struct {
	hits, misses uint64
	evictions    uint64 // for lack of room
}

// sizer decides on the size of L1, in bytes. It is a value: decide returns the next one.
type sizer struct {
	smallest, largest, size uint64

	settling int     // windows left until the last change is judged
	asked    float64 // the factor that the previous window asked for; 0 for none

	changedFrom uint64  // the size before the last change, until it is judged; then 0
	rateBefore  float64 // the hit rate at it

	tooSmall uint64 // a size at which hits were lost; 0 when none is known
	memory   int    // windows for which the next such size is remembered
	forgetIn int    // windows until tooSmall is forgotten

	resting int // windows left in which L1 does not grow
	pause   int // the next such pause
}

func newSizer(size, smallest, largest uint64) sizer {
	return sizer{
		smallest: smallest, largest: largest, size: min(max(size, smallest), largest),
		memory: firstMemory, pause: firstPause,
	}
}

// decide returns the state after a window, and the decision in a few words.
func (s sizer) decide(w l1Window) (next sizer, reason string) {
	s.forgetIn--
	if s.forgetIn <= 0 {
		s.tooSmall = 0
	}
	s.resting = max(s.resting-1, 0)
	if s.settling > 0 {
		s.settling--
		return s, "settling"
	}
	requests := w.hits + w.misses
	if requests < minWindow {
		return s, "too few requests"
	}
	rate := float64(w.hits) / float64(requests)
	if s.changedFrom != 0 {
		judged, takenBack := s.judge(rate)
		s = judged
		if takenBack {
			return s, "the last growth gained nothing and was undone"
		}
	}
	size, reason := s.wanted(rate, w.evictions)
	if size == s.size {
		s.asked = 0
		return s, reason
	}
	if factor := float64(size) / float64(s.size); s.asked != factor {
		s.asked = factor
		return s, "to be confirmed: " + reason
	}
	s.asked, s.settling = 0, settleWindows
	s.changedFrom, s.rateBefore, s.size = s.size, rate, size
	return s, reason
}

// judge evaluates the last change.
func (s sizer) judge(rate float64) (next sizer, takenBack bool) {
	shrank := s.size < s.changedFrom
	switch {
	case shrank && rate < GrowBelow:
		s.tooSmall, s.forgetIn, s.memory = s.size, s.memory, min(2*s.memory, maxPause)
	case !shrank && rate < GrowBelow && rate < s.rateBefore+worthwhile:
		s.size, s.settling, takenBack = s.changedFrom, settleWindows, true
		s.resting, s.pause = s.pause, min(2*s.pause, maxPause)
	case !shrank:
		s.pause = firstPause
	}
	s.changedFrom = 0
	return s, takenBack
}

// wanted returns the size that this window suggests.
func (s sizer) wanted(rate float64, evictions uint64) (size uint64, reason string) {
	switch {
	case rate < GrowBelow && evictions == 0:
		return s.size, "nothing was evicted, so more room would not help"
	case rate < GrowBelow && s.resting > 0:
		return s.size, "growing did not help"
	case rate < GrowBelow:
		return min(uint64(math.Round(float64(s.size)*GrowFactor)), s.largest), "grow"
	case rate > ShrinkAbove:
		size = max(uint64(math.Round(float64(s.size)*shrinkFactor)), s.smallest)
		if size <= s.tooSmall {
			return s.size, "a little less proved too small"
		}
		return size, "shrink"
	}
	return s.size, "good as it is"
}

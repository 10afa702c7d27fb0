package usage

import (
	"math/rand/v2"
	"testing"
)

// load says which share of the requests hit in an L1 of a size, and how many entries it evicts in a window.
type load func(size uint64, window int) (rate float64, evictions uint64)

type history struct {
	sizes []uint64
	turns int // changes of direction
	moves int
}

// simulate runs windows of 10,000 requests against a rule.
func simulate(l load, size uint64, windows int, rule func(size uint64, w l1Window) uint64) history {
	var h history
	direction := 0
	random := rand.New(rand.NewPCG(3, 4))
	for i := range windows {
		rate, evictions := l(size, i)
		hits := 0
		for range 10_000 {
			if random.Float64() < rate {
				hits++
			}
		}
		next := rule(size, l1Window{hits: uint64(hits), misses: uint64(10_000 - hits), evictions: evictions})
		if next != size {
			now := 1
			if next < size {
				now = -1
			}
			if direction == -now {
				h.turns++
			}
			direction = now
			h.moves++
		}
		size = next
		h.sizes = append(h.sizes, size)
	}
	return h
}

// plainRule is the rule without anything against swinging.
func plainRule(size uint64, w l1Window) uint64 {
	switch rate := float64(w.hits) / float64(w.hits+w.misses); {
	case rate < GrowBelow:
		return uint64(float64(size) * GrowFactor)
	case rate > ShrinkAbove:
		return uint64(float64(size) * shrinkFactor)
	}
	return size
}

func ourRule(size, smallest, largest uint64) func(uint64, l1Window) uint64 {
	s := newSizer(size, smallest, largest)
	return func(_ uint64, w l1Window) uint64 {
		s, _ = s.decide(w)
		return s.size
	}
}

const megabyte = 1 << 20

func TestSizingSettles(t *testing.T) {
	// A working set of 40 MB that is walked round and round: all of it fits, or hardly anything hits.
	cliff := func(size uint64, _ int) (float64, uint64) {
		if size >= 40*megabyte {
			return 0.99, 0
		}
		return 0.3, 1000
	}
	// Half of the requests are for what was never asked for before: no size reaches 0.8.
	unreachable := func(uint64, int) (float64, uint64) { return 0.5, 5000 }
	// Everything misses because it expires: nothing is evicted.
	expiring := func(uint64, int) (float64, uint64) { return 0.6, 0 }
	tiny := func(size uint64, _ int) (float64, uint64) {
		if size > 18*megabyte {
			return 0.99, 0
		}
		return 0.93, 10
	}
	small := func(size uint64, _ int) (float64, uint64) { return min(0.94, float64(size)/(100*megabyte)), 100 }
	border := func(uint64, int) (float64, uint64) { return 0.95, 100 }

	const windows = 300
	for name, test := range map[string]struct {
		load                   load
		turns, moves           int // at most
		smallest, largest      uint64
		plainTurns, plainMoves int // at least, over the same windows
	}{
		"cliff":       {cliff, 6, 13, 32 * megabyte, 64 * megabyte, 100, 200},
		"unreachable": {unreachable, 11, 12, 64 * megabyte, 64 * megabyte, 0, 300},
		"expiring":    {expiring, 0, 0, 64 * megabyte, 64 * megabyte, 0, 300},
		"tiny":        {tiny, 0, 14, 14 * megabyte, 20 * megabyte, 0, 10},
		"small":       {small, 0, 3, 80 * megabyte, 96 * megabyte, 0, 1},
	} {
		ours := simulate(test.load, 64*megabyte, windows, ourRule(64*megabyte, 8*megabyte, 256*megabyte))
		if ours.turns > test.turns || ours.moves > test.moves {
			t.Errorf("%s: %d turns in %d changes, want at most %d in %d", name, ours.turns, ours.moves, test.turns,
				test.moves)
		}
		if last := ours.sizes[windows-1]; last < test.smallest || last > test.largest {
			t.Errorf("%s: settled at %d MB, want %d to %d", name, last/megabyte, test.smallest/megabyte,
				test.largest/megabyte)
		}
		plain := simulate(test.load, 64*megabyte, windows, plainRule)
		if plain.turns < test.plainTurns || plain.moves < test.plainMoves {
			t.Errorf("%s: the plain rule made %d turns in %d changes; this test was meant to show it at its worst",
				name, plain.turns, plain.moves)
		}
		t.Logf("%-11s ours: %d changes, %d turns, ends at %d MB; the plain rule: %d changes, %d turns", name,
			ours.moves, ours.turns, ours.sizes[windows-1]/megabyte, plain.moves, plain.turns)
	}
	ours := simulate(border, 64*megabyte, windows, ourRule(64*megabyte, 8*megabyte, 256*megabyte))
	plain := simulate(border, 64*megabyte, windows, plainRule)
	if ours.moves > plain.moves/2 {
		t.Errorf("at the border: %d changes follow noise, the plain rule makes %d", ours.moves, plain.moves)
	}
}

func TestSizingFollowsTheLoad(t *testing.T) {
	working := func(_ uint64, window int) float64 {
		if window < 100 {
			return 30 * megabyte
		}
		return 120 * megabyte
	}
	l := func(size uint64, window int) (float64, uint64) {
		return min(0.99, 0.99*float64(size)/working(size, window)), 100
	}
	h := simulate(l, 64*megabyte, 200, ourRule(64*megabyte, 8*megabyte, 256*megabyte))
	if before := h.sizes[99]; before > 36*megabyte {
		t.Errorf("%d MB are kept for a working set of 30", before/megabyte)
	}
	if after := h.sizes[199]; after < 95*megabyte {
		t.Errorf("%d MB are kept for a working set of 120", after/megabyte)
	}
}

func TestSizingDecisions(t *testing.T) {
	low := l1Window{hits: 700, misses: 300, evictions: 10}
	high := l1Window{hits: 990, misses: 10}
	good := l1Window{hits: 900, misses: 100, evictions: 10}
	for name, test := range map[string]struct {
		windows []l1Window
		want    uint64
	}{
		"one low window is not enough": {[]l1Window{low}, 1000},
		"two are":                      {[]l1Window{low, low}, 1200},
		"a good one between them":      {[]l1Window{low, good, low}, 1000},
		"low, but nothing was evicted": {[]l1Window{{hits: 700, misses: 300}, {hits: 700, misses: 300}}, 1000},
		"two high ones":                {[]l1Window{high, high}, 900},
		"high and low":                 {[]l1Window{high, low}, 1000},
		"too few requests": {[]l1Window{
			{hits: 1, misses: 900, evictions: 9},
			{hits: 1, misses: 900, evictions: 9},
		}, 1000},
		"nothing":                           {[]l1Window{{}, {}, {}}, 1000},
		"not before the change has settled": {[]l1Window{low, low, low, low}, 1200},
	} {
		s := newSizer(1000, 500, 5000)
		for _, w := range test.windows {
			s, _ = s.decide(w)
		}
		if s.size != test.want {
			t.Errorf("%s: %d bytes, want %d", name, s.size, test.want)
		}
	}
	bounded := newSizer(1000, 950, 1100)
	for range 20 {
		bounded, _ = bounded.decide(high)
	}
	if bounded.size != 950 {
		t.Errorf("shrank to %d, want the smallest size of 950", bounded.size)
	}
	for i := range 20 {
		bounded, _ = bounded.decide(l1Window{hits: uint64(500 + 20*i), misses: 600, evictions: 1})
	}
	if bounded.size != 1100 {
		t.Errorf("grew to %d, want the largest size of 1100", bounded.size)
	}
}

package cache

import "testing"

func TestShouldPrefetch(t *testing.T) {
	for name, test := range map[string]struct {
		recent  outcomes
		hitRate float64
		draw    uint32
		want    bool
	}{
		"nothing known, few hits":               {outcomes{}, 0.79, 1, false},
		"nothing known, many hits":              {outcomes{}, 0.8, 1, true},
		"too little known, many hits":           {outcomes{lost: minOutcomes - 1}, 0.9, 1, true},
		"known to serve, few hits":              {outcomes{used: 8, lost: 24}, 0.1, 1, true},
		"known to serve nobody, many hits":      {outcomes{used: 7, lost: 25}, 0.99, 1, false},
		"known to serve nobody, but once again": {outcomes{lost: 100}, 0, retryOneIn, true},
	} {
		if got := shouldPrefetch(test.recent, test.hitRate, DefaultPrefetchThreshold, test.draw); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestOutcomesAreCountedOnceAndOldOnesForgotten(t *testing.T) {
	var p prefetcher
	mark := &prefetchMark{relation: Items}
	if !p.outcome(mark, true) || p.outcome(mark, true) || p.outcome(mark, false) {
		t.Error("the first outcome counts, and no other")
	}
	for range 3 * outcomesKept {
		p.outcome(&prefetchMark{relation: Items}, false)
	}
	for range outcomesKept {
		p.outcome(&prefetchMark{relation: Items}, true)
	}
	n := &p.relations[Items]
	if n.used != outcomesKept+1 || n.lost != 3*outcomesKept {
		t.Errorf("%d used and %d lost, want all", n.used, n.lost)
	}
	if recent := n.recent; recent.used < 2*recent.lost || recent.used+recent.lost >= outcomesKept {
		t.Errorf("recently: %+v", recent)
	}
}

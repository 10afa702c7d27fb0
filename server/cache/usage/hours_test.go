package usage

import (
	"slices"
	"testing"
	"time"
)

func TestHours(t *testing.T) {
	var h hours
	if got := peaks(h.read()); got != nil {
		t.Errorf("without requests, %v are peaks", got)
	}
	east := time.FixedZone("east", 3*3600)
	h.note(100, time.Date(2026, 1, 1, 12, 0, 0, 0, east))
	h.note(1100, time.Date(2026, 1, 1, 10, 30, 0, 0, time.UTC))
	h.note(1000, time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC)) // overtaken
	h.note(1200, time.Date(2026, 1, 2, 9, 59, 0, 0, time.UTC))
	h.note(1300, time.Date(2026, 1, 2, 11, 0, 0, 0, time.UTC))
	if got := h.read(); got[9] != 200 || got[10] != 1000 || got[11] != 100 {
		t.Errorf("got %v", got)
	}
	if got := peaks(h.read()); !slices.Equal(got, []int{10}) {
		t.Errorf("%v are peaks, want 10", got)
	}
	if got := peaks([24]uint64{5: 7}); got == nil || len(got) != 0 {
		t.Errorf("a single hour is no peak over itself, got %v", got)
	}
}

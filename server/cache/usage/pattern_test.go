package usage

import (
	"testing"
	"time"
)

func TestAccessPatternRules(t *testing.T) {
	type rules struct{ hot, l2, l3 bool }
	for name, test := range map[string]struct {
		pattern AccessPattern
		want    rules
	}{
		"nothing": {AccessPattern{}, rules{}},
		"hot": {
			AccessPattern{Frequency: 10.1, Recency: 299 * time.Second},
			rules{hot: true, l2: true},
		},
		"ten a minute is not more":       {AccessPattern{Frequency: 10}, rules{l2: true}},
		"hot once":                       {AccessPattern{Frequency: 11, Recency: 300 * time.Second}, rules{l2: true}},
		"seen once":                      {AccessPattern{ReadWriteRatio: 3, Size: 10_000}, rules{}},
		"read more than once a minute":   {AccessPattern{Frequency: 1.1}, rules{l2: true}},
		"read more than written":         {AccessPattern{ReadWriteRatio: 3.1}, rules{l2: true}},
		"big and read":                   {AccessPattern{Size: 1025, ReadWriteRatio: 10.1}, rules{l2: true, l3: true}},
		"a kilobyte is not more":         {AccessPattern{Size: 1024, ReadWriteRatio: 11}, rules{l2: true}},
		"ten reads a write are not more": {AccessPattern{Size: 1025, ReadWriteRatio: 10}, rules{l2: true}},
	} {
		p := test.pattern
		if got := (rules{p.IsHot(), p.ShouldCacheL2(), p.ShouldCacheL3()}); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestPlacement(t *testing.T) {
	for name, test := range map[string]struct {
		pattern AccessPattern
		want    Placement
	}{
		"small, known for nothing":  {AccessPattern{Size: 1023}, Placement{L1: true}},
		"small and shared":          {AccessPattern{Size: 1023, ReadWriteRatio: 4}, Placement{L1: true, L2: true}},
		"big and shared, not hot":   {AccessPattern{Size: 1024, Frequency: 2}, Placement{L2: true}},
		"big and hot":               {AccessPattern{Size: 1024, Frequency: 11}, Placement{L1: true, L2: true}},
		"big and written all along": {AccessPattern{Size: 1024, Frequency: 1, ReadWriteRatio: 1}, Placement{L1: true}},
		"big, read, hardly written": {AccessPattern{Size: 2000, ReadWriteRatio: 20}, Placement{L2: true, L3: true}},
		"all of it": {
			AccessPattern{Size: 2000, ReadWriteRatio: 20, Frequency: 20},
			Placement{true, true, true},
		},
		"nothing to keep it for yet": {AccessPattern{Size: 1 << 20, Frequency: 1}, Placement{L1: true}},
	} {
		if got := test.pattern.place(); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestReadWriteRatio(t *testing.T) {
	for _, test := range []struct{ reads, writes, want float64 }{
		{0, 0, 0}, {1, 0, 1}, {7, 0, 7}, {7, 1, 7}, {7, 0.2, 7}, {8, 2, 4}, {0, 5, 0},
	} {
		if got := ReadWriteRatio(test.reads, test.writes); got != test.want {
			t.Errorf("%g reads and %g writes make %g, want %g", test.reads, test.writes, got, test.want)
		}
	}
}

// The bootstrapping problem: what a key that is read for the first time is taken for.
func TestWithPrior(t *testing.T) {
	for name, test := range map[string]struct {
		reads, writes, kind float64
		shared, stored      bool
	}{
		"first read, of a kind that is only read":            {1, 0, 100, true, false},
		"first read, of a kind written as often as read":     {1, 0, 1, false, false},
		"first read, of a kind read a little more":           {1, 0, 2, false, false},
		"read ten times, of a kind written as often as read": {10, 0, 1, true, false},
		"read ten times, of a kind that is only read":        {10, 0, 100, true, true},
		"written as often as read, of a kind only read":      {10, 10, 100, false, false},
		"read forty times, written twice, of such a kind":    {40, 2, 100, true, true},
	} {
		p := AccessPattern{Size: 2000, Frequency: 1, ReadWriteRatio: withPrior(test.reads, test.writes, test.kind)}
		if p.ShouldCacheL2() != test.shared || p.ShouldCacheL3() != test.stored {
			t.Errorf("%s: ratio %.2f, L2 %t, L3 %t; want L2 %t, L3 %t",
				name, p.ReadWriteRatio, p.ShouldCacheL2(), p.ShouldCacheL3(), test.shared, test.stored)
		}
	}
}

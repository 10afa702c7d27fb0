package tuning

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// well is a window in which nothing is wrong.
func well() (Window, Counts) {
	w := Window{State: State{
		Pool: 8, PoolBound: 16, L1Largest: 64 << 20, L1Size: 64 << 20, L1Bound: 128 << 20, L1TTL: time.Minute,
		L1TTLBound: 10 * time.Minute, Prefetching: true, GCPercent: 400, LiveHeap: 50 << 20, MemoryLimit: 512 << 20,
		MemoryBound: 1 << 30, Replicated: true, ReplicaUsable: true, ReplicaShared: true,
		PrimaryTrip: time.Millisecond, ReplicaTrip: time.Millisecond, ReplicaMaxLag: 5 * time.Second, PlanMode: "auto",
		Statements: []Statement{{Name: "list", SQL: "SELECT", Slow: 50, SlowTime: 5, Kept: true}},
		Tables:     []Table{{Name: "resources", Rows: 1000, Changed: 100}},
	}}
	return w, Counts{
		Requests: 10_000, RequestTime: 20, Queries: 1000, QueryTime: 10, Slow: 2, SlowTime: 0.1, Acquires: 1000,
		Waits:  100,
		Waited: 0.1, L1Hits: 9000, L1Misses: 1000, Evictions: 20, Refreshes: 10, PrefetchUsed: 100,
		PrefetchLost: 50, ReplicaReads: 900, CPU: 10, GC: 0.3,
	}
}

func TestRules(t *testing.T) {
	slowly := func(_ *Window, c *Counts) { c.Slow, c.SlowTime = 50, 5 }
	for name, test := range map[string]struct {
		change func(*Window, *Counts)
		want   map[Knob]float64 // what each knob is to be
	}{
		"all is well":                         {func(*Window, *Counts) {}, nil},
		"nothing happens":                     {func(_ *Window, c *Counts) { *c = Counts{} }, nil},
		"a slow statement whose plan is kept": {slowly, map[Knob]float64{PlanKind: 1}},
		"it is planned each time": {func(w *Window, c *Counts) {
			slowly(w, c)
			w.Statements[0].Kept = false
		}, nil},
		"it is planned for its parameters already": {func(w *Window, c *Counts) {
			slowly(w, c)
			w.Statements[0].Anew = true
		}, nil},
		"its table has changed": {func(w *Window, c *Counts) {
			slowly(w, c)
			w.Tables[0].Changed, w.Tables[0].Times = 300, 2
		}, map[Knob]float64{PlanKind: 1, Statistics: 3}},
		"its table was never analyzed": {func(w *Window, c *Counts) {
			slowly(w, c)
			w.Tables[0].Never = true
		}, map[Knob]float64{PlanKind: 1, Statistics: 1}},
		"a small table": {func(w *Window, c *Counts) {
			slowly(w, c)
			w.Tables[0] = Table{Name: "few", Rows: 100, Never: true}
		}, map[Knob]float64{PlanKind: 1}},
		"plans are forced": {func(w *Window, c *Counts) {
			slowly(w, c)
			w.PlanMode = "force_generic_plan"
		}, map[Knob]float64{PlanKind: 1, PlanMode: 1}},
		"slow statements take little of the time": {func(_ *Window, c *Counts) { c.Slow, c.SlowTime = 50, 1 }, nil},
		"connections are waited for": {
			func(_ *Window, c *Counts) { c.Waits, c.Waited = 500, 5 },
			map[Knob]float64{Pool: 16},
		},
		"the waits are short": {func(_ *Window, c *Counts) { c.Waits, c.Waited = 500, 1 }, nil},
		"few queries wait":    {func(_ *Window, c *Counts) { c.Acquires, c.Waits, c.Waited = 40, 40, 40 }, nil},
		"the pool is as large as it may be": {func(w *Window, c *Counts) {
			c.Waits, c.Waited, w.Pool = 500, 5, 16
		}, nil},
		"L1 evicts": {
			func(_ *Window, c *Counts) { c.L1Hits, c.L1Misses, c.Evictions = 5000, 5000, 500 },
			map[Knob]float64{L1Size: 128 << 20},
		},
		"L1 can grow by itself": {func(w *Window, c *Counts) {
			c.L1Hits, c.L1Misses, c.Evictions, w.L1Size = 5000, 5000, 500, 32<<20
		}, nil},
		"L1 misses what is new": {func(_ *Window, c *Counts) { c.L1Hits, c.L1Misses = 5000, 5000 }, nil},
		"entries are too old": {
			func(_ *Window, c *Counts) { c.Refreshes = 1000 },
			map[Knob]float64{L1TTL: 240},
		},
		"lifetimes are as long as they may be": {func(w *Window, c *Counts) {
			c.Refreshes, w.L1TTL = 1000, 10*time.Minute
		}, nil},
		"the collector runs often": {
			func(w *Window, c *Counts) { c.GC, w.GCPercent = 3, 50 },
			map[Knob]float64{GCPercent: 200},
		},
		"it runs often at 400": {func(_ *Window, c *Counts) { c.GC = 3 }, map[Knob]float64{GCPercent: 800}},
		"there is no memory for more": {func(w *Window, c *Counts) {
			c.GC, w.GCPercent, w.LiveHeap = 3, 50, 400<<20
		}, map[Knob]float64{MemoryLimit: 768 << 20}},
		"nor may there be": {func(w *Window, c *Counts) {
			c.GC, w.LiveHeap, w.MemoryBound = 3, 400<<20, 512<<20
		}, nil},
		"prefetching is wasted while connections are scarce": {func(_ *Window, c *Counts) {
			c.PrefetchUsed, c.PrefetchLost, c.Waits = 10, 190, 150
		}, map[Knob]float64{Prefetch: 0}},
		"prefetching is wasted, and nobody minds": {func(_ *Window, c *Counts) {
			c.PrefetchUsed, c.PrefetchLost, c.Waits = 10, 190, 0
		}, nil},
		"the replica is slow": {
			func(w *Window, _ *Counts) { w.ReplicaTrip = 20 * time.Millisecond },
			map[Knob]float64{Replica: 0},
		},
		"reads fail on the replica": {func(_ *Window, c *Counts) { c.Fallbacks = 20 }, map[Knob]float64{Replica: 0}},
		"the replica comes and goes": {
			func(_ *Window, c *Counts) { c.ReplicaChanges = 4 },
			map[Knob]float64{Replica: 0},
		},
		"the replica is well again": {
			func(w *Window, _ *Counts) { w.ReplicaShared = false },
			map[Knob]float64{Replica: 1},
		},
		"the replica is still behind": {func(w *Window, _ *Counts) {
			w.ReplicaShared, w.ReplicaLag = false, 4*time.Second
		}, nil},
	} {
		w, c := well()
		test.change(&w, &c)
		for _, k := range Knobs {
			p := rules[k](&w, c)
			want, wanted := test.want[k]
			switch {
			case (p != nil) != wanted:
				t.Errorf("%s: %s is asked for: %t, want %t (%+v)", name, k, p != nil, wanted, p)
			case p == nil:
			case p.Knob != k || p.To != want || p.From == p.To || p.reason == "" || p.figure.name == "" ||
				strings.Contains(p.reason, "%!"):
				t.Errorf("%s: got %+v, want %g", name, p, want)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	for name, test := range map[string]struct {
		before, after []float64
		want          finding
	}{
		"the same":               {[]float64{5, 5, 5, 5, 5}, []float64{5, 5, 5, 5, 5}, same},
		"half":                   {[]float64{5, 5.1, 4.9, 5, 5}, []float64{2.5, 2.6, 2.4, 2.5, 2.5}, better},
		"double":                 {[]float64{5, 5.1, 4.9, 5, 5}, []float64{10, 10.2, 9.8, 10, 10}, worse},
		"less than a tenth":      {[]float64{5, 5, 5, 5, 5}, []float64{5.4, 5.4, 5.4, 5.4, 5.4}, same},
		"within the noise":       {[]float64{1, 9, 5, 2, 8}, []float64{2, 18, 10, 4, 1}, undecided},
		"too few":                {[]float64{5, 5, 5, 5, 5}, []float64{10, 10}, unknown},
		"none before":            {nil, []float64{5, 5, 5, 5, 5}, unknown},
		"from nothing":           {[]float64{0, 0, 0, 0, 0}, []float64{1, 1, 1, 1, 1}, worse},
		"one apart from others":  {[]float64{5, 5, 5, 5, 5}, []float64{5, 5, 5, 5, 50}, undecided},
		"few large ones, and no": {[]float64{1, 90, 2, 20, 3}, []float64{0.1, 0.2, 0.1, 0.9, 0.1}, better},
	} {
		if got := compare(test.before, test.after, 0); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

// The deviation is that of the published example of the test: Hollander and Wolfe, Nonparametric Statistical Methods,
// table 4.1 (permeability of the placenta), W = 30 for m = 10 and n = 5, of which the expectation is 40 and the
// standard deviation 8.16.
func TestRankDeviation(t *testing.T) {
	atTerm := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	earlier := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	if got := rankDeviation(atTerm, earlier); math.Abs(got-(-1.2247)) > 1e-3 {
		t.Errorf("the deviation is %.4f, want -1.2247", got)
	}
	if got := rankDeviation([]float64{1, 1, 1}, []float64{1, 1}); got != 0 {
		t.Errorf("equal values deviate by %g", got)
	}
}

// What a collection took is counted when it ends, and belongs to all slices since the one before.
func TestCollectionsAreSpread(t *testing.T) {
	readings := []Counts{{CPU: 5, GC: 1}, {CPU: 6, GC: 1}, {CPU: 9, GC: 3}, {CPU: 10, GC: 3.5}, {CPU: 11, GC: 3.5}}
	readings = append(readings, Counts{CPU: 12, GC: 9}) // more than there was of CPU time
	w := NewWindow(time.Time{}, time.Second, readings, State{})
	var got []float64
	for _, s := range w.Slices {
		got = append(got, s.GC)
	}
	want := []float64{0.5, 1.5, 0.5, 1, 1}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

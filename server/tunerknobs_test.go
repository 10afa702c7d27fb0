package server

import (
	"log/slog"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tuning"
)

// tunedParts makes what a tuner works on, and the tuner, which has not begun.
func tunedParts(t testing.TB, o Options) (*store.Store, *cache.Cache, *tuner) {
	t.Helper()
	o.Addr, o.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	o, err := o.check()
	if err != nil {
		t.Fatal(err)
	}
	err = store.Migrate(t.Context(), o.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(collectRarely(o.memoryLimit()))
	db, err := openStore(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	answers, err := openCache(t.Context(), o, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(answers.Close)
	return db, answers, newTuner(o, db, answers, newAPI(o, db, answers, nil, nil, parts{}))
}

// TestKnobsTurnBothWays turns each knob of a server on a real database with a replica and a real cache: up, down, and
// back to where it was. What a knob shows is what the pool, the cache or the process has, and not what it was told.
func TestKnobsTurnBothWays(t *testing.T) {
	env := containerstest.SharedWithReplica(t)
	db, _, tuner := tunedParts(t, Options{
		PostgresURL: env.PostgresURL, PostgresReplicaURL: env.ReplicaURL, CacheURL: env.CacheURL, PostgresMaxConns: 2,
	})
	first := tuner.values()
	l1 := 2 * first[tuning.L1Size] // the largest that it may be, which its size becomes when that is turned
	memory := first[tuning.MemoryLimit]
	for _, knob := range []struct {
		knob    tuning.Knob
		subject string
		values  []float64 // from the present one to the present one
	}{
		{tuning.Statistics, "policies", []float64{0, 1}}, // it cannot be undone
		{tuning.PlanMode, "", []float64{0, 1, 0}},
		{tuning.PlanKind, "SELECT 1", []float64{0, 1, 0}},
		{tuning.Pool, "", []float64{2, 3, 1, 2}},
		{tuning.L1Size, "", []float64{l1, 2 * l1, l1 / 4, l1}},
		{tuning.L1TTL, "", []float64{first[tuning.L1TTL], 240, 15, first[tuning.L1TTL]}},
		{tuning.Replica, "", []float64{1, 0, 1}},
		{tuning.Prefetch, "", []float64{1, 0, 1}},
		{tuning.GCPercent, "", []float64{first[tuning.GCPercent], 800, 50, first[tuning.GCPercent]}},
		{tuning.MemoryLimit, "", []float64{memory, memory + 1<<20, memory - 1<<20, memory}},
	} {
		for i, to := range knob.values[1:] {
			change := tuning.Change{Knob: knob.knob, Subject: knob.subject, From: knob.values[i], To: to}
			err := tuner.turn(t.Context(), change)
			if err != nil {
				t.Errorf("%s to %g: %v", knob.knob, to, err)
			}
			if got := tuner.values()[knob.knob]; got != to {
				t.Errorf("%s is %g, want %g", knob.knob, got, to)
			}
			checkReads(t, db)
		}
	}
	if got := tuner.values()[tuning.MemoryLimit]; got != memory { // L1's size has moved it, too
		t.Errorf("the memory limit is %g, and was %g", got, memory)
	}
	err := tuner.turn(t.Context(), tuning.Change{Knob: "colour"})
	if err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("a knob that there is not: %v", err)
	}
}

// checkReads reads by the pools as they are now.
func checkReads(t *testing.T, db *store.Store) {
	t.Helper()
	_, _, err := db.AppendPolicies(t.Context(), nil, store.PolicyQuery{Limit: 1}, 0)
	if err != nil {
		t.Error(err)
	}
}

// TestStateOfTheTuner reads the figures of a server: they are those of its settings, and of the statements that were
// slow.
func TestStateOfTheTuner(t *testing.T) {
	env := containerstest.Shared(t)
	db, _, tuner := tunedParts(t, Options{
		PostgresURL: env.PostgresURL, CacheURL: env.CacheURL, PostgresMaxConns: 2, SlowQuery: time.Nanosecond,
	})
	for range 12 { // all are slow, by that setting
		checkReads(t, db)
	}
	s := tuner.state(t.Context())
	if s.Pool != 2 || s.PoolBound < 8 || s.PlanMode != "auto" || len(s.Tables) != 1 || s.Tables[0].Name != "policies" ||
		s.Replicated || s.L1Bound < 2*defaultL1Bytes || s.GCPercent == 0 || s.MemoryBound <= 0 {
		t.Errorf("the state is %+v", s)
	}
	if len(s.Statements) != 1 || s.Statements[0].Slow != 12 || !s.Statements[0].Kept || s.Statements[0].SlowTime <= 0 {
		t.Errorf("the slow statements are %+v", s.Statements)
	}
	if again := tuner.state(t.Context()); len(again.Statements) != 0 {
		t.Errorf("they are slow again: %+v", again.Statements)
	}
	if c := tuner.read(); c.Queries != 12 || c.Slow != 12 || c.QueryTime <= 0 || c.CPU <= 0 {
		t.Errorf("the counts are %+v", c)
	}
}

// The limit of memory and the size of L1 both move the limit: each is undone without the other, also after a bound has
// cut something off.
func TestMemoryLimitIsMovedByDifferences(t *testing.T) {
	const gib = 1 << 30
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(gib))
	tuned := &tuner{limits: tuningLimits{memory: 2 * gib}, memory: newProcessLimit()}
	limit := func(from, to float64) func() {
		return func() {
			err := tuned.turn(t.Context(), tuning.Change{Knob: tuning.MemoryLimit, From: from * gib, To: to * gib})
			if err != nil {
				t.Error(err)
			}
		}
	}
	l1 := func(by int64) func() { return func() { tuned.memory.move(by*gib/4, tuned.limits.memory) } }
	for _, step := range []struct {
		what string
		turn func()
		want int64 // quarters of 1 GiB
	}{
		{"half as much again", limit(1, 1.5), 6},
		{"a larger L1", l1(1), 7},
		{"an L1 that is too large for the bound", l1(3), 8},
		{"the limit is undone", limit(1.5, 1), 8},
		{"the larger L1 is undone", l1(-3), 5},
		{"the other one as well", l1(-1), 4},
	} {
		step.turn()
		if got := debug.SetMemoryLimit(-1); got != step.want*gib/4 {
			t.Errorf("%s: the limit is %d MiB, want %d", step.what, got>>20, step.want<<8)
		}
	}
}

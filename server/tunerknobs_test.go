package server

import (
	"runtime/debug"
	"testing"

	"github.com/policycortex/headroom/server/tuning"
)

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

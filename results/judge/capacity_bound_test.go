package judge

import (
	"testing"

	"github.com/policycortex/headroom/results/capacity"
)

// TestEvidence: what shows what bound a capacity, with rates that can be read.
func TestEvidence(t *testing.T) {
	cpu := func(rate, used float64, bad bool) capacity.Load {
		return capacity.Load{Rate: rate, Bad: bad, Used: map[capacity.Resource]float64{capacity.MachineCPU: used}}
	}
	got := evidence([]capacity.Load{cpu(20_000, 0.96, true), cpu(12_000, 0.5, false)})
	want := "CPU of the machine in use: 50.0 % at the highest rate that was good (12,000/s); 96.0 % at the lowest " +
		"that was bad (20,000/s)"
	if len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

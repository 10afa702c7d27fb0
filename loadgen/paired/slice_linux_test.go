package paired

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
)

// TestSliceBesideOthers: a slice as short as those of the scenario regression does not count beside processes that keep
// its threads off the CPUs, unless they may be the arm's own.
func TestSliceBesideOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	const each = 4 // for each CPU
	for range each * runtime.NumCPU() {
		other := exec.Command("sh", "-c", "while :; do :; done")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	}
	on := &Instance{URL: newArm(t).URL}
	for _, where := range []results.Processes{results.ProcessesElsewhere, results.ProcessesUnknown} {
		o := options(t, oneLoad)
		o.Slice = Slice{Discard: 50 * time.Millisecond, Measure: 250 * time.Millisecond}
		o.Load.Processes = where
		m, err := o.measure(t.Context(), experiment.Base, on, o.Slice, 1)
		if err != nil {
			t.Fatal(err)
		}
		veto := judge.Veto(m.Parts)
		crowded := strings.HasPrefix(veto, "other processes used ")
		if crowded != (where == results.ProcessesElsewhere) || m.Parts[0].Window.Length < 0.2 {
			t.Errorf("%s: veto %q, window %+v", where, veto, m.Parts[0].Window)
		}
	}
}

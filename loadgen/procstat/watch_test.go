package procstat

import (
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

func TestHealthOfARun(t *testing.T) {
	w := NewWatch(results.ProcessesUnknown, nil, 0)
	w.Begin()
	for sum := 0; w.read().cpu-w.first.cpu < 20*time.Millisecond; sum++ {
	}
	g, _ := w.End()
	if g.CPUSeconds < 0.02 || g.WallSeconds <= 0 || g.MaxRSSBytes < 1<<20 || g.StolenShare < 0 || g.StolenShare > 1 {
		t.Errorf("%+v", g)
	}
}

// TestHealthWithoutProc holds that what a machine does not tell is not told as 0.
func TestHealthWithoutProc(t *testing.T) {
	start := time.Now()
	before := reading{at: start}
	s := reading{at: start.Add(2 * time.Second), cpu: time.Second, pauses: time.Millisecond}.second(before, start,
		results.ProcessesUnknown)
	if s.Generator != 0.5 || s.GCPause != 1 || s.Length != 2 {
		t.Errorf("%+v", s)
	}
	if s.System != nil || s.Others != nil || s.Stolen != nil || s.Waited != nil || s.SysWaited != nil ||
		s.Resent != nil || s.Files != nil || s.Ports != nil {
		t.Errorf("told although nothing is known: %+v", s)
	}
}

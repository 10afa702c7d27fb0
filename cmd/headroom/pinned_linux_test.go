package main

import (
	"path/filepath"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/history"
)

// TestCalibratedRun: a run has its reference, and the history relates the figures of the same kind to it.
func TestCalibratedRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := scenario(t, service(t), closed, `http_req_failed: rate<0.01`)
	in(t, dir, "run", file, "--calibrate", "--out", "out").exits(t, exitOK)
	r, err := results.Read(filepath.Join(dir, "out"))
	if err != nil || r.Reference == nil || r.Reference.Name != referenceName {
		t.Fatalf("%+v, %v", r.Reference, err)
	}
	for _, m := range []results.ReferenceMeasured{r.Reference.Before, r.Reference.After} {
		if m.P50 <= 0 || m.P95 < m.P50 || m.P99 < m.P95 || m.CPU <= 0 || m.CPU > 1e-3 {
			t.Errorf("the reference: %+v", m)
		}
	}
	in(t, dir, "history", "add", "out", "--revision", "v1").exits(t, exitOK)
	entries, err := history.Read(filepath.Join(dir, historyFile))
	if err != nil || entries[0].Reference != referenceName {
		t.Fatalf("%+v, %v", entries, err)
	}
	for _, f := range entries[0].Figures {
		if (f.Unit == "ms") != (f.Reference > 0) {
			t.Errorf("%+v", f)
		}
	}
}

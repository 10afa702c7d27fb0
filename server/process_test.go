package server

import (
	"runtime"
	"testing"
)

// TestProcessTellsOfCollections: a collection takes CPU time and stops the process.
func TestProcessTellsOfCollections(t *testing.T) {
	before, err := takeProcessSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		runtime.GC()
	}
	after, err := takeProcessSnapshot()
	if err != nil || after.GCCPUSeconds <= before.GCCPUSeconds || after.NumGC < before.NumGC+10 ||
		after.GCPausesUSTotal <= before.GCPausesUSTotal {
		t.Errorf("from %+v to %+v, %v", before, after, err)
	}
}

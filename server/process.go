package server

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// processSnapshot is what this process has used since its start.
type processSnapshot struct {
	CPUSeconds      float64 `json:"cpu_seconds"` // user and system
	MaxRSSBytes     int64   `json:"max_rss_bytes"`
	Goroutines      int     `json:"goroutines"` // now
	GCPausesUSTotal int64   `json:"gc_pauses_us_total"`
	NumGC           int64   `json:"num_gc"`
	// AllocatedBytes and AllocatedObjects count what was ever allocated on the heap, freed or not.
	AllocatedBytes   uint64 `json:"allocated_bytes"`
	AllocatedObjects uint64 `json:"allocated_objects"`
}

func takeProcessSnapshot() (processSnapshot, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return processSnapshot{}, fmt.Errorf("ask the system for this process's usage: %w", err)
	}
	maxRSS := usage.Maxrss
	if runtime.GOOS != "darwin" { // everyone else counts kilobytes
		maxRSS *= 1024
	}
	var gc debug.GCStats
	debug.ReadGCStats(&gc) // unlike runtime.ReadMemStats it does not stop the world
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(allocated)
	return processSnapshot{
		CPUSeconds:      (time.Duration(usage.Utime.Nano()) + time.Duration(usage.Stime.Nano())).Seconds(),
		MaxRSSBytes:     maxRSS,
		Goroutines:      runtime.NumGoroutine(),
		GCPausesUSTotal: gc.PauseTotal.Microseconds(),
		NumGC:           gc.NumGC,
		AllocatedBytes:  allocated[0].Value.Uint64(), AllocatedObjects: allocated[1].Value.Uint64(),
	}, nil
}

package server

import (
	"fmt"
	"runtime"
	"runtime/debug"
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
	return processSnapshot{
		CPUSeconds:      (time.Duration(usage.Utime.Nano()) + time.Duration(usage.Stime.Nano())).Seconds(),
		MaxRSSBytes:     maxRSS,
		Goroutines:      runtime.NumGoroutine(),
		GCPausesUSTotal: gc.PauseTotal.Microseconds(),
		NumGC:           gc.NumGC,
	}, nil
}

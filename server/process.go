package server

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// processSnapshot is what this process has used since its start.
type processSnapshot struct {
	CPUSeconds  float64 `json:"cpu_seconds"` // user and system
	MaxRSSBytes int64   `json:"max_rss_bytes"`
	// RSSBytes, MappedBytes, OpenFiles and Goroutines are as of now; the first three are 0 where there is no /proc.
	// MappedBytes is the part of the resident memory that maps files, mostly the program's own.
	RSSBytes        int64 `json:"rss_bytes"`
	MappedBytes     int64 `json:"mapped_bytes"`
	OpenFiles       int   `json:"open_files"`
	Goroutines      int   `json:"goroutines"`
	GCPausesUSTotal int64 `json:"gc_pauses_us_total"`
	NumGC           int64 `json:"num_gc"`
	// GCCPUSeconds is the CPU time of garbage collection as Go's runtime estimates it, without what it does on CPUs
	// that would be idle. It is counted at the end of each collection, and is an overestimate: see runtime/metrics.
	GCCPUSeconds float64 `json:"gc_cpu_seconds"`
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
	heap := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(heap)
	resident, mapped := residentMemory()
	return processSnapshot{
		RSSBytes: resident, MappedBytes: mapped, OpenFiles: openFiles(),
		CPUSeconds:      cpuSeconds(&usage),
		MaxRSSBytes:     maxRSS,
		Goroutines:      runtime.NumGoroutine(),
		GCPausesUSTotal: gc.PauseTotal.Microseconds(),
		NumGC:           gc.NumGC,
		GCCPUSeconds:    gcSeconds(),
		AllocatedBytes:  heap[0].Value.Uint64(), AllocatedObjects: heap[1].Value.Uint64(),
	}, nil
}

// cpuSeconds is what user and system took together.
func cpuSeconds(usage *syscall.Rusage) float64 {
	return (time.Duration(usage.Utime.Nano()) + time.Duration(usage.Stime.Nano())).Seconds()
}

// gcSeconds is the CPU time of garbage collection: see [processSnapshot].
func gcSeconds() float64 {
	collecting := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
	}
	metrics.Read(collecting)
	return max(0, collecting[0].Value.Float64()-collecting[1].Value.Float64())
}

// residentMemory reads /proc/self/statm (proc(5)), whose second and third fields are in pages.
func residentMemory() (resident, mapped int64) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0
	}
	var size int64
	n, _ := fmt.Sscan(string(text), &size, &resident, &mapped)
	if n < 3 {
		return 0, 0
	}
	page := int64(os.Getpagesize())
	return resident * page, mapped * page
}

// openFiles is how many file descriptors this process has open.
func openFiles() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(names) - 1 // the directory itself is one
}

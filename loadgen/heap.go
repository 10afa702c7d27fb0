package loadgen

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap of a generator is some megabytes that live as long as the run, and garbage: hardly any of the wire engine,
// kilobytes a request of others. A percentage of so little would collect ten times a second, or, when it is high enough
// for that, let the garbage grow to ten times of what a long run has to keep. What bounds the garbage is a soft limit
// instead, which follows what lives: collections are as far apart however much that is.
const (
	gcPercent      = 1000
	garbageOfWire  = 6 << 20  // bytes between two collections, where only the wire engine sends
	garbageOfOther = 64 << 20 // likewise of others
)

// heapKeeper bounds the garbage of the runs under way. It is the process's, as underWay, whose lock guards it.
type heapKeeper struct {
	percent int   // of the collector before the first run
	limit   int64 // likewise
	garbage int64 // the most that a run under way wants
	keeps   bool
	awaits  bool // the next collection
}

// begin is called when the first run begins. GOGC and GOMEMLIMIT in the environment take precedence.
func (k *heapKeeper) begin() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	k.percent, k.limit, k.garbage, k.keeps = debug.SetGCPercent(gcPercent), debug.SetMemoryLimit(-1), 0, true
	debug.FreeOSMemory() // what starting the servers and loading the data needed
	forgetProgram()
	k.awaitCollection()
}

// end is called when the last run has ended.
func (k *heapKeeper) end() {
	if k.keeps {
		debug.SetGCPercent(k.percent)
		debug.SetMemoryLimit(k.limit)
		k.keeps = false
	}
}

// allow has the limit leave room for so much garbage.
func (k *heapKeeper) allow(garbage int64) {
	k.garbage = max(k.garbage, garbage)
	k.follow()
}

// follow sets the limit by what lives. It is never so low that collections would follow each other closely.
func (k *heapKeeper) follow() {
	if !k.keeps {
		return
	}
	sample := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	metrics.Read(sample)
	value := func(i int) int64 { return int64(sample[i].Value.Uint64()) }
	besideHeap := value(1) - value(2) - value(3) - value(4)
	debug.SetMemoryLimit(besideHeap + value(0) + k.garbage)
}

// awaitCollection has the limit follow after every collection: the collector then finds an object that nobody has.
func (k *heapKeeper) awaitCollection() {
	if k.awaits {
		return
	}
	k.awaits = true
	runtime.AddCleanup(new([64]byte), func(k *heapKeeper) {
		underWay.Lock()
		defer underWay.Unlock()
		k.awaits = false
		if k.keeps {
			k.follow()
			k.awaitCollection()
		}
	}, k)
}

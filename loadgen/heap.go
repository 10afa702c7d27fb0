package loadgen

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// The heap of a generator is some megabytes that live as long as the run, and garbage: hardly any of the wire engine,
// kilobytes a request of others. A percentage of so little would collect ten times a second, or, when it is high enough
// for that, let the garbage grow to ten times of what a long run has to keep. What bounds the garbage is a soft limit
// instead, which follows what lives. Where each request leaves garbage, thousands of connections live as well, and a
// collection takes as long as much lives: there a part of that may lie about.
const (
	gcPercent      = 1000
	garbageOfWire  = 6 << 20  // bytes between two collections, where only the wire engine sends
	garbageOfOther = 16 << 20 // likewise of others, at least
	partOfOther    = 2        // and at least this part of what lives: a half
)

// heapKeeper bounds the garbage of the runs under way. It is the process's, as underWay, whose lock guards it.
type heapKeeper struct {
	percent int   // of the collector before the first run
	limit   int64 // likewise
	others  bool  // a run under way has another engine than wire
	keeps   bool
	awaits  bool // the next collection
}

// begin is called when the first run begins. GOGC and GOMEMLIMIT in the environment take precedence.
func (k *heapKeeper) begin() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	k.percent, k.limit, k.others, k.keeps = debug.SetGCPercent(gcPercent), debug.SetMemoryLimit(-1), false, true
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

// allow has the limit leave room for the garbage of a run's engines.
func (k *heapKeeper) allow(others bool) {
	k.others = k.others || others
	k.follow()
}

// garbage is how much may lie about beside so much that lives, in bytes.
func (k *heapKeeper) garbage(lives int64) int64 {
	if k.others {
		return max(garbageOfOther, lives/partOfOther)
	}
	return garbageOfWire
}

// settings are those that it chose, by the variables that set them.
func (k *heapKeeper) settings() map[string]string {
	if !k.keeps {
		return map[string]string{}
	}
	return map[string]string{
		"GOGC":       strconv.Itoa(gcPercent),
		"GOMEMLIMIT": fmt.Sprintf("what lives and %d or more", k.garbage(0)), // see follow
	}
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
	debug.SetMemoryLimit(besideHeap + value(0) + k.garbage(value(0)))
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

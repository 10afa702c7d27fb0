package tuning

import "time"

// Counts are what a server has done, in a slice of a window or since its start. Times are in seconds.
type Counts struct {
	Requests, RequestTime float64 // requests to the API, and the time that they took together

	Queries, QueryTime float64 // statements at the database, without waiting for a connection
	Slow, SlowTime     float64 // those that took at least HEADROOM_SLOW_QUERY

	Acquires, Waits, Waited float64 // of connections, those that found none idle, and what these waited

	L1Hits, L1Misses float64
	Evictions        float64 // from L1, for lack of room
	Refreshes        float64 // entries of L1 that were too old when they were read, and are loaded anew

	PrefetchUsed, PrefetchLost float64

	ReplicaReads, Fallbacks float64 // reads by the replica, and those that failed there
	ReplicaChanges          float64 // how often it was left out or taken up again

	CPU, GC float64 // CPU time of the process, and that of garbage collection
}

func (c Counts) minus(before Counts) Counts {
	return Counts{
		Requests: c.Requests - before.Requests, RequestTime: c.RequestTime - before.RequestTime,
		Queries: c.Queries - before.Queries, QueryTime: c.QueryTime - before.QueryTime,
		Slow: c.Slow - before.Slow, SlowTime: c.SlowTime - before.SlowTime,
		Acquires: c.Acquires - before.Acquires, Waits: c.Waits - before.Waits, Waited: c.Waited - before.Waited,
		L1Hits: c.L1Hits - before.L1Hits, L1Misses: c.L1Misses - before.L1Misses,
		Evictions:    c.Evictions - before.Evictions,
		Refreshes:    c.Refreshes - before.Refreshes,
		PrefetchUsed: c.PrefetchUsed - before.PrefetchUsed, PrefetchLost: c.PrefetchLost - before.PrefetchLost,
		ReplicaReads: c.ReplicaReads - before.ReplicaReads, Fallbacks: c.Fallbacks - before.Fallbacks,
		ReplicaChanges: c.ReplicaChanges - before.ReplicaChanges,
		CPU:            c.CPU - before.CPU, GC: c.GC - before.GC,
	}
}

// State is how a server is set, and what its rules need besides counts.
type State struct {
	Pool, PoolBound int // connections; the most that the pool may have

	L1Largest, L1Bound int64 // the largest that L1 may become by itself, and by the controller; in bytes
	L1Size             int64 // what it may take now
	L1TTL, L1TTLBound  time.Duration

	Prefetching bool

	GCPercent   int   // GOGC; negative when it is off
	LiveHeap    int64 // bytes that the last collection kept
	MemoryLimit int64 // GOMEMLIMIT, in bytes
	MemoryBound int64 // the most that the controller may let the process take, in bytes

	// Of the replica: whether there is one, whether it could be read from, whether the controller lets it, the time
	// that either server takes for the simplest question, and how far it is behind and may be.
	Replicated, ReplicaUsable, ReplicaShared bool
	PrimaryTrip, ReplicaTrip                 time.Duration
	ReplicaLag, ReplicaMaxLag                time.Duration

	// PlanMode is plan_cache_mode of Postgres for new connections, and PlanModeSet whether the controller has set auto.
	PlanMode    string
	PlanModeSet bool
	Statements  []Statement // the slow ones of the window, the one that took most time first
	Tables      []Table     // that they read
}

// Statement is a statement that was slow.
type Statement struct {
	Name, SQL string
	Slow      float64 // how often in the window
	SlowTime  float64 // seconds
	// Kept says that its plan may be kept for other parameters, Anew that the controller has it planned for its own.
	Kept, Anew bool
}

// Table is what Postgres knows of a table's statistics.
type Table struct {
	Name    string
	Rows    float64 // that it has
	Changed float64 // since the last ANALYZE
	Never   bool    // it was not analyzed yet
	Times   float64 // that the controller has analyzed it
}

// stale reports whether plans may rest on another table than there is. Autovacuum analyzes after a tenth; twice that
// says that it is late or off.
func (t Table) stale() bool {
	return t.Rows >= staleRows && (t.Never || t.Changed >= staleShare*t.Rows)
}

const (
	staleRows  = 500
	staleShare = 0.2
)

// Slices is the number of parts of a window, whose figures show how much they vary by themselves.
const Slices = 5

// Window is a stretch of time with the state at its end.
type Window struct {
	At     time.Time // its end
	Length time.Duration
	Slices []Counts
	State
}

// NewWindow makes the window between readings of counts that grow, the first of which is at its beginning.
func NewWindow(at time.Time, length time.Duration, readings []Counts, state State) Window {
	w := Window{At: at, Length: length, State: state}
	for i := 1; i < len(readings); i++ {
		w.Slices = append(w.Slices, readings[i].minus(readings[i-1]))
	}
	spreadGC(w.Slices)
	return w
}

// spreadGC gives each slice its part of what a collection took, by its share of the CPU time. Go's runtime counts that
// when a collection ends: where one takes several slices, all of it would be in the last, and slices would tell as
// little of a process that collects all the time as of one that hardly does. It counts the time of its workers, also
// when they wait for a CPU, so that it can be more than there was.
func spreadGC(slices []Counts) {
	first, cpu := 0, 0.0 // since the end of the collection before
	for i := range slices {
		cpu += slices[i].CPU
		took := min(slices[i].GC, cpu)
		if took <= 0 {
			continue
		}
		for j := first; j <= i; j++ {
			slices[j].GC = took * slices[j].CPU / cpu
		}
		first, cpu = i+1, 0
	}
}

// total is the whole window.
func (w *Window) total() Counts {
	var sum Counts
	for _, s := range w.Slices {
		sum = sum.minus(Counts{}.minus(s))
	}
	return sum
}

package loadgen

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// underWay are the runs of this process. GOMAXPROCS and the garbage collector are the process's: the last one that ends
// gives back what the first one found.
var underWay runs

type runs struct {
	sync.Mutex
	count  int
	before int // GOMAXPROCS when the first one began
	heap   heapKeeper
	chosen map[string]string // see Settings
}

// Settings are those of Go's runtime that the last run of this process chose, by the variables of the environment that
// set them. What the environment set is not among them.
func Settings() map[string]string {
	underWay.Lock()
	defer underWay.Unlock()
	return maps.Clone(underWay.chosen)
}

func (u *runs) end() {
	u.Lock()
	defer u.Unlock()
	u.count--
	if u.count == 0 {
		runtime.GOMAXPROCS(u.before)
		u.heap.end()
	}
}

// makePlaces sets the run's cores, makes GOMAXPROCS at least what it needs, and bounds the garbage.
func (r *run) makePlaces() {
	underWay.Lock()
	defer underWay.Unlock()
	now := runtime.GOMAXPROCS(0)
	if underWay.count == 0 {
		underWay.before, now = now, 0
		underWay.heap.begin()
	}
	underWay.count++
	r.cores = underWay.before
	if r.options.Shared && os.Getenv("GOMAXPROCS") == "" {
		r.cores = max(1, runtime.NumCPU()/2)
	}
	runtime.GOMAXPROCS(max(now, r.places()))
	underWay.heap.allow(r.hasOthers())
	underWay.chosen = underWay.heap.settings()
	underWay.chosen["GOMAXPROCS"] = strconv.Itoa(runtime.GOMAXPROCS(0))
}

// hasOthers reports whether another engine than wire sends any of the load.
func (r *run) hasOthers() bool {
	return slices.ContainsFunc(r.scenarios, func(s *scenarioRun) bool { return !r.isWire(s.scenario) })
}

// places is the GOMAXPROCS that the run needs. Each loop of the wire engine and of streams holds a place for as long as
// it works. One more is for everything else, or one for each core where the vegeta engine sends as well.
func (r *run) places() int {
	loops := mostAtOnce(r.plan, r.loops)
	vegeta := slices.ContainsFunc(r.scenarios, func(s *scenarioRun) bool {
		return !r.isWire(s.scenario) && !isStream(s.scenario)
	})
	switch {
	case loops == 0:
		return r.cores
	case vegeta:
		return loops + r.cores
	default:
		return max(loops, r.cores) + 1
	}
}

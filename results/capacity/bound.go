package capacity

import (
	"cmp"
	"fmt"
	"slices"
)

// Resource is what a service can run out of.
type Resource string

// The resources.
const (
	MachineCPU Resource = "CPU of the machine"
	ServerCPU  Resource = "CPU of the server"
	Collector  Resource = "garbage collection of the server"
	Pool       Resource = "database connections"
	Limiter    Resource = "a limit of the service, which refuses requests"
	RunQueue   Resource = "CPU time, for which threads of the system waited"
	Unknown    Resource = "unknown"
)

// Load is how much of each resource was used in a trial.
type Load struct {
	Rate float64
	Bad  bool
	Used map[Resource]float64 // share, 0 to 1; a resource of which nothing is known is not in it
}

// exhausted is the share from which on a resource is used up. Of database connections it is the share of those who had
// to wait for one, of a limiter that of the requests that it refused. Of garbage collection it is the share of the CPU
// time that the server may use: to a half of that Go's runtime limits it (runtime/mgclimit.go). Of the run queue it is
// the share of the time in which threads could have run that they waited instead; that is a third to a half in clean
// runs of several processes which share few CPUs.
var exhausted = map[Resource]float64{
	MachineCPU: 0.9, ServerCPU: 0.9, Collector: 0.5, Pool: 0.5, Limiter: 0.001, RunQueue: 0.55,
}

// BoundBy names the resource that is used up first as the rate rises, with what shows it: the one that is used up at
// the lowest rate. At that rate and above it must be used up in most trials, and it must be used up in a trial that was
// bad: what is used up where the objectives hold does not bound them. Nor does what is used up at the lowest rate of
// all while they hold there. Threads wait for a CPU for other reasons as well, so the run queue is named only where
// nothing else is used up, and where they did not wait as long in most good trials. Unknown is the answer where the
// trials say nothing of the kind.
func BoundBy(loads []Load) (Resource, []string) {
	sorted := slices.Clone(loads)
	slices.SortStableFunc(sorted, func(a, b Load) int { return cmp.Compare(a.Rate, b.Rate) })
	first, lowest := Unknown, -1
	for _, r := range []Resource{Limiter, Pool, Collector, ServerCPU, MachineCPU} {
		if i := usedUpFrom(sorted, r); i >= 0 && (lowest < 0 || sorted[i].Rate < sorted[lowest].Rate) {
			first, lowest = r, i
		}
	}
	if first == Unknown && usedUpFrom(sorted, RunQueue) >= 0 && !usedUpWhenGood(sorted, RunQueue) {
		first = RunQueue
	}
	return first, evidence(sorted)
}

// usedUpWhenGood says that a resource was used up in at least half of the good trials.
func usedUpWhenGood(loads []Load, r Resource) bool {
	up, all := 0, 0
	for _, l := range loads {
		if used, known := l.Used[r]; known && !l.Bad {
			all++
			if used >= exhausted[r] {
				up++
			}
		}
	}
	return 2*up >= all
}

// usedUpFrom is the first trial from which on a resource is used up in most; -1 for none.
func usedUpFrom(sorted []Load, r Resource) int {
	if len(sorted) > 0 && !sorted[0].Bad && sorted[0].Used[r] >= exhausted[r] {
		return -1
	}
	for i, l := range sorted {
		if l.Used[r] < exhausted[r] {
			continue
		}
		up, all, bad := 0, 0, false
		for _, later := range sorted[i:] {
			used, known := later.Used[r]
			if !known {
				continue
			}
			all++
			if used >= exhausted[r] {
				up++
				bad = bad || later.Bad
			}
		}
		if bad && 2*up > all {
			return i
		}
	}
	return -1
}

// evidence says of each resource how much of it the trials used: the good one with the highest rate, and the bad one
// with the lowest.
func evidence(sorted []Load) (lines []string) {
	good, bad := -1, -1
	for i, l := range sorted {
		if !l.Bad {
			good = i
		} else if bad < 0 {
			bad = i
		}
	}
	for _, r := range []Resource{MachineCPU, RunQueue, ServerCPU, Collector, Pool, Limiter} {
		line := ""
		for _, c := range []struct {
			what string
			at   int
		}{{"the highest rate that was good", good}, {"the lowest that was bad", bad}} {
			if c.at < 0 {
				continue
			}
			if used, known := sorted[c.at].Used[r]; known {
				line += fmt.Sprintf("; %.1f %% at %s (%.4g/s)", 100*used, c.what, sorted[c.at].Rate)
			}
		}
		if line != "" {
			lines = append(lines, measured[r]+line[1:])
		}
	}
	return lines
}

// measured is what the shares of each resource are.
var measured = map[Resource]string{
	MachineCPU: "CPU of the machine in use:",
	RunQueue:   "Time in which threads of the system waited for a CPU and could have run:",
	ServerCPU:  "CPU of the server in use:",
	Collector:  "CPU of the server in use for garbage collection:",
	Pool:       "Requests for a database connection that waited:",
	Limiter:    "Requests answered with 429 or 503:",
}

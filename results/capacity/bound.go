package capacity

import (
	"cmp"
	"slices"
)

// Resource is what a service can run out of.
type Resource string

// The resources.
const (
	MachineCPU Resource = "CPU of the machine"
	ServerCPU  Resource = "CPU of the server"
	OneCPU     Resource = "one CPU: a process of the service uses all of it and no more"
	Collector  Resource = "garbage collection of the server"
	Pool       Resource = "database connections"
	Limiter    Resource = "a limit of the service, which refuses requests"
	RunQueue   Resource = "CPU time, for which threads of the system waited"
	Generator  Resource = "the generator, which can send no more"
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
	MachineCPU: 0.9, ServerCPU: 0.9, OneCPU: 0.9, Collector: 0.5, Pool: 0.5, Limiter: 0.001, RunQueue: 0.55,
}

// UsedUpFrom is the share from which on a resource is used up.
func (r Resource) UsedUpFrom() float64 { return exhausted[r] }

// BoundBy names the resource that is used up first as the rate rises: the one that is used up at the lowest rate. At
// that rate and above it must be used up in most trials, and it must be used up in a trial that was bad: what is used
// up where the objectives hold does not bound them. Nor does what is used up at the lowest rate of all while they hold
// there. Threads wait for a CPU for other reasons as well, so the run queue is named only where nothing else is used
// up, and where they did not wait as long in most good trials. Unknown is the answer where the trials say nothing of
// the kind, and why is the reason of that.
func BoundBy(loads []Load) (r Resource, why string) {
	sorted := slices.Clone(loads)
	slices.SortStableFunc(sorted, func(a, b Load) int { return cmp.Compare(a.Rate, b.Rate) })
	first, lowest := Unknown, -1
	for _, r := range []Resource{Limiter, Pool, Collector, ServerCPU, MachineCPU, OneCPU} {
		if i := usedUpFrom(sorted, r); i >= 0 && (lowest < 0 || sorted[i].Rate < sorted[lowest].Rate) {
			first, lowest = r, i
		}
	}
	if first == Unknown && usedUpFrom(sorted, RunQueue) >= 0 && !usedUpWhenGood(sorted, RunQueue) {
		first = RunQueue
	}
	if first == Unknown {
		why = whyUnknown(sorted)
	}
	return first, why
}

// whyUnknown is why trials do not say what bounds them.
func whyUnknown(loads []Load) string {
	if !slices.ContainsFunc(loads, func(l Load) bool { return l.Bad }) {
		return "no trial was bad"
	}
	for _, r := range []Resource{Limiter, Pool, Collector, ServerCPU, MachineCPU, OneCPU, RunQueue} {
		if slices.ContainsFunc(loads, func(l Load) bool { return l.Bad && l.Used[r] >= exhausted[r] }) {
			return string(r) + ": used up in a bad trial, but in good ones as well, or not in most at higher rates"
		}
	}
	return "no resource that was watched was used up"
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

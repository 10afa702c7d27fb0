package judge

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// binding is what was crossed in most bad trials, of those that were crossed as often the one that was crossed at the
// lowest rate.
func binding(trials []results.CapacityTrial) string {
	times, lowest := map[string]int{}, map[string]float64{}
	for _, t := range trials {
		for _, name := range t.Crossed {
			if rate, known := lowest[name]; !known || t.Rate < rate {
				lowest[name] = t.Rate
			}
			times[name]++
		}
	}
	first := ""
	for name, n := range times {
		switch {
		case first == "", n > times[first], n == times[first] && lowest[name] < lowest[first]:
			first = name
		case n == times[first] && lowest[name] == lowest[first]:
			first = min(first, name)
		}
	}
	return first
}

// loadOf is how much of each resource a trial used, where the processes of the service are there. The machine is that
// of the generator: a service elsewhere does not run out of it.
func loadOf(t results.CapacityTrial, processes results.Processes) capacity.Load {
	u := t.Use
	l := capacity.Load{Rate: t.Rate, Bad: t.Bad, Used: map[capacity.Resource]float64{}}
	for r, share := range map[capacity.Resource]*float64{
		capacity.MachineCPU: u.MachineShare(), capacity.ServerCPU: u.ServerShare(), capacity.Collector: u.GCShare(),
		capacity.OneCPU: u.OneCPUShare(), capacity.RunQueue: u.Waited, capacity.Pool: u.PoolWaits,
	} {
		if share != nil && (r != capacity.MachineCPU || processes != results.ProcessesElsewhere) {
			l.Used[r] = *share
		}
	}
	if t.Requests > 0 {
		l.Used[capacity.Limiter] = float64(t.Refused) / float64(t.Requests)
	}
	return l
}

// evidence says of each resource how much of it the trials used: the good one with the highest rate, and the bad one
// with the lowest.
func evidence(loads []capacity.Load) (lines []string) {
	sorted := slices.Clone(loads)
	slices.SortStableFunc(sorted, func(a, b capacity.Load) int { return cmp.Compare(a.Rate, b.Rate) })
	good, bad := -1, -1
	for i, l := range sorted {
		if !l.Bad {
			good = i
		} else if bad < 0 {
			bad = i
		}
	}
	for _, r := range []capacity.Resource{
		capacity.MachineCPU, capacity.RunQueue, capacity.ServerCPU, capacity.OneCPU, capacity.Collector, capacity.Pool,
		capacity.Limiter,
	} {
		line := ""
		for _, c := range []struct {
			what string
			at   int
		}{{"the highest rate that was good", good}, {"the lowest that was bad", bad}} {
			if c.at < 0 {
				continue
			}
			if used, known := sorted[c.at].Used[r]; known {
				line += fmt.Sprintf("; %.1f %% at %s (%s)", 100*used, c.what, scenarios.PerSecond(sorted[c.at].Rate))
			}
		}
		if line != "" {
			lines = append(lines, shareTexts[r]+line[1:])
		}
	}
	return lines
}

// shareTexts are what the shares of each resource are.
var shareTexts = map[capacity.Resource]string{
	capacity.MachineCPU: "CPU of the machine in use:",
	capacity.RunQueue:   "Time in which threads of the system waited for a CPU and could have run:",
	capacity.ServerCPU:  "CPU of the server in use:",
	capacity.OneCPU:     "Of one CPU, in use by the service's busiest process (0 if by more than one):",
	capacity.Collector:  "CPU of the server in use for garbage collection:",
	capacity.Pool:       "Requests for a database connection that waited:",
	capacity.Limiter:    "Requests answered with 429 or 503:",
}

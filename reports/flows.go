package reports

import "github.com/policycortex/headroom/results"

// Flows are the iterations of the flows of the run; none in runs that have no flows, or that were saved before whole
// flows were timed.
func (d digest) Flows() []*results.Iterations { return d.Measurements.Iterations }

// flowsText lists how long whole flows took.
func flowsText(flows []*results.Iterations) string {
	t := textTable{left: 2}
	t.add("scenario", "flow", "completed", "broken off", "P50", "P95", "P99", "max")
	for _, f := range flows {
		t.add(f.Scenario, f.Flow, count(f.Completed), count(f.Broken), percentileOf(f.Duration, 50),
			percentileOf(f.Duration, 95), percentileOf(f.Duration, 99), maxOf(f.Duration))
	}
	return t.String()
}

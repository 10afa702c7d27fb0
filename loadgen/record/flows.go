package record

import (
	"slices"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// flowCounts are those of a flow within a second: of its iterations that were due in the measured window.
type flowCounts struct {
	completed, broken int64
	duration          *results.Histogram // nil until there is one
}

func (c *flowCounts) clear() {
	clearHistogram(c.duration)
	c.completed, c.broken = 0, 0
}

// newIterations returns an account for each flow of a scenario, and which of them each request belongs to; -1: to none.
func newIterations(s *scenarios.Scenario) (all []*results.Iterations, of []int) {
	for i := range s.Requests {
		flow := s.Requests[i].Flow
		if flow == "" {
			of = append(of, -1)
			continue
		}
		at := slices.IndexFunc(all, func(known *results.Iterations) bool { return known.Flow == flow })
		if at < 0 {
			at = len(all)
			all = append(all, results.NewIterations(s.Name, flow))
		}
		of = append(of, at)
	}
	return all, of
}

// endFlow counts the end of an iteration of a flow, by the outcome of its last request.
func (r *Recorder) endFlow(o *Outcome, failed bool) {
	if !r.window.Has(o.Began) {
		return
	}
	c := &r.second.flows[r.collector.flowOf[o.Request]]
	if failed {
		c.broken++
		return
	}
	c.completed++
	if c.duration == nil { // seconds are used again: this happens a few times in all
		c.duration = results.NewHistogram()
	}
	c.duration.Record(o.Done - o.Began)
}

// Abandon counts an iteration, due at the instant began, that the end of the run at the instant now has kept from going
// on with a request of its flow.
func (r *Recorder) Abandon(request int, began, now time.Duration) {
	r.Advance(now)
	r.second.written = true
	if r.window.Has(began) {
		r.second.flows[r.collector.flowOf[request]].broken++
	}
	if r.scenario.Requests[request].Step == 0 { // it was to be sent once more
		request++
	}
	r.Skip(request-1, now)
}

// addFlows adds what a loop counted of the flows.
func (c *Collector) addFlows(s *second) {
	for i, of := range s.flows {
		c.iterations[i].Completed += of.completed
		c.iterations[i].Broken += of.broken
		c.merge(c.iterations[i].Duration, of.duration)
	}
}

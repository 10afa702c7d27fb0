package record

import (
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// namedStages are the stages of a scenario that have a name.
func namedStages(s *scenarios.Scenario) []results.Stage {
	at, stages := scenarios.StagesOf(s.Load)
	var named []results.Stage
	var end time.Duration
	for _, st := range stages {
		steady := at == st.Target
		at = st.Target
		if st.Duration == 0 {
			continue
		}
		if st.Name != "" {
			from := s.StartTime + max(end, s.Warmup)
			to := s.StartTime + end + st.Duration
			named = append(named, results.Stage{Name: st.Name, From: from.Seconds(), To: to.Seconds(), Steady: steady})
		}
		end += st.Duration
	}
	return named
}

// noteAnswer notes an outcome, at an offset in seconds since the run's start, of a request in a kind of stage.
func (c *Collector) noteAnswer(kind int, at float64) {
	for i := range c.load.Stages {
		if st := &c.load.Stages[i]; st.Name == c.stages.Names[kind] {
			st.LastAnswer = max(st.LastAnswer, at)
		}
	}
}

// perRequest is the number of series of each request.
func (c *Collector) perRequest() int { return len(c.stages.Names) * c.perStage() }

// perStage is the number of series of each request in a stage.
func (c *Collector) perStage() int { return (c.instances + 1) * c.outcomes.Len() }

// SeriesOf is the index of the series of a request that is meant to be sent at an instant since the scenario's start
// and was answered by an instance; 0 for none that is known. It is that of the first kind of its outcomes.
func (c *Collector) SeriesOf(request int, intended time.Duration, instance int) int {
	at := request
	if kinds := len(c.stages.Names); kinds > 1 {
		at = request*kinds + c.stages.KindAt(intended)
	}
	switch {
	case c.instances == 0:
		return at * c.outcomes.Len()
	case instance > c.instances:
		instance = 0
	}
	return (at*(c.instances+1) + instance) * c.outcomes.Len()
}

package record

import (
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// namedStages are the stages of a scenario that have a name.
func namedStages(s *scenarios.Scenario) []results.Stage {
	ramps, _ := s.Load.(scenarios.RampingRate)
	var named []results.Stage
	var end time.Duration
	rate := ramps.StartRate
	for _, st := range ramps.Stages {
		steady := rate == st.Target
		rate = st.Target
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

// SeriesOf is the index of the series of a request that is meant to be sent at an instant since the scenario's start.
func (c *Collector) SeriesOf(request int, intended time.Duration) int {
	kinds := len(c.stages.Names)
	if kinds == 1 {
		return request
	}
	return request*kinds + c.stages.KindAt(intended)
}

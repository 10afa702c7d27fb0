package loadgen

import (
	"slices"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// stages tell in which named stage of its scenario a request is meant to be sent.
type stages struct {
	names []string // the kinds of stages: "" is all that have no name
	ends  []time.Duration
	kinds []int // of the stage that ends there, an index of names
}

// stagesOf returns the stages of a scenario, and those with a name as measurements tell them.
func stagesOf(s *scenarios.Scenario) (stages, []results.Stage) {
	all := stages{names: s.StageNames()}
	var named []results.Stage
	var end time.Duration
	rate := s.StartRate
	for _, st := range s.Stages {
		steady := rate == st.Target
		if rate = st.Target; st.Duration == 0 {
			continue
		}
		if st.Name != "" {
			from := s.StartTime + max(end, s.Warmup)
			to := s.StartTime + end + st.Duration
			named = append(named, results.Stage{Name: st.Name, From: from.Seconds(), To: to.Seconds(), Steady: steady})
		}
		end += st.Duration
		all.ends = append(all.ends, end)
		all.kinds = append(all.kinds, slices.Index(all.names, st.Name))
	}
	return all, named
}

// kindAt is the kind of the stage at an instant since the scenario's start.
func (s *stages) kindAt(intended time.Duration) int {
	for i, end := range s.ends {
		if intended < end || i == len(s.ends)-1 {
			return s.kinds[i]
		}
	}
	return 0
}

// answered notes an answer, at an offset in seconds since the run's start, to a request of a kind of stage.
func (s *stages) answered(l *results.Load, kind int, at float64) {
	for i := range l.Stages {
		if st := &l.Stages[i]; st.Name == s.names[kind] {
			st.LastAnswer = max(st.LastAnswer, at)
		}
	}
}

// seriesOf is the index of the series of a request that is meant to be sent at an instant since the scenario's start.
func (r *recorder) seriesOf(request int, intended time.Duration) int {
	kinds := len(r.stages.names)
	if kinds == 1 {
		return request
	}
	return request*kinds + r.stages.kindAt(intended)
}

package arrival

import (
	"slices"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Stages say in which named stage of its scenario a request is meant to be sent.
type Stages struct {
	Names []string // the kinds of stages: "" is all those without a name
	ends  []time.Duration
	kinds []int // of the stage that ends there, an index of Names
}

// NewStages returns the stages of a scenario.
func NewStages(s *scenarios.Scenario) Stages {
	all := Stages{Names: s.StageNames()}
	var end time.Duration
	_, stages := scenarios.StagesOf(s.Load)
	for _, st := range stages {
		if st.Duration == 0 {
			continue
		}
		end += st.Duration
		all.ends = append(all.ends, end)
		all.kinds = append(all.kinds, slices.Index(all.Names, st.Name))
	}
	return all
}

// KindAt is the kind of the stage at an instant since the scenario's start: an index of Names.
func (s *Stages) KindAt(intended time.Duration) int {
	for i, end := range s.ends {
		if intended < end || i == len(s.ends)-1 {
			return s.kinds[i]
		}
	}
	return 0
}

package results

import (
	"errors"
	"fmt"
	"slices"
)

// Iterations are those of one flow that were due in the measured window.
type Iterations struct {
	Scenario  string `json:"scenario"`
	Flow      string `json:"flow"`
	Completed int64  `json:"completed"`
	// Broken have ended before their time: a request failed, or the end of gracefulStop came.
	Broken int64 `json:"broken,omitempty"`
	// Duration counts from the instant at which the first request was due to the last byte of the last answer, with the
	// pauses between them. Only those that were completed are in it.
	Duration *Histogram `json:"-"`
}

// NewIterations returns what has counted nothing.
func NewIterations(scenario, flow string) *Iterations {
	return &Iterations{Scenario: scenario, Flow: flow, Duration: NewHistogram()}
}

// IterationsOf are those of a scenario and a flow, either empty for any.
func (m *Measurements) IterationsOf(scenario, flow string) (sum Iterations, err error) {
	sum = *NewIterations(scenario, flow)
	for _, i := range m.Iterations {
		if (scenario == "" || scenario == i.Scenario) && (flow == "" || flow == i.Flow) {
			err = errors.Join(err, sum.merge(i))
		}
	}
	return sum, err
}

func (i *Iterations) merge(o *Iterations) error {
	i.Completed += o.Completed
	i.Broken += o.Broken
	return i.Duration.Merge(o.Duration)
}

// mergeIterations adds those of the parts, whose histograms stay as they are.
func (m *Measurements) mergeIterations(parts []*Measurements) error {
	for _, part := range parts {
		for _, o := range part.Iterations {
			at := slices.IndexFunc(m.Iterations, func(i *Iterations) bool {
				return i.Scenario == o.Scenario && i.Flow == o.Flow
			})
			if at < 0 {
				at = len(m.Iterations)
				m.Iterations = append(m.Iterations, NewIterations(o.Scenario, o.Flow))
			}
			if err := m.Iterations[at].merge(o); err != nil {
				return fmt.Errorf("iterations of %s: %w", o.Flow, err)
			}
		}
	}
	return nil
}

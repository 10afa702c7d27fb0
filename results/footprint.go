package results

import (
	"github.com/policycortex/headroom/scenarios"
)

// Footprint is what a process holds at an instant, or several processes together. What the machine does not tell is 0.
type Footprint struct {
	// Memory is the resident memory in bytes, and Mapped the part of it that maps files: mostly the program's own,
	// which processes of one program have in common.
	Memory     int64 `json:"memory_bytes,omitempty"`
	Mapped     int64 `json:"mapped_bytes,omitempty"`
	Files      int64 `json:"files,omitempty"`
	Goroutines int64 `json:"goroutines,omitempty"`
}

func (h *Footprint) add(o Footprint) {
	h.Memory, h.Mapped = h.Memory+o.Memory, h.Mapped+o.Mapped
	h.Files, h.Goroutines = h.Files+o.Files, h.Goroutines+o.Goroutines
}

// of is the value that a metric has; 0 is not known.
func (h *Footprint) of(metric scenarios.MetricName) int64 {
	switch {
	case h == nil:
		return 0
	case metric == scenarios.GeneratorMemory, metric == scenarios.ServerMemory,
		metric == scenarios.GeneratorMemoryGrowth, metric == scenarios.ServerMemoryGrowth:
		return h.Memory
	case metric == scenarios.GeneratorFiles, metric == scenarios.ServerFiles:
		return h.Files
	case metric == scenarios.GeneratorGoroutines, metric == scenarios.ServerGoroutines:
		return h.Goroutines
	}
	return 0
}

// FootprintValues are the values of a metric of the generator or the reference server, one a second of the measured
// time of any scenario, in the order of time: at is when, in seconds since the start of the run.
func (m *Measurements) FootprintValues(metric scenarios.MetricName) (at, values []float64) {
	add := func(when float64, h *Footprint) {
		v := h.of(metric)
		if v == 0 || !m.measuredAt(when) {
			return
		}
		at, values = append(at, when), append(values, float64(v))
	}
	switch metric {
	case scenarios.GeneratorMemory, scenarios.GeneratorMemoryGrowth, scenarios.GeneratorFiles,
		scenarios.GeneratorGoroutines:
		if m.Health == nil {
			return nil, nil
		}
		for i := range m.Health.Seconds {
			add(m.Health.Seconds[i].At, m.Health.Seconds[i].Footprint)
		}
	default:
		for i := range m.Samples {
			add(m.Samples[i].At, m.Samples[i].Footprint)
		}
	}
	return at, values
}

// measuredAt reports whether an instant lies in the measured window of a scenario.
func (m *Measurements) measuredAt(when float64) bool {
	for _, l := range m.Loads {
		if l.MeasuredFrom < when && when <= l.MeasuredTo {
			return true
		}
	}
	return false
}

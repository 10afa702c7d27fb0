package results

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"unique"
)

// Sample is what the reference server says of itself at one instant of the run, with what its caches did since the
// sample before.
type Sample struct {
	At        float64              `json:"at_seconds"`
	Tiers     map[string]TierStats `json:"tiers"`
	Footprint *Footprint           `json:"footprint,omitempty"` // by all instances together; nil where the server does not say
	Work      *ServerWork          `json:"work,omitempty"`      // likewise
	State
	// Figures are those that thresholds are about, by [Figure.Key]: of a gauge its value, of a counter by how much it
	// grew, of a histogram or summary how many observations there were.
	Figures map[string]float64 `json:"figures,omitempty"`
	// NoFigures says that they could not be read at one of the two instants.
	NoFigures bool `json:"no_figures,omitempty"`
}

// NewSample is the sample of a snapshot that was taken at an offset, after another one.
func NewSample(at float64, before, now Snapshot) Sample {
	s := Sample{At: at, State: now.State, Tiers: map[string]TierStats{}}
	if now.Footprint != (Footprint{}) {
		s.Footprint = new(now.Footprint)
	}
	s.Work = workBetween(before, now)
	s.NoFigures = before.NoFigures != nil || now.NoFigures != nil
	if !s.NoFigures { // else they would be those since the start
		s.Figures = sampledFigures(before.Figures, now.Figures)
	}
	if maps.Equal(now.Breakers, before.Breakers) { // nearly always: a long run keeps one of them
		s.Breakers = before.Breakers
	}
	for tier, t := range now.Tiers {
		s.Tiers[unique.Make(tier).Value()] = t.minus(before.Tiers[tier]) // each snapshot has copies of the names
	}
	return s
}

// LevelShare is the share of the requests of a sample that a cache level served, 0 to 1; known is false when there was
// no request. It is not the level's own hit ratio: the shares of all levels add up to the overall hit ratio.
func (s Sample) LevelShare(tier string) (share float64, known bool) {
	overall := s.Tiers["overall"]
	requests := overall.Hits + overall.Misses
	if requests == 0 {
		return 0, false
	}
	return float64(s.Tiers[tier].Hits) / float64(requests), true
}

// Change is a change in how the server is, as its samples show it.
type Change struct {
	At   float64 `json:"at_seconds"` // of the first sample that has it
	Text string  `json:"text"`
}

// Changes lists when breakers went to another state and when the replica was left or taken up again, in the order of
// time. Breakers that are closed and a replica that is read from at the start are not told.
func (m *Measurements) Changes() []Change {
	var changes []Change
	replica := ""
	breakers := map[string]string{}
	for _, s := range m.Samples {
		for _, name := range slices.Sorted(maps.Keys(s.Breakers)) {
			if state := s.Breakers[name]; state != cmp.Or(breakers[name], "closed") {
				changes = append(changes, Change{s.At, fmt.Sprintf("breaker of %s: %s", name, state)})
				breakers[name] = state
			}
		}
		if s.Replica == nil {
			continue
		}
		use := "replica: read from"
		if !s.Replica.Healthy {
			use = "replica: left out"
		}
		if use != cmp.Or(replica, "replica: read from") {
			change := Change{s.At, use}
			if s.Replica.Reason != "" && !s.Replica.Healthy {
				change.Text += ": " + s.Replica.Reason
			}
			changes = append(changes, change)
			replica = use
		}
	}
	return changes
}

package results

// Sample is what the reference server says of itself at one instant of the run, with what its caches did since the
// sample before.
type Sample struct {
	At    float64              `json:"at_seconds"`
	Tiers map[string]TierStats `json:"tiers"`
	State
}

// NewSample is the sample of a snapshot that was taken at an offset, after another one.
func NewSample(at float64, before, now Snapshot) Sample {
	s := Sample{At: at, State: now.State, Tiers: map[string]TierStats{}}
	for tier, t := range now.Tiers {
		s.Tiers[tier] = t.minus(before.Tiers[tier])
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

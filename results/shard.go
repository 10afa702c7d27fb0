package results

import (
	"fmt"

	"github.com/policycortex/headroom/scenarios"
)

// Shard says which part of a schedule a run carried out: of Of shards, shard Index takes the iterations k with
// k mod Of = Index.
type Shard struct {
	Index int `json:"index"` // from 0
	Of    int `json:"of"`
}

// String is "0/4".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// Part is the outcome of a shard that went well: its thresholds are judged when all shards have been merged.
const Part Outcome = "PART"

// JudgeShard says whether a shard's measurements can be trusted. It judges no threshold: a part of the requests says
// nothing about a count or a rate of the whole, and less about its tail.
func JudgeShard(s Shard, m *Measurements, thresholds []scenarios.Threshold) (Verdict, error) {
	v := Verdict{Outcome: Part, Gates: []Gate{}, Warnings: append([]string(nil), m.Warnings...)}
	v.Warnings = append(v.Warnings, fmt.Sprintf("this is shard %v: its thresholds are judged when all shards are merged (headroom merge)", s))
	var err error
	if v.Invalid, err = distrust(m, thresholds); err != nil {
		return v, err
	}
	if len(v.Invalid) > 0 {
		v.Outcome = Invalid
	}
	return v, nil
}

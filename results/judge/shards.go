package judge

import (
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Shard says whether a shard's measurements can be trusted. It judges no threshold: a part of the requests says
// nothing about a count or a rate of the whole, and less about its tail.
func Shard(s results.Shard, m *results.Measurements, thresholds []scenarios.Threshold) (results.Verdict, error) {
	v := results.Verdict{Outcome: results.Part, Gates: []results.Gate{}, Warnings: append([]string(nil), m.Warnings...)}
	v.Warnings = append(v.Warnings,
		fmt.Sprintf("this is shard %v: its thresholds are judged when all shards are merged (headroom merge)", s))
	reasons, late, err := distrust(m, thresholds)
	if err != nil {
		return v, err
	}
	v.Invalid = append(reasons, late...)
	if len(v.Invalid) > 0 {
		v.Outcome = results.Invalid
	}
	return v, nil
}

// Merged judges as a whole the run that [results.Merge] made of shards. What makes one of them invalid makes it
// invalid, and what disturbed one of them disturbed it.
func Merged(r *results.Run, shards []*results.Run, thresholds []scenarios.Threshold) error {
	var disturbed []string
	for i := range r.Shards {
		part := &r.Shards[i]
		for _, shard := range shards {
			if *shard.Shard == part.Shard {
				part.Disturbed = disturbances(&shard.Measurements)
			}
		}
		for _, text := range part.Disturbed {
			disturbed = append(disturbed, fmt.Sprintf("shard %v: %s", part.Shard, text))
		}
	}
	v, err := judge(&r.Measurements, thresholds, disturbed)
	if err != nil {
		return err
	}
	if whole := interruption(&r.Measurements); r.Measurements.Interrupted {
		// a shard says when it was
		v.Invalid = slices.DeleteFunc(v.Invalid, func(reason string) bool { return reason == whole })
	}
	for _, s := range r.Shards {
		for _, reason := range s.Invalid {
			v.Invalid = append(v.Invalid, fmt.Sprintf("shard %v: %s", s.Shard, reason))
		}
	}
	if len(v.Invalid) > 0 {
		v.Outcome = results.Invalid
	}
	r.Verdict = v
	return nil
}

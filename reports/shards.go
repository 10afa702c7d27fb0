package reports

import (
	"fmt"

	"github.com/policycortex/headroom/results"
)

// hostOf is the name of a machine, if it is known.
func hostOf(m results.Machine) string {
	if m.Host == "" {
		return none
	}
	return m.Host
}

// startOf is the start of a shard to the millisecond: the shards of a run should start together.
func startOf(s results.ShardRun) string { return s.Started.UTC().Format("15:04:05.000") }

func coresOf(g results.Generator) string {
	return fmt.Sprintf("%s of %s", threeDigits(g.CPUCores()), count(int64(g.CPUs)))
}

// remarks list why a shard is invalid, what disturbed it, and its warnings.
func remarks(s results.ShardRun) []string {
	var all []string
	for _, why := range s.Invalid {
		all = append(all, "invalid: "+why)
	}
	for _, how := range s.Disturbed {
		all = append(all, "disturbed: "+how)
	}
	return append(all, s.Warnings...)
}

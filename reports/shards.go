package reports

import (
	"fmt"

	"github.com/policycortex/headroom/results"
)

// hostOf is the name of a machine, where it is known.
func hostOf(m results.Machine) string {
	if m.Host == "" {
		return none
	}
	return m.Host
}

// startOf is when a shard began: the shards of a run should have begun together, so milliseconds count.
func startOf(s results.ShardRun) string { return s.Started.UTC().Format("15:04:05.000") }

func coresOf(g results.Generator) string {
	return fmt.Sprintf("%s of %s", threeDigits(g.CPUCores()), count(int64(g.CPUs)))
}

// remarks are why a shard cannot be trusted, in which way others took CPU time from it, and what else there is to say of its
// measurement.
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

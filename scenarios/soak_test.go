package scenarios

import (
	"slices"
	"testing"
	"time"
)

// TestSoakHasTheGates: the scenario soak runs as long as the environment says, and judges whether anything grows.
func TestSoakHasTheGates(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 20 * time.Minute, "1h": time.Hour} {
		plan, err := Inputs{Lookup: func(name string) (string, bool) {
			if name != "DURATION" {
				return "", false
			}
			return text, text != ""
		}}.Read("soak")
		if err != nil {
			t.Fatal(err)
		}
		if s := plan.Scenarios[0]; s.Load.Length() != want || s.Warmup < time.Minute {
			t.Errorf("DURATION=%s: %v, of which %v are not measured", text, s.Load.Length(), s.Warmup)
		}
		for _, metric := range []MetricName{
			GeneratorMemory, GeneratorMemoryGrowth, GeneratorFiles, GeneratorGoroutines, ServerMemory,
			ServerMemoryGrowth, ServerFiles, ServerGoroutines, P95Drift, HTTPReqFailed, DroppedIterations,
		} {
			if !slices.ContainsFunc(plan.Thresholds, func(t Threshold) bool { return t.Metric == metric }) {
				t.Errorf("nothing holds %s", metric)
			}
		}
	}
}

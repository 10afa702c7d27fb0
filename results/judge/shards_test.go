package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// shardsOf are the shards of a run, each of 1000 requests in 10 s.
func shardsOf(count int) []*results.Run {
	var runs []*results.Run
	for i := range count {
		runs = append(runs, &results.Run{
			Name: "x", Shard: &results.Shard{Index: i, Of: count},
			Measurements: *measured(),
		})
	}
	return runs
}

func merged(t *testing.T, shards []*results.Run, thresholds ...scenarios.Threshold) results.Verdict {
	t.Helper()
	r, err := results.Merge(shards)
	if err != nil {
		t.Fatal(err)
	}
	if err := Merged(r, shards, thresholds); err != nil {
		t.Fatal(err)
	}
	return r.Verdict
}

// What other virtual machines took while nothing was measured disturbs a merged run as little as a single one.
func TestMergedRunIsDisturbedByWhatItsShardsMeasured(t *testing.T) {
	shards := shardsOf(2)
	for _, s := range shards {
		s.Measurements.Health = recorded(0.25, 0.51, 0, 0.002, 0.34, 0.36)
		s.Measurements.Generator = results.Generator{CPUs: 2, StolenShare: 0.03} // of the whole run
	}
	crossed := threshold("http_reqs", "count", "<", 1)
	if v := merged(t, shards, crossed); v.Outcome != results.Fail {
		t.Errorf("%s, %q", v.Outcome, v.Invalid)
	}
	shards[1].Measurements.Health = recorded(0.25, 0.51, 0, 0.1, 0.34, 0.36)
	if v := merged(t, shards, crossed); v.Outcome != results.Invalid || len(v.Invalid) != 1 {
		t.Errorf("%s, %q", v.Outcome, v.Invalid)
	}
}

// TestMergedVerdict: the whole is judged, and a shard that cannot be trusted spoils it.
func TestMergedVerdict(t *testing.T) {
	all := threshold("http_reqs", "count", "==", 4000)
	shards := shardsOf(4)
	v, err := Shard(*shards[1].Shard, &shards[1].Measurements, []scenarios.Threshold{all})
	if err != nil || v.Outcome != results.Part || len(v.Gates) != 0 {
		t.Errorf("a shard: %+v, %v", v, err)
	}
	shards[1].Measurements.Started = shards[1].Measurements.Started.Add(time.Second)
	if v := merged(t, shards, all); v.Outcome != results.Pass ||
		!strings.Contains(strings.Join(v.Warnings, "\n"), "began up to 1 s apart") {
		t.Errorf("%+v", v)
	}
	shards[2].Verdict = results.Verdict{Outcome: results.Invalid, Invalid: []string{"the generator was starved"}}
	if v := merged(t, shards, all); v.Outcome != results.Invalid ||
		v.Invalid[0] != "shard 2/4: the generator was starved" {
		t.Errorf("%+v", v)
	}

	shards[2].Measurements.Interrupted, shards[2].Measurements.Elapsed = true, 5
	shards[2].Verdict, err = Shard(*shards[2].Shard, &shards[2].Measurements, []scenarios.Threshold{all})
	if err != nil {
		t.Fatal(err)
	}
	if v := merged(t, shards, all); v.Outcome != results.Invalid ||
		strings.Join(v.Invalid, "; ") != "shard 2/4: interrupted after 5.0 s: the schedule did not run to its end" {
		t.Errorf("%+v", v)
	}

	shards[2].Verdict, shards[2].Measurements.Interrupted = results.Verdict{}, false
	shards[3].Measurements.Health = recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90)
	if v := merged(t, shards, threshold("http_reqs", "count", "==", 1)); v.Outcome != results.Invalid ||
		!strings.Contains(v.Invalid[0], "shard 3/4: other processes") {
		t.Errorf("%+v", v)
	}
}

package results

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// shardRuns returns the shards of a run of one scenario, and the measurements of the whole: each value is counted in both.
func shardRuns(count int) ([]*Run, *Measurements) {
	random := rand.New(rand.NewPCG(3, 4))
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	empty := func() *Measurements {
		return &Measurements{
			Started: started, Engine: "wire (epoll)", Elapsed: 10,
			Loads:  []*Load{{Scenario: "warm", Open: true, MeasuredFrom: 2, MeasuredTo: 10, Lag: NewHistogram(), OwnLag: NewHistogram()}},
			Series: []*Series{{Scenario: "warm", Name: "get", Tags: map[string]string{"scenario": "warm"}, Statuses: map[int]int64{}, Errors: map[string]int64{}, ErrorSamples: map[string]string{}, Response: NewHistogram(), Service: NewHistogram()}},
		}
	}
	whole := empty()
	var runs []*Run
	for i := range count {
		runs = append(runs, &Run{
			Name: "x", Shard: &Shard{i, count}, Measurements: *empty(), Verdict: Verdict{Outcome: Part},
			Scenario: Scenario{Text: "scenarios: {}", Seed: 7},
		})
	}
	for n := range 10_000 {
		m := &runs[n%count].Measurements
		took := time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
		for _, m := range []*Measurements{whole, m} {
			l, s := m.Loads[0], m.Series[0]
			l.Planned, l.Sent, l.MeasuredPlanned, l.MaxVUs = l.Planned+1, l.Sent+1, l.MeasuredPlanned+1, l.MaxVUs+1
			l.Lag.Record(took / 100)
			l.OwnLag.Record(took / 200)
			s.Requests++
			s.BytesReceived += int64(n)
			s.Skipped += int64(n % 3)
			s.Response.Record(took)
			s.Service.Record(took / 2)
			s.Statuses[200+n%3]++
			if s.Checks == nil {
				s.Checks = []Check{{Name: "has id"}}
			}
			s.Checks[0].Passed++
			if n%100 == 0 {
				s.Failed++
				s.Errors["timeout"]++
				s.ErrorSamples["timeout"] = "no answer in time"
			}
		}
	}
	return runs, whole
}

// Shards are read from disk, where one that met no error has no errors at all, and a stage likewise.
func TestMergeOfSavedShards(t *testing.T) {
	runs, _ := shardRuns(2)
	clean := runs[1].Measurements.Series[0]
	clean.Failed, clean.Errors, clean.ErrorSamples = 0, map[string]int64{}, map[string]string{}
	for i, r := range runs {
		dir := t.TempDir()
		if err := Save(dir, r); err != nil {
			t.Fatal(err)
		}
		read, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		runs[i] = read
	}
	merged, err := Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	if s := merged.Measurements.Series[0]; s.Requests != 10_000 || s.Failed != 100 || s.Errors["timeout"] != 100 || s.ErrorSamples["timeout"] != "no answer in time" {
		t.Errorf("merged %d requests, %d failed, errors %v, %v", s.Requests, s.Failed, s.Errors, s.ErrorSamples)
	}
}

func TestMergeLosesNothing(t *testing.T) {
	runs, whole := shardRuns(4)
	for _, r := range runs {
		for _, l := range []*Load{r.Measurements.Loads[0], whole.Loads[0]} {
			l.OutOfFiles, l.OutOfPorts = l.OutOfFiles+1, l.OutOfPorts+2
		}
	}
	runs[0], runs[3] = runs[3], runs[0] // the order in which they are given does not matter
	merged, err := Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	var got, want bytes.Buffer
	if err := writeHistograms(&got, &Run{Measurements: merged.Measurements}); err != nil {
		t.Fatal(err)
	}
	if err := writeHistograms(&want, &Run{Measurements: *whole}); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Error("the merged histograms are not those of the single run")
	}
	l, s, wl, ws := merged.Measurements.Loads[0], merged.Measurements.Series[0], whole.Loads[0], whole.Series[0]
	if l.Planned != wl.Planned || l.Sent != wl.Sent || l.MaxVUs != wl.MaxVUs || l.OutOfFiles != wl.OutOfFiles || l.OutOfPorts != wl.OutOfPorts || l.AskedRate() != wl.AskedRate() {
		t.Errorf("load %+v, want %+v", l, wl)
	}
	if s.Requests != ws.Requests || s.Failed != ws.Failed || s.BytesReceived != ws.BytesReceived || s.Skipped != ws.Skipped || !maps.Equal(s.Statuses, ws.Statuses) || !maps.Equal(s.Errors, ws.Errors) || !slices.Equal(s.Checks, ws.Checks) {
		t.Errorf("series %+v, want %+v", s, ws)
	}
	if merged.Shard != nil || len(merged.Shards) != 4 || merged.Shards[2].Index != 2 {
		t.Errorf("shards %+v", merged.Shards)
	}
	told, m := merged.Shards[1], &runs[1].Measurements
	if told.Sent != 2500 || told.Dropped != 0 || *told.P95 != m.Series[0].Response.Percentile(95) || *told.LagP99 != m.Loads[0].Lag.Percentile(99) {
		t.Errorf("shard 1/4 is told as %+v", told)
	}
	if err := Save(t.TempDir(), merged); err != nil {
		t.Error(err)
	}
	if n := runs[1].Measurements.Series[0].Response.Count(); n != 2500 {
		t.Errorf("merging changed a shard: it has %d responses", n)
	}
}

func TestMergeRefuses(t *testing.T) {
	for want, change := range map[string]func(runs []*Run) []*Run{
		"missing: shard 1/4, 3/4":     func(r []*Run) []*Run { return []*Run{r[0], r[2]} },
		"shard 2/4 is there twice":    func(r []*Run) []*Run { return append(r, r[2]) },
		"was not made with --shard":   func(r []*Run) []*Run { r[1].Shard = nil; return r },
		"not of the same split":       func(r []*Run) []*Run { r[1].Shard.Of = 5; return r },
		"their scenario files differ": func(r []*Run) []*Run { r[1].Scenario.Text += " "; return r },
		"their --set differ":          func(r []*Run) []*Run { r[3].Scenario.Overrides = []string{"a=b"}; return r },
		"their seeds differ":          func(r []*Run) []*Run { r[3].Scenario.Seed++; return r },
		"shard 0/4 and shard 3/4 are not of the same run: the files of feeder users differ": func(r []*Run) []*Run {
			for i, sum := range []string{"a", "a", "a", "b"} {
				r[i].Measurements.FeederSHA256 = map[string]string{"orders": "c", "users": sum}
			}
			return r
		},
		"the versions of headroom": func(r []*Run) []*Run { r[3].Tool.Commit = "x"; return r },
	} {
		runs, _ := shardRuns(4)
		if _, err := Merge(change(runs)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestMergedPoints(t *testing.T) {
	runs, _ := shardRuns(2)
	runs[0].Measurements.Points = []Point{{Scenario: "warm", Second: 0, Requests: 5, P95: 3, Max: 4}, {Scenario: "warm", Request: "get", Second: 0, Requests: 5, P95: 3}}
	runs[1].Measurements.Points = []Point{{Scenario: "warm", Second: 0, Requests: 6, P95: 2, Max: 9, Failed: 1}, {Scenario: "warm", Second: 1, Requests: 2, Partial: true}}
	merged, err := Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	want := []Point{
		{Scenario: "warm", Second: 0, Requests: 11, P95: 3, Max: 9, Failed: 1},
		{Scenario: "warm", Request: "get", Second: 0, Requests: 5, P95: 3},
		{Scenario: "warm", Second: 1, Requests: 2, Partial: true},
	}
	if got := merged.Measurements.Points; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("points %+v", got)
	}
}

// What other virtual machines took while nothing was measured disturbs a merged run as little as a single one.
func TestMergedRunIsDisturbedByWhatItsShardsMeasured(t *testing.T) {
	runs, _ := shardRuns(2)
	for _, r := range runs {
		r.Measurements.Health = recorded(0.25, 0.51, 0, 0.002, 0.34, 0.36)
		r.Measurements.Generator = Generator{CPUs: 2, StolenShare: 0.03} // of the whole run
	}
	merged, err := Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	crossed := threshold("http_reqs", "count", "<", 1)
	if err := JudgeMerged(merged, []scenarios.Threshold{crossed}); err != nil || merged.Verdict.Outcome != Fail {
		t.Errorf("%s, %q, %v", merged.Verdict.Outcome, merged.Verdict.Invalid, err)
	}
	stolen := recorded(0.25, 0.51, 0, 0.1, 0.34, 0.36)
	runs[1].Measurements.Health = stolen
	if merged, err = Merge(runs); err != nil {
		t.Fatal(err)
	}
	if err := JudgeMerged(merged, []scenarios.Threshold{crossed}); err != nil || merged.Verdict.Outcome != Invalid || len(merged.Verdict.Invalid) != 1 {
		t.Errorf("%s, %q, %v", merged.Verdict.Outcome, merged.Verdict.Invalid, err)
	}
}

// TestMergedVerdict: the whole is judged, and a shard that cannot be trusted spoils it.
func TestMergedVerdict(t *testing.T) {
	thresholds := []scenarios.Threshold{{Metric: "http_reqs", Op: "==", Limit: 10_000, Aggregation: scenarios.Aggregation{Name: "count"}, Source: "count==10000"}}
	runs, _ := shardRuns(4)
	v, err := JudgeShard(*runs[1].Shard, &runs[1].Measurements, thresholds)
	if err != nil || v.Outcome != Part || len(v.Gates) != 0 {
		t.Errorf("a shard: %+v, %v", v, err)
	}
	runs[1].Measurements.Started = runs[1].Measurements.Started.Add(time.Second)
	merged, err := Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	if err := JudgeMerged(merged, thresholds); err != nil || merged.Verdict.Outcome != Pass {
		t.Errorf("%+v, %v", merged.Verdict, err)
	}
	if warnings := strings.Join(merged.Verdict.Warnings, "\n"); !strings.Contains(warnings, "began up to 1 s apart") {
		t.Errorf("warnings: %s", warnings)
	}
	runs[2].Verdict = Verdict{Outcome: Invalid, Invalid: []string{"the generator was starved"}}
	if merged, err = Merge(runs); err != nil {
		t.Fatal(err)
	}
	if err := JudgeMerged(merged, thresholds); err != nil || merged.Verdict.Outcome != Invalid || merged.Verdict.Invalid[0] != "shard 2/4: the generator was starved" {
		t.Errorf("%+v, %v", merged.Verdict, err)
	}

	runs[2].Measurements.Interrupted, runs[2].Measurements.Elapsed = true, 5
	if runs[2].Verdict, err = JudgeShard(*runs[2].Shard, &runs[2].Measurements, thresholds); err != nil {
		t.Fatal(err)
	}
	if merged, err = Merge(runs); err != nil {
		t.Fatal(err)
	}
	if err := JudgeMerged(merged, thresholds); err != nil || merged.Verdict.Outcome != Invalid || strings.Join(merged.Verdict.Invalid, "; ") != "shard 2/4: interrupted after 5.0 s: the schedule did not run to its end" {
		t.Errorf("%+v, %v", merged.Verdict, err)
	}

	runs[2].Verdict, runs[2].Measurements.Interrupted = Verdict{}, false
	runs[3].Measurements.Health = recorded(0.16, 0.37, 1.47, 0.002, 0.79, 0.90)
	if merged, err = Merge(runs); err != nil {
		t.Fatal(err)
	}
	thresholds[0].Limit, thresholds[0].Source = 1, "count==1"
	if err := JudgeMerged(merged, thresholds); err != nil || merged.Verdict.Outcome != Invalid || !strings.Contains(merged.Verdict.Invalid[0], "shard 3/4: other processes") {
		t.Errorf("%+v, %v", merged.Verdict, err)
	}
}

package results

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// shardRuns returns the shards of a run of one scenario, and the measurements of the whole: each value is counted in
// both.
func shardRuns(count int) ([]*Run, *Measurements) {
	random := rand.New(rand.NewPCG(3, 4))
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	empty := func() *Measurements {
		return &Measurements{
			Started: started, Engine: "wire (epoll)", Elapsed: 10,
			Loads: []*Load{{
				Scenario: "warm", Open: true, MeasuredFrom: 2, MeasuredTo: 10, Lag: NewHistogram(),
				OwnLag: NewHistogram(),
			}},
			Series: []*Series{{
				Scenario: "warm", Name: "get", Tags: map[string]string{"scenario": "warm"},
				Statuses: map[int]int64{}, Errors: map[string]int64{}, ErrorSamples: map[string]string{},
				Response: NewHistogram(), Service: NewHistogram(),
			}},
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
	if s := merged.Measurements.Series[0]; s.Requests != 10_000 || s.Failed != 100 || s.Errors["timeout"] != 100 ||
		s.ErrorSamples["timeout"] != "no answer in time" {
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
	again := &Run{Measurements: merged.Measurements}
	if err := writeHistograms(&got, again.slots, whole.Started, whole.Elapsed); err != nil {
		t.Fatal(err)
	}
	if err := writeHistograms(&want, (&Run{Measurements: *whole}).slots, whole.Started, whole.Elapsed); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Error("the merged histograms are not those of the single run")
	}
	l, s, wl, ws := merged.Measurements.Loads[0], merged.Measurements.Series[0], whole.Loads[0], whole.Series[0]
	if l.Planned != wl.Planned || l.Sent != wl.Sent || l.MaxVUs != wl.MaxVUs || l.OutOfFiles != wl.OutOfFiles ||
		l.OutOfPorts != wl.OutOfPorts || l.AskedRate() != wl.AskedRate() {
		t.Errorf("load %+v, want %+v", l, wl)
	}
	if s.Requests != ws.Requests || s.Failed != ws.Failed || s.BytesReceived != ws.BytesReceived ||
		s.Skipped != ws.Skipped || !maps.Equal(s.Statuses, ws.Statuses) || !maps.Equal(s.Errors, ws.Errors) ||
		!slices.Equal(s.Checks, ws.Checks) {
		t.Errorf("series %+v, want %+v", s, ws)
	}
	if merged.Shard != nil || len(merged.Shards) != 4 || merged.Shards[2].Index != 2 {
		t.Errorf("shards %+v", merged.Shards)
	}
	told, m := merged.Shards[1], &runs[1].Measurements
	if told.Sent != 2500 || told.Dropped != 0 || *told.P95 != m.Series[0].Response.Percentile(95) ||
		*told.LagP99 != m.Loads[0].Lag.Percentile(99) {
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
		"missing: shard 1/4, 3/4":      func(r []*Run) []*Run { return []*Run{r[0], r[2]} },
		"shard 2/4 was given twice":    func(r []*Run) []*Run { return append(r, r[2]) },
		"was not made with --shard":    func(r []*Run) []*Run { r[1].Shard = nil; return r },
		"not belong to the same split": func(r []*Run) []*Run { r[1].Shard.Of = 5; return r },
		"their scenario files differ":  func(r []*Run) []*Run { r[1].Scenario.Text += " "; return r },
		"their --set differ":           func(r []*Run) []*Run { r[3].Scenario.Overrides = []string{"a=b"}; return r },
		"their seeds differ":           func(r []*Run) []*Run { r[3].Scenario.Seed++; return r },
		"shard 3/4 do not belong to the same run: the files of feeder users differ": func(r []*Run) []*Run {
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
	runs[0].Measurements.Points = []Point{
		{Scenario: "warm", Second: 0, Requests: 5, P95: 3, Max: 4},
		{Scenario: "warm", Request: "get", Second: 0, Requests: 5, P95: 3},
	}
	runs[1].Measurements.Points = []Point{
		{Scenario: "warm", Second: 0, Requests: 6, P95: 2, Max: 9, Failed: 1},
		{Scenario: "warm", Second: 1, Requests: 2, Partial: true},
	}
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

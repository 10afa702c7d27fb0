package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

const savedScenario = `seed: 1
target: {url: "http://127.0.0.1:1"}
scenarios:
  s: {executor: constant-arrival-rate, rate: 100, duration: 12s, requests: [{name: get, path: /}]}
thresholds: {"http_req_duration{name:get}": "p(95)<5000"}
`

// saveRun saves a run of 12 s whose response times are around so many milliseconds.
func saveRun(t *testing.T, dir string, seed uint64, ms float64, started time.Time, settings map[string]string) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	s := &results.Series{
		Scenario: "s", Name: "get", Method: "GET", Tags: map[string]string{"scenario": "s", "name": "get"},
		Requests: 1200, Response: results.NewHistogram(), Service: results.NewHistogram(),
	}
	for range s.Requests {
		took := time.Duration(ms * 1e6 * (1 + random.ExpFloat64()))
		s.Response.Record(took)
		s.Service.Record(took)
	}
	plan, err := scenarios.Parse("saved.yaml", []byte(savedScenario))
	if err != nil {
		t.Fatal(err)
	}
	r := &results.Run{
		Version: results.RunVersion, Name: "saved",
		Scenario:    results.Scenario{File: "saved.yaml", Text: savedScenario, Seed: 1},
		Environment: results.Environment{ServerSettings: settings},
		Measurements: results.Measurements{
			Started: started, Elapsed: 12,
			Loads: []*results.Load{{
				Scenario: "s", Open: true, Planned: 1200, Sent: 1200, MeasuredPlanned: 1200, MeasuredTo: 12,
				LastAnswer: 12, Lag: results.NewHistogram(), OwnLag: results.NewHistogram(),
			}},
			Series: []*results.Series{s},
		},
	}
	r.Verdict, err = judge.Run(&r.Measurements, plan.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := results.Save(dir, r); err != nil {
		t.Fatal(err)
	}
}

// saveSide saves runs of a side into directories below dir, two minutes after each other.
func saveSide(t *testing.T, dir string, runs int, ms float64, first time.Time, settings map[string]string) []string {
	t.Helper()
	var paths []string
	for i := range runs {
		path := filepath.Join(dir, fmt.Sprintf("run-%d", i+1))
		saveRun(t, path, uint64(first.Unix())+uint64(i), ms, first.Add(time.Duration(i)*2*time.Minute), settings)
		paths = append(paths, path)
	}
	return paths
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestCompareSides: runs on both sides of a --, and directories of runs, are judged; with --fail-on worse a slower head
// fails, and the same head does not.
func TestCompareSides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := map[string]string{"GOGC": "100"}
	base := saveSide(t, filepath.Join(dir, "base"), 5, 10, noon, settings)
	head := saveSide(t, filepath.Join(dir, "head"), 5, 20, noon.Add(time.Minute), map[string]string{"GOGC": "50"})
	same := saveSide(t, filepath.Join(dir, "same"), 5, 10, noon.Add(90*time.Second), settings)

	paths := append(append(append([]string{"compare", "--fail-on=worse"}, base...), "--"), head...)
	p := headroom(t, paths...)
	p.exits(t, exitCrossed)
	says(t, p.stdout.String(), "FAIL: 2 of 3 figures are worse: http_req_duration{name:get} p(", "5 runs",
		"warning: the reference server's GOGC differs: 100, then 50", "within 1 point")
	if !strings.HasPrefix(p.stdout.String(), "FAIL: ") || strings.Contains(p.stdout.String(), "in turns") {
		t.Errorf("%s", p.stdout.String())
	}
	out, file := filepath.Join(dir, "out"), filepath.Join(dir, "figures.txt")
	p = headroom(t, "compare", filepath.Join(dir, "base"), filepath.Join(dir, "head"), "--json", "--out", out,
		"--export", "openmetrics="+file)
	p.exits(t, exitOK)
	says(t, p.stderr.String(), "FAIL: 2 of 3", "report: "+filepath.Join(out, "compare.html"))
	says(t, text(t, file), "headroom_http_req_duration_seconds", "# EOF")
	for _, name := range []string{"compare.html", "compare.json", "junit.xml"} {
		says(t, text(t, filepath.Join(out, name)), "http_req_duration")
	}
	var doc struct {
		Version int
		Judged  bool
		Outcome string
		Base    []struct{ Path string }
		Figures []struct{ Verdict string }
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &doc); err != nil || doc.Version != 2 || !doc.Judged ||
		doc.Outcome != "FAIL" || len(doc.Base) != 5 || doc.Base[0].Path != base[0] || len(doc.Figures) != 3 {
		t.Errorf("%+v, %v", doc, err)
	}
	p = headroom(t, append(append([]string{
		"compare", "--strict", "--fail-on", "worse", "--tolerance", "20%",
		filepath.Join(dir, "base"), "--",
	}, same[:4]...), filepath.Join(same[4], "run.json"))...)
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "PASS: Of 3 figures, none is worse.")
}

// TestCompareSidesRefuses: what cannot be judged is refused with the reason, and too few runs fail a gate rather than
// pass it.
func TestCompareSidesRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := saveSide(t, filepath.Join(dir, "base"), 3, 10, noon, map[string]string{"GOGC": "100"})
	head := saveSide(t, filepath.Join(dir, "head"), 3, 20, noon.Add(time.Hour), map[string]string{"GOGC": "50"})
	empty := t.TempDir()
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{base[0]}, exitUsage, "needs two saved runs or directories of runs"},
		{[]string{base[0], base[1], head[0]}, exitUsage, "with -- between them"},
		{[]string{base[0], "--"}, exitUsage, "with -- between them"},
		{[]string{base[0], empty}, exitUsage, "holds no run.json"},
		{[]string{base[0], "--", head[0], "--json"}, exitUsage, "flags stand before the --"},
		{[]string{base[0], base[1], "--", head[0]}, exitUsage, "each side needs at least 2"},
		{[]string{base[0], base[0], "--", head[0], head[1]}, exitUsage, "are the same run"},
		{[]string{base[0], head[0], "--fail-on", "worse"}, exitUsage, "--fail-on needs several runs on each side"},
		{[]string{base[0], head[0], "--strict"}, exitUsage, "the reference server's GOGC differs: 100, then 50"},
		{[]string{base[0], head[0]}, exitOK, "One run each is no experiment"},
		{[]string{filepath.Dir(base[0]), filepath.Dir(head[0]), "--strict"}, exitUsage, "GOGC differs: 100, then 50"},
		{[]string{filepath.Dir(base[0]), filepath.Dir(head[0]), "--fail-on", "better"}, exitUsage, "worse or none"},
		{[]string{filepath.Dir(base[0]), filepath.Dir(head[0]), "--tolerance", "much"}, exitUsage, "5% or 0.05"},
		{[]string{filepath.Dir(base[0]), filepath.Dir(head[0]), "--alpha", "70%"}, exitUsage, "an alpha of 0.7"},
		{[]string{filepath.Dir(base[0]), filepath.Dir(head[0])}, exitOK, "take at least 5 runs on each side"},
		{
			[]string{filepath.Dir(base[0]), filepath.Dir(head[0]), "--fail-on", "worse"},
			exitInvalid,
			"UNRESOLVED: With 3 and 3 runs nothing can be called worse",
		},
		{[]string{filepath.Dir(base[0]), filepath.Dir(head[0])}, exitOK, "take the runs in turns"},
	} {
		p := headroom(t, append([]string{"compare"}, tt.args...)...)
		p.exits(t, tt.code)
		says(t, p.stdout.String()+p.stderr.String(), tt.says)
	}
}

// FuzzShareFlag: what is read as a share can be written and read again.
func FuzzShareFlag(f *testing.F) {
	for _, value := range []string{"5%", "0.05", " 1e-3 % ", "-1", "%", "", "NaN", "1e999%", "5 %%"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var s, again shareFlag
		if s.Set(value) != nil {
			return
		}
		if err := again.Set(s.String()); err != nil || math.Abs(float64(again-s)) > 1e-5*float64(s)+1e-300 {
			t.Errorf("%q is %v, and %v when it is read again: %v", value, float64(s), float64(again), err)
		}
	})
}

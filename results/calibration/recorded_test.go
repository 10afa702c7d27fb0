package calibration

import (
	"compress/gzip"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/experiment"
)

// The gates of the scenario regression.
var regressionGates = []experiment.Gate{
	{Figure: "http_req_duration{name:get_hot} med", Tolerance: 0.05},
	{Figure: "http_req_duration{name:list_by_subscription} med", Tolerance: 0.05},
	{Figure: "http_req_duration{name:insert_batch} med", Tolerance: 0.1},
	{Figure: cpuFigure, Tolerance: 0.05},
	{Figure: "cpu_per_request{scenario:list} value", Tolerance: 0.05},
	{Figure: "cpu_per_request{scenario:insert} value", Tolerance: 0.1},
}

// recorded are real blocks, as headroom calibrate recorded them on 2026-11-29 on the machine of docs/evidence, with the
// figures of these gates, P95 and P99: 60 of equal arms, 40 with more CPU work (5 % by their name, 8.3 % as they were
// measured), 40 in which one request of a hundred took ten times as long.
func recorded(t *testing.T) []Block {
	t.Helper()
	packed, err := os.Open(filepath.Join("testdata", "recorded.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	lines, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "recorded.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, lines); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// TestRecordedNoise draws experiments of ten minutes from real noise: equal arms fail at most in two of a hundred, a
// get that takes 8.3 % more CPU time, as measured, is found in 95 of a hundred at least, and slower hundredths by a
// gate on P99 alone.
func TestRecordedNoise(t *testing.T) {
	const experiments = 1000
	blocks := recorded(t)
	r, err := Judge(blocks, regressionGates, 0.01, 10*time.Minute, experiments)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]Row{}
	for _, row := range r.Rows {
		rows[row.Change] = row
	}
	none, cpu, tail := rows["none"], rows["CPU +5 %"], rows["1 request in 100 takes 10 times as long"]
	if none.Blocks != 60 || cpu.Blocks != 40 || tail.Blocks != 40 {
		t.Fatalf("%d, %d and %d blocks", none.Blocks, cpu.Blocks, tail.Blocks)
	}
	if by := cpu.Measured[cpuFigure].Change; math.Abs(by-0.083) > 0.001 {
		t.Errorf("the CPU time of a get measured %+.1f %%", 100*by)
	}
	t.Logf("of %d experiments, %d of equal arms failed, %d with more CPU work, %d with a slower tail", experiments,
		none.All.Failed, cpu.All.Failed, tail.All.Failed)
	if _, high := experiment.ShareInterval(none.All.Failed, experiments); high > 0.02 {
		t.Errorf("%d of %d experiments of equal arms failed", none.All.Failed, experiments)
	}
	if cpu.All.Failed < experiments*95/100 || cpu.Single[cpuFigure].Failed < experiments*95/100 {
		t.Errorf("of %d experiments with 8.3 %% more CPU time, %d failed, by the gate on it alone %d", experiments,
			cpu.All.Failed, cpu.Single[cpuFigure].Failed)
	}
	if p99 := tail.Single["http_req_duration{name:get_hot} p(99)"]; p99.Failed < experiments*95/100 {
		t.Errorf("of %d experiments with a slower tail, %d failed by the gate on P99", experiments, p99.Failed)
	}
	// One run of each arm says nothing: with a tolerance of 5 %, a third of equal pairs seem worse.
	if one := none.OneRun[cpuFigure]; one.N != 59 || one.K < 10 {
		t.Errorf("one run against one run: %+v", one)
	}
}

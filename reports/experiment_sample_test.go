package reports

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// trialSample is an experiment of which the blocks are drawn by chance and judged as they are in earnest.
type trialSample struct {
	seed    uint64
	planned int
	blocks  int            // that there were
	slower  map[string]int // by the name of the request, in tenths of a percent
	cpu     int            // more CPU time, in tenths of a percent
	noise   int            // of a slice, in tenths of a percent
	vetoes  int            // of 100 slices
	failing bool           // requests of the head fail
	gates   []int          // which of the gates of trial; nil: all
}

// sampleTimes are the response times of the sample's requests at the percentiles, in microseconds.
var sampleTimes = []struct {
	name  string
	times map[string]int
}{
	{"get", map[string]int{"p(50)": 410, "p(95)": 2100, "p(99)": 4800}},
	{"list", map[string]int{"p(50)": 1900, "p(95)": 5200, "p(99)": 9100}},
	{"batch-insert", map[string]int{"p(50)": 6400, "p(95)": 14800, "p(99)": 22500}},
}

// scatter is a factor around 1 of about so many tenths of a percent, in whole numbers, so that golden files hold on
// every processor.
func scatter(random *rand.Rand, tenths int) int {
	sum := 0
	for range 3 {
		sum += random.IntN(2*tenths+1) - tenths
	}
	return 1000 + sum
}

func (s trialSample) slice(random *rand.Rand, arm experiment.Arm) experiment.Slice {
	slice := experiment.Slice{Arm: arm, Figures: map[string]float64{}}
	if random.IntN(100) < s.vetoes {
		slice.Veto = []string{
			"other processes took 0.9 of 2 cores", "other processes took 1.4 of 2 cores",
			"the machine waited for memory 7 % of the time",
		}[random.IntN(3)]
	}
	put := func(name string, value, more, noise int) {
		if arm == experiment.Head {
			value = value * (1000 + more) / 1000
		}
		slice.Figures[name] = float64(value*scatter(random, noise)/1000) / 1000
	}
	all := map[string]int{}
	for i, r := range sampleTimes {
		for _, statistic := range requestStatistics {
			put("http_req_duration{name:"+r.name+"} "+statistic, r.times[statistic], s.slower[r.name], s.noise)
			slower := 0
			if arm == experiment.Head {
				slower = s.slower[r.name]
			}
			all[statistic] += r.times[statistic] * (1000 + slower) / 1000 / (1 + 3*i)
		}
	}
	for _, statistic := range requestStatistics {
		slice.Figures["http_req_duration "+statistic] = float64(all[statistic]*scatter(random, s.noise)/1000) / 1000
	}
	put("cpu_per_request value", 62_000, s.cpu, s.noise/4)
	slice.Figures["cpu_per_request value"] /= 1000 // of 62 microseconds
	put("allocated_per_request value", 9_400_000, 0, 2)
	put("statements_per_request value", 1_250, 0, 1)
	for _, r := range sampleTimes {
		succeeded := 1.0
		if s.failing && arm == experiment.Head && r.name == "list" {
			succeeded = float64(900+random.IntN(20)) / 1000
		}
		slice.Figures["http_req_succeeded{name:"+r.name+"} rate"] = succeeded
		slice.Figures["http_req_succeeded rate"] += succeeded / float64(len(sampleTimes))
	}
	return slice
}

// trial judges by the gates of the sample, and the guard.
func (s trialSample) trial(t testing.TB) *judge.Trial {
	t.Helper()
	p95 := scenarios.Aggregation{Name: "p", Percentile: 95}
	gates := []scenarios.Regression{
		{
			Metric: scenarios.HTTPReqDuration, Selector: map[string]string{"name": "get"}, Aggregation: p95,
			Tolerance: 0.05, Source: "p(95)<+5%",
		},
		{Metric: scenarios.HTTPReqDuration, Aggregation: p95, Tolerance: 0.05, Source: "p(95)<+5%"},
		{
			Metric: scenarios.CPUPerRequest, Aggregation: scenarios.Aggregation{Name: "value"}, Tolerance: 0.05,
			Source: "value<+5%",
		},
	}
	if s.gates != nil {
		var chosen []scenarios.Regression
		for _, i := range s.gates {
			chosen = append(chosen, gates[i])
		}
		gates = chosen
	}
	trial, err := judge.NewTrial(gates, s.planned, 0.01, false)
	if err != nil {
		t.Fatal(err)
	}
	return trial
}

// make is the experiment of the sample, judged.
func (s trialSample) make(t testing.TB) *results.Experiment {
	t.Helper()
	random := rand.New(rand.NewPCG(s.seed, 29))
	e := sampleTrialRecord()
	e.Design.Seed, e.Design.MaxBlocks = s.seed, s.planned
	at := 0.0
	trial := s.trial(t)
	var judged []experiment.Block
	for number := 0; number < s.blocks && trial.Judge(judged).Decision == experiment.Undecided; number++ {
		b := results.BlockRecord{Block: experiment.Block{Number: number}, At: at, Seconds: 24}
		for _, arm := range experiment.Order(s.seed, number) {
			b.Slices = append(b.Slices, s.slice(random, arm))
		}
		e.Blocks, judged = append(e.Blocks, b), append(judged, b.Block)
		at += 24.5
	}
	e.Elapsed = at + 11
	for _, arm := range []experiment.Arm{experiment.Base, experiment.Head} {
		for i, r := range sampleTimes {
			median := float64(r.times["p(50)"]) / 1000
			if arm == experiment.Head {
				median *= 1 + float64(s.slower[r.name])/1000
			}
			n := 4000 / (1 + i)
			requests := results.ArmRequests{
				Arm: arm, Scenario: "mixed", Name: r.name, Requests: int64(n), Response: durations(random, n, median),
			}
			if s.failing && arm == experiment.Head && r.name == "list" {
				requests.Failed = int64(n / 11)
			}
			e.Requests = append(e.Requests, requests)
		}
	}
	trial.Conclude(e, false)
	return e
}

// sampleTrialRecord is what is known of the sample before its first block.
func sampleTrialRecord() *results.Experiment {
	return &results.Experiment{
		Version: results.ExperimentVersion, Name: "regression",
		Description: "Short slices on the reference API: get, list, batch insert.",
		Tool:        results.Tool{Version: "v0.2.0", Commit: "3f2a9c1"},
		Command:     []string{"headroom", "ab", "scenarios/regression.yaml", "--base", "main", "--out", "results/ab"},
		Scenario: results.Scenario{
			File: "scenarios/regression.yaml", Seed: 42, Overrides: []string{"scenarios.mixed.rate=3000"},
			Text: "name: regression\nscenarios:\n  mixed:\n    rate: 3000\n",
		},
		Environment: sampleEnvironment(),
		Base: results.ArmRecord{
			Kind: "revision", Label: "main", Revision: "3f2a9c1d0b5e8f7a6c4d3e2f1a0b9c8d7e6f5a4b",
			Subject: "store: read the cache before the replica", Settings: map[string]string{"GOMAXPROCS": "1"},
		},
		Head: results.ArmRecord{
			Kind: "working tree", Label: "the working tree, at 9b8c7d6e5f",
			Revision: "9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c",
			Subject:  "server: validate tags", Dirty: true, Settings: map[string]string{"GOMAXPROCS": "1"},
		},
		Design: results.DesignRecord{
			Restarts: true, Warmup: 2, Discard: 0.5, Measure: 2, MaxTime: 600, Alpha: 0.01, Miss: 0.025,
			Looks: []int{8, 12, 16, 20, 24},
		},
		Started: time.Date(2026, 11, 29, 7, 4, 5, 0, time.UTC),
	}
}

// The samples, for each outcome and each way to say who became slower.
var (
	failedTrial = trialSample{
		seed: 1, planned: 24, blocks: 24, slower: map[string]int{"get": 120, "list": 2}, cpu: 15, noise: 25, vetoes: 2,
	}
	oneSlowerTrial = trialSample{
		seed: 8, planned: 24, blocks: 24, slower: map[string]int{"get": 240}, noise: 25, gates: []int{1, 2},
	}
	allSlowerTrial = trialSample{
		seed: 7, planned: 24, blocks: 24, slower: map[string]int{"get": 90, "list": 90, "batch-insert": 90}, noise: 20,
		gates: []int{1},
	}
	busierTrial = trialSample{
		seed: 9, planned: 24, blocks: 24, slower: map[string]int{"list": 30}, cpu: 80, noise: 20, gates: []int{2},
	}
	passedTrial      = trialSample{seed: 2, planned: 24, blocks: 24, cpu: 2, noise: 20}
	unresolvedTrial  = trialSample{seed: 3, planned: 24, blocks: 24, slower: map[string]int{"get": 20}, noise: 120}
	invalidTrial     = trialSample{seed: 4, planned: 24, blocks: 8, noise: 30, vetoes: 30}
	interruptedTrial = trialSample{seed: 5, planned: 24, blocks: 1, noise: 30}
	failingTrial     = trialSample{seed: 6, planned: 24, blocks: 24, noise: 20, failing: true}
)

// interruptedExperiment was ended within its second block.
func interruptedExperiment(t testing.TB) *results.Experiment {
	t.Helper()
	e := interruptedTrial.make(t)
	e.Interrupted = true
	interruptedTrial.trial(t).Conclude(e, false)
	return e
}

// emptyExperiment ended before its first block.
func emptyExperiment(testing.TB) *results.Experiment {
	return &results.Experiment{
		Name: "empty", Outcome: results.Unresolved, Interrupted: true,
		Started: time.Date(2026, 11, 29, 7, 4, 5, 0, time.UTC),
	}
}

var sampleTrials = map[string]func(testing.TB) *results.Experiment{
	"failed": failedTrial.make, "passed": passedTrial.make, "unresolved": unresolvedTrial.make,
	"invalid": invalidTrial.make, "interrupted": interruptedExperiment, "failing": failingTrial.make,
	"all-slower": allSlowerTrial.make, "one-slower": oneSlowerTrial.make, "busier": busierTrial.make,
	"empty": emptyExperiment,
}

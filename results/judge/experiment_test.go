package judge

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// drawn are blocks of two figures with noise: of response time by p95 and of CPU time by cpu is the head greater, and
// of its requests the share fails fails.
func drawn(blocks int, p95, cpu, fails float64) []experiment.Block {
	random := rand.New(rand.NewPCG(7, 7))
	all := make([]experiment.Block, blocks)
	for n := range all {
		b := experiment.Block{Number: n}
		for _, arm := range experiment.Order(1, n) {
			more, success := 0.0, 1.0
			if arm == experiment.Head {
				more, success = 1, 1-fails
			}
			noise := func(sd float64) float64 { return math.Exp(sd * random.NormFloat64()) }
			b.Slices = append(b.Slices, experiment.Slice{Arm: arm, Figures: map[string]float64{
				"http_req_duration p(95)":           2 * (1 + more*p95) * noise(0.05),
				"http_req_duration{name:get} p(95)": 2 * (1 + more*p95) * noise(0.05),
				"cpu_per_request value":             0.1 * (1 + more*cpu) * noise(0.02),
				"http_req_succeeded rate":           success,
			}})
		}
		all[n] = b
	}
	return all
}

func defaultGates() []scenarios.Regression {
	p := &scenarios.Plan{
		Experiment: scenarios.Experiment{Tolerance: 0.05},
		Scenarios:  []scenarios.Scenario{{Load: scenarios.ConstantRate{}}},
	}
	return p.Gates()
}

func conclude(t *testing.T, blocks []experiment.Block, gates ...scenarios.Regression) *results.Experiment {
	t.Helper()
	if len(gates) == 0 {
		gates = defaultGates()
	}
	trial, err := NewTrial(gates, 24, 0.01, false)
	if err != nil {
		t.Fatal(err)
	}
	e := &results.Experiment{Requests: []results.ArmRequests{{Arm: experiment.Base, Scenario: "s", Name: "get"}}}
	for _, b := range blocks {
		e.Blocks = append(e.Blocks, results.BlockRecord{Block: b})
	}
	trial.Conclude(e, false)
	return e
}

func TestConclude(t *testing.T) {
	vetoed := drawn(24, 0, 0, 0)
	for n := range vetoed {
		vetoed[n].Slices[0].Veto, vetoed[n].Slices[3].Veto = "disturbed", "disturbed"
	}
	for name, c := range map[string]struct {
		blocks []experiment.Block
		want   results.Outcome
		reason string
	}{
		"equal arms":             {drawn(24, 0, 0, 0), results.Pass, ""},
		"more CPU time":          {drawn(24, 0, 0.1, 0), results.Fail, ""},
		"slower":                 {drawn(24, 0.2, 0, 0), results.Fail, ""},
		"fast because it fails":  {drawn(24, -0.5, -0.5, 0.5), results.Fail, ""},
		"two failures in 10,000": {drawn(24, 0, 0, 0.0002), results.Pass, ""},
		"too few blocks":         {drawn(3, 0, 0, 0), results.Unresolved, ""},
		"none":                   {nil, results.Unresolved, ""},
		"half of them vetoed":    {vetoed, results.Invalid, "48 of 96 pairs"},
	} {
		t.Run(name, func(t *testing.T) {
			e := conclude(t, c.blocks)
			if e.Outcome != c.want || c.reason != "" && !strings.Contains(strings.Join(e.Reasons, ";"), c.reason) {
				t.Errorf("%s %q, want %s %q; gates %+v", e.Outcome, e.Reasons, c.want, c.reason, e.Gates)
			}
		})
	}
}

// TestConcludeRecords: the record has all gates with the course of the experiment, and the figures with their names
// taken apart.
func TestConcludeRecords(t *testing.T) {
	e := conclude(t, drawn(24, 0, 0.1, 0))
	if len(e.Gates) != 3 || !e.Gates[2].Guard || e.Gates[0].Guard {
		t.Fatalf("gates %+v", e.Gates)
	}
	cpu := e.Gates[1]
	if cpu.Decision != experiment.Failed || cpu.Unit != "ms" || cpu.Metric != "cpu_per_request" ||
		cpu.Source != "value<+5%" || cpu.Change < 0.08 || cpu.Change > 0.12 {
		t.Errorf("gate %+v", cpu)
	}
	// The first look is after 8 blocks, and decides.
	if n := len(cpu.Course); n != 23 || cpu.Course[6].Blocks != 8 || cpu.Course[n-1].Blocks != 8 {
		t.Errorf("course %+v", cpu.Course)
	}
	for _, f := range e.Figures {
		if f.Figure == "http_req_duration{name:get} p(95)" && (f.Metric != "http_req_duration" ||
			f.Tags["name"] != "get" || f.Statistic != "p(95)" || f.Unit != "ms") {
			t.Errorf("figure %+v", f)
		}
	}
	if len(e.Figures) != 4 {
		t.Errorf("%d figures", len(e.Figures))
	}
}

// TestConcludeWithoutData: where no slice has a value of a gate, equal arms must not fail, nor may they pass.
func TestConcludeWithoutData(t *testing.T) {
	for _, arm := range []experiment.Arm{"", experiment.Base, experiment.Head} {
		blocks := drawn(24, 0, 0, 0)
		for _, b := range blocks {
			for _, s := range b.Slices {
				if s.Arm == arm {
					s.Figures["allocated_per_request value"] = 1000
				}
			}
		}
		want, reason := results.Invalid, "no slice has a value of allocated_per_request value: it cannot be measured"
		switch arm {
		case experiment.Base:
			want, reason = results.Fail, "no slice of the head has a value of allocated_per_request value"
		case experiment.Head:
			reason = "no slice of the base has a value of allocated_per_request value"
		}
		e := conclude(t, blocks, regression(t, "allocated_per_request", "value<+5%"))
		if e.Outcome != want || !strings.Contains(strings.Join(e.Reasons, ";"), reason) {
			t.Errorf("known of %q alone: %s %q, want %s %q", arm, e.Outcome, e.Reasons, want, reason)
		}
	}
}

// TestConcludeStopped: when the experiment ends at a moment that its blocks may have decided, it does not spend what
// was left for the blocks to come.
func TestConcludeStopped(t *testing.T) {
	blocks := drawn(10, 0, 0.03, 0)
	trial, err := NewTrial([]scenarios.Regression{regression(t, "cpu_per_request", "value<+5%")}, 200, 0.01, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		interrupted, broken bool
		want                results.Outcome
	}{
		"the time was over": {false, false, results.Fail},
		"interrupted":       {true, false, results.Unresolved},
		"broken":            {false, true, results.Unresolved},
	} {
		e := &results.Experiment{Interrupted: c.interrupted}
		for _, b := range blocks {
			e.Blocks = append(e.Blocks, results.BlockRecord{Block: b})
		}
		trial.Conclude(e, c.broken)
		if e.Outcome != c.want {
			t.Errorf("%s: %s, want %s; gates %+v", name, e.Outcome, c.want, e.Gates)
		}
	}
}

// succeeding are blocks without a change in time of which the slices of an arm have the given shares of success in
// turns; a share below 0: the slice has no figure at all.
func succeeding(arm experiment.Arm, shares ...float64) []experiment.Block {
	blocks := drawn(24, 0, 0, 0)
	for n := range blocks {
		i := 0
		for k := range blocks[n].Slices {
			s := &blocks[n].Slices[k]
			if s.Arm != arm {
				continue
			}
			s.Figures["http_req_succeeded rate"] = shares[i%len(shares)]
			if shares[i%len(shares)] < 0 {
				s.Figures = nil
			}
			i++
		}
	}
	return blocks
}

// TestConcludeFailures: a head that fails, or does not answer at all, in some of its slices is not judged by the rest.
func TestConcludeFailures(t *testing.T) {
	vetoed := succeeding(experiment.Head, 0)
	for n := range vetoed {
		for k := range vetoed[n].Slices {
			vetoed[n].Slices[k].Veto = "disturbed"
		}
	}
	const head, base = experiment.Head, experiment.Base
	for name, c := range map[string]struct {
		blocks []experiment.Block
		want   results.Outcome
		reason string
	}{
		"the head always fails":            {succeeding(head, 0), results.Fail, "no request of the head succeeded"},
		"it fails in every second slice":   {succeeding(head, 0, 1), results.Fail, ""},
		"it fails in one slice of four":    {succeeding(head, 0, 1, 1, 1), results.Fail, ""},
		"it half fails in one of four":     {succeeding(head, 1, 1, 0.5, 1), results.Fail, ""},
		"no figures in every second slice": {succeeding(head, -1, 1), results.Invalid, "48 of 96 pairs of slices lack"},
		"it has no figures":                {succeeding(head, -1), results.Fail, "no slice of the head has a value of"},
		"the base always fails":            {succeeding(base, 0), results.Invalid, "no request of the base succeeded"},
		"the base fails in one of four":    {succeeding(base, 0, 1, 1, 1), results.Pass, ""},
		"it always fails, all is vetoed":   {vetoed, results.Invalid, "96 of 96 pairs"},
	} {
		t.Run(name, func(t *testing.T) {
			e := conclude(t, c.blocks)
			if e.Outcome != c.want || !strings.Contains(strings.Join(e.Reasons, ";"), c.reason) {
				t.Errorf("%s %q, want %s %q; gates %+v", e.Outcome, e.Reasons, c.want, c.reason, e.Gates)
			}
		})
	}
}

func TestTrialRefuses(t *testing.T) {
	if _, err := NewTrial(defaultGates(), 3, 0.01, false); err == nil {
		t.Error("3 blocks are too few")
	}
}

// TestSpoilt: more than a quarter of the planned pairs do not count.
func TestSpoilt(t *testing.T) {
	trial, err := NewTrial([]scenarios.Regression{regression(t, "http_req_duration", "p(95)<+5%")}, 8, 0.01, false)
	if err != nil {
		t.Fatal(err)
	}
	vetoed := func(pairs int) (b experiment.Block) {
		for i := range experiment.SlicesPerBlock {
			s := experiment.Slice{Arm: experiment.Base}
			if i/2 < pairs {
				s.Veto = "disturbed"
			}
			b.Slices = append(b.Slices, s)
		}
		return b
	}
	if all := []experiment.Block{vetoed(4), vetoed(4)}; trial.Spoilt(all) {
		t.Error("8 of 32 pairs spoil it")
	}
	if all := []experiment.Block{vetoed(4), vetoed(4), vetoed(1)}; !trial.Spoilt(all) {
		t.Error("9 of 32 pairs do not spoil it")
	}
	all := []experiment.Block{vetoed(4), vetoed(4), vetoed(2)}
	for range 7 {
		all = append(all, vetoed(0))
	}
	if trial.Spoilt(all) {
		t.Error("10 of the 40 pairs that were measured spoil it")
	}
}

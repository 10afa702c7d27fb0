package main

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/paired"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// TestCourseEndedByError: an experiment that an arm ended by dying does not pass by what it measured before, and fails
// if that was worse.
func TestCourseEndedByError(t *testing.T) {
	for name, c := range map[string]struct {
		slower float64
		broken error
		want   results.Outcome
	}{
		"nothing happened": {1, nil, results.Pass},
		"the head died":    {1, errors.New("block 9: the head died"), results.Invalid},
		"it was slower":    {2, errors.New("block 9: the head died"), results.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			done := &paired.Experiment{Elapsed: time.Minute, Broken: c.broken}
			for number := range 8 {
				b := paired.Block{Block: experiment.Block{Number: number}, Took: time.Second}
				for _, arm := range experiment.Order(1, number) {
					value := 1 + 0.001*math.Pow(-1, float64(number))
					if arm == experiment.Head {
						value = c.slower
					}
					b.Slices = append(b.Slices, experiment.Slice{Arm: arm, Figures: map[string]float64{
						"http_req_duration p(95)": value, "cpu_per_request value": value,
						"http_req_succeeded rate": 1,
					}})
				}
				done.Blocks = append(done.Blocks, b)
			}
			plan := &scenarios.Plan{
				Experiment: scenarios.Experiment{Tolerance: scenarios.DefaultTolerance},
				Scenarios:  []scenarios.Scenario{{Load: scenarios.ConstantRate{}}},
			}
			course := newCourse(io.Discard, 8*time.Second, scenarios.DefaultAlpha, plan.Gates(), true)
			if _, err := course.judge(done.Blocks); err != nil {
				t.Fatal(err)
			}
			e := &results.Experiment{}
			if err := course.conclude(e, done); err != nil {
				t.Fatal(err)
			}
			told := strings.Contains(strings.Join(e.Reasons, ";"), "the head died")
			if e.Outcome != c.want || told != (c.want == results.Invalid) {
				t.Errorf("%s %q, want %s; gates %+v", e.Outcome, e.Reasons, c.want, e.Gates)
			}
		})
	}
}

// TestBlocksPlanned: how many blocks are planned follows from what blocks take after the first, and stays as it is from
// the fourth on.
func TestBlocksPlanned(t *testing.T) {
	plan := &scenarios.Plan{
		Experiment: scenarios.Experiment{Tolerance: scenarios.DefaultTolerance},
		Scenarios:  []scenarios.Scenario{{Load: scenarios.ConstantRate{}}},
	}
	for name, c := range map[string]struct {
		maxTime time.Duration
		took    []time.Duration // of each block; the others take as long as the last
		want    []int           // after each block
	}{
		"a slow first block": {
			10 * time.Minute, []time.Duration{2 * time.Minute, 12 * time.Second}, []int{5, 41, 41, 41, 41},
		},
		"a slow third block": {
			time.Minute, []time.Duration{2 * time.Second, 2 * time.Second, 20 * time.Second}, []int{30, 30, 21, 21, 21},
		},
		"little time":         {time.Second, []time.Duration{time.Second}, []int{4, 4, 4, 4, 4}},
		"more than is useful": {24 * time.Hour, []time.Duration{time.Second}, []int{400, 400, 400, 400, 400}},
	} {
		t.Run(name, func(t *testing.T) {
			course := newCourse(io.Discard, c.maxTime, scenarios.DefaultAlpha, plan.Gates(), true)
			var blocks []paired.Block
			var at time.Duration
			for number, want := range c.want {
				b := paired.Block{
					Block: experiment.Block{Number: number}, At: at, Took: c.took[min(number, len(c.took)-1)],
				}
				at += b.Took
				for _, arm := range experiment.Order(1, number) {
					b.Slices = append(b.Slices, experiment.Slice{Arm: arm, Figures: map[string]float64{
						"http_req_duration p(95)": 1, "cpu_per_request value": 1, "http_req_succeeded rate": 1,
					}})
				}
				blocks = append(blocks, b)
				if _, err := course.judge(blocks); err != nil {
					t.Fatal(err)
				}
				if got := course.trial.Blocks(); got != want {
					t.Errorf("after %d blocks, %d are planned, want %d", number+1, got, want)
				}
			}
		})
	}
}

// TestCourseWithoutCPUTime: where nobody knows the CPU time of either arm, a gate that the scenario does not name is
// left out, and one that it names makes the experiment invalid.
func TestCourseWithoutCPUTime(t *testing.T) {
	plan := &scenarios.Plan{
		Experiment: scenarios.Experiment{Tolerance: scenarios.DefaultTolerance},
		Scenarios:  []scenarios.Scenario{{Load: scenarios.ConstantRate{}}},
	}
	for _, defaults := range []bool{true, false} {
		done := &paired.Experiment{Elapsed: 8 * time.Second}
		for number := range 8 {
			b := paired.Block{Block: experiment.Block{Number: number}, Took: time.Second}
			for _, arm := range experiment.Order(1, number) {
				b.Slices = append(b.Slices, experiment.Slice{Arm: arm, Figures: map[string]float64{
					"http_req_duration p(95)": 1 + 0.001*math.Pow(-1, float64(number)), "http_req_succeeded rate": 1,
				}})
			}
			done.Blocks = append(done.Blocks, b)
		}
		var said strings.Builder
		course := newCourse(&said, 8*time.Second, scenarios.DefaultAlpha, plan.Gates(), true)
		course.defaults = defaults
		over, err := course.judge(done.Blocks[:1])
		if err != nil || over == defaults {
			t.Errorf("defaults %v: over %v, %v", defaults, over, err)
		}
		e := &results.Experiment{}
		if err := course.conclude(e, done); err != nil {
			t.Fatal(err)
		}
		want, gates := results.Invalid, 3
		if defaults {
			want, gates = results.Pass, 2
		}
		told := strings.Contains(said.String(), "the CPU time of the arms is not known")
		if e.Outcome != want || len(e.Gates) != gates || told != defaults {
			t.Errorf("defaults %v: %s %q, %d gates, said %q", defaults, e.Outcome, e.Reasons, len(e.Gates), &said)
		}
	}
}

// TestCourseWarns: what is advised when a gate is too noisy is a figure that would find the tolerance, or none.
func TestCourseWarns(t *testing.T) {
	for name, c := range map[string]struct {
		cpu, median float64 // noise
		want        string
	}{
		"CPU time scatters less":   {0.01, 0.5, "; a gate on cpu_per_request value would find +5.0 %"},
		"the median scatters less": {0.5, 0.01, "; a gate on http_req_duration p(50) would find +5.0 %"},
		"all scatter":              {0.5, 0.5, "or raise the rate\n"},
	} {
		var blocks []paired.Block
		for number := range 4 {
			b := paired.Block{Block: experiment.Block{Number: number}, Took: time.Second}
			off := []float64{1, -1, 0.5, -0.5}[number]
			for _, arm := range experiment.Order(1, number) {
				figures := map[string]float64{"http_req_succeeded rate": 1}
				for figure, noise := range map[string]float64{
					"http_req_duration p(95)": 0.4, "http_req_duration p(50)": c.median, "cpu_per_request value": c.cpu,
				} {
					figures[figure] = 1
					if arm == experiment.Head {
						figures[figure] = math.Exp(noise * off)
					}
				}
				b.Slices = append(b.Slices, experiment.Slice{Arm: arm, Figures: figures})
			}
			blocks = append(blocks, b)
		}
		p95, err := scenarios.ParseRegression("http_req_duration", "p(95)<+5%")
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		course := newCourse(&said, 24*time.Second, scenarios.DefaultAlpha, []scenarios.Regression{p95}, true)
		for n := range blocks {
			if _, err := course.judge(blocks[:n+1]); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: no %q in\n%s", name, c.want, &said)
		}
	}
}

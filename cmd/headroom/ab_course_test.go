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

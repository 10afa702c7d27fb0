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

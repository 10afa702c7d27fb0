package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestClosedStretch: a stretch in which the generator was the limit says nothing of the service.
func TestClosedStretch(t *testing.T) {
	m := measured()
	m.Generator = results.Generator{CPUs: 4, GoMaxProcs: 2, WallSeconds: 10, CPUSeconds: 15.8}
	free, err := ClosedStretch(m)
	if err != nil || free.Veto != "" || free.Limit || free.Requests != 1000 {
		t.Errorf("%+v, %v", free, err)
	}
	m.Generator.CPUSeconds = 16.1
	busy, err := ClosedStretch(m)
	if err != nil || !busy.Limit || busy.Veto != "the generator was the limit: it used 80 % of its CPUs" {
		t.Errorf("%+v, %v", busy, err)
	}
	m.Loads[0].OutOfPorts = 3
	out, err := ClosedStretch(m)
	if err != nil || !out.Limit || !strings.Contains(out.Veto, "port") {
		t.Errorf("%+v, %v", out, err)
	}
}

// stepsOf are stretches of closed load on so many instances, twice each, of which each answers that many requests a
// second.
func stepsOf(each float64, instances ...int) (steps []results.CapacityTrial) {
	for _, n := range append(instances, instances...) {
		steps = append(steps, results.CapacityTrial{
			Kind: results.TrialClosed, Instances: n, Users: 4 * n, Achieved: each * float64(n), Requests: 1000,
			Use: results.Use{CPUs: 4, Generator: 0.2, System: new(0.5 * float64(n)), Others: new(0.1)},
		})
	}
	return steps
}

// TestConcludeInstances: four numbers of instances make a law, fewer an efficiency, and one neither.
func TestConcludeInstances(t *testing.T) {
	conclude := func(instances int, steps []results.CapacityTrial) *results.Capacity {
		c := &results.Capacity{Instances: steps, Plan: results.PlanRecord{Assumed: true}}
		c.Environment.Others = make([]string, instances-1)
		if err := concludeInstances(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	four := conclude(4, stepsOf(100, 1, 2, 3, 4))
	if l := four.InstanceLaw; l == nil || l.Over != "instances" || l.Alpha[1] > 1e-3 || four.Plan.Assumed ||
		four.Plan.Measured != 4 || len(four.Efficiency) != 3 || !near(four.Efficiency[2].Middle, 1) {
		t.Errorf("four: %+v, %+v, %+v", l, four.Plan, four.Efficiency)
	}
	if s, err := ScalingOf(four); err != nil || s.Law == nil || s.Measured != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	two := conclude(2, stepsOf(100, 1, 2))
	if two.InstanceLaw != nil || !two.Plan.Assumed || two.Plan.Measured != 2 || len(two.Efficiency) != 1 ||
		two.Plan.Shared != [2]float64{0.02, 0.05} || len(two.Warnings) > 0 {
		t.Errorf("two: %+v, %+v, %q", two.InstanceLaw, two.Plan, two.Warnings)
	}
	if one := conclude(1, nil); one.InstanceLaw != nil || !one.Plan.Assumed || one.Plan.Measured != 1 ||
		one.Efficiency != nil {
		t.Errorf("one: %+v", one.Plan)
	}
	shared := conclude(2, stepsOf(100, 1, 2))
	for i := range shared.Instances {
		*shared.Instances[i].Use.System = 1.7 * float64(shared.Instances[i].Instances)
	}
	shared.Warnings = nil
	if err := concludeInstances(shared); err != nil || len(shared.Warnings) != 1 ||
		!strings.HasPrefix(shared.Warnings[0], "92 % of this machine's CPU was in use with all 2 instances") {
		t.Errorf("a machine that is used up: %q, %v", shared.Warnings, err)
	}
	spoilt := stepsOf(100, 1, 2, 3, 4)
	spoilt[2].Veto, spoilt[6].Veto = "a neighbour", "another one"
	lost := conclude(4, spoilt)
	if lost.InstanceLaw != nil || !lost.Plan.Assumed || len(lost.Efficiency) != 2 || len(lost.Warnings) != 1 ||
		lost.Warnings[0] != "2 of 8 stretches on some of the instances do not count; the first: a neighbour" {
		t.Errorf("spoilt: %+v, %q", lost.InstanceLaw, lost.Warnings)
	}
}

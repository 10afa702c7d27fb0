package judge

import (
	"fmt"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// ClosedStretch is what a stretch of closed load came to. It says nothing of the service where the machine was
// disturbed or the generator was the limit.
func ClosedStretch(m *results.Measurements) (results.CapacityTrial, error) {
	t, err := Stretch(m)
	if err != nil {
		return t, err
	}
	for _, l := range m.Loads {
		if l.OutOfFiles > 0 || l.OutOfPorts > 0 {
			t.Veto, t.Limit = exhausted(m, l)[0], true
			return t, nil
		}
	}
	if found := disturbances(m); len(found) > 0 {
		t.Veto = strings.Join(found, "; ")
		return t, nil
	}
	if may := float64(max(1, m.Generator.GoMaxProcs)); m.Generator.CPUCores() >= busyGenerator*may {
		t.Veto, t.Limit = fmt.Sprintf("the generator was the limit: it used %.0f %% of its CPUs",
			100*m.Generator.CPUCores()/may), true
	}
	return t, nil
}

// concludeInstances completes a capacity by what the stretches on some of the instances say: how efficient more of them
// are, and the law over instances where enough numbers of them were measured.
func concludeInstances(c *results.Capacity) error {
	c.Plan.Measured = max(1, len(c.Environment.Others)+1)
	counts := telling(c.Instances)
	if dropped := len(c.Instances) - len(counts); dropped > 0 {
		c.Warnings = append(c.Warnings,
			fmt.Sprintf("%d of %d stretches on some of the instances do not count; the first: %s",
				dropped, len(c.Instances), firstVeto(c.Instances)))
	}
	var samples []capacity.Sample
	for _, t := range counts {
		if good := t.GoodRate(); good > 0 {
			samples = append(samples, capacity.Sample{N: float64(t.Instances), X: good})
		}
	}
	c.Efficiency = capacity.Efficiencies(samples)
	c.Plan.Shared = capacity.AssumedShared(c.Efficiency)
	if used, ok := machineWith(counts, c.Plan.Measured, c.Processes); ok &&
		used >= capacity.MachineCPU.UsedUpFrom() {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%.0f %% of this machine's CPU was in use with all %d instances: "+
			"where they share a machine, each further one finds less of it, and the plan takes that for work that "+
			"they share",
			100*used, c.Plan.Measured))
	}
	if len(c.Efficiency) == 0 {
		return nil
	}
	var err error
	c.InstanceLaw, err = lawOf(samples, "instances")
	c.Plan.Assumed = c.InstanceLaw == nil
	return err
}

// machineWith is the mean share of the machine's CPU that was in use in the stretches with so many instances. ok is
// false where it is not known.
func machineWith(stretches []results.CapacityTrial, instances int, processes results.Processes) (used float64,
	ok bool,
) {
	n := 0
	for _, t := range stretches {
		if share, known := loadOf(t, processes).Used[capacity.MachineCPU]; known && t.Instances == instances {
			used, n = used+share, n+1
		}
	}
	return used / float64(max(1, n)), n > 0
}

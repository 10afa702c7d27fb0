package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

func TestBusyAtLightLoad(t *testing.T) {
	for name, c := range map[string]struct {
		use  results.Use
		want string
	}{
		"idle":      {results.Use{CPUs: 2, Generator: 0.1, Others: new(0.2)}, ""},
		"not known": {results.Use{CPUs: 2, Generator: 0.1}, ""},
		"busy": {
			results.Use{CPUs: 2, Generator: 0.1, Others: new(1.8)},
			"which may include the service, used 1.8 of its 2 CPUs",
		},
		"busy, known": {
			results.Use{CPUs: 2, Generator: 0.1, System: new(0.1), Others: new(1.7)},
			"other processes used 1.7 of its 2 CPUs",
		},
		"one of two":     {results.Use{CPUs: 2, Generator: 0.1, Others: new(1.0)}, ""},
		"by the system":  {results.Use{CPUs: 2, Generator: 0.2, System: new(1.7), Others: new(0.1)}, ""},
		"by the service": {results.Use{CPUs: 1, Generator: 0.05, Others: new(0.9)}, "which may include the service"},
	} {
		if got := BusyAtLightLoad(c.use); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestBusyMachineIsNoCapacity: whatever the trials of a search saw, where most of them say nothing it has no answer.
func TestBusyMachineIsNoCapacity(t *testing.T) {
	for name, spoilt := range map[string]func(n int) bool{
		"all":            func(int) bool { return true },
		"four of five":   func(n int) bool { return n%5 != 0 },
		"after a moment": func(n int) bool { return n >= 2 },
	} {
		s, err := capacity.NewSearch(1000, capacity.Rule{Width: 0.1, Most: 60, Trial: 10, Soak: 60})
		if err != nil {
			t.Fatal(err)
		}
		c := &results.Capacity{Design: results.CapacityDesign{Width: 0.1, Soak: 60, Require: 1}}
		for left, n := 600.0, 0; ; left, n = left-10, n+1 {
			step := s.Next(left)
			if step.Kind == capacity.Over {
				break
			}
			// What others do to it makes a trial bad as well.
			trial := results.CapacityTrial{Kind: results.TrialSearch, Rate: step.Rate, Bad: spoilt(n), Requests: 1000}
			if spoilt(n) {
				trial.Veto = "the machine was busy at light load already"
			}
			c.Trials = append(c.Trials, trial)
			s.Add(step, capacity.Seen{Bad: trial.Bad, Veto: trial.Veto != ""})
		}
		objectives := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}
		if err := ConcludeCapacity(c, s, objectives); err != nil {
			t.Fatal(err)
		}
		if c.Outcome != results.Invalid || c.Valid || !strings.Contains(strings.Join(c.Reasons, "; "),
			"say nothing: the machine was too busy, or the generator was the limit; the first: the machine was busy") {
			t.Errorf("%s: %s, %q after %d trials", name, c.Outcome, c.Reasons, len(c.Trials))
		}
	}
}

// TestUseOfATrial: what the reference server and the machine tell is there, and nothing else.
func TestUseOfATrial(t *testing.T) {
	m := measured()
	view := &m.Views[0]
	view.Seconds, view.CPUSeconds, view.GCSeconds, view.GCPauses = 10, 15, 2.5, 0.02
	view.Pools["primary"] = results.PoolStats{Acquires: 200, Waits: 50, Waited: 400}
	m.Generator.CPUs = 4
	u := use(m)
	u.ServerCPUs = 2
	if *u.Server != 1.5 || *u.GC != 0.25 || !near(*u.GCPaused, 0.002) || *u.PoolWaits != 0.25 || *u.PoolWait != 8 ||
		*u.HitRatio != 0.9 || *u.Database < 1 {
		t.Errorf("%+v", u)
	}
	if *u.ServerShare() != 0.75 || *u.GCShare() != 0.125 || u.MachineShare() != nil {
		t.Errorf("shares of %+v", u)
	}
	m.Views = nil
	m.Health = &results.Health{Seconds: []results.HealthSecond{{Length: 1, Others: new(1.0), System: new(2.0)}}}
	u = use(m)
	if u.Server != nil || u.GC != nil || u.GCShare() != nil || *u.MachineShare() != 0.75 {
		t.Errorf("of another service: %+v", u)
	}
	load := loadOf(results.CapacityTrial{Rate: 5, Requests: 10, Refused: 1, Use: u}, results.ProcessesUnknown)
	m.Health.Seconds[0].Service, m.Health.Seconds[0].Process = new(1.9), new(0.96)
	u = use(m)
	if *u.Service != 1.9 || *u.OneCPUShare() != 0.96 {
		t.Errorf("of processes that listen: %+v", u)
	}
	u.Process = new(1.2)
	if *u.OneCPUShare() != 0 {
		t.Errorf("a process that uses more than one CPU is not confined to one: %v", *u.OneCPUShare())
	}
	if len(load.Used) != 2 || load.Used[capacity.MachineCPU] != 0.75 || load.Used[capacity.Limiter] != 0.1 {
		t.Errorf("%+v", load)
	}
}

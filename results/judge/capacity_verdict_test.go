package judge

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// concluded is what a search comes to.
func concluded(t *testing.T, c *results.Capacity, s *capacity.Search) *results.Capacity {
	t.Helper()
	objectives := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}
	if err := ConcludeCapacity(c, s, objectives); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOnlyWhatWasTried: a search that was interrupted after the trial at light load, a tenth of what users reached,
// claims no more than that, nor of other limits.
func TestOnlyWhatWasTried(t *testing.T) {
	c, s := searchWith(t, 19, goodUpTo(700))
	c.Interrupted, c.Elapsed = true, 12
	concluded(t, c, s)
	if len(c.Trials) != 1 || !c.AtLeast || c.Rate.Low != 100 || c.Outcome != results.Unresolved ||
		!slices.Equal(c.Reasons, []string{
			"interrupted after 12 s: the search did not come to its end",
			"no trial was bad: the capacity is at least 100/s",
		}) {
		t.Errorf("%s, %+v, %q of %d trials", c.Outcome, c.Rate, c.Reasons, len(c.Trials))
	}
	for _, w := range c.WhatIf {
		if w.AtLeast && w.Rate.Low > 100 || w.AtMost && w.Rate.High < 100 || w.AtLeast == w.AtMost {
			t.Errorf("%+v, %+v", w, *w.Rate)
		}
	}
	c, s = searchWith(t, 19, goodUpTo(0))
	concluded(t, c, s)
	if !c.AtMost || c.Rate.High < 100 {
		t.Errorf("known below %+v, and 100/s was tried", c.Rate)
	}
}

// TestWithoutTrials: a search that made none is no invalid one.
func TestWithoutTrials(t *testing.T) {
	s, err := capacity.NewSearch(1000, capacity.Rule{Width: 0.1, Most: 60, Trial: 10})
	if err != nil {
		t.Fatal(err)
	}
	vetoed := []results.CapacityTrial{{Kind: results.TrialLight, Rate: 100, Veto: "a neighbour"}}
	for name, c := range map[string]struct {
		search      *capacity.Search
		interrupted bool
		trials      []results.CapacityTrial
		want        results.Outcome
		reasons     string
	}{
		"interrupted in the bracket": {nil, true, nil, results.Unresolved, "interrupted after"},
		"interrupted after it":       {s, true, nil, results.Unresolved, "interrupted after"},
		"no search":                  {nil, false, nil, results.Unresolved, "did not begin"},
		"no time":                    {s, false, nil, results.Unresolved, "no time for a trial"},
		"interrupted, vetoed":        {s, true, vetoed, results.Unresolved, "no trial until then says anything"},
		"vetoed":                     {s, false, vetoed, results.Invalid, "1 of 1 trials say nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			got := concluded(t, &results.Capacity{Interrupted: c.interrupted, Trials: c.trials}, c.search)
			if got.Outcome != c.want || !strings.Contains(strings.Join(got.Reasons, "; "), c.reasons) ||
				got.Valid || got.Rate != nil || strings.Contains(strings.Join(got.Reasons, "; "), "0 of 0") {
				t.Errorf("%s: %q", got.Outcome, got.Reasons)
			}
		})
	}
}

// TestSoakDoubt: whether a soak was bad, said nothing, or was not made are different doubts.
func TestSoakDoubt(t *testing.T) {
	good := goodUpTo(700)
	for want, spoil := range map[string]func(soak *results.CapacityTrial){
		"the soak of 60 s at ":                        func(soak *results.CapacityTrial) { soak.Bad = true },
		"the soak of 60 s says nothing (a neighbour)": func(soak *results.CapacityTrial) { soak.Veto = "a neighbour" },
	} {
		found, s := searchWith(t, 300, func(step capacity.Step) results.CapacityTrial {
			trial := good(step)
			if step.Kind == capacity.Soak {
				spoil(&trial)
			}
			return trial
		})
		found.Design.Width = 0.5 // which is not what this is about
		concluded(t, found, s)
		if len(found.Reasons) != 1 || !strings.HasPrefix(found.Reasons[0], want) ||
			found.Outcome != results.Unresolved {
			t.Errorf("%s: %q, want %q", found.Outcome, found.Reasons, want)
		}
	}
	none := &results.Capacity{Design: results.CapacityDesign{Soak: 60}}
	if got := soakDoubt(none); !strings.HasPrefix(got, "there was no time for a soak of 60 s") {
		t.Errorf("%q", got)
	}
}

// TestWidth: an interval that is somewhat wider than asked for is a warning, and one that is much wider no answer.
func TestWidth(t *testing.T) {
	for _, c := range []struct {
		times            float64 // wider than asked for
		outcome          results.Outcome
		reasons, warning int
	}{
		{0.9, results.Pass, 0, 0}, {1.5, results.Pass, 0, 1}, {2.5, results.Unresolved, 1, 0},
	} {
		found, s := searched(t, 700, func(float64) bool { return false })
		concluded(t, found, s)
		found.Warnings = nil
		found.Design.Width = found.Rate.Width() / c.times
		if own := s.Posterior().Interval().Width(); c.times == 1.5 && own < found.Design.Width {
			found.Design.Width = own / 1.01
		}
		concluded(t, found, s)
		if found.Outcome != c.outcome || len(found.Reasons) != c.reasons || len(found.Warnings) != c.warning {
			t.Errorf("%v times: %s, %q, %q", c.times, found.Outcome, found.Reasons, found.Warnings)
		}
	}
}

// TestBoundByTheGenerator: where the generator is the limit, it is named, and no resource.
func TestBoundByTheGenerator(t *testing.T) {
	found, s := searched(t, 5000, func(r float64) bool { return r > 500 })
	concluded(t, found, s)
	if found.Bound != string(capacity.Generator) || found.WhyUnknown != "" {
		t.Errorf("bound by %q, %q", found.Bound, found.WhyUnknown)
	}
	found, s = searchWith(t, 19, goodUpTo(700))
	concluded(t, found, s)
	if found.Bound != string(capacity.Unknown) || found.WhyUnknown != "no trial was bad" {
		t.Errorf("bound by %q, %q", found.Bound, found.WhyUnknown)
	}
}

// TestServiceElsewhere: the machine of the generator does not bound a service that is on another one.
func TestServiceElsewhere(t *testing.T) {
	for processes, want := range map[results.Processes]capacity.Resource{
		results.ProcessesUnknown: capacity.MachineCPU, results.ProcessesElsewhere: capacity.Unknown,
	} {
		found, s := searchWith(t, 600, func(step capacity.Step) results.CapacityTrial {
			trial := goodUpTo(700)(step)
			trial.Use = results.Use{CPUs: 2, Generator: 2 * math.Min(1, step.Rate/700), Others: new(0.0)}
			return trial
		})
		found.Processes = processes
		concluded(t, found, s)
		evident := slices.ContainsFunc(found.Evidence,
			func(e string) bool { return strings.HasPrefix(e, "CPU of the") })
		if found.Bound != string(want) || evident != (want == capacity.MachineCPU) {
			t.Errorf("%s: %s, %q", processes, found.Bound, found.Evidence)
		}
	}
}

package judge

import (
	"math"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// TestExcessAtLimits: of the requests of the sample, half take 500 ms or more and 90 % 100 ms or more; 1 % failed.
func TestExcessAtLimits(t *testing.T) {
	trial, err := CapacityTrial(measured(), []scenarios.Threshold{
		objective(t, "http_req_failed", "rate<0.02"), objective(t, "http_req_duration", "p(95)<951"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[float64]float64{100: 18, 200: 16, 500: 10, 1000: 0.5, 2000: 0.5}
	if len(trial.AtLimits) != len(want) {
		t.Errorf("%+v", trial.AtLimits)
	}
	for _, at := range trial.AtLimits {
		if math.Abs(at.Excess-want[at.Limit]) > 0.1 || at.MayMiss <= 0 {
			t.Errorf("%+v, want %v", at, want[at.Limit])
		}
	}
}

// TestWhatIfByExcess: how many requests missed another limit says more of it than which trials were bad by it.
func TestWhatIfByExcess(t *testing.T) {
	const truth = 800 // with p(95)<100
	at100 := func(told bool) *results.WhatIf {
		c, s := searchWith(t, 400, func(step capacity.Step) results.CapacityTrial {
			trial := goodUpTo(700)(step)
			if step.Rate > truth {
				trial.Values[0].Actual = 110
			}
			if told {
				excess := math.Pow(step.Rate/truth, 6)
				trial.AtLimits = []results.LimitExcess{{Limit: 100, Excess: excess, MayMiss: 1000}}
			}
			return trial
		})
		for _, w := range concluded(t, c, s).WhatIf {
			if w.Objective == "http_req_duration: p(95)<100" {
				return &w
			}
		}
		t.Fatal("not asked for")
		return nil
	}
	with, without := at100(true), at100(false)
	if with.Rate.Width() > without.Rate.Width()/2 || with.Rate.Low > truth || with.Rate.High < truth {
		t.Errorf("with the excess %+v, without it %+v", *with.Rate, *without.Rate)
	}
}

// TestWhatIfInOrder: a looser limit is never said to bear less.
func TestWhatIfInOrder(t *testing.T) {
	at, own := capacity.Interval{Low: 700, Middle: 1400, High: 2900},
		capacity.Interval{Low: 2100, Middle: 2500, High: 3000}
	if got := inOrder(at, own, true); got != own {
		t.Errorf("looser: %+v", got)
	}
	if got := inOrder(own, at, false); got != at {
		t.Errorf("tighter: %+v", got)
	}
	if got := inOrder(at, own, false); got != at {
		t.Errorf("tighter, and lower already: %+v", got)
	}
}

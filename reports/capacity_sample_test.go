package reports

import (
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// foundCapacity is a capacity that was found, with all that a report can show.
func foundCapacity() *results.Capacity {
	trial := func(kind string, at, rate, p95 float64, bad bool) results.CapacityTrial {
		t := results.CapacityTrial{
			Kind: kind, At: at, Seconds: 6, Rate: rate, Achieved: rate, Requests: int64(6 * rate), P50: p95 / 4,
			P95: p95,
			P99: 2 * p95, InFlight: rate * p95 / 4000, Bad: bad,
			Values: []results.Value{{
				Objective: "http_req_duration: p(95)<50", Actual: p95, Unit: "ms", Samples: int64(6 * rate),
				Holds: !bad,
			}},
			Use: results.Use{
				CPUs: 2, Generator: 0.3, System: new(rate / 7000), Server: new(rate / 8000), ServerCPUs: 1,
				Others: new(0.05),
				Waited: new(0.12), PoolWaits: new(0.02), PoolWait: new(0.8), Database: new(1.7), HitRatio: new(0.962),
				GC: new(rate / 60_000), GCPaused: new(0.0007),
			},
		}
		if bad {
			t.Crossed = []string{"http_req_duration: p(95)<50"}
		}
		return t
	}
	c := &results.Capacity{
		Name: "shop", Description: "What a shop's visitors do.", Tool: results.Tool{Version: "1.2.3"},
		Command:  []string{"headroom", "capacity", "shop.yaml", "--for", "20000", "--price", "0.12"},
		Scenario: results.Scenario{File: "shop.yaml", Text: "name: shop\n", Seed: 1},
		Environment: results.Environment{
			Target: "http://127.0.0.1:8080", Own: true,
			Machine: results.Machine{OS: "linux", Arch: "amd64", CPUs: 2, CPUModel: "a CPU"},
		},
		Design:  results.CapacityDesign{Seed: 1, Discard: 2.5, Measure: 6, Soak: 60, Width: 0.1, MaxTime: 480},
		Started: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), Elapsed: 301,
		Objectives: results.Objectives{{Metric: "http_req_duration", Expression: "p(95)<50"}},
		Rate:       &capacity.Interval{Low: 5400, Middle: 5620, High: 5910}, RequestsPerIteration: 1, Proven: true,
		Knee: 4210, Binding: "http_req_duration: p(95)<50", Bound: string(capacity.MachineCPU),
		Evidence: []string{"CPU of the machine in use: 91.0 % at the highest rate that was good (5,600/s)"},
		Plan: results.PlanRecord{
			Use: 0.7, Spare: 1, Price: 0.12, Assumed: true, Today: 3000, Measured: 1,
			Shared: [2]float64{0.02, 0.05},
		},
		Forecast: []capacity.Forecast{{
			Rate: 20_000, Low: 6, Instances: 7, High: 8, CostLow: 0.01, Cost: 0.0117,
			CostHigh: 0.0133,
		}},
		WhatIf: []results.WhatIf{
			{Objective: "http_req_duration: p(95)<10", Rate: &capacity.Interval{Low: 3900, Middle: 4400, High: 4900}},
			{
				Objective: "http_req_duration: p(95)<100",
				Rate:      &capacity.Interval{Low: 5500, Middle: 6000, High: 9000},
				AtLeast:   true,
			},
			{
				Objective: "http_req_duration: p(95)<5", Rate: &capacity.Interval{Low: 10, Middle: 100, High: 700},
				AtMost: true,
			},
		},
		Beyond: &results.Beyond{
			Rate: 8430, Seconds: 8, Goodput: 2740, Share: 0.4875, P95: 2900, After: 2810, Watched: 12,
			Recovered: new(5.0), Behaviour: "collapses",
			Course: beyondCourse(5200, 90, 3100, 900, 2600, 1900, 2300, 2400, 2500, 2600, 0, 0, 2700, 2800,
				2600, 2900, 1900, 2950, 1500, 2100, 2100, 1200, 2500, 500, 2790, 80, 2810, 9.2,
				2805, 5.1, 2815, 4.8, 2810, 4.9, 2800, 5.2, 2809, 4.7, 2812, 4.8),
		},
		Law: &results.LawRecord{
			Alpha: [3]float64{0.02, 0.031, 0.05}, Beta: [3]float64{0, 0.0004, 0.001},
			Gamma: [3]float64{2100, 2200, 2300},
			Over:  "users", Model: capacity.Full, RSquared: 0.991, Peak: 29, PeakLow: 24, Most: 7400,
			Others: []capacity.Fit{
				{Law: capacity.Law{Alpha: 0.031, Beta: 0.0004, Gamma: 2200}, Model: capacity.Full, RSquared: 0.991},
				{Law: capacity.Law{Gamma: 1000}, Model: capacity.Linear, RSquared: 0.2},
			},
			Band: []results.LawPoint{{N: 1, X: 2200, Low: 2100, High: 2300}, {N: 16, X: 6000, Low: 5800, High: 6400}},
		},
		Posterior: &results.Density{Rates: []float64{5000, 5500, 5700, 6000}, Density: []float64{0.01, 0.4, 0.5, 0.09}},
		Valid:     true, Outcome: results.Pass, Reasons: []string{},
	}
	for users, rate := 1, 2200.0; users <= 16; users, rate = 2*users, rate*1.3 {
		c.Bracket = append(c.Bracket, results.CapacityTrial{
			Kind: results.TrialClosed, Users: users, Achieved: rate, Requests: int64(4 * rate), P50: 1, P95: 3, P99: 6,
			Use: results.Use{CPUs: 2, Generator: 0.4},
		})
	}
	c.Trials = []results.CapacityTrial{
		trial(results.TrialLight, 30, 600, 2.1, false), trial(results.TrialSearch, 40, 4200, 4.2, false),
		trial(results.TrialSearch, 50, 6100, 180, true), trial(results.TrialSearch, 60, 5600, 31, false),
		trial(results.TrialSoak, 70, 5400, 22, false),
	}
	spoilt := trial(results.TrialSearch, 65, 5900, 90, true)
	spoilt.Veto = "other virtual machines took 4.1 % of this machine's CPU time (the limit is 2 %)"
	c.Trials = append(c.Trials, spoilt)
	return c
}

// beyondCourse is a course of seconds: goodput and P95 of each.
func beyondCourse(figures ...float64) (course []results.BeyondSecond) {
	for pair := range slices.Chunk(figures, 2) {
		course = append(course, results.BeyondSecond{Goodput: pair[0], P95: pair[1]})
	}
	return course
}

// instancesCapacity is that of four instances, with the law over them and a rate beyond it.
func instancesCapacity() *results.Capacity {
	c := foundCapacity()
	c.Environment.Others = []string{"http://127.0.0.1:8081", "http://127.0.0.1:8082", "http://127.0.0.1:8083"}
	c.Plan.Measured, c.Plan.Assumed = 4, false
	c.Efficiency = []capacity.Efficiency{
		{Instances: 2, Low: 0.961, Middle: 0.984, High: 1.003}, {Instances: 4, Low: 0.93, Middle: 0.948, High: 0.962},
	}
	c.InstanceLaw = &results.LawRecord{
		Alpha: [3]float64{0.01, 0.015, 0.02}, Beta: [3]float64{0, 0.0011, 0.003}, Gamma: [3]float64{2600, 2650, 2700},
		Over: "instances", Model: capacity.Contention, RSquared: 0.998,
		Others: []capacity.Fit{{
			Law: capacity.Law{Alpha: 0.018, Gamma: 2650}, Model: capacity.Contention,
			RSquared: 0.998,
		}},
		Band: []results.LawPoint{
			{N: 1, X: 2650, Low: 2600, High: 2700},
			{N: 8, X: 18_000, Low: 16_000, High: 20_000},
		},
	}
	for _, n := range []int{2, 3, 4, 1, 1, 4, 3, 2} {
		c.Instances = append(c.Instances, results.CapacityTrial{
			Kind: results.TrialClosed, Instances: n, Users: 8 * n, Achieved: 2600 * float64(n), Requests: 10_000,
			P50: 1, P95: 3,
			P99: 6, Use: results.Use{CPUs: 2, Generator: 0.4},
		})
	}
	c.Instances[6].Veto = "the generator was the limit: it used 85 % of its CPUs"
	c.Forecast = append(c.Forecast, capacity.Forecast{
		Rate: 60_000, Low: 40, Instances: 60, High: 120, CostLow: 0.0222, Cost: 0.0333, CostHigh: 0.0667, Assumed: true,
		Refusal: "the law over instances says nothing of more than 8, which is twice as many as were measured",
	})
	return c
}

// twoCapacity is that of two instances, which say too little for a law.
func twoCapacity() *results.Capacity {
	c := instancesCapacity()
	c.Environment.Others, c.Efficiency, c.InstanceLaw = c.Environment.Others[:1], c.Efficiency[:1], nil
	c.Plan.Measured, c.Plan.Assumed, c.Instances, c.Forecast = 2, true, c.Instances[3:5], c.Forecast[:1]
	return c
}

// requiredCapacity is too low for what is required.
func requiredCapacity() *results.Capacity {
	c := foundCapacity()
	c.Design.Require, c.Outcome, c.Valid = 6000, results.Fail, true
	c.Reasons = []string{"6,000/s are required, and the lower end of the interval is 5,400/s"}
	c.RequestsPerIteration = 2.5 // and of other services nobody knows what they use
	for i := range c.Trials {
		c.Trials[i].Use = results.Use{CPUs: 2, Generator: 0.3}
	}
	c.Beyond.Behaviour, c.Beyond.Refused, c.Beyond.Recovered = "sheds", 0.31, nil
	return c
}

// boundedCapacity is one of which the generator was the limit.
func boundedCapacity() *results.Capacity {
	c := foundCapacity()
	c.AtLeast, c.Valid, c.Outcome, c.Proven = true, false, results.Unresolved, false
	c.Reasons = []string{"the generator was the limit at 6,100/s: the capacity is at least 5,400/s"}
	c.Warnings, c.Law, c.Beyond, c.Knee, c.Binding = []string{"a warning"}, nil, nil, 0, ""
	c.Bound, c.WhatIf = string(capacity.Generator), nil
	c.Forecast[0].AtMost = true
	return c
}

// spoiltCapacity was not found.
func spoiltCapacity() *results.Capacity {
	c := boundedCapacity()
	c.Rate, c.Posterior, c.AtLeast, c.Outcome = nil, nil, false, results.Invalid
	c.Reasons = []string{"6 of 7 trials say nothing: the machine was too busy"}
	c.Trials, c.Bracket, c.Forecast = nil, c.Bracket[:1], []capacity.Forecast{}
	c.Bound, c.WhyUnknown = string(capacity.Unknown), "no trial was bad"
	return c
}

var sampleCapacities = map[string]func() *results.Capacity{
	"instances": instancesCapacity, "two": twoCapacity,
	"found": foundCapacity, "required": requiredCapacity, "bounded": boundedCapacity, "spoilt": spoiltCapacity,
}

// hostileCapacity has texts that would be executed, or control a terminal.
func hostileCapacity(t *testing.T) *results.Capacity {
	t.Helper()
	c := instancesCapacity()
	c.Name, c.Description, c.Binding, c.Bound = hostile, hostile, hostile, hostile
	c.Reasons, c.Warnings, c.Evidence = []string{hostile}, []string{hostile}, []string{hostile}
	c.Objectives = results.Objectives{{Metric: hostile, Expression: hostile}}
	c.Scenario.Text, c.Scenario.File = hostile, hostile
	c.WhatIf[0].Objective, c.Law.Refusal = hostile, hostile
	c.InstanceLaw.Over, c.Instances[0].Veto, c.Forecast[1].Refusal = hostile, hostile, hostile
	c.Environment.Target, c.Environment.Others = hostile, []string{hostile}
	c.Trials[0].Kind, c.Trials[5].Veto, c.Trials[2].Crossed = hostile, hostile, []string{hostile}
	return c
}

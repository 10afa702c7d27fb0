package judge

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

func objective(t *testing.T, name, source string) scenarios.Threshold {
	t.Helper()
	o, err := scenarios.ParseThreshold(name, source)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestObjectivesOf(t *testing.T) {
	all := []scenarios.Threshold{
		objective(t, "http_req_duration", "p(95)<50"), objective(t, "http_reqs", "rate>100"),
		objective(t, "http_req_failed", "rate<0.01"), objective(t, "schedule_lag", "p(99)<5"),
		objective(t, "http_req_duration", "p(95)<50 for 10s"),
	}
	objectives, refused := ObjectivesOf(all)
	if len(objectives) != 2 || len(refused) != 3 ||
		!strings.Contains(refused[0], "http_reqs: rate>100 is no objective") {
		t.Errorf("%+v, %q", objectives, refused)
	}
}

// TestCapacityTrial: of the requests of the sample, P95 is 950 ms and 1 % failed.
func TestCapacityTrial(t *testing.T) {
	for name, c := range map[string]struct {
		objectives []scenarios.Threshold
		crossed    []string
		excess     float64 // negative: none
	}{
		"all hold": {[]scenarios.Threshold{
			objective(t, "http_req_duration", "p(95)<951"), objective(t, "http_req_failed", "rate<0.02"),
		}, nil, 0.98},
		"a time": {[]scenarios.Threshold{
			objective(t, "http_req_duration", "p(95)<949"), objective(t, "http_req_failed", "rate<0.02"),
		}, []string{"http_req_duration: p(95)<949"}, 1.02},
		"failures, though nobody asked": {
			[]scenarios.Threshold{objective(t, "http_req_duration", "p(95)<951")},
			[]string{Failures},
			10,
		},
		"an average": {
			[]scenarios.Threshold{
				objective(t, "http_req_duration", "avg<600"),
				objective(t, "http_req_failed", "rate<0.02"),
			},
			nil, -1,
		},
		"few may fail": {[]scenarios.Threshold{
			objective(t, "http_req_duration", "p(50)<800"), objective(t, "http_req_failed", "rate<0.004"),
		}, []string{"http_req_failed: rate<0.004"}, 2.5},
		"nothing sent of one": {[]scenarios.Threshold{
			objective(t, "http_req_duration{name:none}", "p(95)<1"), objective(t, "http_req_failed", "rate<0.02"),
		}, nil, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := CapacityTrial(measured(), c.objectives)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got.Crossed, "; ") != strings.Join(c.crossed, "; ") || got.Bad != (len(c.crossed) > 0) {
				t.Errorf("%+v, want %q", got, c.crossed)
			}
			if (got.Excess == nil) != (c.excess < 0) || got.Excess != nil && math.Abs(*got.Excess-c.excess) > 0.03 {
				t.Errorf("excess of %v, want %v", got.Excess, c.excess)
			}
			values := len(c.objectives)
			if name == "nothing sent of one" {
				values--
			}
			if len(got.Values) != values || got.Veto != "" || got.Requests != 1000 || got.Failed != 10 ||
				!near(got.P95, 950) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestCapacityTrialWithoutData: where no objective has data a trial says nothing, unless requests were sent and not
// answered.
func TestCapacityTrialWithoutData(t *testing.T) {
	other := []scenarios.Threshold{objective(t, "http_req_duration{name:none}", "p(95)<951")}
	got, err := CapacityTrial(measured(), other)
	if err != nil || got.Limit || !strings.Contains(got.Veto, "no objective has data") {
		t.Errorf("%+v, %v", got, err)
	}
	m := measured()
	m.Series[0].Response, m.Series[0].Failed = results.NewHistogram(), m.Series[0].Requests
	got, err = CapacityTrial(m, []scenarios.Threshold{objective(t, "http_req_duration{name:get}", "p(95)<951")})
	if err != nil || got.Veto != "" || !got.Bad || len(got.Crossed) != 2 {
		t.Errorf("nothing was answered: %+v, %v", got, err)
	}
}

// TestFewSamples: of what chance decides there is a warning.
func TestFewSamples(t *testing.T) {
	objectives := []scenarios.Threshold{
		objective(t, "http_req_duration", "p(95)<50"), objective(t, "http_req_failed", "rate<0.001"),
		objective(t, "http_req_duration", "avg<50"),
	}
	trials := func(times, failures int64) []results.CapacityTrial {
		return []results.CapacityTrial{{Values: []results.Value{
			{Objective: "http_req_duration: p(95)<50", Samples: times},
			{Objective: "http_req_failed: rate<0.001", Samples: failures},
		}}}
	}
	for _, c := range []struct {
		times, failures int64
		want            []string
	}{
		{400, 1000, nil},
		{399, 1000, []string{"p(95)<50: a trial has about 399 requests"}},
		{400, 999, []string{"rate<0.001: a trial has about 999 requests"}},
		{0, 1000, []string{"p(95)<50: most trials say nothing of it"}},
	} {
		got := fewSamples(trials(c.times, c.failures), objectives)
		if len(got) != len(c.want) || len(got) > 0 && !strings.Contains(got[0], c.want[0]) {
			t.Errorf("%d times, %d requests: %q, want %q", c.times, c.failures, got, c.want)
		}
	}
}

// TestWeighUnseen: nothing passes that an objective without any data was not held against.
func TestWeighUnseen(t *testing.T) {
	objectives := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}
	trials := []results.CapacityTrial{{}, {Values: []results.Value{{Objective: "http_req_duration: p(95)<50"}}}}
	for n, want := range map[int]results.Outcome{1: results.Unresolved, 2: results.Pass} {
		c := &results.Capacity{Outcome: results.Pass, Valid: true}
		weighUnseen(c, trials[:n], objectives)
		if c.Outcome != want || c.Valid != (want == results.Pass) || c.Valid == (len(c.Reasons) > 0) {
			t.Errorf("%d trials: %s, %q", n, c.Outcome, c.Reasons)
		}
	}
}

// TestPilesUp: response times that grow by 10 ms a second or more, and requests that were never sent.
func TestPilesUp(t *testing.T) {
	course := func(length float64, medians ...float64) *results.Measurements {
		l := &results.Load{Scenario: "a", Planned: 100, Sent: 100, MeasuredTo: 100}
		m := &results.Measurements{Loads: []*results.Load{l}}
		for i, p50 := range medians {
			piece := results.Stage{Name: strconv.Itoa(i + 1), From: length * float64(i), To: length * float64(i+1)}
			l.Stages = append(l.Stages, piece)
			for _, request := range []string{"get", "put"} {
				m.Series = append(m.Series, &results.Series{
					Scenario: "a", Name: request, Stage: piece.Name,
					Response: histogram(time.Duration(p50 * float64(time.Millisecond))),
				})
			}
		}
		return m
	}
	rising := []float64{5, 30, 52, 70, 101, 120}
	for name, c := range map[string]struct {
		length  float64 // of a piece, in seconds
		medians []float64
		want    bool
	}{
		"steady":               {1, []float64{5, 6, 5, 7, 5, 6}, false},
		"slow":                 {1, []float64{500, 501, 500, 502, 503, 500}, false},
		"rising slowly":        {1, []float64{5, 6, 7, 8, 9, 10}, false},
		"fast, in short":       {1.0 / 3, []float64{5, 10, 15, 20, 25, 30}, true},
		"piling up":            {1, rising, true},
		"rising in ten times":  {10, rising, false},
		"all but one in order": {1, []float64{5, 30, 70, 52, 101, 120}, true},
		"one hiccup":           {1, []float64{5, 5, 5, 900, 400, 5}, false},
		"too few":              {1, []float64{5, 900}, false},
	} {
		m := course(c.length, c.medians...)
		if got := pilesUp(m, m.Loads[0]); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	m := course(1, 5, 5, 5, 5)
	m.Loads[0].Sent = 90
	if !pilesUp(m, m.Loads[0]) {
		t.Error("a tenth was never sent")
	}
}

// TestUsersRanOut: users are the limit where half of the requests waited for one and the service was fast enough for
// those that were sent.
func TestUsersRanOut(t *testing.T) {
	const ms = time.Millisecond
	waited := histogram(0, 3*ms, 40*ms)
	for name, c := range map[string]struct {
		lag, own  *results.Histogram
		objective string // P95 of the times since requests were sent is 475 ms
		want      bool
	}{
		"waited":               {waited, histogram(0, 0, 0), "p(95)<500", true},
		"the service is slow":  {waited, histogram(0, 0, 0), "p(95)<400", false},
		"the generator's own":  {waited, waited, "p(95)<500", false},
		"few waited":           {histogram(0, 0, 40*ms), histogram(0, 0, 0), "p(95)<500", false},
		"waited not for long":  {histogram(0, ms/2, ms/2), histogram(0, 0, 0), "p(95)<500", false},
		"no request was timed": {results.NewHistogram(), results.NewHistogram(), "p(95)<500", false},
	} {
		m := measured()
		m.Series[0].Failed = 0
		m.Loads[0].Lag, m.Loads[0].OwnLag = c.lag, c.own
		got, err := UsersRanOut(m, []scenarios.Threshold{objective(t, "http_req_duration", c.objective)})
		if err != nil || (got != "") != c.want ||
			c.want && got != "67 % of the requests of the scenario warm waited in the generator for one of its "+
				"10 users, "+
				"and the objectives held for those that were sent: raise its maxVUs" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	m := measured() // of which 1 % failed
	m.Loads[0].Lag = waited
	m.Loads[0].OwnLag = histogram(0, 0, 0)
	got, err := UsersRanOut(m, []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<500")})
	if err != nil || got != "" {
		t.Errorf("the service failed: %q, %v", got, err)
	}
}

// searchWith is a search of so many seconds, of which each trial comes to what try says. The trials take ten seconds.
func searchWith(t *testing.T, left float64, try func(step capacity.Step) results.CapacityTrial) (*results.Capacity,
	*capacity.Search,
) {
	t.Helper()
	s, err := capacity.NewSearch(1000, capacity.Rule{Width: 0.1, Most: 60, Trial: 10, Soak: 60})
	if err != nil {
		t.Fatal(err)
	}
	c := &results.Capacity{Design: results.CapacityDesign{Width: 0.1, Soak: 60}}
	for ; ; left -= 10 {
		step := s.Next(left)
		if step.Kind == capacity.Over {
			return c, s
		}
		trial := try(step)
		trial.Kind, trial.Rate = results.TrialSearch, step.Rate
		if step.Kind == capacity.Soak {
			trial.Kind = results.TrialSoak
		}
		c.Trials = append(c.Trials, trial)
		s.Add(step, capacity.Seen{Bad: trial.Bad, Excess: trial.Excess, Veto: trial.Veto != "", Limit: trial.Limit})
	}
}

// goodUpTo is a trial that is good up to a rate.
func goodUpTo(limit float64) func(step capacity.Step) results.CapacityTrial {
	return func(step capacity.Step) results.CapacityTrial {
		bad := step.Rate > limit
		trial := results.CapacityTrial{
			Bad: bad, P95: 10 / max(0.01, 1-step.Rate/1000), Requests: 1000,
			Values: []results.Value{{Objective: "http_req_duration: p(95)<50", Actual: 10, Samples: 1000, Holds: !bad}},
		}
		if bad {
			trial.Crossed, trial.Values[0].Actual = []string{"http_req_duration: p(95)<50"}, 60
		}
		return trial
	}
}

// searched is a capacity whose trials are good up to a rate.
func searched(t *testing.T, limit float64, veto func(rate float64) bool) (*results.Capacity, *capacity.Search) {
	t.Helper()
	return searchWith(t, 600, func(step capacity.Step) results.CapacityTrial {
		trial := goodUpTo(limit)(step)
		if veto(step.Rate) {
			trial.Veto, trial.Limit = "the generator itself was late", true
		}
		return trial
	})
}

func TestConcludeCapacity(t *testing.T) {
	never := func(float64) bool { return false }
	objectives := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}
	for name, c := range map[string]struct {
		limit   float64
		veto    func(float64) bool
		require float64
		want    results.Outcome
		reason  string
	}{
		"found":             {700, never, 0, results.Pass, ""},
		"enough":            {700, never, 600, results.Pass, ""},
		"not enough":        {700, never, 800, results.Fail, "800/s are required"},
		"never good":        {0, never, 0, results.Unresolved, "no trial was good"},
		"never good enough": {0, never, 100, results.Fail, "100/s are required"},
		"generator": {
			5000, func(r float64) bool { return r > 500 }, 0, results.Unresolved,
			"the generator was the limit",
		},
		"generator, enough": {
			5000, func(r float64) bool { return r > 500 }, 300, results.Pass,
			"the generator was the limit",
		},
		"busy":           {700, func(float64) bool { return true }, 0, results.Invalid, "say nothing"},
		"busy, required": {700, func(float64) bool { return true }, 10, results.Invalid, "say nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			got, s := searched(t, c.limit, c.veto)
			got.Design.Require = c.require
			if err := ConcludeCapacity(got, s, objectives); err != nil {
				t.Fatal(err)
			}
			if got.Outcome != c.want || !strings.Contains(strings.Join(got.Reasons, "; "), c.reason) ||
				got.Valid != (c.reason == "" || name == "not enough") {
				t.Errorf("%s, %v, %q, %+v; want %s, %q", got.Outcome, got.Valid, got.Reasons, got.Rate, c.want,
					c.reason)
			}
		})
	}
	got, s := searched(t, 700, never)
	if err := ConcludeCapacity(got, s, objectives); err != nil {
		t.Fatal(err)
	}
	if got.Binding != "http_req_duration: p(95)<50" || got.Bound != string(capacity.Unknown) || got.Knee < 400 ||
		got.Knee > 700 || !got.Proven {
		t.Errorf("%+v", got)
	}
	looser := false
	for _, w := range got.WhatIf {
		looser = looser || w.Objective == "http_req_duration: p(95)<100" && w.AtLeast
		if w.Objective == "http_req_duration: p(95)<50" && *w.Rate != *got.Rate {
			t.Errorf("of its own limit %+v, and the capacity is %+v", *w.Rate, *got.Rate)
		}
	}
	if !looser {
		t.Errorf("%+v", got.WhatIf)
	}
}

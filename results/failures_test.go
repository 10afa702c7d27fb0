package results

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// TestNothingSucceeded: a run or a scenario of which no request succeeded has failed, whatever its thresholds look at.
func TestNothingSucceeded(t *testing.T) {
	failing := func(names ...string) func(*Measurements) {
		return func(m *Measurements) {
			for _, s := range m.Series {
				for _, name := range names {
					if s.Scenario == name || s.Scenario+"/"+s.Name == name {
						s.Failed = s.Requests
					}
				}
			}
		}
	}
	// one selects by "tag:value", or all
	one := func(metric, aggregation, op string, limit float64, selector string) []scenarios.Threshold {
		th := threshold(metric, aggregation, op, limit)
		if tag, value, some := strings.Cut(selector, ":"); some {
			th.Selector = map[string]string{tag: value}
		}
		return []scenarios.Threshold{th}
	}
	for name, tt := range map[string]struct {
		thresholds []scenarios.Threshold
		change     func(*Measurements)
		want       Outcome
		failed     string
		none       string
	}{
		"without thresholds":             {nil, failing("warm", "cold"), Fail, "nothing succeeded: all 2100 requests failed", ""},
		"thresholds on something else":   {one("dropped_iterations", "count", "<", 1, ""), failing("warm", "cold"), Fail, "nothing succeeded", ""},
		"a threshold that wants it":      {one("http_req_failed", "rate", ">", 0.5, ""), failing("warm", "cold"), Fail, "nothing succeeded", ""},
		"one scenario":                   {one("http_req_failed", "rate", "<", 0.9, ""), failing("cold"), Fail, "nothing of scenario cold succeeded: all 100 requests failed", ""},
		"one scenario, and it is judged": {one("http_req_failed", "rate", ">", 0.9, "scenario:cold"), failing("cold"), Pass, "", ""},
		"one request":                    {one("http_req_failed", "rate", "<", 0.9, ""), failing("warm/get"), Pass, "", "get of scenario warm: all 1000 requests failed"},
		"one request, and it is judged":  {one("http_req_failed", "rate", ">", 0.9, "name:get"), failing("warm/get"), Pass, "", ""},
		"all but one": {nil, func(m *Measurements) {
			failing("warm", "cold")(m)
			m.Series[0].Failed--
			m.Series[1].Failed--
			m.Series[2].Failed--
		}, Pass, "", ""},
		"and the generator sent too little": {nil, func(m *Measurements) {
			failing("warm", "cold")(m)
			m.Loads[0].Sent = 10
		}, Invalid, "nothing succeeded", ""},
		"nothing was sent": {nil, func(m *Measurements) {
			for _, s := range m.Series {
				s.Requests, s.Failed = 0, 0
			}
		}, Invalid, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := measured()
			for _, other := range []string{"warm/put", "cold/get2"} {
				s := *m.Series[0]
				s.Scenario, s.Name, _ = strings.Cut(other, "/")
				if s.Failed = 0; s.Scenario == "cold" {
					s.Requests = 100
				}
				s.Tags = map[string]string{"scenario": s.Scenario, "name": s.Name}
				m.Series = append(m.Series, &s)
			}
			cold := *m.Loads[0]
			cold.Scenario = "cold"
			m.Loads = append(m.Loads, &cold)
			tt.change(m)
			v, err := Judge(m, tt.thresholds)
			if err != nil || v.Outcome != tt.want || (len(v.Failed) > 0) != (tt.failed != "") || !strings.Contains(strings.Join(v.Failed, "\n"), tt.failed) {
				t.Errorf("%s, failed %q, invalid %q, %v; want %s, %q", v.Outcome, v.Failed, v.Invalid, err, tt.want, tt.failed)
			}
			if (len(v.NoneSucceeded) > 0) != (tt.none != "") || !strings.Contains(strings.Join(v.NoneSucceeded, "\n"), tt.none) {
				t.Errorf("of which none succeeded: %q, want %q", v.NoneSucceeded, tt.none)
			}
			run := &Run{Shards: []ShardRun{{}}, Measurements: *m}
			if err := JudgeMerged(run, tt.thresholds); err != nil || run.Verdict.Outcome != tt.want {
				t.Errorf("merged: %s, %v", run.Verdict.Outcome, err)
			}
		})
	}
}

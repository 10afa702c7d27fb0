package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestNothingSucceeded: a run or a scenario of which no request succeeded has failed, whatever its thresholds look at.
func TestNothingSucceeded(t *testing.T) {
	failing := func(names ...string) func(*results.Measurements) {
		return func(m *results.Measurements) {
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
		change     func(*results.Measurements)
		want       results.Outcome
		failed     string
		none       string
	}{
		"without thresholds": {
			nil, failing("warm", "cold"), results.Fail,
			"nothing succeeded: all 2100 requests failed", "",
		},
		"thresholds on something else": {
			one("dropped_iterations", "count", "<", 1, ""), failing("warm", "cold"),
			results.Fail, "nothing succeeded", "",
		},
		"a threshold that wants it": {
			one("http_req_failed", "rate", ">", 0.5, ""), failing("warm", "cold"),
			results.Fail, "nothing succeeded", "",
		},
		"one scenario": {
			one("http_req_failed", "rate", "<", 0.9, ""), failing("cold"), results.Fail,
			"nothing succeeded in scenario cold: all 100 requests failed", "",
		},
		"one scenario, and it is judged": {
			one("http_req_failed", "rate", ">", 0.9, "scenario:cold"), failing("cold"),
			results.Pass, "", "every request named get2 of scenario cold failed (100 of 100)",
		},
		"one request": {
			one("http_req_failed", "rate", "<", 0.9, ""), failing("warm/get"),
			results.Pass, "", "every request named get of scenario warm failed (1000 of 1000)",
		},
		"one request, and it is judged": {
			one("http_req_failed", "rate", ">", 0.9, "name:get"), failing("warm/get"),
			results.Pass, "", "every request named get of",
		},
		"all but one": {nil, func(m *results.Measurements) {
			failing("warm", "cold")(m)
			m.Series[0].Failed--
			m.Series[1].Failed--
			m.Series[2].Failed--
		}, results.Pass, "", ""},
		"and the generator sent too little": {nil, func(m *results.Measurements) {
			failing("warm", "cold")(m)
			m.Loads[0].Sent = 10
		}, results.Invalid, "nothing succeeded", ""},
		"nothing was sent": {nil, func(m *results.Measurements) {
			for _, s := range m.Series {
				s.Requests, s.Failed = 0, 0
			}
		}, results.Invalid, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := measured()
			for _, other := range []string{"warm/put", "cold/get2"} {
				s := *m.Series[0]
				s.Scenario, s.Name, _ = strings.Cut(other, "/")
				s.Failed = 0
				if s.Scenario == "cold" {
					s.Requests = 100
				}
				s.Tags = map[string]string{"scenario": s.Scenario, "name": s.Name}
				m.Series = append(m.Series, &s)
			}
			cold := *m.Loads[0]
			cold.Scenario = "cold"
			m.Loads = append(m.Loads, &cold)
			tt.change(m)
			v, err := Run(m, tt.thresholds)
			if err != nil || v.Outcome != tt.want || (len(v.Failed) > 0) != (tt.failed != "") ||
				!strings.Contains(strings.Join(v.Failed, "\n"), tt.failed) {
				t.Errorf("%s, failed %q, invalid %q, %v; want %s, %q", v.Outcome, v.Failed, v.Invalid, err, tt.want,
					tt.failed)
			}
			if (len(v.NoneSucceeded) > 0) != (tt.none != "") ||
				!strings.Contains(strings.Join(v.NoneSucceeded, "\n"), tt.none) {
				t.Errorf("of which none succeeded: %q, want %q", v.NoneSucceeded, tt.none)
			}
			run := &results.Run{Shards: []results.ShardRun{{}}, Measurements: *m}
			if err := Merged(run, nil, tt.thresholds); err != nil || run.Verdict.Outcome != tt.want {
				t.Errorf("merged: %s, %v", run.Verdict.Outcome, err)
			}
		})
	}
}

// TestLateGeneratorExplainsNoFailures: that the generator was late makes times worthless, and no service answer 500.
// What failed beyond what its lateness can have caused has failed.
func TestLateGeneratorExplainsNoFailures(t *testing.T) {
	late := func(m *results.Measurements, of int) { // of 1000 requests
		m.Loads[0].OwnLag = results.NewHistogram()
		for i := range 1000 {
			m.Loads[0].OwnLag.Record(map[bool]time.Duration{true: time.Second}[i < of])
		}
	}
	fail := func(m *results.Measurements, class string, n int64) {
		s := m.Series[0]
		s.Failed, s.Errors = n, map[string]int64{class: n}
		s.Checks = []results.Check{{Name: "ok", Passed: s.Requests - n, Failed: n}}
	}
	failed, ok := threshold("http_req_failed", "rate", "<", 0.01), threshold("checks", "rate", ">", 0.9)
	slow, rare := threshold("http_req_duration", "p95", "<", 100), threshold("http_req_duration", "p99.99", "<", 2000)
	none := []scenarios.Threshold{}
	for name, tt := range map[string]struct {
		thresholds []scenarios.Threshold
		change     func(*results.Measurements)
		want       results.Outcome
		states     string // of the gates: held, crossed or unresolved
	}{
		"all 500": {
			none,
			func(m *results.Measurements) { fail(m, "status 500", 1000); late(m, 600) }, results.Fail, "",
		},
		"all 500, with gates": {
			[]scenarios.Threshold{failed, slow, ok},
			func(m *results.Measurements) { fail(m, "status 500", 1000); late(m, 600) }, results.Fail, "cuc",
		},
		"all 500, too few for a P99.99": {
			[]scenarios.Threshold{rare},
			func(m *results.Measurements) { fail(m, "status 500", 1000) }, results.Fail, "u",
		},
		"all refused": {
			none,
			func(m *results.Measurements) { fail(m, "connection refused", 1000); late(m, 600) }, results.Fail, "",
		},
		"all timed out": {
			none,
			func(m *results.Measurements) { fail(m, results.ErrorTimeout, 1000); late(m, 600) }, results.Invalid, "",
		},
		"all 500, out of ports": {
			none,
			func(m *results.Measurements) { fail(m, "status 500", 1000); m.Loads[0].OutOfPorts = 1 },
			results.Invalid, "",
		},
		"all 500, a server of ours died": {none, func(m *results.Measurements) {
			fail(m, "status 500", 1000)
			late(m, 600)
			m.Incidents = []results.Incident{{}}
		}, results.Invalid, ""},
		"all 500, hardly any was sent": {
			none,
			func(m *results.Measurements) { fail(m, "status 500", 1000); late(m, 600); m.Loads[0].Sent = 10 },
			results.Invalid, "",
		},
		"half refused": {
			[]scenarios.Threshold{failed, ok, slow},
			func(m *results.Measurements) { fail(m, "connection refused", 458); late(m, 100) }, results.Fail, "ccu",
		},
		"half refused, as many late": {
			[]scenarios.Threshold{failed, ok},
			func(m *results.Measurements) { fail(m, "connection refused", 458); late(m, 600) }, results.Invalid, "cc",
		},
		"half timed out": {
			[]scenarios.Threshold{failed},
			func(m *results.Measurements) { fail(m, results.ErrorTimeout, 458); late(m, 100) }, results.Invalid, "c",
		},
		"a limit that it might reach": {
			[]scenarios.Threshold{threshold("http_req_failed", "rate", "<", 0.4)},
			func(m *results.Measurements) { fail(m, "status 503", 458); late(m, 100) }, results.Invalid, "c",
		},
		"few failed": {
			[]scenarios.Threshold{threshold("http_req_failed", "rate", "<", 0.5)},
			func(m *results.Measurements) { fail(m, "status 503", 458); late(m, 100) }, results.Invalid, "h",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := measured()
			tt.change(m)
			v, err := Run(m, tt.thresholds)
			states := ""
			for _, g := range v.Gates {
				switch {
				case g.Passed:
					states += "h"
				case g.Unresolved:
					states += "u"
				default:
					states += "c"
				}
			}
			if err != nil || v.Outcome != tt.want || states != tt.states ||
				(v.Outcome == results.Fail) == (len(v.Invalid) > 0) {
				t.Errorf("%s, gates %q, invalid %q, %v; want %s, %q", v.Outcome, states, v.Invalid, err, tt.want,
					tt.states)
			}
			warned := strings.Join(v.Warnings, "\n")
			if strings.Contains(warned, "the response times cannot be trusted: ") != (tt.want == results.Fail) {
				t.Errorf("warns %q", v.Warnings)
			}
			if len(v.Failed) > 0 && (strings.Contains(warned, "nothing was judged") ||
				strings.Contains(warned, "no threshold on")) {
				t.Errorf("nothing succeeded, and it warns %q", v.Warnings)
			}
		})
	}
}

package main

import (
	"encoding/json"
	"testing"
)

// TestFlow runs the shipped flow against the reference server: every step needs what the ones before it brought.
func TestFlow(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"wire", "vegeta"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			p := headroom(t, "run", "flow.yaml", "--provider", "process", "--json", "--set",
				"environment.fixtures.resources=500",
				"--set", "scenarios.users.duration=3s", "--set", "scenarios.users.warmup=0s", "--set", "engine="+engine,
				"--set", "thresholds.http_req_duration{flow:life_of_a_resource}=p(95)<5000")
			// whether it is valid depends on what else the machine does
			if err := p.Run(); err != nil && p.ProcessState.ExitCode() < 0 {
				t.Fatal(err)
			}
			var summary struct {
				Scenarios []struct {
					Requests []struct {
						Name             string
						Requests, Failed int64
						Checks           []struct{ Passed, Failed int64 }
					} `json:"by_request"`
				}
			}
			if err := json.Unmarshal(p.stdout.Bytes(), &summary); err != nil {
				t.Fatal(err)
			}
			steps := summary.Scenarios[0].Requests
			if len(steps) != 5 || len(steps[1].Checks) != 3 {
				t.Fatalf("steps %+v", steps)
			}
			for _, s := range steps {
				if s.Requests != 60 || s.Failed != 0 {
					t.Errorf("%s: %d requests, %d failed", s.Name, s.Requests, s.Failed)
				}
				for _, c := range s.Checks {
					if c.Passed != 60 || c.Failed != 0 {
						t.Errorf("%s: check %+v", s.Name, c)
					}
				}
			}
			says(t, p.stderr.String(), "Checks (share of the responses that passed)", "has the id")
		})
	}
}

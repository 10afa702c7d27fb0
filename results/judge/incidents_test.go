package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestIncidentsMakeARunInvalid: a server that died unasked does, even where no threshold is crossed.
func TestIncidentsMakeARunInvalid(t *testing.T) {
	m := &results.Measurements{Series: []*results.Series{{
		Scenario: "s", Requests: 1, Response: results.NewHistogram(),
		Service: results.NewHistogram(),
	}}}
	v, err := Run(m, nil)
	if err != nil || v.Outcome != results.Pass {
		t.Fatalf("without: %+v, %v", v, err)
	}
	m.Incidents = []results.Incident{{At: 4.25, Text: "the cache: process 7 ended: signal: killed"}}
	v, err = Run(m, nil)
	if err != nil || v.Outcome != results.Invalid || len(v.Invalid) != 1 ||
		!strings.HasPrefix(v.Invalid[0], "the cache: process 7 ended: signal: killed (seen 4.2 s after the start") {
		t.Errorf("with one: %+v, %v", v, err)
	}
}

func TestAFaultThatFailedMakesTheRunInvalid(t *testing.T) {
	m := measured()
	m.Marks = []results.Mark{{Text: "kill cache", Due: 5, Begun: 5, Done: 5}}
	if v, err := Run(m, nil); err != nil || v.Outcome != results.Pass {
		t.Errorf("with a fault that happened: %+v, %v", v, err)
	}
	m.Marks[0].Error = "gone already"
	if v, err := Run(m, nil); err != nil || v.Outcome != results.Invalid {
		t.Errorf("with a fault that failed: %+v, %v", v, err)
	}
}

package results

import (
	"strings"
	"testing"
)

// TestIncidentsMakeARunInvalid: a server that died unasked does, even where no threshold is crossed.
func TestIncidentsMakeARunInvalid(t *testing.T) {
	m := &Measurements{Series: []*Series{{Scenario: "s", Requests: 1, Response: NewHistogram(), Service: NewHistogram()}}}
	v, err := Judge(m, nil)
	if err != nil || v.Outcome != Pass {
		t.Fatalf("without: %+v, %v", v, err)
	}
	m.Incidents = []Incident{{At: 4.25, Text: "the cache: process 7 ended: signal: killed"}}
	v, err = Judge(m, nil)
	if err != nil || v.Outcome != Invalid || len(v.Invalid) != 1 ||
		!strings.HasPrefix(v.Invalid[0], "the cache: process 7 ended: signal: killed (seen 4.2 s after the start") {
		t.Errorf("with one: %+v, %v", v, err)
	}
}

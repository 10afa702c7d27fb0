package results

import (
	"reflect"
	"testing"
)

// TestCauses: the reasons of all stages of a request are one, the most frequent is the first, and a skipped step says
// where its flow broke.
func TestCauses(t *testing.T) {
	flow := map[string]string{"flow": "session"}
	m := &Measurements{Series: []*Series{
		{
			Scenario: "s", Name: "home", Errors: map[string]int64{"timeout": 2, "TLS": 2},
			ErrorSamples: map[string]string{"TLS": "x509: expired"},
		},
		{
			Scenario: "s", Name: "login", Stage: "low", Tags: flow,
			Errors: map[string]int64{"extraction failed: token": 3},
		},
		{
			Scenario: "s", Name: "login", Expected: "201, 204", Stage: "high", Tags: flow,
			Errors:       map[string]int64{"extraction failed: token": 4, "status 403": 1},
			ErrorSamples: map[string]string{"extraction failed: token": "no $.token"},
		},
		{Scenario: "s", Name: "buy", Stage: "low", Tags: flow, Skipped: 3},
		{Scenario: "s", Name: "buy", Stage: "high", Tags: flow, Skipped: 5, Errors: map[string]int64{"timeout": 1}},
		{Scenario: "s", Name: "pay", Tags: flow, Skipped: 9},
		{Scenario: "other", Name: "login", Errors: map[string]int64{"status 500": 5}},
	}}
	token := Cause{"s", "login", "extraction failed: token", 7, "", "no $.token"}
	forbidden, late := Cause{"s", "login", "status 403", 1, "201, 204", ""}, Cause{"s", "buy", "timeout", 1, "", ""}
	want := []Cause{
		token,
		{"other", "login", "status 500", 5, "", ""},
		{"s", "home", "TLS", 2, "", "x509: expired"},
		{"s", "home", "timeout", 2, "", ""},
		forbidden, late,
	}
	if got := m.Causes(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	skips := []Skip{{"s", "buy", 8, []Cause{token, forbidden}}, {"s", "pay", 9, []Cause{token, forbidden, late}}}
	if got := m.Skips(); !reflect.DeepEqual(got, skips) {
		t.Errorf("got  %+v\nwant %+v", got, skips)
	}
	if got := (&Measurements{Series: []*Series{{Name: "old", Skipped: 1}}}).Skips(); len(got) != 1 ||
		len(got[0].Causes) != 0 {
		t.Errorf("without a flow: %+v", got)
	}
}

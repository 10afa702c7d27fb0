package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestScreenWithoutAnswers: a second in which nothing was answered has no times.
func TestScreenWithoutAnswers(t *testing.T) {
	for _, tt := range []struct {
		last results.Point
		want string
	}{
		{results.Point{Requests: 20, Failed: 20}, "P50           –  P95           –  "},
		{results.Point{Requests: 20, P50: 1.234, P95: 5.6, Max: 7}, "P50     1.23 ms  P95     5.60 ms  "},
	} {
		var b bytes.Buffer
		s := newScreen(&b, &scenarios.Plan{})
		s.shown = -plainEvery
		s.show(loadgen.Progress{Scenarios: []loadgen.ScenarioProgress{{
			Name: "s", State: loadgen.Measuring,
			Last: tt.last,
		}}})
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("%q, want %q", b.String(), tt.want)
		}
	}
}

package judge

import (
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestSecondsAreOfAllInstances: what is saved of each second says nothing of one instance, and all of a request.
func TestSecondsAreOfAllInstances(t *testing.T) {
	m := &results.Measurements{
		Loads:  []*results.Load{{Scenario: "s", MeasuredTo: 2}},
		Points: []results.Point{{Scenario: "s", Request: "a", Requests: 5}, {Scenario: "s", Request: "a", Second: 1}},
	}
	for _, tags := range []map[string]string{
		{"name": "a"},
		{"name": "a", "instance": "1"},
		{"name": "a", "instance": "2"},
	} {
		m.Series = append(m.Series, &results.Series{
			Scenario: "s", Name: tags["name"], Instance: len(m.Series),
			Tags: tags,
		})
	}
	m.Series = append(m.Series, &results.Series{Scenario: "s", Name: "b", Tags: map[string]string{"name": "b"}})
	for name, c := range map[string]struct {
		selector map[string]string
		blocks   int
	}{
		"all":            {nil, 2},
		"one request":    {map[string]string{"name": "a"}, 2},
		"one instance":   {map[string]string{"instance": "1"}, 0},
		"without others": {map[string]string{"name": "b"}, 2},
	} {
		if got := len(blocksOf(m, m.Select(c.selector))); got != c.blocks {
			t.Errorf("%s: %d blocks, want %d", name, got, c.blocks)
		}
	}
}

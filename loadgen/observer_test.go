package loadgen

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestObserverAndFailedSnapshots: a view that does not reach the end of its window is none, and one without the figures
// of the endpoint of metrics has none of a part of the window.
func TestObserverAndFailedSnapshots(t *testing.T) {
	t.Parallel()
	plan := planOf(scenarios.Scenario{Name: "a", Load: scenarios.ConstantRate{Rate: 10, Duration: 2 * time.Second}})
	b := plan.Scenarios[0]
	b.Name, b.StartTime = "b", time.Second
	plan.Scenarios = append(plan.Scenarios, b)
	var runs []*scenarioRun
	for i := range plan.Scenarios {
		one, err := newScenarioRun(plan, &plan.Scenarios[i], &Options{})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, one)
	}
	start := time.Now()
	for name, tt := range map[string]struct {
		fails, unread int // the snapshot, from 0, of the edges at 0, 1, 2 and 3 s
		views         []string
		figures       []string // the views that have them
	}{
		"none fails":             {-1, -1, []string{"", "a", "b"}, []string{"", "a", "b"}},
		"the second fails":       {1, -1, nil, nil},
		"the last fails":         {3, -1, []string{"a"}, []string{"a"}},
		"the last has no metric": {-1, 3, []string{"", "a", "b"}, []string{"a"}},
	} {
		taken := 0
		o := newObserver(runs, func(context.Context) (results.Snapshot, error) {
			n := taken
			taken++
			s := results.Snapshot{
				At:      start.Add(time.Duration(n) * time.Second),
				Figures: results.Figures{"x": {Name: "x", Value: float64(n)}},
			}
			switch n {
			case tt.fails:
				return s, errors.New("no answer")
			case tt.unread:
				s.Figures, s.NoFigures = nil, errors.New("no metrics")
			}
			return s, nil
		})
		for edge, last := o.next(); !last && o.take(t.Context(), edge); edge, last = o.next() {
		}
		views, warnings := o.finish(t.Context())
		var told, figures []string
		for _, v := range views {
			told = append(told, v.Scenario)
			if v.Figures != nil {
				figures = append(figures, v.Scenario)
			}
		}
		if !slices.Equal(told, tt.views) || !slices.Equal(figures, tt.figures) ||
			(len(warnings) > 0) != (tt.fails+tt.unread > -2) {
			t.Errorf("%s: views of %q, figures of %q, warnings %q", name, told, figures, warnings)
		}
	}
}

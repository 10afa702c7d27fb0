package judge

import (
	"reflect"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestSavedRun judges again a run that version 1 of the format saved, with time blocks, seconds and stages: every gate
// comes out as it was saved, and in a comparison with itself nothing changed.
func TestSavedRun(t *testing.T) {
	saved, err := results.Read("testdata/saved")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := saved.Scenario.Plan()
	if err != nil {
		t.Fatal(err)
	}
	v, err := Run(&saved.Measurements, plan.Thresholds)
	if err != nil || v.Outcome != saved.Verdict.Outcome || len(v.Gates) != 19 || len(saved.Verdict.Gates) != 19 {
		t.Fatalf("%s and %d gates, saved %s and %d, %v", v.Outcome, len(v.Gates), saved.Verdict.Outcome,
			len(saved.Verdict.Gates), err)
	}
	for i, want := range saved.Verdict.Gates {
		got := v.Gates[i]
		got.Threshold.Line, got.Threshold.Column = 0, 0 // not saved
		got.Margin, got.Best = want.Margin, want.Best   // defined otherwise when it was saved
		got.Reason = want.Reason                        // words
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v %+v %+v\nwant %+v %+v %+v", got, got.Interval, got.Window, want, want.Interval,
				want.Window)
		}
	}
	c, err := ComparePair(saved, saved)
	if err != nil || len(c.Gates) != 19 || len(c.Figures) != 12 {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, f := range c.Figures {
		if !f.Comparable || f.Differs {
			t.Errorf("%s %s: %+v", f.Request, f.Figure, f.Difference)
		}
	}
}

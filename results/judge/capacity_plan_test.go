package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// TestForecastOfBounds: a plan is made from what is known. Of a capacity of at least 475/s, at most so many instances
// are needed as 475/s need; of one that is below a rate or not valid, nothing is said.
func TestForecastOfBounds(t *testing.T) {
	known := capacity.Interval{Low: 475, Middle: 730, High: 1040}
	for name, c := range map[string]struct {
		change func(c *results.Capacity)
		n      [3]int // low, middle, high; 0: none
		atMost bool
		why    string
	}{
		"known":    {func(*results.Capacity) {}, [3]int{1, 2, 3}, false, ""},
		"at least": {func(c *results.Capacity) { c.AtLeast = true }, [3]int{3, 3, 3}, true, ""},
		"at most":  {func(c *results.Capacity) { c.AtMost = true }, [3]int{}, false, "held at no rate"},
		"invalid":  {func(c *results.Capacity) { c.Outcome = results.Invalid }, [3]int{}, false, "is not known"},
		"nothing":  {func(c *results.Capacity) { c.Rate = nil }, [3]int{}, false, "is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			rate := known
			got := &results.Capacity{
				Rate: &rate, Outcome: results.Pass, RequestsPerIteration: 5,
				Plan: results.PlanRecord{Use: 1, Price: 0.36, Measured: 1},
			}
			c.change(got)
			if err := Forecast(got, []float64{1000}); err != nil {
				t.Fatal(err)
			}
			if c.why != "" {
				if len(got.Forecast) > 0 || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], c.why) {
					t.Errorf("%+v, %q", got.Forecast, got.Warnings)
				}
				return
			}
			f := got.Forecast[0]
			if [3]int{f.Low, f.Instances, f.High} != c.n || f.AtMost != c.atMost || len(got.Warnings) > 0 {
				t.Errorf("%+v, %q", f, got.Warnings)
			}
			// 0.36 an hour and instance, and 5000 requests a second, which are 18 million an hour
			if !near(f.CostHigh, 0.02*float64(f.High)) {
				t.Errorf("%+v", f)
			}
		})
	}
	if c := (&results.Capacity{}); Forecast(c, nil) != nil || len(c.Warnings) > 0 || c.Forecast == nil {
		t.Errorf("nothing was asked for: %+v", c)
	}
}

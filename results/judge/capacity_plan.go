package judge

import (
	"fmt"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// Forecast completes a capacity that was concluded by how many instances each of the rates needs, in iterations per
// second. What cannot be planned is a warning.
func Forecast(c *results.Capacity, rates []float64) error {
	c.Forecast = []capacity.Forecast{}
	if len(rates) == 0 {
		return nil
	}
	with, why := plannedWith(c)
	if why != "" {
		c.Warnings = append(c.Warnings, "no forecast: "+why)
		return nil
	}
	scaling, err := ScalingOf(c)
	if err != nil {
		return err
	}
	plan := capacity.Plan{
		Use: c.Plan.Use, Spare: c.Plan.Spare, Price: c.Plan.Price, Requests: c.RequestsPerIteration,
	}
	for _, rate := range rates {
		f, err := plan.Forecast(rate, with, scaling)
		if err != nil {
			c.Warnings = append(c.Warnings, fmt.Sprintf("no forecast for %s: %v", scenarios.PerSecond(rate), err))
			continue
		}
		f.AtMost = c.AtLeast
		c.Forecast = append(c.Forecast, f)
	}
	return nil
}

// plannedWith is the capacity to plan with: where it is known only to be at least a rate, that one. why says why there
// is none.
func plannedWith(c *results.Capacity) (with capacity.Interval, why string) {
	switch {
	case c.Outcome == results.Invalid, c.Rate == nil:
		return with, "the capacity is not known"
	case c.AtMost:
		return with, "the objectives held at no rate that was tried"
	case c.AtLeast:
		return capacity.Interval{Low: c.Rate.Low, Middle: c.Rate.Low, High: c.Rate.Low}, ""
	}
	return *c.Rate, ""
}

// ScalingOf is what a capacity says of how more instances scale.
func ScalingOf(c *results.Capacity) (capacity.Scaling, error) {
	s := capacity.Scaling{Measured: c.Plan.Measured, Shared: c.Plan.Shared}
	if c.InstanceLaw == nil {
		return s, nil
	}
	var err error
	s.Law, err = capacity.FitWithInterval(c.InstanceLaw.Samples)
	if err != nil {
		return s, fmt.Errorf("fit the law over instances: %w", err)
	}
	return s, nil
}

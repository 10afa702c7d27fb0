package record

import (
	"time"

	"github.com/policycortex/headroom/results"
)

// IsSteady says whether a scenario that is warming up has been steady over the last full seconds.
func (c *Collector) IsSteady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.warming.Unsteady()) == 0
}

// EndWarmup has the measured window begin at an instant since the scenario's start that is still to come.
func (c *Collector) EndWarmup(from time.Duration) {
	limit := c.timing.Window.Begin()
	c.MeasureFrom(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load.Warmup = &results.Warmup{Limit: limit.Seconds(), Seconds: from.Seconds(), Ended: results.WarmupSteady}
}

// MeasureFrom moves the measured window.
func (c *Collector) MeasureFrom(from time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.Window.Move(from, c.timing.Schedule)
	c.load.MeasuredFrom = (c.scenario.StartTime + c.timing.Window.Begin()).Seconds()
	c.load.MeasuredTo = (c.scenario.StartTime + c.timing.Window.End()).Seconds()
	for _, t := range c.thresholds {
		t.bound(c.load)
	}
}

// warm takes in a second of the warm-up that has been flushed.
func (c *Collector) warm(p results.Point, loops []*second) {
	if c.load.Warmup != nil || float64(p.Second) < c.scenario.StartTime.Seconds() ||
		float64(p.Second+1) > c.load.MeasuredFrom || p.Partial {
		return
	}
	var hits, answers int64
	for _, s := range loops {
		hits += s.earlyHits
		answers += s.earlyCacheAnswers
	}
	c.warming.Add(p, hits, answers)
}

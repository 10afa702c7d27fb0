package arrival

import (
	"math"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Ramp is how many users a load has at each instant, over all shards. Within a stage the number changes linearly, and
// is a whole one: a user comes when the line reaches its number, and goes when the line reaches the number without it,
// so that a stage ends with its target. So does k6.
type Ramp struct {
	start  int
	stages []scenarios.Stage
}

// NewRamp returns that of a load; nil when its users are always as many.
func NewRamp(load scenarios.Load) *Ramp {
	ramping, ok := load.(scenarios.RampingUsers)
	if !ok {
		return nil
	}
	return &Ramp{ramping.StartVUs, ramping.Stages}
}

// stageAt is the stage at an instant: how many users it leads from and to, when it began, and how long it lasts; 0: the
// last one is over.
func (r *Ramp) stageAt(now time.Duration) (from, to float64, began, length time.Duration) {
	to = float64(r.start)
	for _, stage := range r.stages {
		from, to = to, stage.Target
		if now < began+stage.Duration {
			return from, to, began, stage.Duration
		}
		began += stage.Duration
	}
	return to, to, began, 0
}

// users are those of a shard at an instant.
func (r *Ramp) users(now time.Duration, shard Shard) int {
	from, to, began, length := r.stageAt(now)
	all := int(to)
	if length > 0 {
		passed := float64(now-began) / float64(length)
		switch at := from + (to-from)*passed; {
		case to >= from:
			all = int(math.Floor(at + roundOff))
		default:
			all = int(math.Ceil(at - roundOff))
		}
	}
	return Share(all, int(shard.Index), int(shard.Count))
}

// change is the first instant after now at which the number may change; [Never] when it stays.
func (r *Ramp) change(now time.Duration) time.Duration {
	from, to, began, length := r.stageAt(now)
	if length == 0 {
		return Never
	}
	end := began + length
	if from == to {
		return end
	}
	perUser := float64(length) / math.Abs(to-from)
	reached := math.Floor(float64(now-began)/perUser + roundOff)
	at := began + time.Duration(math.Ceil((reached+1)*perUser))
	return min(max(at, now+time.Microsecond), end)
}

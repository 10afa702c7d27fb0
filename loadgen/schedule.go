package loadgen

import (
	"math"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// schedule is the arrival process of an open scenario, as pure arithmetic: iteration n = 0, 1, 2, … is meant to be sent
// at(n) after the scenario's start, whatever the system answers.
//
// The rate is piecewise linear in time. Let L(t) be the integral of the rate from 0 to t, that is the number of
// arrivals until t. Then at(n) is the smallest t with L(t) = n. Within a stage that begins at time s with rate a
// (per second), changes by k per second squared and has seen c arrivals before it,
//
//	L(s+x) = c + a·x + k·x²/2
//
// which, solved for x with y = n - c in the form that loses no digits where k is near 0, gives
//
//	x = 2y / (a + √(a² + 2·k·y))
//
// A constant rate is one stage with k = 0, where x = y/a.
type schedule struct {
	stages []ramp
	end    float64 // seconds
	total  int64   // arrivals before the end
}

// ramp is a stage of a schedule: seconds, arrivals per second, arrivals.
type ramp struct {
	start, length float64
	rate, slope   float64
	before, here  float64 // arrivals before the stage and in it
}

// roundOff is the share of one arrival by which floating-point sums may miss a whole number.
const roundOff = 1e-6

// newSchedule returns the schedule of a scenario with an arrival-rate executor.
func newSchedule(s scenarios.Scenario) schedule {
	unit := s.TimeUnit.Seconds()
	if s.Executor == scenarios.ConstantArrivalRate {
		rate := s.Rate / unit
		return rampsOf(rate, []scenarios.Stage{{Target: rate, Duration: s.Duration}}, 1)
	}
	return rampsOf(s.StartRate/unit, s.Stages, unit)
}

func rampsOf(rate float64, stages []scenarios.Stage, unit float64) schedule {
	var sc schedule
	var arrivals float64
	for _, st := range stages {
		to, length := st.Target/unit, st.Duration.Seconds()
		if length == 0 { // a jump of the rate
			rate = to
			continue
		}
		here := (rate + to) / 2 * length
		sc.stages = append(sc.stages, ramp{sc.end, length, rate, (to - rate) / length, arrivals, here})
		sc.end += length
		arrivals += here
		rate = to
	}
	sc.total = int64(math.Ceil(arrivals - roundOff))
	return sc
}

// at is the intended instant of iteration n, 0 <= n < total, counted from the scenario's start.
func (s *schedule) at(n int64) time.Duration {
	for i := range s.stages {
		st := &s.stages[i]
		y := float64(n) - st.before
		if y > st.here && i < len(s.stages)-1 {
			continue
		}
		if y <= 0 && (st.here == 0 || y < 0) {
			return seconds(st.start)
		}
		x := 0.0
		if y > 0 {
			x = 2 * y / (st.rate + math.Sqrt(max(0, st.rate*st.rate+2*st.slope*y)))
		}
		return seconds(st.start + min(x, st.length))
	}
	return seconds(s.end)
}

// until is the number of iterations that are meant to be sent before t.
func (s *schedule) until(t time.Duration) int64 {
	lo, hi := int64(0), s.total
	for lo < hi {
		mid := lo + (hi-lo)/2
		if s.at(mid) < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

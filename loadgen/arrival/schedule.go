// Package arrival says when a scenario's iterations are to be sent: arithmetic on offsets from the scenario's start. It
// reads no clock and sends nothing.
package arrival

import (
	"math"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Schedule is the arrival process of an open scenario, as arithmetic: iteration n = 0, 1, 2, … is meant to be sent
// At(n) after the scenario's start, whatever the system answers.
//
// Let L(t) be the integral of the rate from 0 to t, that is the number of arrivals expected until t. A uniform process
// has arrival n at the smallest t with L(t) = n. A Poisson process has it where L reaches the n-th point of a Poisson
// process of rate 1 (the time-rescaling theorem: Brown et al., Neural Computation 14 (2002), 325-346); see poisson. A
// burst process has the arrivals of each group at the instant of its first. A recording has the instants of its file,
// divided by the speed.
//
// Stages are a piecewise linear rate. Within a stage that begins at time s with rate a (per second), changes by k per
// second squared and has seen c arrivals before it,
//
//	L(s+x) = c + a·x + k·x²/2
//
// which, solved for x with y = L - c in the form that loses no digits where k is near 0, gives
//
//	x = 2y / (a + √(a² + 2·k·y))
//
// A constant rate is one stage with k = 0, where x = y/a. For a sine see wave.
type Schedule struct {
	stages   []ramp
	wave     *wave     // in place of stages
	poisson  *poisson  // nil: uniform
	group    int64     // arrivals a burst; 0 or 1: each by itself
	recorded *recorded // in place of all these
	end      float64   // seconds
	total    int64     // arrivals before the end
}

// ramp is a stage of a schedule: seconds, arrivals per second, arrivals.
type ramp struct {
	start, length float64
	rate, slope   float64
	before, here  float64 // arrivals before the stage and in it
}

// roundOff is the share of one arrival by which a floating-point sum may differ from a whole number.
const roundOff = 1e-6

// NewSchedule returns the schedule of a load with an arrival rate; seed is the scenario's. It is nil for a closed load,
// and for a recording, of which [Recorded] and [Steady] make schedules.
func NewSchedule(load scenarios.Load, seed uint64) *Schedule {
	var sc *Schedule
	var arrivals scenarios.Arrivals
	switch l := load.(type) {
	case scenarios.ConstantRate:
		sc, arrivals = constantRate(l.Rate, l.Duration), l.Arrivals
	case scenarios.RampingRate:
		sc, arrivals = rampsOf(l.StartRate, l.Stages), l.Arrivals
	case scenarios.SineRate:
		sc, arrivals = waveOf(wave{l.Rate, l.Amplitude, l.Period.Seconds()}, l.Duration.Seconds()), l.Arrivals
	case scenarios.Bursts:
		sc = constantRate(float64(l.Size)/l.Every.Seconds(), l.Duration)
		sc.group = int64(l.Size)
		// The last group is whole, however little of its interval is left.
		sc.total = (sc.total + sc.group - 1) / sc.group * sc.group
	}
	if arrivals == scenarios.Poisson {
		sc.poisson = newPoisson(seed, sc.expected(sc.end))
		sc.total = sc.poisson.total
	}
	return sc
}

// constantRate is the schedule of a constant rate, in iterations per second.
func constantRate(rate float64, duration time.Duration) *Schedule {
	return rampsOf(rate, []scenarios.Stage{{Target: rate, Duration: duration}})
}

func rampsOf(rate float64, stages []scenarios.Stage) *Schedule {
	sc := &Schedule{}
	var arrivals float64
	for _, st := range stages {
		to, length := st.Target, st.Duration.Seconds()
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

// At is the intended instant of iteration n, 0 <= n < total, counted from the scenario's start.
func (s *Schedule) At(n int64) time.Duration {
	switch {
	case s.recorded != nil:
		return s.recorded.at(n)
	case s.poisson != nil:
		return seconds(s.when(s.poisson.at(n)))
	case s.group > 1:
		n -= n % s.group
	}
	return seconds(s.when(float64(n)))
}

// expected is L(t), the number of arrivals that are expected until t seconds.
func (s *Schedule) expected(t float64) float64 {
	if s.wave != nil {
		return s.wave.expected(t)
	}
	for i := range s.stages {
		if st := &s.stages[i]; t <= st.start+st.length || i == len(s.stages)-1 {
			x := min(max(t-st.start, 0), st.length)
			return st.before + st.rate*x + st.slope*x*x/2
		}
	}
	return 0
}

// when is the smallest t, in seconds, with L(t) = arrivals.
func (s *Schedule) when(arrivals float64) float64 {
	if s.wave != nil {
		return min(s.wave.when(arrivals), s.end)
	}
	for i := range s.stages {
		st := &s.stages[i]
		y := arrivals - st.before
		if y > st.here && i < len(s.stages)-1 {
			continue
		}
		if y <= 0 && (st.here == 0 || y < 0) {
			return st.start
		}
		x := 0.0
		if y > 0 {
			x = 2 * y / (st.rate + math.Sqrt(max(0, st.rate*st.rate+2*st.slope*y)))
		}
		return st.start + min(x, st.length)
	}
	return s.end
}

// Until is the number of iterations that are meant to be sent before t.
func (s *Schedule) Until(t time.Duration) int64 {
	lo, hi := int64(0), s.total
	for lo < hi {
		mid := lo + (hi-lo)/2
		if s.At(mid) < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// Total is the number of iterations of the whole schedule.
func (s *Schedule) Total() int64 { return s.total }

// recorded is the timing of a recording: the instants of its file, divided by the speed.
type recorded struct {
	instant func(n int64) time.Duration
	speed   float64
}

func (r *recorded) at(n int64) time.Duration { return time.Duration(float64(r.instant(n)) / r.speed) }

// Recorded is the schedule of a recording of total requests. instant is when request n was sent, since the beginning of
// the recording; speed divides these times.
func Recorded(instant func(n int64) time.Duration, total int64, speed float64, duration time.Duration) *Schedule {
	return &Schedule{recorded: &recorded{instant, speed}, end: duration.Seconds(), total: total}
}

// Steady is a schedule of total iterations at a constant rate, in iterations per second.
func Steady(rate float64, duration time.Duration, total int64) *Schedule {
	s := constantRate(rate, duration)
	s.total = total
	return s
}

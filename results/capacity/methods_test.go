package capacity

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/policycortex/headroom/results/capacity/queue"
)

// The times of a search, in seconds, as the command capacity has them.
const (
	discardTime, measureTime = 2.5, 6.0
	trialTime                = discardTime + measureTime + 1
	enough                   = 4000 // requests of a trial, or it is up to twice as long
	bracketTime              = 30.0
	soakTime                 = 60.0
	beyondTime               = 20.0
	allTime                  = 480.0
)

// answer is what a method says of a capacity.
type answer struct {
	value, low, high float64
	took             float64
	proven           bool // a soak at the lower end held
}

// find is the search.
func find(q queue.Service, r *rand.Rand) answer {
	longer := min(max(1, enough/(q.Best*measureTime)), 2)
	trial := longer*(discardTime+measureTime) + 1
	s, err := NewSearch(q.Best*(1+0.02*r.NormFloat64()),
		Rule{Width: 0.1, Most: 60, Trial: trial, Soak: soakTime, Beyond: beyondTime})
	if err != nil {
		panic(err)
	}
	at, soaked := bracketTime, math.Inf(1)
	for {
		step := s.Next(allTime - at)
		if step.Kind == Over {
			break
		}
		discard, measure := discardTime*longer, measureTime*longer
		if step.Kind == Soak {
			discard, measure = discardTime, soakTime
		}
		o := q.Send(r, step.Rate, discard, measure, at)
		excess, may := q.Excess(o)
		s.Add(step, Seen{Bad: q.Bad(o), Excess: &excess, May: may})
		if step.Kind == Soak && !q.Bad(o) {
			soaked = step.Rate
		}
		at += discard + measure + 1
	}
	in := s.Posterior().Interval()
	return answer{in.Middle, min(in.Low, soaked), in.High, at + beyondTime, s.Proven()}
}

// bisect is plain bisection over the same range, with trials as long, until it is 5 % wide.
func bisect(q queue.Service, r *rand.Rand) answer {
	low, high, at := lowShare*q.Best, highShare*q.Best, bracketTime
	for high/low > 1.05 {
		middle := math.Sqrt(low * high)
		if q.Bad(q.Send(r, middle, discardTime, measureTime, at)) {
			high = middle
		} else {
			low = middle
		}
		at += trialTime
	}
	return answer{value: low, low: low, high: high, took: at}
}

// findmax is the rule of NoSQLBench's findmax script as its documentation describes it: steps of base times 1, 2, 4,
// ... are added as long as they pass; after one that fails it begins with the first step again from the last rate that
// passed, with samples that are a third longer, and ends when that fails. The answer is the last rate that passed. Not
// simulated are its mean of two samples and that 80 % of the rate must be answered.
func findmax(q queue.Service, r *rand.Rand) answer {
	const first, longer = 10.0, 1.33
	sample, base := first, q.Best/20
	passed, at := 0.0, 0.0
	for step := base; at < allTime; {
		bad := q.Bad(q.Send(r, passed+step, 0, sample, at))
		at += sample
		switch {
		case !bad:
			passed += step
			step *= 2
		case step == base:
			return answer{value: passed, took: at}
		default:
			step, sample = base, sample*longer
		}
	}
	return answer{value: passed, took: at}
}

// ramp is k6's breakpoint test: the rate rises linearly over five minutes to 1.1 times the throughput of closed loops,
// and a threshold over all requests so far aborts it, looked at every two seconds. The answer is the rate at that
// moment.
func ramp(q queue.Service, r *rand.Rand) answer {
	const length, every = 300.0, 2.0
	var all []float64
	refused, count := 0.0, 0.0
	for at := 0.0; at < length; at += every {
		rate := highShare * q.Best * (at + every/2) / length
		if rate <= 0 {
			continue
		}
		o := q.Send(r, rate, 0, every, at) // what queues at the end of a step is lost, which is kind to it
		all = append(all, o.Times...)
		n := float64(len(o.Times)) / max(1e-9, 1-o.Refused)
		refused, count = refused+o.Refused*n, count+n
		slices.Sort(all)
		if at < 10 { // delayAbortEval: the first requests are too few
			continue
		}
		if q.Bad(queue.Outcome{Times: all, Refused: refused / max(1, count)}) {
			return answer{value: rate, took: at + every}
		}
	}
	return answer{value: highShare * q.Best, took: length}
}

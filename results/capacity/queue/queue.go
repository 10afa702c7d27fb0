// Package queue simulates services whose capacity is known, to hold searches for a capacity to it. It is for tests and
// for cmd/bench-capacity, which serves the same services for real.
package queue

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Service answers in the order in which requests come, by some workers. Times are in seconds.
type Service struct {
	Name    string
	Workers int
	Mean    float64 // service time
	// Draw draws a service time as a multiple of the mean.
	Draw func(r *rand.Rand) float64
	// Hiccup is how often a second all workers stand still for [Stall], as a probability.
	Hiccup float64
	// Leak is by how much the service times grow in a second of the service's life, as a share of the mean.
	Leak float64
	// Limit is how many requests a second are taken in the long run; 0: all. What comes at once beyond it is refused,
	// so that some are refused at somewhat lower rates as well.
	Limit float64
	// Cliff is how many requests in a second it takes for service times to be three times as long; 0: they never are.
	Cliff float64
	// Best is what users in a closed loop reach, in requests per second.
	Best float64
}

const (
	// Stall is how long a hiccup is.
	Stall = 1.0
	// Late is the limit of P95 that the capacity of the services is for, as a multiple of the mean service time.
	Late = 5
	// MostRefused is the share of requests that may be refused.
	MostRefused = 0.001
	// Slower is by how much service times are longer beyond a cliff.
	Slower = 3
	// Burst is the part of a second's requests that a limited service takes at once.
	Burst = 0.1
)

// Exponential service times make an M/M/c queue, Fixed ones an M/D/c queue.
func Exponential(r *rand.Rand) float64 { return r.ExpFloat64() }

// Fixed is always the mean.
func Fixed(*rand.Rand) float64 { return 1 }

// HeavyTailed is lognormal, with a standard deviation of about three times the mean.
func HeavyTailed(r *rand.Rand) float64 {
	const sigma = 1.5
	return math.Exp(sigma*r.NormFloat64() - sigma*sigma/2)
}

// Services are those that searches are held to, with a mean service time in seconds.
func Services(mean float64) []Service {
	full := func(workers int) float64 { return float64(workers) / mean }
	return []Service{
		{Name: "exponential", Workers: 4, Draw: Exponential, Mean: mean, Best: full(4)},
		{Name: "fixed", Workers: 4, Draw: Fixed, Mean: mean, Best: full(4)},
		{Name: "one worker", Workers: 1, Draw: Exponential, Mean: mean, Best: full(1)},
		{Name: "heavy-tailed", Workers: 8, Draw: HeavyTailed, Mean: mean, Best: full(8)},
		{Name: "with hiccups", Workers: 4, Draw: Exponential, Mean: mean, Best: full(4), Hiccup: 0.025},
		{Name: "leaking", Workers: 4, Draw: Exponential, Mean: mean, Best: full(4), Leak: 0.0003},
		{Name: "rate limiter", Workers: 4, Draw: Exponential, Mean: mean, Best: 0.6 * full(4), Limit: 0.6 * full(4)},
		{Name: "cliff", Workers: 4, Draw: Exponential, Mean: mean, Best: 0.7 * full(4), Cliff: 0.7 * full(4)},
	}
}

// Outcome is what a stretch of load measured.
type Outcome struct {
	Times   []float64 // of the answers, sorted
	Refused float64   // share
}

// P95 is infinite without answers.
func (o Outcome) P95() float64 {
	if len(o.Times) == 0 {
		return math.Inf(1)
	}
	return o.Times[min(len(o.Times)-1, len(o.Times)*95/100)]
}

// Bad says that the objectives did not hold.
func (s Service) Bad(o Outcome) bool { return o.P95() >= Late*s.Mean || o.Refused >= MostRefused }

// Excess is how many requests missed an objective as a multiple of how many may, of the objective where that is the
// highest.
func (s Service) Excess(o Outcome) (multiple, may float64) {
	const mayBeLate = 0.05
	first, _ := slices.BinarySearch(o.Times, Late*s.Mean)
	n := float64(len(o.Times))
	multiple, may = float64(len(o.Times)-first)/(n*mayBeLate), n*mayBeLate
	if refused := o.Refused / MostRefused; refused > multiple {
		return refused, n / (1 - o.Refused) * MostRefused
	}
	return multiple, may
}

// Send simulates Poisson arrivals at a rate, of which those in the first seconds are discarded. It begins with no
// request under way at an instant of the service's life.
func (s Service) Send(r *rand.Rand, rate, discard, measure, at float64) Outcome {
	var o Outcome
	refused, all := 0, 0
	s.send(r, rate, discard, measure, at, func(took float64, taken bool) {
		all++
		if !taken {
			refused++
			return
		}
		o.Times = append(o.Times, took)
	})
	slices.Sort(o.Times)
	o.Refused = float64(refused) / float64(max(all, 1))
	return o
}

// send is Send that tells of each request which is not discarded how long its answer takes, or that it is refused.
func (s Service) send(r *rand.Rand, rate, discard, measure, at float64, measured func(took float64, taken bool)) {
	w := s.start(r, rate, discard+measure, at)
	for now := r.ExpFloat64() / rate; now < discard+measure; now += r.ExpFloat64() / rate {
		end, taken := w.take(now)
		if now >= discard {
			measured(end-now, taken)
		}
	}
}

// bad is Bad of what Send would return, without the times, which need not be sorted for it.
func (s Service) bad(r *rand.Rand, rate, measure, at float64) bool {
	answered, late, refused := 0, 0, 0
	s.send(r, rate, 0, measure, at, func(took float64, taken bool) {
		switch {
		case !taken:
			refused++
		case took >= Late*s.Mean:
			late++
			answered++
		default:
			answered++
		}
	})
	p95 := min(answered-1, answered*95/100) // how many times are below it, as in Outcome.P95
	return answered-late <= p95 || answered == 0 ||
		float64(refused)/float64(answered+refused) >= MostRefused
}

// work is a service at work.
type work struct {
	of         Service
	random     *rand.Rand
	mean       float64
	free       []float64 // when each worker is
	stalls     []float64 // when hiccups begin
	tokens, at float64
	recent     []float64 // arrivals of the last second, where there is a cliff
}

func (s Service) start(r *rand.Rand, rate, length, at float64) *work {
	w := &work{
		of: s, random: r, mean: s.Mean * (1 + s.Leak*at), free: make([]float64, s.Workers), tokens: Burst * s.Limit,
	}
	for second := range int(math.Ceil(length)) {
		if s.Hiccup > 0 && r.Float64() < s.Hiccup {
			w.stalls = append(w.stalls, float64(second)+r.Float64())
		}
	}
	return w
}

// take gives a request that comes now to the first worker that is free, and says when it is answered; or refuses it.
func (w *work) take(now float64) (end float64, taken bool) {
	if limit := w.of.Limit; limit > 0 {
		w.tokens = min(Burst*limit, w.tokens+(now-w.at)*limit)
		w.at = now
		if w.tokens < 1 {
			return 0, false
		}
		w.tokens--
	}
	next := 0
	for i := range w.free {
		if w.free[i] < w.free[next] {
			next = i
		}
	}
	begin := max(now, w.free[next])
	for _, stall := range w.stalls {
		if begin >= stall && begin < stall+Stall {
			begin = stall + Stall
		}
	}
	w.free[next] = begin + w.mean*w.slower(now)*w.of.Draw(w.random)
	return w.free[next], true
}

// slower is by how much the service times of a request that comes now are longer because of a cliff.
func (w *work) slower(now float64) float64 {
	if w.of.Cliff == 0 {
		return 1
	}
	w.recent = append(w.recent, now)
	for now-w.recent[0] > 1 {
		w.recent = w.recent[1:]
	}
	if float64(len(w.recent)) > w.of.Cliff {
		return Slower
	}
	return 1
}

// Capacity is the highest rate at which the objectives hold in the long run, without hiccups and with the service as it
// is at an instant of its life.
func (s Service) Capacity(at float64) float64 {
	s.Hiccup = 0
	low, high := 0.0, 1.05*s.Best
	const steps, requests = 12, 1_000_000
	for range steps {
		middle := (low + high) / 2
		r := rand.New(rand.NewPCG(5, 5))
		if s.bad(r, middle, requests/s.Best, at) {
			high = middle
		} else {
			low = middle
		}
	}
	return (low + high) / 2
}

package capacity

import "math"

// Rule says when a search is over, and how long its steps take.
type Rule struct {
	Width float64 // of the interval, as a share of its middle: 0.1
	Most  int     // trials: 60
	Trial float64 // seconds of a trial, with all around it
	Soak  float64 // seconds of a soak; 0: none
	// Level says that more users got no more of the service: then the range is moved up by small steps only.
	Level bool
	// Beyond is how long the load beyond the capacity takes, which comes last.
	Beyond float64
}

// Kind is what a step of a search is for.
type Kind int

// The kinds of steps.
const (
	Light Kind = iota // far below what users reached: the time of a request when nothing waits
	Try               // where the posterior learns most
	Soak              // long, at the lower end of the interval
	Over              // nothing is left to do
)

// Step is the next thing to do.
type Step struct {
	Kind Kind
	Rate float64
}

// Seen is what came of a step.
type Seen struct {
	Bad    bool
	Excess *float64 // see [Trial]
	May    float64
	Veto   bool // it says nothing
	Limit  bool // because the generator was the limit
}

// Search places trials until the capacity is known well enough, and proves the lower end by a soak.
type Search struct {
	rule      Rule
	light     float64 // rate of the trial at light load
	least     float64 // that the low end is not moved below
	low, high float64 // range of the posterior
	posterior *Posterior
	ceiling   float64 // the least rate at which the generator was the limit; infinite: none
	steps     int
	vetoed    int  // of the steps, by the machine
	done      bool // the light trial
	soaks     int
	proven    bool
	more      int // trials that are due after a soak that was bad, whatever the interval
}

// The range of a search, as shares of what users reached in a closed loop, and how it is widened where the capacity
// seems to lie outside.
const (
	lightShare  = 0.1
	lowShare    = 0.3
	highShare   = 1.1
	leastShare  = 0.003 // below it nothing is tried
	widenDown   = 10
	widenUp     = 1.6
	widenLevel  = 1.15
	nearEdge    = 1.1
	mostSoaks   = 2
	afterSoak   = 3
	belowLimit  = 0.95 // of the rate at which the generator was the limit: where the last trials are made
	farBelow    = 0.8  // and where the first one is
	mostSpoilt  = 3    // of four trials
	fewestTries = 4
)

// NewSearch begins a search where users in a closed loop reached best, in iterations per second.
func NewSearch(best float64, rule Rule) (*Search, error) {
	s := &Search{
		rule: rule, light: lightShare * best, least: leastShare * best, low: lowShare * best, high: highShare * best,
		ceiling: math.Inf(1),
	}
	var err error
	s.posterior, err = NewPosterior(s.low, s.high)
	return s, err
}

// Posterior is what the trials say of the capacity.
func (s *Search) Posterior() *Posterior { return s.posterior }

// Proven says whether a soak at the lower end held.
func (s *Search) Proven() bool { return s.proven }

// Next is the next step when so many seconds are left.
func (s *Search) Next(left float64) Step {
	reserve := s.rule.Soak + s.rule.Beyond
	switch {
	case s.Spoilt(), left < s.rule.Trial:
		return Step{Kind: Over}
	case !s.done:
		return Step{Light, min(s.light, s.ceiling*farBelow)}
	case !s.Enough() && left >= reserve+s.rule.Trial:
		return Step{Try, min(s.posterior.Next(), s.highest())}
	case s.rule.Soak > 0 && !s.proven && s.soaks < mostSoaks && left >= s.rule.Soak && !s.AtMost():
		return Step{Soak, min(s.posterior.Interval().Low, s.highest())}
	}
	return Step{Kind: Over}
}

// Add takes into account what came of a step.
func (s *Search) Add(step Step, seen Seen) {
	if seen.Limit {
		s.ceiling = min(s.ceiling, step.Rate)
	}
	s.steps++
	if seen.Veto {
		if !seen.Limit {
			s.vetoed++
		}
		return
	}
	s.posterior.Add(Trial{step.Rate, seen.Bad, seen.Excess, seen.May})
	switch step.Kind {
	case Light:
		s.done = true
	case Soak:
		s.soaks++
		s.proven = !seen.Bad
		if seen.Bad {
			s.more = afterSoak
		}
	case Try:
		s.more = max(0, s.more-1)
	}
	s.widen()
}

// widen moves the ends of the range away where the trials say that the capacity lies near or beyond one of them.
func (s *Search) widen() {
	middle := s.posterior.Quantile(0.5)
	good, bad := s.posterior.seen()
	low, high := s.low, s.high
	if bad > 0 && middle < s.low*nearEdge && s.low > s.least {
		low = max(s.least, s.low/widenDown)
	}
	if good > 0 && middle > s.high/nearEdge && s.high < s.ceiling {
		high = s.high * s.widenUp()
	}
	if low == s.low && high == s.high {
		return
	}
	wide, err := s.posterior.over(low, high)
	if err != nil {
		return // not with ends that were moved apart
	}
	s.low, s.high, s.posterior = low, high, wide
}

// widenUp is by how much the high end of the range is moved.
func (s *Search) widenUp() float64 {
	if s.rule.Level {
		return widenLevel
	}
	return widenUp
}

// Enough says that the search need not go on: the interval is narrow enough and both sides of the limit were seen,
// there are as many trials as there may be, or the capacity lies where no trial can be made.
func (s *Search) Enough() bool {
	if s.more > 0 {
		return false
	}
	n := len(s.posterior.Trials())
	return n >= s.rule.Most || s.posterior.Both() && s.posterior.Interval().Width() <= s.rule.Width || s.AtLeast() ||
		s.AtMost()
}

// highest is the highest rate that is worth trying where the generator was the limit.
func (s *Search) highest() float64 {
	if s.goodFrom(s.ceiling*farBelow*belowLimit) == 0 {
		return s.ceiling * farBelow
	}
	return s.ceiling * belowLimit
}

// goodFrom counts the good trials at a rate or above.
func (s *Search) goodFrom(rate float64) (n int) {
	for _, t := range s.posterior.Trials() {
		if !t.Bad && t.Rate >= rate {
			n++
		}
	}
	return n
}

// AtLeast says that the generator is the limit: what it can send was good again and again, and the capacity seems to
// lie above.
func (s *Search) AtLeast() bool {
	if math.IsInf(s.ceiling, 1) || s.posterior.Quantile(0.5) < s.ceiling*belowLimit {
		return false
	}
	return s.goodFrom(s.ceiling*farBelow*belowLimit) >= 2
}

// AtMost says that the objectives do not hold at any rate worth trying.
func (s *Search) AtMost() bool {
	good, bad := s.posterior.seen()
	return good == 0 && bad >= fewestTries && s.low <= s.least &&
		s.posterior.Quantile(0.5) < s.low*nearEdge
}

// Spoilt says that nothing can be found: most trials said nothing because the machine was too busy, or the generator is
// the limit even at light load.
func (s *Search) Spoilt() bool {
	busy := s.vetoed >= fewestTries && 4*s.vetoed >= mostSpoilt*(s.vetoed+len(s.posterior.Trials()))
	return busy || s.ceiling < s.least || s.steps >= 2*s.rule.Most
}

// Vetoed is how many steps said nothing.
func (s *Search) Vetoed() int { return s.steps - len(s.posterior.Trials()) }

// Ceiling is the least rate at which the generator was the limit; infinite where it never was.
func (s *Search) Ceiling() float64 { return s.ceiling }

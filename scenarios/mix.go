package scenarios

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Mix is a load of which only the sum varies: the scenarios of a plan, each with its share of all iterations.
type Mix struct {
	plan   *Plan
	shares []float64 // of each scenario; they add up to 1
}

// NewMix is the mix of a plan, whose rates say the share of each scenario. It fails with all that keeps a plan from
// being one: loads whose rate is not constant, different engines, faults, and regions.
func NewMix(p *Plan) (*Mix, error) {
	m := &Mix{plan: p}
	var faults []error
	sum := 0.0
	for _, s := range p.Scenarios {
		l, ok := s.Load.(ConstantRate)
		if !ok {
			faults = append(faults, fmt.Errorf("the scenario %s has the executor %s: what is sent at many rates needs "+
				"constant-arrival-rate, of which the rate says the scenario's share", s.Name, s.Load.Executor()))
		}
		m.shares = append(m.shares, l.Rate)
		sum += l.Rate
	}
	for i := range p.Scenarios {
		first, other := &p.Scenarios[0], &p.Scenarios[i]
		if p.EngineOf(first) != p.EngineOf(other) {
			faults = append(faults, fmt.Errorf("the scenario %s has the engine %s and %s has %s, so that users cannot "+
				"send the requests of both: give them the same engine", first.Name, p.EngineOf(first), other.Name,
				p.EngineOf(other)))
		}
	}
	for i := range p.Scenarios {
		if s := &p.Scenarios[i]; s.HasSessions() && len(p.Scenarios) > 1 {
			faults = append(faults, fmt.Errorf("the users of scenario %s have sessions, so that users cannot send the "+
				"requests of all scenarios: leave one scenario, or remove login and cookies", s.Name))
		}
	}
	if len(p.Faults) > 0 {
		faults = append(faults, errors.New("it has faults: remove the section faults"))
	}
	if len(p.Environment.Regions) > 0 {
		faults = append(faults, errors.New("it has regions, of which each has a capacity of its own: remove "+
			"environment.regions"))
	}
	for i := range m.shares {
		m.shares[i] /= sum
	}
	return m, errors.Join(faults...)
}

// Workers is the most iterations that may be under way at once.
func (m *Mix) Workers() (n int) {
	for _, s := range m.plan.Scenarios {
		n += s.Load.Workers()
	}
	return n
}

// Stretch is a time of steady load.
type Stretch struct {
	Discard time.Duration // its beginning, which is not measured
	Measure time.Duration
	Grace   time.Duration // how long answers are waited for after its end
	Seed    uint64        // of every random choice
}

// Pieces is how many equal pieces the measured time of a plan of [Mix.AtRate] has, so that it can be seen whether
// answers took longer and longer. It is enough for a test of their order, however short they are.
const Pieces = 6

// AtRate is a plan that sends the mix at a rate, in iterations per second of all scenarios together; see [Mix.Sent].
// Its measured time has Pieces, whose requests have the tag stage with 1 to 6.
func (m *Mix) AtRate(rate float64, s Stretch) *Plan {
	return m.with(s, s.Discard, func(i int, of ConstantRate) Load {
		one := m.rateOf(i, rate)
		l := RampingRate{Arrivals: of.Arrivals, MaxVUs: of.MaxVUs, StartRate: one}
		if s.Discard > 0 {
			l.Stages = append(l.Stages, Stage{Target: one, Duration: s.Discard})
		}
		left := s.Measure
		for n := range Pieces {
			length := left / time.Duration(Pieces-n)
			l.Stages = append(l.Stages, Stage{Name: strconv.Itoa(n + 1), Target: one, Duration: length})
			left -= length
		}
		return l
	})
}

// Sent is the rate that is sent where a rate is asked for, in iterations per second of all scenarios together. It is
// higher where a scenario's share of that is less than the least rate of a scenario.
func (m *Mix) Sent(rate float64) (sum float64) {
	for i := range m.shares {
		sum += m.rateOf(i, rate)
	}
	return sum
}

func (m *Mix) rateOf(i int, rate float64) float64 { return max(minRate, rate*m.shares[i]) }

// Steps is a plan that sends the mix at one rate after the other, without pauses. The requests of each step have the
// tag stage with its name.
func (m *Mix) Steps(steps []Stage, grace time.Duration, seed uint64) *Plan {
	return m.with(Stretch{Grace: grace, Seed: seed}, 0, func(i int, of ConstantRate) Load {
		l := RampingRate{Arrivals: of.Arrivals, MaxVUs: of.MaxVUs, StartRate: m.rateOf(i, steps[0].Target)}
		for _, step := range steps {
			step.Target = m.rateOf(i, step.Target)
			l.Stages = append(l.Stages, Stage{Target: step.Target}, step)
		}
		return l
	})
}

// minRate is the least rate of a scenario: less than one iteration in a stretch would be none.
const minRate = 0.1

// with is the plan with other loads, which all start at once.
func (m *Mix) with(s Stretch, warmup time.Duration, load func(i int, of ConstantRate) Load) *Plan {
	plan := *m.plan
	plan.Seed, plan.Scenarios = s.Seed, slices.Clone(plan.Scenarios)
	for i := range plan.Scenarios {
		one := &plan.Scenarios[i]
		one.Load = load(i, one.Load.(ConstantRate))
		one.StartTime, one.Warmup, one.AutoWarmup, one.GracefulStop = 0, warmup, false, s.Grace
	}
	return &plan
}

// Closed is a plan in which users send the mix without pauses, as the requests of one scenario, and in which nothing is
// judged.
func (m *Mix) Closed(users int, s Stretch) *Plan {
	plan := *m.plan
	first := plan.Scenarios[0]
	first.Load = Users{VUs: users, Duration: s.Discard + s.Measure}
	first.StartTime, first.Warmup, first.AutoWarmup, first.GracefulStop = 0, s.Discard, false, s.Grace
	if len(plan.Scenarios) > 1 {
		first.Name, first.Tags, first.Requests = "mix", nil, m.weighted()
	}
	plan.Seed, plan.Scenarios, plan.Thresholds = s.Seed, []Scenario{first}, nil
	return &plan
}

// weighted are the requests of all scenarios with weights by which each is drawn as often as in the mix.
func (m *Mix) weighted() (all []Request) {
	for i, s := range m.plan.Scenarios {
		sum := 0
		for _, r := range s.Requests {
			sum += r.Weight
		}
		for _, r := range s.Requests {
			r.Name = s.Name + " " + r.Name
			if r.Flow != "" {
				r.Flow = s.Name + " " + r.Flow
			}
			if r.Weight > 0 { // else a later step of a flow
				r.Weight = max(1, int(math.Round(wholeWeight*m.shares[i]*float64(r.Weight)/float64(sum))))
			}
			all = append(all, r)
		}
	}
	return all
}

// wholeWeight is what the weights of a mix add up to.
const wholeWeight = 100_000

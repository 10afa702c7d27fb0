package judge

import (
	"math"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// What an objective is held against after an overload has so many requests that at least fewestMisses may miss it, and
// at least fewestHeld. Where a second has fewer, it is held against several together: one request is no share.
const (
	fewestMisses = 2
	fewestHeld   = 10
)

// goal is an objective on a share of requests, with what came of it second by second.
type goal struct {
	may         float64 // the share that may miss it
	all, missed []int64
}

// Recovery is how long after an offset, in seconds, the objectives on percentiles of the response time and on failures
// held again and went on to hold; where none is on failures, less than 0.1 % may fail. It is as exact as a second is
// long. Nil means that it was not seen. m is of a plan with [CourseThresholds].
func Recovery(m *results.Measurements, after float64, objectives []scenarios.Threshold) (*float64, error) {
	goals, err := goalsFrom(m, int(after), objectives)
	if err != nil {
		return nil, err
	}
	seen, seconds := false, 0
	for _, g := range goals {
		held, any := g.heldFrom()
		if !any {
			continue
		}
		if held < 0 {
			return nil, nil
		}
		seen, seconds = true, max(seconds, held)
	}
	if !seen {
		return nil, nil
	}
	return new(max(0, math.Floor(after)+float64(seconds)-after)), nil
}

// heldFrom is the second from which on a goal held: in the seconds that begin then and are enough, or in all that are
// left, and in all later ones that are enough. It is below 0 where it did not hold in the end. any is false where no
// request has such a goal.
func (g goal) heldFrom() (second int, any bool) {
	var requests int64
	for _, n := range g.all {
		requests += n
	}
	if requests == 0 {
		return 0, false
	}
	seconds, need := len(g.all), float64(fewestHeld)
	if g.may > 0 {
		need = max(need, fewestMisses/g.may)
	}
	length := int(min(math.Ceil(need*float64(seconds)/float64(requests)), float64(seconds)))
	for from := 0; from+length <= seconds; from++ {
		if !g.holds(from, from+length) {
			second = from + 1
		}
	}
	for ; second < seconds; second++ {
		if g.holds(second, min(second+length, seconds)) {
			return second, true
		}
	}
	return -1, true
}

// holds says whether a goal held in some seconds. It did not where nothing was answered.
func (g goal) holds(from, to int) bool {
	var all, missed int64
	for i := from; i < to; i++ {
		all, missed = all+g.all[i], missed+g.missed[i]
	}
	return all > 0 && (missed == 0 || float64(missed) < g.may*float64(all))
}

// goalsFrom are the goals from a second on.
func goalsFrom(m *results.Measurements, first int, objectives []scenarios.Threshold) (goals []goal, err error) {
	ofFailed := false
	for _, o := range objectives {
		p, _ := percentileOfThreshold(o)
		switch {
		case limitsTime(o):
			g, err := goalFrom(m, first, o, 1-p/100)
			if err != nil {
				return nil, err
			}
			goals = append(goals, g)
		case o.Metric == scenarios.HTTPReqFailed && o.Op.IsUpper():
			ofFailed = true
			g, err := goalFrom(m, first, o, o.Limit)
			if err != nil {
				return nil, err
			}
			goals = append(goals, g)
		}
	}
	if !ofFailed {
		g, err := goalFrom(m, first, scenarios.Threshold{Metric: scenarios.HTTPReqFailed}, mostFailed)
		if err != nil {
			return nil, err
		}
		goals = append(goals, g)
	}
	return goals, nil
}

// goalFrom adds up the seconds of all requests that an objective is about.
func goalFrom(m *results.Measurements, first int, o scenarios.Threshold, may float64) (goal, error) {
	g := goal{may: may}
	h := results.NewHistogram()
	for _, s := range m.Seconds {
		of := m.Select(s.Selector)
		if s.Metric != o.Metric || len(of) == 0 || !of[0].Matches(o.Selector) {
			continue
		}
		for second := max(first, s.From); second < min(s.To, s.From+len(s.Requests)); second++ {
			at, i := second-first, second-s.From
			for len(g.all) <= at {
				g.all, g.missed = append(g.all, 0), append(g.missed, 0)
			}
			if o.Metric == scenarios.HTTPReqFailed {
				g.all[at] += s.Requests[i]
				g.missed[at] += s.Failed[i]
				continue
			}
			h.Reset()
			if err := s.Counts[i].AddTo(h); err != nil {
				return g, err
			}
			g.all[at] += h.Count()
			g.missed[at] += above(h, o.Limit)
		}
	}
	return g, nil
}

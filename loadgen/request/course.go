package request

import (
	"fmt"
	"time"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/scenarios"
)

// position is where an iteration is in its flow, besides which request it is at.
type position struct {
	tries  int // how often the present step was sent again by its poll
	times  int // how often the step has been done
	rounds int // how often the block has been gone through
}

// course is when a step of a flow is sent, and what follows it.
type course struct {
	step   bool       // it is a step of a flow
	only   *condition // nil: it is never left out
	begins *block     // nil: no block begins with it
	ends   *block
}

// condition is a condition of the plan, ready to be held against what the flow knows.
type condition struct {
	check
	hole int
}

// block is a group of steps.
type block struct {
	plan  *scenarios.Block
	first int // an index of the scenario's requests
	only  *condition
}

// The random streams of a flow's course, apart from the choices of keys.
const (
	pauseStream  = 0x7061757365
	repeatStream = 0x726570656174
)

// newCourse prepares the course of a step. index are the holes that the flow knows before it, without its own texts.
func newCourse(plan *scenarios.Request, at int, before map[string]int) (c course, err error) {
	c.step = plan.Flow != ""
	c.only, err = newCondition(plan.If, before)
	if err == nil && plan.Block != nil {
		c.begins = &block{plan: plan.Block, first: at}
		c.begins.only, err = newCondition(plan.Block.If, before)
	}
	return c, err
}

func newCondition(plan *scenarios.Condition, before map[string]int) (*condition, error) {
	if plan == nil {
		return nil, nil
	}
	hole, known := before[plan.Value]
	if !known {
		return nil, fmt.Errorf("the condition names %s, which is not known", plan.Value)
	}
	made, err := newCheck(plan.Check)
	if err != nil {
		return nil, err
	}
	return &condition{check: made, hole: hole}, nil
}

// endBlocks notes with the last step of each block that it ends there.
func (s *Set) endBlocks() {
	for i := range s.requests {
		if b := s.requests[i].course.begins; b != nil && i+b.plan.Steps <= len(s.requests) {
			s.requests[i+b.plan.Steps-1].course.ends = b
		}
	}
}

// Next moves d to the request that follows in its flow, after an answer with which the flow goes on, and says how long
// its user pauses before that. goesOn is false when the flow has ended; d is of no more use then. again says that the
// answer did not yet meet what its step polls for.
func (s *Set) Next(d *Draw, again bool) (pause time.Duration, goesOn bool) {
	pause, goesOn = s.next(d, again)
	if goesOn {
		s.sample(d)
	}
	return pause, goesOn
}

func (s *Set) next(d *Draw, again bool) (pause time.Duration, goesOn bool) {
	at := d.Request
	q := &s.requests[at]
	if !q.course.step {
		return 0, false
	}
	if again {
		d.tries++
		return s.pause(d, q.plan.Until.Pause, 1), true
	}
	d.tries = 0
	pause = s.pause(d, q.plan.Pause, 0)
	d.times++
	if d.times < s.count(d, q.plan.Repeat, at, d.rounds) {
		return pause, true
	}
	d.times = 0
	for i := s.after(d, at); i < len(s.requests) && (s.requests[i].plan.Step > 0 || d.rounds > 0); {
		c := &s.requests[i].course
		switch {
		case c.begins != nil && d.rounds == 0 && !s.holds(d, i, c.begins.only):
			i += c.begins.plan.Steps
		case !s.holds(d, i, c.only):
			i = s.after(d, i)
		default:
			d.Request = i
			return pause, true
		}
	}
	return 0, false
}

// after is the request that follows a step that was done, or left out: the first of its block, where that is gone
// through once more.
func (s *Set) after(d *Draw, at int) int {
	b := s.requests[at].course.ends
	if b == nil {
		return at + 1
	}
	d.rounds++
	if d.rounds < s.count(d, b.plan.Repeat, b.first, -1) {
		return b.first
	}
	d.rounds = 0
	return at + 1
}

// count is how often something is done in the iteration of d.
func (s *Set) count(d *Draw, repeat scenarios.Repeat, at, round int) int {
	if repeat.Most == 0 {
		return 1
	}
	r := random.ForIteration(s.seed^repeatStream^uint64(at)<<32^uint64(round+1)<<48, d.N)
	return repeat.Least + r.Below(repeat.Most-repeat.Least+1)
}

// place tells the requests of an iteration apart: their round, step, try and repetition have bits of their own. The
// lowest eight are left to those who draw several numbers at a place.
func (d *Draw) place() uint64 {
	return uint64(d.rounds)<<48 ^ uint64(d.Request)<<32 ^ uint64(d.tries)<<20 ^ uint64(d.times)<<8
}

// pause is that of the user of d at its present place, uniform in its bounds; which tells those of one place apart.
func (s *Set) pause(d *Draw, of scenarios.ThinkTime, which uint64) time.Duration {
	if of.Max == 0 {
		return 0
	}
	r := random.ForIteration(s.seed^pauseStream^d.place()^which, d.N)
	return of.Min + time.Duration(r.Below(int(of.Max-of.Min)+1))
}

// holds holds a condition of the request of that index against what the flow of d knows; nil always holds.
func (s *Set) holds(d *Draw, at int, c *condition) bool {
	if c == nil {
		return true
	}
	text := s.requests[at].append(nil, []segment{{hole: c.hole}}, d)
	return c.meetsHeader(text, len(text) > 0)
}

package imports

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// throughput is the rate that a timer holds a thread group to.
type throughput struct {
	perMinute float64 // samples
	mode      string  // whose samples: 0 is those of each thread
	random    bool
}

func (p *plan) isTimer(e *element) bool { return strings.HasSuffix(e.kind, "Timer") }

// milliseconds is a number of milliseconds in seconds, or a random one; ok is false for one that is computed.
func (p *plan) milliseconds(s string) (length pause, ok bool) {
	s = p.plain(s)
	if s == "" {
		return pause{}, true
	}
	if m := random.FindStringSubmatch(s); m != nil {
		least, _ := strconv.ParseFloat(m[1], 64)
		most, _ := strconv.ParseFloat(m[2], 64)
		return pause{least: least / 1000, most: most / 1000}, least >= 0 && most >= least
	}
	n, err := strconv.ParseFloat(s, 64)
	const day = 86_400_000
	return pause{least: n / 1000, most: n / 1000}, err == nil && n >= 0 && n <= day
}

// timer is how long a timer has users wait before each sampler.
func (p *plan) timer(e *element) pause {
	delay, ok := p.milliseconds(e.prop("ConstantTimer.delay"))
	spread, okSpread := p.milliseconds(e.prop("RandomTimer.range"))
	if !ok || !okSpread {
		p.d.leaveOut(e.line, e.column, "how long the timer %.80q waits, which is computed", e.name)
		return pause{}
	}
	switch e.kind {
	case "ConstantTimer":
		return delay
	case "UniformRandomTimer":
		return pause{least: delay.least, most: delay.most + spread.most}
	case "GaussianRandomTimer":
		return p.spread(e, delay.least, spread.most)
	case "PoissonRandomTimer":
		lambda := spread.most * 1000 // whole milliseconds
		return p.spread(e, delay.least+lambda/1000, math.Sqrt(lambda)/1000)
	case "ConstantThroughputTimer", "PreciseThroughputTimer":
		p.throughput(e)
	default:
		p.d.leaveOut(e.line, e.column, "the timer %.80q, a %.60s", e.name, e.kind)
	}
	return pause{}
}

// spread is a uniform pause with a mean and a standard deviation.
func (p *plan) spread(e *element, mean, deviation float64) pause {
	p.d.leaveOut(e.line, e.column, "the distribution of the timer %.80q: a uniform one has its mean and deviation",
		e.name)
	half := math.Sqrt(3) * deviation
	return pause{least: math.Max(0, mean-half), most: mean + half}
}

// throughput notes the rate of a timer that holds a thread group to one.
func (p *plan) throughput(e *element) {
	rate := throughput{mode: e.prop("calcMode"), random: e.kind == "PreciseThroughputTimer"}
	text := e.prop("throughput")
	if d := e.props["throughput"]; d != nil && len(d.inner) > 0 { // <doubleProp><name/><value/></doubleProp>
		text = childText(d, "value")
	}
	for _, inner := range e.inner {
		if inner.kind == "doubleProp" && childText(inner, "name") == "throughput" {
			text = childText(inner, "value")
		}
	}
	perMinute, err := strconv.ParseFloat(p.plain(text), 64)
	if rate.random {
		period, errPeriod := strconv.ParseFloat(p.plain(e.prop("throughputPeriod")), 64)
		if errPeriod != nil || period <= 0 {
			period = 1
		}
		perMinute, rate.mode = perMinute/period*60, "2"
		if p.group == nil {
			rate.mode = "1"
		}
	}
	if err != nil || perMinute <= 0 || perMinute > 60_000_000 {
		p.d.leaveOut(e.line, e.column, "the rate of the timer %.80q, %.40q", e.name, text)
		return
	}
	if p.group != nil && !slices.Contains(p.group.children, e) {
		p.d.leaveOut(e.line, e.column, "that the timer %.80q holds a part of %.80q to its rate: it holds all of it",
			e.name, p.group.name)
	}
	rate.perMinute = perMinute
	p.rate = &rate
}

func childText(e *element, kind string) string {
	for _, inner := range e.inner {
		if inner.kind == kind {
			return strings.TrimSpace(inner.text)
		}
	}
	return ""
}

// loopEnd is a loop that was read last. Its last request has the pause that is before each time: between the times,
// and once more behind the loop, where it stands for the pause before what follows. The first time has it before.
type loopEnd struct {
	pause pause
	back  func() // takes the pause before the first time back
}

// wait has users wait before what follows.
func (p *plan) wait(length pause) {
	if p.block != nil && len(p.flow) == p.block.from {
		p.block.before = p.block.before.plus(length)
		return
	}
	p.waitOnce(length)
}

// waitOnce is wait outside of the beginnings of loops. Its result takes the pause back.
func (p *plan) waitOnce(length pause) (back func()) {
	to := &p.first
	if n := len(p.flow); n > 0 {
		switch last := p.flow[n-1]; {
		case last.block == nil || last.block == p.block:
			to = &last.pause
		default: // behind a loop: its last request would wait each time
			ended := p.ended
			p.ended = loopEnd{back: func() {}}
			if length == ended.pause {
				return ended.back
			}
			ended.back()
		}
	}
	*to = to.plus(length)
	return func() { *to = to.minus(length) }
}

// endLoop has users wait before each time of a loop that was read.
func (p *plan) endLoop(b *block) {
	after := p.flow[b.from:]
	p.flow = p.flow[:b.from:b.from]
	back := p.waitOnce(b.before)
	p.flow = append(p.flow, after...)
	if len(after) == 0 {
		return
	}
	last := after[len(after)-1]
	last.pause = last.pause.plus(b.before)
	p.ended = loopEnd{b.before, back}
}

// endFlow has users wait before the first request of an iteration: at its end. It returns what no request can have.
func (p *plan) endFlow(flow []*request) pause {
	last := flow[len(flow)-1]
	switch {
	case last.block == nil:
		last.pause = last.pause.plus(p.first)
	case p.first != p.ended.pause:
		p.ended.back()
		return p.first
	}
	return pause{}
}

// action reads a pause between samplers.
func (p *plan) action(e *element, in scope) {
	const pauses = "1"
	if e.prop("ActionProcessor.action") != pauses {
		p.d.leaveOut(e.line, e.column, "the action %.80q", e.name)
		return
	}
	length, ok := p.milliseconds(e.prop("ActionProcessor.duration"))
	if !ok {
		p.d.leaveOut(e.line, e.column, "how long the pause %.80q is, which is computed", e.name)
	}
	length = length.plus(in.pause)
	for _, c := range e.children {
		if c.enabled && p.isTimer(c) {
			length = length.plus(p.timer(c))
		}
	}
	p.wait(length)
}

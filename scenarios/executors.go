package scenarios

import (
	"slices"
	"strings"
	"time"
)

// executor is a row of executors.
type executor struct {
	load Load     // of its kind, for its name and what it is like
	keys []string // that no other kind of load may have, or only some
}

// executors are those of this version.
var executors = []executor{
	{ConstantRate{}, []string{"rate", "timeUnit", "duration", "maxVUs", "arrivals"}},
	{RampingRate{}, []string{"startRate", "timeUnit", "stages", "maxVUs", "arrivals"}},
	{SineRate{}, []string{"rate", "amplitude", "period", "timeUnit", "duration", "maxVUs", "arrivals"}},
	{Bursts{}, []string{"size", "every", "duration", "maxVUs"}},
	{Users{}, []string{"vus", "thinkTime", "duration"}},
	{RampingUsers{}, []string{"startVUs", "stages", "thinkTime"}},
	{SharedIterations{}, []string{"vus", "iterations", "thinkTime", "maxDuration"}},
	{UserIterations{}, []string{"vus", "iterations", "thinkTime", "maxDuration"}},
	{Browser{}, []string{"vus", "duration", "network", "cpu"}},
	{Replay{}, []string{
		"file", "format", "fields", "skipBadLines", "speed", "rate", "timeUnit", "duration", "maxVUs", "name",
		"expectedStatus", "timeout",
	}},
	{Subscribers{}, []string{"subscribers", "rampUp", "duration", "protocol", "event", "retry", "resume"}},
}

// laterExecutors are k6's others.
var laterExecutors = []string{"externally-controlled"}

// executor reads which executor a scenario has and refuses the keys of others. It is "" when that is not known.
func (r *reader) executor(n *node) Executor {
	chosen := n.get("executor")
	if chosen == nil && !n.bad {
		r.missing(n, "executor", "executor: constant-arrival-rate")
	}
	if !given(chosen) {
		return ""
	}
	var names []string
	for _, x := range executors {
		names = append(names, string(x.load.Executor()))
	}
	if slices.Contains(laterExecutors, chosen.text) {
		r.fault(chosen, "there are "+strings.Join(names, ", "), "the executor %s of k6 does not exist here yet",
			chosen.text)
		return ""
	}
	name := Executor(r.word(chosen, "", names))
	if name != "" {
		r.foreignKeys(n, name)
	}
	return name
}

// foreignKeys refuses the keys that belong to other executors.
func (r *reader) foreignKeys(n *node, name Executor) {
	for _, e := range n.entries {
		var owners []string
		for _, x := range executors {
			if slices.Contains(x.keys, e.key) {
				owners = append(owners, string(x.load.Executor()))
			}
		}
		if len(owners) > 0 && !slices.Contains(owners, string(name)) {
			r.faultAt(e.at, "", "%s.%s belongs to executor %s, and this one is %s",
				n.path, e.key, strings.Join(owners, " and "), name)
		}
	}
}

// load reads the load of a scenario with an executor and a warm-up.
func (r *reader) load(n *node, name Executor, warmup time.Duration) Load {
	switch name {
	case ConstantRate{}.Executor():
		return r.constantRate(n)
	case RampingRate{}.Executor():
		return r.rampingRate(n, warmup)
	case SineRate{}.Executor():
		return r.sineRate(n)
	case Bursts{}.Executor():
		return r.bursts(n)
	case Users{}.Executor():
		return r.users(n)
	case RampingUsers{}.Executor():
		return r.rampingUsers(n, warmup)
	case SharedIterations{}.Executor():
		return r.sharedIterations(n)
	case UserIterations{}.Executor():
		return r.userIterations(n)
	case Browser{}.Executor():
		return r.browser(n)
	case Replay{}.Executor():
		return r.replay(n)
	case Subscribers{}.Executor():
		return r.subscribers(n)
	}
	return unread{}
}

func (r *reader) constantRate(n *node) ConstantRate {
	rate, _ := r.rate(r.need(n, "rate", "rate: 100"), r.timeUnit(n))
	return ConstantRate{Rate: rate, Duration: r.length(n), Arrivals: r.arrivals(n), MaxVUs: r.maxVUs(n)}
}

// sineRate reads a rate that follows a sine wave around its mean and never falls below 0.
func (r *reader) sineRate(n *node) SineRate {
	unit := r.timeUnit(n)
	rate, known := r.rate(r.need(n, "rate", "rate: 100"), unit)
	amplitude := r.need(n, "amplitude", "amplitude: 50")
	load := SineRate{Rate: rate, Duration: r.length(n), Arrivals: r.arrivals(n), MaxVUs: r.maxVUs(n)}
	load.Period, _ = r.positiveDuration(r.need(n, "period", "period: 60s"))
	load.Amplitude, _ = r.rate(amplitude, unit)
	if known && load.Amplitude > rate {
		r.fault(amplitude, "a rate cannot fall below 0", "%s.amplitude is %s, more than the rate, %s", n.path,
			amplitude.text, n.get("rate").text)
	}
	return load
}

// bursts reads groups of requests that are due at the same instant.
func (r *reader) bursts(n *node) Bursts {
	every := r.need(n, "every", "every: 1s")
	load := Bursts{
		Size:     int(r.whole(r.need(n, "size", "size: 100"), 0, 1, maxRate)),
		Duration: r.length(n),
		MaxVUs:   r.maxVUs(n),
	}
	load.Every, _ = r.positiveDuration(every)
	if load.Every > 0 && float64(load.Size)/load.Every.Seconds() > maxRate {
		r.fault(every, "", "%s: %d requests every %v are more than 1,000,000 a second", n.path, load.Size, load.Every)
	}
	return load
}

func (r *reader) users(n *node) Users {
	return Users{
		VUs:       int(r.whole(r.need(n, "vus", "vus: 10"), 0, 1, maxUsers)),
		ThinkTime: r.pause(n.get("thinkTime"), "thinkTime"),
		Duration:  r.length(n),
	}
}

func (r *reader) rampingRate(n *node, warmup time.Duration) RampingRate {
	load := RampingRate{Arrivals: r.arrivals(n), MaxVUs: r.maxVUs(n)}
	unit := r.timeUnit(n)
	load.StartRate, _ = r.rateOrZero(n.get("startRate"), unit)
	target := func(stage *node) (rate float64, moves bool) {
		rate, _ = r.rateOrZero(r.need(stage, "target", "target: 1000"), unit)
		return rate, rate > 0
	}
	load.Stages = r.stages(n, "stages: [{target: 1000, duration: 30s}]", load.StartRate > 0, warmup, target)
	return load
}

// stageName reads the name of a stage that follows others.
func (r *reader) stageName(n *node, stage Stage, before []Stage, warmup time.Duration) string {
	if n.bad || !r.name(n.at, "the stage", n.text) {
		r.vague = true
		return ""
	}
	twice := slices.ContainsFunc(before, func(other Stage) bool { return other.Name == n.text })
	switch {
	case twice:
		r.fault(n, "their measurements could not be told apart", "%s is the name of two stages", n.text)
	case stage.Duration > 0 && lengthOf(before)+stage.Duration <= warmup:
		r.fault(n, "the warm-up is not measured: make it shorter, or leave the name out",
			"the stage %s ends within the warm-up", n.text)
	case stage.Duration == 0:
		r.fault(n, "leave the name out",
			"no request is meant to be sent within the stage %s, which takes no time", n.text)
	default:
		return n.text
	}
	r.vague = true
	return ""
}

// timeUnit reads the time that the rates of a scenario are given for.
func (r *reader) timeUnit(n *node) time.Duration {
	if d, ok := r.positiveDuration(n.get("timeUnit")); ok {
		return d
	}
	return time.Second
}

// rate reads a rate above 0 that is given for a unit of time, and returns it in iterations per second. ok is false when
// there was none or it was wrong.
func (r *reader) rate(n *node, unit time.Duration) (perSecond float64, ok bool) {
	x, ok := r.positive(n, maxRate*unit.Seconds())
	return x / unit.Seconds(), ok
}

// rateOrZero reads a rate that may be 0.
func (r *reader) rateOrZero(n *node, unit time.Duration) (perSecond float64, ok bool) {
	x, ok := r.number(n, 0, maxRate*unit.Seconds())
	return x / unit.Seconds(), ok
}

func (r *reader) maxVUs(n *node) int {
	return int(r.whole(n.get("maxVUs"), defaultMaxVUs, 1, maxUsers))
}

func (r *reader) arrivals(n *node) Arrivals {
	return Arrivals(r.word(n.get("arrivals"), string(Even), []string{string(Even), string(Poisson)}))
}

// pause reads a pause, the value of a key: always the same, or from a least to a greatest one.
func (r *reader) pause(n *node, key string) ThinkTime {
	if !given(n) {
		return ThinkTime{}
	}
	if n.kind == scalar {
		d, _ := r.positiveDuration(n)
		return ThinkTime{d, d}
	}
	example := key + ": {min: 200ms, max: 1s}"
	least, greatest := r.need(n, "min", example), r.need(n, "max", example)
	t := ThinkTime{Min: r.duration(least, 0)}
	var ok bool
	t.Max, ok = r.positiveDuration(greatest)
	if ok && t.Min > t.Max {
		r.fault(least, "", "%s is %v, more than %s, %v", least.path, t.Min, greatest.path, t.Max)
	}
	return t
}

// length reads how long a load lasts.
func (r *reader) length(n *node) time.Duration {
	d, _ := r.positiveDuration(r.need(n, "duration", "duration: 30s"))
	return d
}

// need returns the value of a key, and reports where it is missing.
func (r *reader) need(n *node, key, example string) *node {
	value := n.get(key)
	if value == nil {
		r.missing(n, key, example)
	}
	return value
}

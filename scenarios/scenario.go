package scenarios

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// executors are those of this version, with the keys that only they have.
var executors = []struct {
	name Executor
	keys []string
}{
	{ConstantArrivalRate, []string{"rate", "timeUnit", "duration", "maxVUs", "arrivals"}},
	{RampingArrivalRate, []string{"startRate", "timeUnit", "stages", "maxVUs", "arrivals"}},
	{SineArrivalRate, []string{"rate", "amplitude", "period", "timeUnit", "duration", "maxVUs", "arrivals"}},
	{BurstArrivalRate, []string{"size", "every", "duration", "maxVUs"}},
	{ConstantVUs, []string{"vus", "thinkTime", "duration"}},
	{Replay, []string{"file", "format", "speed", "rate", "timeUnit", "maxVUs", "name", "headers", "expectedStatus", "timeout"}},
}

// laterExecutors are k6's others.
var laterExecutors = []string{"shared-iterations", "per-vu-iterations", "ramping-vus", "externally-controlled"}

// Bounds and defaults of a scenario; the defaults are k6's where k6 has one.
const (
	maxRate             = 1_000_000 // iterations per second
	maxUsers            = 100_000
	defaultMaxVUs       = 100
	defaultGracefulStop = 30 * time.Second
	defaultWarmupLimit  = time.Minute // and at most half of the duration
	minWarmupLimit      = 15 * time.Second
)

func (r *reader) scenario(e entry, target Target) Scenario {
	n := e.value
	s := Scenario{Name: e.key, Executor: r.executor(n)}
	if !r.name(e.at, "the scenario", e.key) {
		r.vague = true
	}
	if n.bad {
		r.vague = true
		return s
	}
	s.Tags = r.tags(n.get("tags"))
	s.StartTime = r.duration(n.get("startTime"), 0)
	if s.AutoWarmup = r.text(n.get("warmup"), "") == autoWarmup; !s.AutoWarmup {
		s.Warmup = r.duration(n.get("warmup"), 0)
	}
	s.GracefulStop = r.duration(n.get("gracefulStop"), defaultGracefulStop)
	s.TimeUnit = time.Second
	switch s.Executor {
	case ConstantArrivalRate:
		r.constantRate(n, &s)
	case RampingArrivalRate:
		r.rampingRate(n, &s)
	case SineArrivalRate:
		r.sineRate(n, &s)
	case BurstArrivalRate:
		r.bursts(n, &s)
	case ConstantVUs:
		s.VUs = int(r.required(n, "vus", "vus: 10", 1, maxUsers))
		s.ThinkTime = r.thinkTime(n.get("thinkTime"))
		s.Duration = r.requiredDuration(n)
	case Replay:
		r.recording(n, &s)
	}
	r.warmupLimit(n, &s)
	if s.Duration > 0 && s.Warmup >= s.Duration {
		length := n.get("warmup")
		if s.AutoWarmup {
			length = n.get("warmupLimit")
		}
		r.fault(length, "the warmup is the first part of the duration and is not measured",
			"%s (%v) must be shorter than the whole (%v)", length.path, s.Warmup, s.Duration)
	}
	if s.Executor != Replay {
		s.Requests = r.requests(n, target)
	}
	return s
}

// autoWarmup is a warm-up that ends when the scenario is steady.
const autoWarmup = "auto"

// warmupLimit reads the longest that an automatic warm-up may take, once the scenario's duration is known.
func (r *reader) warmupLimit(n *node, s *Scenario) {
	warmup, limit := n.get("warmup"), n.get("warmupLimit")
	switch {
	case !s.AutoWarmup:
		if given(limit) && (warmup == nil || !warmup.bad) {
			r.faultAt(limit.keyAt, "add warmup: auto, or remove it", "%s goes with an automatic warmup only", limit.path)
		}
		return
	case s.Executor != "" && !s.Executor.Steady():
		r.fault(warmup, "give it a length, for example 10s", "%s cannot be auto: the load of executor %s is meant to change, so that it is never steady",
			warmup.path, s.Executor)
	case limit == nil && s.Duration > 0:
		if s.Warmup = min(defaultWarmupLimit, s.Duration/2); s.Warmup < minWarmupLimit {
			r.fault(warmup, "make the duration longer, or give the warmup a length", "%s cannot be auto: it takes up to half of the duration, %v, and needs up to %v to tell what is steady",
				warmup.path, s.Duration, minWarmupLimit)
		}
	case given(limit):
		if d, ok := r.positiveDuration(limit); ok && d < minWarmupLimit {
			r.fault(limit, "", "%s is %v; it must be at least %v, so that ten seconds can be looked at", limit.path, d, minWarmupLimit)
		} else if ok {
			s.Warmup = d
		}
	}
}

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
		names = append(names, string(x.name))
	}
	if slices.Contains(laterExecutors, chosen.text) {
		r.fault(chosen, "there are "+strings.Join(names, ", "), "the executor %s of k6 does not exist here yet", chosen.text)
		return ""
	}
	name := Executor(r.word(chosen, "", names))
	if name != "" {
		r.foreignKeys(n, name)
	}
	return name
}

func (r *reader) foreignKeys(n *node, name Executor) {
	for _, e := range n.entries {
		var owners []string
		for _, x := range executors {
			if slices.Contains(x.keys, e.key) {
				owners = append(owners, string(x.name))
			}
		}
		if len(owners) > 0 && !slices.Contains(owners, string(name)) {
			r.faultAt(e.at, "", "%s.%s belongs to executor %s, and this one is %s",
				n.path, e.key, strings.Join(owners, " and "), name)
		}
	}
}

func (r *reader) constantRate(n *node, s *Scenario) {
	r.arrivals(n, s)
	rate := n.get("rate")
	if rate == nil {
		r.missing(n, "rate", "rate: 100")
	}
	s.Rate, _ = r.positive(rate, maxRate*s.TimeUnit.Seconds())
	s.Duration = r.requiredDuration(n)
}

// sineRate reads a rate that swings around its mean, and never below 0.
func (r *reader) sineRate(n *node, s *Scenario) {
	r.constantRate(n, s)
	for _, key := range []string{"amplitude", "period"} {
		if n.get(key) == nil {
			r.missing(n, key, map[string]string{"amplitude": "amplitude: 50", "period": "period: 60s"}[key])
		}
	}
	s.Amplitude, _ = r.positive(n.get("amplitude"), maxRate*s.TimeUnit.Seconds())
	s.Period, _ = r.positiveDuration(n.get("period"))
	if s.Rate > 0 && s.Amplitude > s.Rate {
		r.fault(n.get("amplitude"), "a rate cannot fall below 0", "%s.amplitude is %v, more than the rate, %v", n.path, s.Amplitude, s.Rate)
	}
}

// bursts reads groups of requests that are meant to be sent at one instant.
func (r *reader) bursts(n *node, s *Scenario) {
	r.arrivals(n, s)
	s.Size = int(r.required(n, "size", "size: 100", 1, maxRate))
	every := n.get("every")
	if every == nil {
		r.missing(n, "every", "every: 1s")
	}
	s.Every, _ = r.positiveDuration(every)
	s.Duration = r.requiredDuration(n)
	if s.Every > 0 && float64(s.Size)/s.Every.Seconds() > maxRate {
		r.fault(every, "", "%s: %d requests every %v are more than 1,000,000 a second", n.path, s.Size, s.Every)
	}
}

func (r *reader) rampingRate(n *node, s *Scenario) {
	r.arrivals(n, s)
	highest := maxRate * s.TimeUnit.Seconds()
	s.StartRate, _ = r.number(n.get("startRate"), 0, highest)
	stages := n.get("stages")
	if stages == nil {
		r.missing(n, "stages", "stages: [{target: 1000, duration: 30s}]")
	}
	if !given(stages) {
		return
	}
	if len(stages.items) == 0 {
		r.fault(stages, "", "%s is empty", stages.path)
		return
	}
	faults, moving := len(r.errs), s.StartRate > 0
	for _, item := range stages.items {
		before := len(r.errs)
		stage := r.stage(item, highest)
		moving = moving || stage.Target > 0
		s.Duration += stage.Duration
		if name := item.get("name"); name != nil && len(r.errs) == before {
			stage.Name = r.stageName(name, stage, s)
		}
		s.Stages = append(s.Stages, stage)
	}
	switch {
	case len(r.errs) > faults: // what follows would only repeat it
	case !moving:
		r.fault(stages, "give a target above 0", "%s never sends anything: every rate is 0", n.path)
	case s.Duration == 0 || s.Duration > longest:
		r.fault(stages, "", "%s takes %v in all; it must be more than 0 and at most 24h", stages.path, s.Duration)
	}
}

// stage reads one ramp. A stage of 0s is a jump of the rate, as in k6.
func (r *reader) stage(n *node, highest float64) Stage {
	if n.bad {
		return Stage{}
	}
	if n.get("target") == nil {
		r.missing(n, "target", "target: 1000")
	}
	if n.get("duration") == nil {
		r.missing(n, "duration", "duration: 30s")
	}
	target, _ := r.number(n.get("target"), 0, highest)
	return Stage{Target: target, Duration: r.duration(n.get("duration"), 0)}
}

// stageName reads the name of a stage that ends where s.Duration does so far.
func (r *reader) stageName(n *node, stage Stage, s *Scenario) string {
	if n.bad || !r.name(n.at, "the stage", n.text) {
		r.vague = true
		return ""
	}
	twice := slices.ContainsFunc(s.Stages, func(other Stage) bool { return other.Name == n.text })
	switch {
	case twice:
		r.fault(n, "their measurements could not be told apart", "%s is the name of two stages", n.text)
	case stage.Duration > 0 && s.Duration <= s.Warmup:
		r.fault(n, "the warm-up is not measured: make it shorter, or leave the name out", "the stage %s ends within the warm-up", n.text)
	case stage.Duration == 0:
		r.fault(n, "leave the name out", "no request is meant to be sent within the stage %s, which takes no time", n.text)
	default:
		return n.text
	}
	r.vague = true
	return ""
}

// arrivals reads what both arrival rates have.
func (r *reader) arrivals(n *node, s *Scenario) {
	if unit := n.get("timeUnit"); unit != nil {
		if d, ok := r.positiveDuration(unit); ok {
			s.TimeUnit = d
		}
	}
	s.MaxVUs = int(r.whole(n.get("maxVUs"), defaultMaxVUs, 1, maxUsers))
	s.Arrivals = Arrivals(r.word(n.get("arrivals"), string(Even), []string{string(Even), string(Poisson)}))
}

// thinkTime reads a pause: always the same, or from a least to a greatest one.
func (r *reader) thinkTime(n *node) ThinkTime {
	if !given(n) {
		return ThinkTime{}
	}
	if n.kind == scalar {
		d, _ := r.positiveDuration(n)
		return ThinkTime{d, d}
	}
	for _, key := range []string{"min", "max"} {
		if n.get(key) == nil {
			r.missing(n, key, "thinkTime: {min: 200ms, max: 1s}")
		}
	}
	least, greatest := n.get("min"), n.get("max")
	t := ThinkTime{Min: r.duration(least, 0)}
	var ok bool
	if t.Max, ok = r.positiveDuration(greatest); ok && t.Min > t.Max {
		r.fault(least, "", "%s is %v, more than %s, %v", least.path, t.Min, greatest.path, t.Max)
	}
	return t
}

func (r *reader) required(n *node, key, example string, lowest, highest int64) int64 {
	value := n.get(key)
	if value == nil {
		r.missing(n, key, example)
	}
	return r.whole(value, 0, lowest, highest)
}

func (r *reader) requiredDuration(n *node) time.Duration {
	value := n.get("duration")
	if value == nil {
		r.missing(n, "duration", "duration: 30s")
	}
	d, _ := r.positiveDuration(value)
	return d
}

func (r *reader) requests(n *node, target Target) []Request {
	list := n.get("requests")
	if list == nil {
		r.missing(n, "requests", "requests: [{name: home, path: /}]")
	}
	if !given(list) {
		r.vague = true
		return nil
	}
	if len(list.items) == 0 {
		r.fault(list, "", "%s is empty", list.path)
	}
	requests := make([]Request, 0, len(list.items))
	seen, flows := map[string]bool{}, map[string]bool{}
	for _, item := range list.items {
		if item.bad {
			r.vague = true
			continue
		}
		read := []*node{item}
		if steps := item.get("steps"); steps != nil {
			flow := r.flow(item, target)
			if len(flow) > 0 {
				r.twice(item, flow[0].Flow, "flows", flows)
			}
			requests = append(requests, flow...)
			read = steps.items
		} else {
			requests = append(requests, r.request(item, target))
		}
		for _, one := range read {
			if name := one.get("name"); given(name) {
				r.twice(one, name.text, "requests", seen)
			}
		}
	}
	return requests
}

// twice refuses a name that another of its kind has already.
func (r *reader) twice(n *node, name, kind string, seen map[string]bool) {
	if name != "" && seen[name] {
		r.fault(n.get("name"), "their measurements could not be told apart", "there are two %s with the name %s in one scenario", kind, name)
	}
	seen[name] = true
}

// tagSets returns the tags of every kind of request of the plan, as thresholds select them.
func (p *Plan) tagSets() []map[string]string {
	var sets []map[string]string
	for _, s := range p.Scenarios {
		if s.Recording != nil && len(s.Requests) == 0 { // not read yet: of unknown names and methods
			sets = append(sets, p.tagsOf(&s, &Request{Name: s.Recording.Name})...)
		}
		for i := range s.Requests {
			sets = append(sets, p.tagsOf(&s, &s.Requests[i])...)
		}
	}
	return sets
}

// tagsOf are the tags of one kind of request in each stage of its scenario that tells itself apart.
func (p *Plan) tagsOf(s *Scenario, request *Request) []map[string]string {
	var sets []map[string]string
	for _, stage := range s.StageNames() {
		sets = append(sets, p.TagsOf(s, request, stage))
	}
	return sets
}

// TagsOf are the tags of a request in one of its scenario's [Scenario.StageNames]. Those of the request go before those
// of its scenario, and these before those of the file.
func (p *Plan) TagsOf(s *Scenario, request *Request, stage string) map[string]string {
	set := map[string]string{}
	for _, tags := range []map[string]string{p.Tags, s.Tags, request.Tags} {
		maps.Copy(set, tags)
	}
	set["scenario"], set["name"], set["method"] = s.Name, request.Name, request.Method
	if stage != "" {
		set[StageTag] = stage
	}
	if request.Flow != "" {
		set["flow"] = request.Flow
	}
	return set
}

package scenarios

import (
	"maps"
	"time"
)

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
	s := Scenario{Name: e.key, Load: unread{}}
	executor := r.executor(n)
	if !r.name(e.at, "the scenario", e.key) {
		r.vague = true
	}
	if n.bad {
		r.vague = true
		return s
	}
	s.Engine = Engine(r.word(n.get("engine"), "", engines))
	s.Region = r.regionOf(n)
	s.Tags = r.tags(n.get("tags"))
	s.StartTime = r.duration(n.get("startTime"), 0)
	s.AutoWarmup = r.text(n.get("warmup"), "") == autoWarmup
	if !s.AutoWarmup {
		s.Warmup = r.duration(n.get("warmup"), 0)
	}
	s.GracefulStop = r.duration(n.get("gracefulStop"), defaultGracefulStop)
	r.session(n, &s, executor, target)
	s.Load = r.load(n, executor, s.Warmup)
	r.warmupLimit(n, &s)
	if length := s.Load.Length(); length > 0 && s.Warmup >= length {
		warmup := n.get("warmup")
		if s.AutoWarmup {
			warmup = n.get("warmupLimit")
		}
		r.fault(warmup, "the warmup is the first part of the duration and is not measured",
			"%s (%v) must be shorter than the whole (%v)", warmup.path, s.Warmup, length)
	}
	if executor != (Replay{}).Executor() {
		r.pageKeys(n, executor)
		s.Requests = r.requests(n, target)
	}
	if executor == (Subscribers{}).Executor() {
		s.GracefulStop = 0 // the streams end with the load
		r.streamOnly(n, &s, target)
	}
	r.unusedNames(n.get("login"))
	return s
}

// autoWarmup is a warm-up that ends when the scenario is steady.
const autoWarmup = "auto"

// warmupLimit reads the longest that an automatic warm-up may take, once the scenario's duration is known.
func (r *reader) warmupLimit(n *node, s *Scenario) {
	warmup, limit, length := n.get("warmup"), n.get("warmupLimit"), s.Load.Length()
	switch {
	case !s.AutoWarmup:
		if given(limit) && (warmup == nil || !warmup.bad) {
			r.faultAt(limit.keyAt, "add warmup: auto, or remove it", "%s goes with an automatic warmup only",
				limit.path)
		}
		return
	case !s.Load.Steady():
		r.fault(warmup, "give it a length, for example 10s",
			"%s cannot be auto: the load of executor %s is meant to change, so that it is never steady",
			warmup.path, s.Load.Executor())
	case limit == nil && length > 0:
		s.Warmup = min(defaultWarmupLimit, length/2)
		if s.Warmup < minWarmupLimit {
			r.fault(warmup, "make the duration longer, or give the warmup a length",
				"%s cannot be auto: it takes up to half of the duration, %v, and needs up to %v to tell what is steady",
				warmup.path, length, minWarmupLimit)
		}
	case given(limit):
		if d, ok := r.positiveDuration(limit); ok && d < minWarmupLimit {
			r.fault(limit, "", "%s is %v; it must be at least %v, so that ten seconds can be looked at", limit.path,
				d, minWarmupLimit)
		} else if ok {
			s.Warmup = d
		}
	}
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
			read = nil
			for _, step := range leaves(steps) {
				read = append(read, step.node)
			}
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
		r.fault(n.get("name"), "their measurements could not be told apart",
			"there are two %s with the name %s in one scenario", kind, name)
	}
	seen[name] = true
}

// tagSets returns the tags of every kind of request of the plan, as thresholds select them.
func (p *Plan) tagSets() []map[string]string {
	var sets []map[string]string
	for _, s := range p.Scenarios {
		if _, streams := s.Load.(Subscribers); streams { // they have metrics of their own
			continue
		}
		if replay, ok := s.Load.(Replay); ok && len(s.Requests) == 0 { // not read yet: of unknown names and methods
			sets = append(sets, p.tagsOf(&s, &Request{Name: replay.Recording.Name})...)
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
		set := p.TagsOf(s, request, stage)
		if p.Instances() > 1 {
			set[InstanceTag] = "" // any
		}
		set[StatusTag], set[ExpectedTag] = "", ""
		sets = append(sets, set)
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
	set[tagScenario], set[tagName], set[tagMethod] = s.Name, request.Name, request.Method
	if stage != "" {
		set[StageTag] = stage
	}
	if s.Region != "" {
		set[RegionTag] = s.Region
	}
	if request.Flow != "" {
		set[tagFlow] = request.Flow
	}
	return set
}

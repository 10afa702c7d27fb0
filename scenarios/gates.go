package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// cacheTiers are the values of the tag tier.
var cacheTiers = []string{"l1", "l2", "l3", "overall"}

// queryNames are the values of the tag query: the names under which server/store measures its queries, in its order. A
// test holds that the two lists are the same, and that docs/scenarios.md says so.
var queryNames = []string{
	"append_event",
	"compliance_summary",
	"cost_series",
	"cost_totals",
	"count_resources",
	"create_policy",
	"create_resource",
	"delete_cache_entries",
	"delete_policy",
	"delete_resource",
	"estimate_resources",
	"expire_cache_entries",
	"find_cache_entries",
	"follow_events",
	"get_policy",
	"get_resource",
	"insert_resources",
	"largest_tenants",
	"list_current_evaluations",
	"list_evaluations",
	"list_policies",
	"list_resources",
	"read_cache_entry",
	"read_stream",
	"recent_resources",
	"record_evaluations",
	"refresh_compliance",
	"replace_policy",
	"replace_resource",
	"retire_evaluations",
	"upsert_costs",
	"write_cache_entry",
}

// gates is where thresholds stand, and what they may select.
type gates struct {
	plan      *Plan
	scenarios []string  // their names
	open      []string  // those that have a schedule
	sets      *tagIndex // of every kind of request
	checks    *tagIndex // of every check
	// implied are the tags that the place itself selects: those of the scenario or request that the thresholds belong to.
	implied map[string]string
	seen    map[string]place // where each threshold is, by its metric, selector and expression
}

// allThresholds reads the thresholds of a plan whose scenarios have been read: those of the file, then those of each
// scenario and of its requests.
func (r *reader) allThresholds(n *node, p *Plan) []Threshold {
	g := gates{plan: p, sets: newTagIndex(p.tagSets()), checks: newTagIndex(p.checkSets()), seen: map[string]place{}}
	for _, s := range p.Scenarios {
		g.scenarios = append(g.scenarios, s.Name)
		if s.Load.Open() {
			g.open = append(g.open, s.Name)
		}
	}
	all := r.thresholds(n.get("thresholds"), g)
	scenarios := n.get("scenarios")
	if !given(scenarios) {
		return all
	}
	for _, e := range scenarios.entries {
		g.implied = map[string]string{"scenario": e.key}
		all = append(all, r.thresholds(e.value.get("thresholds"), g)...)
		requests := e.value.get("requests")
		if !given(requests) {
			continue
		}
		for _, item := range requests.items {
			tag := "name"
			if steps := item.get("steps"); steps != nil {
				tag = "flow"
				for _, step := range steps.items {
					all = append(all, r.thresholdsOf(step, "name", e.key, g)...)
				}
			}
			all = append(all, r.thresholdsOf(item, tag, e.key, g)...)
		}
	}
	return all
}

// thresholdsOf reads those of a request or a flow; tag is what its name selects by.
func (r *reader) thresholdsOf(n *node, tag, scenario string, g gates) []Threshold {
	name := n.get("name")
	if !given(name) {
		return nil
	}
	g.implied = map[string]string{"scenario": scenario, tag: name.text}
	return r.thresholds(n.get("thresholds"), g)
}

// thresholds reads one section thresholds.
func (r *reader) thresholds(n *node, g gates) []Threshold {
	if n == nil {
		return nil
	}
	var all []Threshold
	for _, e := range n.entries {
		metric, selector, ok := r.metric(e, g)
		if !ok {
			continue
		}
		items := e.value.items
		if e.value.kind == scalar {
			items = []*node{e.value}
		} else if len(items) == 0 && !e.value.bad {
			r.fault(e.value, "for example "+example(metric.Kind), "the thresholds of %s are empty", e.key)
		}
		for _, item := range items {
			t := r.threshold(item, metric)
			t.Selector = selector
			r.notTwice(item, t, g)
			all = append(all, t)
		}
	}
	return all
}

// notTwice refuses a threshold that is there already: reports and JUnit's cases could not tell the two apart.
func (r *reader) notTwice(n *node, t Threshold, g gates) {
	if t.Source == "" {
		return
	}
	key := t.Name() + ": " + t.Source
	if first, twice := g.seen[key]; twice {
		where := fmt.Sprintf("line %d", first.line)
		if first.override != "" {
			where = "--set " + first.override
		}
		r.fault(n, "it is already in "+where, "the threshold %.200s is given twice", key)
		return
	}
	g.seen[key] = n.at
}

// metric reads a key of a section thresholds.
func (r *reader) metric(e entry, g gates) (Metric, map[string]string, bool) {
	name, selector, err := parseMetricName(e.key)
	if err != nil {
		r.syntax(e.at, "", err)
		return Metric{}, nil, false
	}
	i := slices.IndexFunc(Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		var known []string
		for _, m := range Metrics {
			known = append(known, m.Name)
		}
		r.faultAt(e.at, suggest(name, known), "there is no metric %.120q", name)
		return Metric{}, nil, false
	}
	metric := Metrics[i]
	if metric.Reference && g.plan.Target.URL != "" {
		r.faultAt(e.at, "remove it, or leave out target", "%s is answered by the reference server alone, and target.url names another service", name)
	}
	selector, ok := r.implied(e, metric, selector, g.implied)
	if !ok {
		return Metric{}, nil, false
	}
	switch {
	case name == "checks":
		r.checkSelector(e, selector, g.checks)
	case slices.Contains(metric.Tags, RequestTags):
		r.requestSelector(e, selector, g.sets)
	default:
		r.ownSelector(e, metric, selector, g)
	}
	return metric, selector, true
}

// implied adds to a selector the tags that the threshold's place implies.
func (r *reader) implied(e entry, metric Metric, selector, implied map[string]string) (map[string]string, bool) {
	if len(implied) == 0 {
		return selector, true
	}
	all := maps.Clone(implied)
	for _, tag := range slices.Sorted(maps.Keys(implied)) {
		if _, twice := selector[tag]; twice {
			r.faultAt(e.at, "leave it out", "%s selects by the tag %s, which the place of the threshold does already", e.key, tag)
			return nil, false
		}
		if !slices.Contains(metric.Tags, RequestTags) && !slices.Contains(metric.Tags, tag) {
			r.faultAt(e.at, "write it under thresholds of the scenario or of the file", "%s is not told apart by request", metric.Name)
			return nil, false
		}
	}
	maps.Copy(all, selector)
	return all, true
}

// checkSelector holds a selector of checks against those that the plan has.
func (r *reader) checkSelector(e entry, selector map[string]string, checks *tagIndex) {
	if len(checks.sets) == 0 && !r.vague {
		r.faultAt(e.at, "give one a list checks", "checks judges the checks of requests, and no request has any")
		return
	}
	r.requestSelector(e, selector, checks)
}

// requestSelector holds a selector of requests against the tags that the plan's requests have.
func (r *reader) requestSelector(e entry, selector map[string]string, sets *tagIndex) {
	if r.vague { // what the requests would have been is not known
		return
	}
	found := true
	for _, tag := range slices.Sorted(maps.Keys(selector)) {
		if !sets.has(tag, selector[tag]) {
			found = r.selects(e, tag, selector[tag], sets.tags, sets.values[tag]) && found
		}
	}
	if found && !sets.picks(selector) {
		r.faultAt(e.at, "", "no request has all the tags of %s", e.key)
	}
}

// ownSelector holds the selector of a metric that is not counted a request against the tags of the metric.
func (r *reader) ownSelector(e entry, metric Metric, selector map[string]string, g gates) {
	values := map[string][]string{"scenario": g.scenarios, "tier": cacheTiers, "query": queryNames}
	for _, tag := range slices.Sorted(maps.Keys(selector)) {
		unknown := r.vague && tag == "scenario"
		if !unknown && !r.selects(e, tag, selector[tag], metric.Tags, values[tag]) {
			return
		}
	}
	if r.vague {
		return
	}
	scheduled := metric.Name == "schedule_lag" || metric.Name == "dropped_iterations"
	if only := selector["scenario"]; scheduled && (len(g.open) == 0 || only != "" && !slices.Contains(g.open, only)) {
		r.faultAt(e.at, "only arrival rates and replays have one", "%s needs a schedule, and an executor %s has none", metric.Name, Users{}.Executor())
	}
}

// selects checks one tag of a selector against the tags and the values that there are.
func (r *reader) selects(e entry, tag, value string, tags, values []string) bool {
	switch {
	case !slices.Contains(tags, tag):
		r.faultAt(e.at, r.suggest(tag, tags), "%s selects by the tag %.60q, which nothing has", e.key, tag)
	case !slices.Contains(values, value):
		r.faultAt(e.at, r.suggest(value, values), "%s selects nothing: no %s is %.60q", e.key, tag, value)
	default:
		return true
	}
	return false
}

// threshold reads one gate: an expression, or a mapping with one.
func (r *reader) threshold(n *node, metric Metric) Threshold {
	if n.bad {
		return Threshold{}
	}
	t := Threshold{Metric: metric.Name, Line: n.at.line, Column: n.at.column}
	if n.at.override != "" {
		t.Line, t.Column = 0, 0
	}
	expression := n
	if n.kind == mapping {
		expression = n.get("threshold")
		t.AbortOnFail = r.flag(n.get("abortOnFail"))
		if delay := r.delay(n, t.AbortOnFail); t.AbortOnFail {
			t.DelayAbortEval = delay
		}
		if expression == nil {
			r.missing(n, "threshold", "threshold: "+example(metric.Kind))
		}
	}
	if !given(expression) {
		return t
	}
	t.Source = strings.TrimSpace(expression.text)
	text, window, err := cutWindow(t.Source)
	if err == nil {
		t.Window = window
		t.Aggregation, t.Op, t.Limit, err = parseExpression(text, metric.Kind)
	}
	if err == nil && window > 0 {
		err = checkWindow(metric.Name, t.Aggregation)
	}
	if err != nil {
		r.syntax(expression.at, metric.Name+": ", err)
	}
	return t
}

func (r *reader) delay(n *node, abort bool) time.Duration {
	delay := n.get("delayAbortEval")
	if given(delay) && !abort && n.get("abortOnFail") == nil {
		r.faultAt(delay.keyAt, "add abortOnFail: true", "delayAbortEval delays nothing")
	}
	return r.duration(delay, defaultDelayAbort)
}

// defaultDelayAbort is as long as it takes to tell how much alike neighbouring requests are: one stall is not the end.
const defaultDelayAbort = 10 * time.Second

func (r *reader) syntax(at place, prefix string, err error) {
	var fault *syntaxError
	if !errors.As(err, &fault) {
		panic(err) // the parsers of this package return nothing else
	}
	r.faultAt(at, fault.hint, "%s%s", prefix, fault.message)
}

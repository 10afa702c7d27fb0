package scenarios

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Threshold is one gate: an aggregation of a metric, over the requests that a selector picks, held against a limit.
type Threshold struct {
	Metric         MetricName
	Selector       map[string]string // every tag must match; empty selects all
	Aggregation    Aggregation
	Op             Operator
	Limit          float64       // in the unit of the metric: milliseconds, bytes, or a share of 1
	Window         time.Duration // whole seconds: it must hold in each stretch of this length; 0: over all
	Source         string        // the expression as written: "p(95)<50"
	AbortOnFail    bool
	DelayAbortEval time.Duration // how much of what it selects must have been measured before it may abort the run
	Line, Column   int           // in the scenario file; 0 when an override gave it
}

// Name is the metric with its selector in k6's notation: http_req_duration{scenario:warm}.
func (t Threshold) Name() string { return metricName(t.Metric, t.Selector) }

// ParseThreshold reads a threshold from its [Threshold.Name] and its Source, which a saved run has of each. Whether it
// may abort a run stands in neither.
func ParseThreshold(name, source string) (Threshold, error) {
	metric, selector, err := parseMetricName(name)
	if err != nil {
		return Threshold{}, err
	}
	row, known := metric.Metric()
	if !known {
		return Threshold{}, fmt.Errorf("there is no metric %.120q", metric)
	}
	e, err := parseExpression(source, row)
	if err != nil {
		return Threshold{}, err
	}
	return Threshold{
		Metric: metric, Selector: selector, Source: source,
		Aggregation: e.aggregation, Op: e.operator, Limit: e.limit, Window: e.window,
	}, nil
}

// thresholdScope is what the thresholds of one section may select.
type thresholdScope struct {
	plan      *Plan
	scenarios []string // their names
	open      []string // those that have a schedule
	planned   []string // those, and those of a given number of iterations
	flows     *flowNames
	streams   []string  // those of subscribers
	sets      *tagIndex // of every kind of request
	checks    *tagIndex // of every check
	// implied are the tags that the place itself selects: those of the scenario or request that the thresholds belong
	// to.
	implied map[string]string
	seen    map[string]place // where each threshold is, by its metric, selector and expression
}

// newScope is what a plan whose scenarios have been read has to select from.
func (r *reader) newScope(p *Plan) thresholdScope {
	scope := thresholdScope{
		plan: p, sets: newTagIndex(p.tagSets()), checks: newTagIndex(p.checkSets()),
		seen: map[string]place{}, flows: newFlowNames(p),
	}
	for _, s := range p.Scenarios {
		scope.scenarios = append(scope.scenarios, s.Name)
		if s.Load.Open() {
			scope.open = append(scope.open, s.Name)
		}
		if s.Load.Open() || Counted(s.Load) {
			scope.planned = append(scope.planned, s.Name)
		}
		if _, streams := s.Load.(Subscribers); streams {
			scope.streams = append(scope.streams, s.Name)
		}
	}
	return scope
}

// allThresholds reads the thresholds of a plan whose scenarios have been read: those of the file, then those of each
// scenario and of its requests.
func (r *reader) allThresholds(n *node, p *Plan) []Threshold {
	scope := r.newScope(p)
	all := r.thresholds(n.get("thresholds"), scope)
	scenarios := n.get("scenarios")
	if !given(scenarios) {
		return all
	}
	for _, e := range scenarios.entries {
		scope.implied = map[string]string{tagScenario: e.key}
		all = append(all, r.thresholds(e.value.get("thresholds"), scope)...)
		requests := e.value.get("requests")
		if !given(requests) {
			continue
		}
		for _, item := range requests.items {
			tag := tagName
			if steps := item.get("steps"); steps != nil {
				tag = tagFlow
				for _, step := range leaves(steps) {
					all = append(all, r.thresholdsOf(step.node, tagName, e.key, scope)...)
				}
			}
			all = append(all, r.thresholdsOf(item, tag, e.key, scope)...)
		}
	}
	return all
}

// thresholdsOf reads those of a request or a flow; tag is what its name selects by.
func (r *reader) thresholdsOf(n *node, tag, scenario string, scope thresholdScope) []Threshold {
	name := n.get("name")
	if !given(name) {
		return nil
	}
	scope.implied = map[string]string{tagScenario: scenario, tag: name.text}
	return r.thresholds(n.get("thresholds"), scope)
}

// thresholds reads one section thresholds.
func (r *reader) thresholds(n *node, scope thresholdScope) []Threshold {
	if n == nil {
		return nil
	}
	var all []Threshold
	for _, e := range n.entries {
		metric, selector, ok := r.metric(e, scope)
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
			if t.Window > 0 && metric.Kind == Counter && SelectsOutcome(selector) {
				r.fault(item, "http_req_failed has windows",
					"%s has none: in most of them there would be no such response", e.key)
			}
			if t.Source != "" {
				r.notTwice(item, "threshold", t.Name()+": "+t.Source, scope)
			}
			all = append(all, t)
		}
	}
	return all
}

// notTwice refuses what is there already: reports and JUnit's cases could not tell the two apart.
func (r *reader) notTwice(n *node, what, key string, scope thresholdScope) {
	if first, twice := scope.seen[key]; twice {
		where := fmt.Sprintf("line %d", first.line)
		if first.override != "" {
			where = "--set " + first.override
		}
		r.fault(n, "it is already in "+where, "the %s %.200s is given twice", what, key)
		return
	}
	scope.seen[key] = n.at
}

// metric reads a key of a section thresholds.
func (r *reader) metric(e entry, scope thresholdScope) (Metric, map[string]string, bool) {
	name, selector, err := parseMetricName(e.key)
	if err != nil {
		r.syntax(e.at, "", err)
		return Metric{}, nil, false
	}
	metric, found := name.Metric()
	if !found {
		var known []string
		for _, m := range Metrics {
			known = append(known, string(m.Name))
		}
		hint := suggest(string(name), known)
		if _, compared := name.RegressionMetric(); compared {
			hint = "experiments have it: write it under regression"
		}
		r.faultAt(e.at, hint, "there is no metric %.120q", name)
		return Metric{}, nil, false
	}
	selector, ok := r.implied(e, metric, selector, scope.implied)
	if !ok {
		return Metric{}, nil, false
	}
	r.selector(e, metric, selector, scope)
	return metric, selector, true
}

// selector holds a metric with its selector against what the plan has.
func (r *reader) selector(e entry, metric Metric, selector map[string]string, scope thresholdScope) {
	if metric.From == FromPages && !scope.plan.loadsPages() {
		r.faultAt(e.at, "give one the executor browser", "%s is measured by a browser, and no scenario loads pages",
			metric.Name)
	}
	if metric.From == FromServer && scope.plan.Target.URL != "" {
		r.faultAt(e.at, "remove it, or leave out target",
			"%s is answered by the reference server alone, and target names another service", metric.Name)
	}
	if metric.From == FromMetrics {
		r.figureSelector(e, selector, scope)
		return
	}
	if number, given := selector[InstanceTag]; given && metric.perRequest() {
		last := scope.plan.Instances()
		n, err := strconv.Atoi(number)
		if last > 1 && (err != nil || n < 1 || n > last || strconv.Itoa(n) != number) {
			r.faultAt(e.at, "", "%s selects nothing: the instances are numbered from 1 to %d", e.key, last)
			return
		}
	}
	if !r.outcomeSelector(e, metric, selector) {
		return
	}
	if metric.Name.Streamed() != "" {
		r.streamedSelector(e, metric, scope.plan)
	}
	switch {
	case metric.Name == Checks:
		r.checkSelector(e, selector, scope.checks)
	case metric.perRequest():
		r.requestSelector(e, selector, scope.sets)
	default:
		r.ownSelector(e, metric, selector, scope)
	}
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
		if t.AbortOnFail && !metric.From.duringRun() {
			r.fault(n.get("abortOnFail"), "remove it, the gate is judged at the end",
				"%s is known at the end of a run only and cannot end it", metric.Name)
		}
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
	e, err := parseExpression(t.Source, metric)
	if err != nil {
		r.syntax(expression.at, string(metric.Name)+": ", err)
		return t
	}
	t.Aggregation, t.Op, t.Limit, t.Window = e.aggregation, e.operator, e.limit, e.window
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

// syntaxError says what is wrong in a metric's name or a threshold, and what to write instead.
type syntaxError struct{ message, hint string }

func (e *syntaxError) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + "; " + e.hint
}

func (r *reader) syntax(at place, prefix string, err error) {
	var fault *syntaxError
	if !errors.As(err, &fault) {
		panic(err) // the parsers of this package return nothing else
	}
	r.faultAt(at, fault.hint, "%s%s", prefix, fault.message)
}

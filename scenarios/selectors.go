package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Selects reports whether tags include all those of a selector.
func Selects(selector, tags map[string]string) bool {
	for tag, value := range selector {
		if tags[tag] != value {
			return false
		}
	}
	return true
}

// metricName writes a metric with its selector in k6's notation, the tags in alphabetical order.
func metricName(metric MetricName, selector map[string]string) string {
	if len(selector) == 0 {
		return string(metric)
	}
	pairs := make([]string, 0, len(selector))
	for _, tag := range slices.Sorted(maps.Keys(selector)) {
		pairs = append(pairs, tag+":"+selector[tag])
	}
	return string(metric) + "{" + strings.Join(pairs, ",") + "}"
}

// parseMetricName reads a metric with its selector:
//
//	name     = metric , [ "{" , [ tag , { "," , tag } ] , "}" ] ;
//	tag      = key , ":" , value ;
//
// with blanks allowed around metric, key and value. The value is everything up to the next comma or the final brace.
func parseMetricName(s string) (metric MetricName, selector map[string]string, err error) {
	before, rest, found := strings.Cut(s, "{")
	metric = MetricName(strings.TrimSpace(before))
	if !found {
		return metric, nil, nil
	}
	rest, found = strings.CutSuffix(strings.TrimSpace(rest), "}")
	if !found {
		return "", nil, &syntaxError{fmt.Sprintf("the selector of %.120q is not closed", s), "write metric{tag:value}"}
	}
	if strings.TrimSpace(rest) == "" {
		return metric, nil, nil
	}
	selector = map[string]string{}
	for pair := range strings.SplitSeq(rest, ",") {
		tag, value, found := strings.Cut(pair, ":")
		tag, value = strings.TrimSpace(tag), strings.TrimSpace(value)
		if !found || tag == "" || value == "" || strings.ContainsAny(value, "{}") {
			return "", nil, &syntaxError{
				fmt.Sprintf("%.120q is not a selector", strings.TrimSpace(pair)),
				"write metric{tag:value,tag:value}",
			}
		}
		if _, twice := selector[tag]; twice {
			return "", nil, &syntaxError{
				fmt.Sprintf("the tag %q is selected twice", tag),
				"no request has two values of one tag",
			}
		}
		selector[tag] = value
	}
	return metric, selector, nil
}

// implied adds to a selector the tags that the threshold's place implies.
func (r *reader) implied(e entry, metric Metric, selector, implied map[string]string) (map[string]string, bool) {
	if len(implied) == 0 {
		return selector, true
	}
	all := maps.Clone(implied)
	for _, tag := range slices.Sorted(maps.Keys(implied)) {
		if !metric.Name.PerRequest() && !slices.Contains(metric.Tags, tag) {
			r.faultAt(e.at, "write it under thresholds of the scenario or of the file",
				"%s is not told apart by request", metric.Name)
			return nil, false
		}
		if _, twice := selector[tag]; twice {
			r.faultAt(e.at, "leave it out", "%s selects by the tag %s, which the place of the threshold does already",
				e.key, tag)
			return nil, false
		}
	}
	maps.Copy(all, selector)
	return all, true
}

// streamedSelector holds a metric of streamed answers against the requests that have such.
func (r *reader) streamedSelector(e entry, metric Metric, plan *Plan) {
	if metric.Name == HTTPReqGoodput || metric.Name == HTTPReqGood {
		r.goodputSelector(e, metric, plan)
		return
	}
	kind := metric.Name.Streamed()
	for _, s := range plan.Scenarios {
		_, subscribers := s.Load.(Subscribers)
		if !subscribers && slices.ContainsFunc(s.Requests, func(q Request) bool { return q.mayStream(kind) }) {
			return
		}
	}
	if !r.vague {
		r.faultAt(e.at, "add stream: "+string(kind)+" to one", "%s judges streamed answers, and no request has them",
			metric.Name)
	}
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
	if len(sets.sets) == 0 {
		r.faultAt(e.at, "the metrics of subscribers' streams begin with stream_",
			"%s judges requests, and the file has none but those that open streams", e.key)
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
func (r *reader) ownSelector(e entry, metric Metric, selector map[string]string, scope thresholdScope) {
	if selector[tagTier] == EdgeTier && scope.plan.Environment.Edge == "" {
		r.faultAt(e.at, "add environment: {edge: varnish}", "%s selects nothing: the environment has no edge", e.key)
		return
	}
	tiers := append(slices.Clone(cacheTiers), EdgeTier)
	values := map[string][]string{tagScenario: scope.scenarios, tagTier: tiers, tagQuery: queryNames}
	if metric.From == FromFlows {
		if !r.flowSelector(e, selector, scope) {
			return
		}
		values[tagFlow] = []string{selector[tagFlow]}
	}
	for _, tag := range slices.Sorted(maps.Keys(selector)) {
		unknown := r.vague && tag == tagScenario
		if !unknown && !r.selects(e, tag, selector[tag], metric.Tags, values[tag]) {
			return
		}
	}
	if r.vague {
		return
	}
	if metric.From == FromStreams {
		r.streamSelector(e, metric, selector[tagScenario], scope.streams)
	}
	planned := scope.open
	if metric.Name == DroppedIterations {
		planned = scope.planned
	}
	if only := selector[tagScenario]; metric.From == FromSchedule &&
		(len(planned) == 0 || only != "" && !slices.Contains(planned, only)) {
		without := Users{}.Executor()
		if slices.Contains(scope.streams, only) || len(scope.streams) == len(scope.scenarios) {
			without = Subscribers{}.Executor()
		}
		for _, s := range scope.plan.Scenarios {
			if s.Name == only || only == "" && s.Load.Executor().HasUsers() {
				without = s.Load.Executor()
			}
		}
		r.faultAt(e.at, "only arrival rates and replays have one", "%s needs a schedule, and an executor %s has none",
			metric.Name, without)
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

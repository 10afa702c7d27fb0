package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Regression is a gate of an experiment: how much worse a figure may be in the head than in the base.
type Regression struct {
	Metric       MetricName
	Selector     map[string]string // every tag must match; empty selects all
	Aggregation  Aggregation
	Tolerance    float64 // a share of the base's value: 0.05 for 5 %
	MoreIsBetter bool    // the figure may fall by the tolerance; else it may rise by it
	Source       string  // the expression as written: "p(95)<+5%"
	Line, Column int     // in the scenario file; 0 when an override gave it
}

// Name is the metric with its selector: http_req_duration{name:get}.
func (r Regression) Name() string { return metricName(r.Metric, r.Selector) }

// The metrics that experiments alone have. All are of one arm in one slice, per request that was measured.
const (
	HTTPReqSucceeded       MetricName = "http_req_succeeded"     // share of the requests that did not fail
	CPUPerRequest          MetricName = "cpu_per_request"        // CPU time of all processes of the arm
	AllocatedPerRequest    MetricName = "allocated_per_request"  // bytes allocated by Go
	ObjectsPerRequest      MetricName = "objects_per_request"    // objects allocated by Go
	DBTimePerRequest       MetricName = "db_time_per_request"    // time of queries, as the reference server counts it
	StatementsPerRequest   MetricName = "statements_per_request" // queries, as the reference server counts them
	InstructionsPerRequest MetricName = "instructions_per_request"
)

// RegressionMetric is a metric that experiments compare.
type RegressionMetric struct {
	Metric
	Aggregations []string // "p(N)" stands for every percentile
	// RiseIsWorse and FallIsWorse say what is a change for the worse. Where both do, the gate chooses.
	RiseIsWorse, FallIsWorse bool
}

// onlyValue is the aggregation of metrics that have one value a slice.
const onlyValue = "value"

// alone are the tags of metrics that are of all that an arm did meanwhile: they can be told apart by scenario where
// that runs alone.
var alone = []string{tagScenario}

// RegressionMetrics are all of them, in the order of the documentation. Those of the schedule are not: both arms have
// the same. http_req_failed is not either, see [failedHint].
var RegressionMetrics = []RegressionMetric{
	{metricOf(HTTPReqDuration), aggregations[Trend], true, false},
	{metricOf(HTTPReqServiceDuration), aggregations[Trend], true, false},
	{metricOf(HTTPReqs), []string{"rate"}, false, true},
	{Metric{Name: HTTPReqSucceeded, Kind: Rate, Tags: []string{RequestTags}}, []string{"rate"}, false, true},
	{metricOf(HTTPReqCacheHit), []string{"rate"}, false, true},
	{metricOf(Checks), []string{"rate"}, false, true},
	{metricOf(DataSent), []string{"rate"}, true, true},
	{metricOf(DataReceived), []string{"rate"}, true, true},
	{metricOf(DBQueryDuration), aggregations[Trend], true, false},
	{metricOf(CacheHitRatio), []string{"rate"}, false, true},
	{Metric{Name: CPUPerRequest, Unit: "ms", Tags: alone, From: FromArm}, []string{onlyValue}, true, false},
	{Metric{Name: AllocatedPerRequest, Unit: "B", Tags: alone, From: FromArm}, []string{onlyValue}, true, false},
	{Metric{Name: ObjectsPerRequest, Tags: alone, From: FromArm}, []string{onlyValue}, true, false},
	{Metric{Name: DBTimePerRequest, Unit: "ms", Tags: alone, From: FromServer}, []string{onlyValue}, true, false},
	{Metric{Name: StatementsPerRequest, Tags: alone, From: FromServer}, []string{onlyValue}, true, false},
	{Metric{Name: InstructionsPerRequest, Tags: alone, From: FromArm}, []string{onlyValue}, true, false},
}

// metricOf is the row of a metric that thresholds have too.
func metricOf(name MetricName) Metric {
	m, ok := name.Metric()
	if !ok {
		panic("there is no metric " + name)
	}
	return m
}

// RegressionMetric returns the row of a name in [RegressionMetrics]. ok is false for a metric that is not compared.
func (n MetricName) RegressionMetric() (m RegressionMetric, ok bool) {
	i := slices.IndexFunc(RegressionMetrics, func(m RegressionMetric) bool { return m.Name == n })
	if i < 0 {
		return RegressionMetric{}, false
	}
	return RegressionMetrics[i], true
}

// failedHint says what to write for the share of failed requests: near 0 it has no ratio that means anything.
const failedHint = "a share near 0 has no ratio: compare http_req_succeeded, for example rate>-1%"

// notCompared says that a metric is not compared in experiments, and what to do.
func notCompared(name MetricName) *syntaxError {
	known := make([]string, len(RegressionMetrics))
	for i, m := range RegressionMetrics {
		known[i] = string(m.Name)
	}
	switch _, exists := name.Metric(); {
	case name == HTTPReqFailed:
		return &syntaxError{string(name) + " is not compared in experiments", failedHint}
	case exists: // a metric of the schedule
		return &syntaxError{string(name) + " is not compared in experiments", "both arms have the same schedule"}
	}
	return &syntaxError{fmt.Sprintf("there is no metric %.120q", name), suggest(string(name), known)}
}

// ParseRegression reads a gate from its [Regression.Name] and its Source, which a saved experiment has of each. The
// gate has no place in a file.
func ParseRegression(name, source string) (Regression, error) {
	metric, selector, err := parseMetricName(name)
	if err != nil {
		return Regression{}, err
	}
	row, known := metric.RegressionMetric()
	if !known {
		return Regression{}, notCompared(metric)
	}
	g, err := parseChange(source, row)
	if err != nil {
		return Regression{}, err
	}
	g.Selector = selector
	return g, nil
}

// regressions reads the section regression of a plan whose scenarios have been read.
func (r *reader) regressions(n *node, p *Plan) []Regression {
	if n == nil {
		return nil
	}
	scope := r.newScope(p)
	var all []Regression
	for _, e := range n.entries {
		metric, selector, ok := r.regressionMetric(e, scope)
		if !ok {
			continue
		}
		items := e.value.items
		if e.value.kind == scalar {
			items = []*node{e.value}
		} else if len(items) == 0 && !e.value.bad {
			r.fault(e.value, "for example "+metric.example(), "the gates of %s are empty", e.key)
		}
		for _, item := range items {
			if !given(item) {
				continue
			}
			g, err := parseChange(strings.TrimSpace(item.text), metric)
			if err != nil {
				r.syntax(item.at, string(metric.Name)+": ", err)
				continue
			}
			g.Selector = selector
			if item.at.override == "" {
				g.Line, g.Column = item.at.line, item.at.column
			}
			r.notTwice(item, "gate", g.Name()+": "+g.Aggregation.String(), scope)
			all = append(all, g)
		}
	}
	return all
}

// regressionMetric reads a key of the section regression.
func (r *reader) regressionMetric(e entry, scope thresholdScope) (RegressionMetric, map[string]string, bool) {
	name, selector, err := parseMetricName(e.key)
	if err != nil {
		r.syntax(e.at, "", err)
		return RegressionMetric{}, nil, false
	}
	metric, known := name.RegressionMetric()
	if !known {
		r.syntax(e.at, "", notCompared(name))
		return RegressionMetric{}, nil, false
	}
	if SelectsOutcome(selector) {
		r.faultAt(e.at, "leave the tag out", "experiments do not tell requests apart by %s and %s", StatusTag,
			ExpectedTag)
		return RegressionMetric{}, nil, false
	}
	r.selector(e, metric.Metric, selector, scope)
	r.part(e, metric, selector, scope)
	return metric, selector, true
}

// part holds a gate against the parts that a slice has: the open scenarios together, and then each closed one.
func (r *reader) part(e entry, metric RegressionMetric, selector map[string]string, scope thresholdScope) {
	closed := len(scope.scenarios) - len(scope.open)
	name, selected := selector[tagScenario]
	switch {
	case selected && slices.Contains(scope.open, name) && len(scope.open) > 1 && slices.Equal(metric.Tags, alone):
		r.faultAt(e.at, "remove the selector, or select a closed scenario, which runs alone",
			"open scenarios run together: %s of one of them is not known", metric.Name)
	case !selected && len(scope.open) == 0 && closed > 1 && selector[tagName] == "" && selector[tagFlow] == "":
		r.faultAt(e.at, fmt.Sprintf("write %s{scenario:%s}", metric.Name, scope.scenarios[0]),
			"closed scenarios run one after the other: select one of them")
	}
}

// Bounds of a change, in percent: what falls by 100 % is nothing, and has no ratio.
const (
	maxRise = 1000
	maxFall = 99
)

// parseChange reads a gate of an experiment on a metric:
//
//	gate        = aggregation , operator , sign , number , "%" ;
//	aggregation = "avg" | "min" | "med" | "max" | "rate" | "value" | "p" , "(" , number , ")" ;
//	operator    = "<" | "<=" | ">" | ">=" ;
//	sign        = "+" | "-" ;
//	number      = digit , { digit } , [ "." , { digit } ] ;
//
// Blanks may stand between the symbols. "<" and "<=" with "+": the figure may rise by that many percent of the base's
// at most; ">" and ">=" with "-": it may fall by that many. The number is above 0, and at most 1000 of a rise and 99 of
// a fall. The metric decides on the aggregations and on what is worse, a rise or a fall.
func parseChange(s string, metric RegressionMetric) (Regression, error) {
	g := Regression{Metric: metric.Name, Source: s}
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return g, &syntaxError{fmt.Sprintf("%.60q has no comparison", s), "write it as " + metric.example()}
	}
	operator, rest := cutOperator(s[at:])
	if !operator.IsUpper() && !operator.IsLower() || strings.ContainsAny(rest, "<>=!") {
		return g, &syntaxError{fmt.Sprintf("%.60q has no operator that is known", s), "known are < <= > >="}
	}
	var err error
	g.Aggregation, err = parseAggregation(strings.TrimSpace(s[:at]), metric.Aggregations)
	if err != nil {
		return g, err
	}
	g.MoreIsBetter = operator.IsLower()
	g.Tolerance, err = metric.parsePercent(strings.TrimSpace(rest), g.MoreIsBetter)
	if err != nil {
		return g, err
	}
	switch {
	case g.MoreIsBetter && !metric.FallIsWorse:
		return g, &syntaxError{"a fall is no change for the worse", "write it as " + metric.example()}
	case !g.MoreIsBetter && !metric.RiseIsWorse:
		return g, &syntaxError{"a rise is no change for the worse", "write it as " + metric.example()}
	}
	return g, nil
}

// parsePercent reads the tolerated change that stands after the operator, and returns its size as a share.
func (m RegressionMetric) parsePercent(s string, fall bool) (float64, error) {
	sign, most := "+", float64(maxRise)
	if fall {
		sign, most = "-", maxFall
	}
	digits, signed := strings.CutPrefix(s, sign)
	digits, inPercent := strings.CutSuffix(digits, "%")
	number, ok := parseNumber(strings.TrimSpace(digits))
	switch {
	case !ok || !signed || !inPercent:
		return 0, &syntaxError{
			fmt.Sprintf("%.60q is not a change", s),
			"write how many percent it may rise or fall: <+5% or >-5%",
		}
	case number <= 0 || number > most:
		return 0, &syntaxError{
			fmt.Sprintf("a change of %.60q is not possible", s),
			fmt.Sprintf("write more than 0%% and at most %.0f%%", most),
		}
	}
	return number / 100, nil
}

// example is a gate on the metric.
func (m RegressionMetric) example() string {
	aggregation := m.Aggregations[0]
	if slices.Contains(m.Aggregations, "p(N)") {
		aggregation = "p(95)"
	}
	if m.RiseIsWorse {
		return aggregation + "<+5%"
	}
	return aggregation + ">-5%"
}

// percent writes a share: 5% for 0.05. It has no more than six places, where a product of 100 is not exact.
func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e8)/1e6, 'f', -1, 64) + "%"
}

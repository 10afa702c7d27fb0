package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Aggregation is what a threshold takes of a metric.
type Aggregation struct {
	Name       string  // avg, min, med, max, p, count, rate, value, last
	Percentile float64 // of p: between 0 and 100
}

// String is the aggregation as a threshold has it: p(99.9).
func (a Aggregation) String() string {
	if a.Name == "p" {
		return "p(" + strconv.FormatFloat(a.Percentile, 'f', -1, 64) + ")"
	}
	return a.Name
}

// Operator compares what was measured with the limit of a threshold.
type Operator string

// The operators.
const (
	Less     Operator = "<"
	AtMost   Operator = "<="
	Greater  Operator = ">"
	AtLeast  Operator = ">="
	Equal    Operator = "=="
	NotEqual Operator = "!="
)

// operators are tried in this order: the longer one of two with the same beginning first.
var operators = []Operator{AtMost, AtLeast, Equal, NotEqual, Less, Greater}

// Holds reports whether an actual value meets a limit.
func (o Operator) Holds(actual, limit float64) bool {
	switch o {
	case Less:
		return actual < limit
	case AtMost:
		return actual <= limit
	case Greater:
		return actual > limit
	case AtLeast:
		return actual >= limit
	case Equal:
		return actual == limit
	case NotEqual:
		return actual != limit
	}
	return false
}

// IsUpper reports whether the limit is an upper bound: the less the better.
func (o Operator) IsUpper() bool { return o == Less || o == AtMost }

// IsLower reports whether the limit is a lower bound: the more the better.
func (o Operator) IsLower() bool { return o == Greater || o == AtLeast }

// expression is a threshold without its metric: p(95)<50 for 10s.
type expression struct {
	aggregation Aggregation
	operator    Operator
	limit       float64
	window      time.Duration // 0: none
}

// parseExpression reads a threshold on a metric. The grammar of comparisons is that of k6
// (metrics/thresholds_parser.go):
//
//	expression  = comparison , [ "for" , duration ] ;
//	comparison  = aggregation , operator , number ;
//	aggregation = "avg" | "min" | "med" | "max" | "last" | "count" | "rate" | "value" | "p" , "(" , number , ")" ;
//	operator    = "<" | "<=" | ">" | ">=" | "==" | "!=" ;
//	number      = digit , { digit } , [ "." , { digit } ] ;
//
// Blanks may stand between the symbols. The kind of the metric decides which aggregations there are: avg, min, med, max
// and p(N) of a Trend, count and rate of a Counter, rate of a Rate, value of a Single, all of these but value and also
// last of a Figure. N lies between 0 and 100, the number of a Rate from 0 to 1. The duration is whole seconds, such as
// 10s or 1m30s, from one second to an hour.
func parseExpression(s string, metric Metric) (expression, error) {
	comparison, window, err := cutWindow(s)
	if err != nil {
		return expression{}, err
	}
	e, err := parseComparison(comparison, metric.Kind)
	if err != nil {
		return expression{}, err
	}
	e.window = window
	if window > 0 {
		err = checkWindow(metric, e.aggregation)
	}
	return e, err
}

// parseComparison reads an expression that has no window.
func parseComparison(s string, kind MetricKind) (e expression, err error) {
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return e, &syntaxError{fmt.Sprintf("%.60q has no comparison", s), "write it as " + example(kind)}
	}
	var rest string
	e.operator, rest = cutOperator(s[at:])
	if e.operator == "" || strings.ContainsAny(rest, "<>=!") {
		return e, &syntaxError{fmt.Sprintf("%.60q has no operator that is known", s), "known are < <= > >= == !="}
	}
	e.aggregation, err = parseAggregation(strings.TrimSpace(s[:at]), aggregations[kind])
	if err != nil {
		return e, err
	}
	number := strings.TrimSpace(rest)
	limit, ok := parseNumber(number)
	switch {
	case !ok:
		return e, &syntaxError{fmt.Sprintf("%.60q is not a number", number), limitHint(kind)}
	case kind == Rate && limit > 1:
		return e, &syntaxError{fmt.Sprintf("the share %s is greater than 1", number), limitHint(kind)}
	}
	e.limit = limit
	return e, nil
}

// cutOperator cuts the operator off the beginning of a comparison; it is "" where none is known.
func cutOperator(s string) (o Operator, rest string) {
	for _, o := range operators {
		if rest, found := strings.CutPrefix(s, string(o)); found {
			return o, rest
		}
	}
	return "", s
}

// longestWindow bounds the window of a threshold.
const longestWindow = time.Hour

// cutWindow cuts the window off an expression. The window is 0 when there is none.
func cutWindow(s string) (comparison string, window time.Duration, err error) {
	comparison, text, found := strings.Cut(s, "for")
	if !found {
		return s, 0, nil
	}
	window, err = time.ParseDuration(strings.TrimSpace(text))
	if err != nil || window < time.Second || window > longestWindow || window%time.Second != 0 {
		return "", 0, &syntaxError{
			fmt.Sprintf("%.60q is not a window", strings.TrimSpace(text)),
			"write whole seconds, as in p(95)<50 for 10s",
		}
	}
	return strings.TrimSpace(comparison), window, nil
}

// checkWindow says whether an aggregation of a metric can be judged in windows.
func checkWindow(metric Metric, a Aggregation) error {
	if metric.Windowed == nil {
		var known []string
		for _, m := range Metrics {
			if m.Windowed != nil {
				known = append(known, string(m.Name))
			}
		}
		slices.Sort(known)
		return &syntaxError{
			"it cannot be judged for a window",
			"known second by second are " + strings.Join(known, ", "),
		}
	}
	if a.Name != "p" && !slices.Contains(metric.Windowed, a.Name) {
		return &syntaxError{
			fmt.Sprintf("%s cannot be judged for a window", a.Name),
			"write " + strings.Join(metric.Windowed, ", "),
		}
	}
	return nil
}

func example(kind MetricKind) string {
	return [...]string{
		Trend: "p(95)<50", Counter: "rate>100", Rate: "rate<0.01", Single: "value<2", Figure: "max<100",
	}[kind]
}

func limitHint(kind MetricKind) string {
	return [...]string{
		Trend:   "write milliseconds without a unit, as in p(95)<50",
		Counter: "write a plain number, as in rate>100",
		Rate:    "a share is written from 0 to 1: 5 % is 0.05",
		Single:  "write a plain number, as in value<2",
		Figure:  "write a plain number in the metric's own unit, as in max<100",
	}[kind]
}

// parseAggregation reads one of the known aggregations, of which "p(N)" stands for every percentile.
func parseAggregation(s string, known []string) (Aggregation, error) {
	if rest, found := strings.CutPrefix(s, "p"); found && slices.Contains(known, "p(N)") {
		rest = strings.TrimSpace(rest)
		inner, opened := strings.CutPrefix(rest, "(")
		inner, closed := strings.CutSuffix(inner, ")")
		p, ok := parseNumber(strings.TrimSpace(inner))
		if opened && closed && ok && p > 0 && p < 100 {
			return Aggregation{Name: "p", Percentile: p}, nil
		}
		return Aggregation{}, &syntaxError{
			fmt.Sprintf("%.60q is not a percentile", s),
			"write p(N) with N between 0 and 100, as in p(99.9); the greatest value is max",
		}
	}
	if s != "p(N)" && slices.Contains(known, s) {
		return Aggregation{Name: s}, nil
	}
	return Aggregation{}, &syntaxError{fmt.Sprintf("the metric has no aggregation %.60q", s), suggest(s, known)}
}

// parseNumber takes digits with at most one point: what strconv also takes (hexadecimal, infinity, exponents) is more
// likely a mistake here.
func parseNumber(s string) (x float64, ok bool) {
	if s == "" || s[0] == '.' || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil
}

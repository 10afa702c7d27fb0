package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metricName writes a metric with its selector in k6's notation, the tags in alphabetical order.
func metricName(metric string, selector map[string]string) string {
	if len(selector) == 0 {
		return metric
	}
	pairs := make([]string, 0, len(selector))
	for _, tag := range slices.Sorted(maps.Keys(selector)) {
		pairs = append(pairs, tag+":"+selector[tag])
	}
	return metric + "{" + strings.Join(pairs, ",") + "}"
}

// syntaxError says what is wrong in a metric's name or a threshold, and what to write instead.
type syntaxError struct{ message, hint string }

func (e *syntaxError) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + "; " + e.hint
}

// parseMetricName reads a metric with its selector:
//
//	name     = metric , [ "{" , [ tag , { "," , tag } ] , "}" ] ;
//	tag      = key , ":" , value ;
//
// with blanks allowed around metric, key and value. The value is everything up to the next comma or the final brace.
func parseMetricName(s string) (metric string, selector map[string]string, err error) {
	metric, rest, found := strings.Cut(s, "{")
	metric = strings.TrimSpace(metric)
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
			return "", nil, &syntaxError{fmt.Sprintf("%.120q is not a selector", strings.TrimSpace(pair)), "write metric{tag:value,tag:value}"}
		}
		if _, twice := selector[tag]; twice {
			return "", nil, &syntaxError{fmt.Sprintf("the tag %q is selected twice", tag), "no request has two values of one tag"}
		}
		selector[tag] = value
	}
	return metric, selector, nil
}

// operators are tried in this order: the longer one of two with the same beginning first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// parseExpression reads a threshold on a metric of a kind. The grammar is k6's:
//
//	expression  = aggregation , operator , number ;
//	aggregation = "avg" | "min" | "med" | "max" | "count" | "rate" | "p" , "(" , number , ")" ;
//	operator    = "<" | "<=" | ">" | ">=" | "==" | "!=" ;
//	number      = digit , { digit } , [ "." , { digit } ] ;
//
// with blanks allowed between the symbols. The kind decides which aggregations there are: avg, min, med, max and p(N)
// of a Trend, count and rate of a Counter, rate of a Rate. N lies between 0 and 100, the number of a Rate from 0 to 1.
func parseExpression(s string, kind MetricKind) (a Aggregation, op string, limit float64, err error) {
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return a, "", 0, &syntaxError{fmt.Sprintf("%.60q has no comparison", s), "write it as " + example(kind)}
	}
	for _, o := range operators {
		if strings.HasPrefix(s[at:], o) {
			op = o
			break
		}
	}
	if op == "" || strings.ContainsAny(s[at+len(op):], "<>=!") {
		return a, "", 0, &syntaxError{fmt.Sprintf("%.60q has no operator that is known", s), "known are < <= > >= == !="}
	}
	if a, err = parseAggregation(strings.TrimSpace(s[:at]), kind); err != nil {
		return a, "", 0, err
	}
	number := strings.TrimSpace(s[at+len(op):])
	limit, ok := parseNumber(number)
	switch {
	case !ok:
		return a, "", 0, &syntaxError{fmt.Sprintf("%.60q is not a number", number), limitHint(kind)}
	case kind == Rate && limit > 1:
		return a, "", 0, &syntaxError{fmt.Sprintf("the share %s is greater than 1", number), limitHint(kind)}
	}
	return a, op, limit, nil
}

// windowed are the metrics that are known second by second, each with the aggregations that a window can have.
var windowed = map[string][]string{
	"http_req_duration":         aggregations[Trend],
	"http_req_service_duration": aggregations[Trend],
	"http_reqs":                 {"rate"},
	"http_req_failed":           aggregations[Rate],
}

// longestWindow bounds the window of a threshold.
const longestWindow = time.Hour

// cutWindow cuts the window off a threshold:
//
//	threshold = expression , [ "for" , duration ] ;
//
// The duration is whole seconds, as in 10s or 1m30s, at least one and at most an hour. The window is 0 when there is none.
func cutWindow(s string) (expression string, window time.Duration, err error) {
	expression, text, found := strings.Cut(s, "for")
	if !found {
		return s, 0, nil
	}
	window, err = time.ParseDuration(strings.TrimSpace(text))
	if err != nil || window < time.Second || window > longestWindow || window%time.Second != 0 {
		return "", 0, &syntaxError{fmt.Sprintf("%.60q is not a window", strings.TrimSpace(text)), "write whole seconds, as in p(95)<50 for 10s"}
	}
	return strings.TrimSpace(expression), window, nil
}

// checkWindow says whether a window can have an aggregation of a metric.
func checkWindow(metric string, a Aggregation) error {
	known, some := windowed[metric]
	if !some {
		return &syntaxError{"it cannot be judged for a window", "known second by second are " + strings.Join(slices.Sorted(maps.Keys(windowed)), ", ")}
	}
	if name := a.Name; name != "p" && !slices.Contains(known, name) {
		return &syntaxError{fmt.Sprintf("%s cannot be judged for a window", name), "write " + strings.Join(known, ", ")}
	}
	return nil
}

func example(kind MetricKind) string {
	return [...]string{Trend: "p(95)<50", Counter: "rate>100", Rate: "rate<0.01"}[kind]
}

func limitHint(kind MetricKind) string {
	return [...]string{
		Trend:   "write milliseconds without a unit, as in p(95)<50",
		Counter: "write a plain number, as in rate>100",
		Rate:    "a share is written from 0 to 1: 5 % is 0.05",
	}[kind]
}

var aggregations = [...][]string{
	Trend:   {"avg", "min", "med", "max", "p(N)"},
	Counter: {"count", "rate"},
	Rate:    {"rate"},
}

func parseAggregation(s string, kind MetricKind) (Aggregation, error) {
	known := aggregations[kind]
	if rest, found := strings.CutPrefix(s, "p"); found && slices.Contains(known, "p(N)") {
		rest = strings.TrimSpace(rest)
		inner, opened := strings.CutPrefix(rest, "(")
		inner, closed := strings.CutSuffix(inner, ")")
		p, ok := parseNumber(strings.TrimSpace(inner))
		if opened && closed && ok && p > 0 && p < 100 {
			return Aggregation{Name: "p", Percentile: p}, nil
		}
		return Aggregation{}, &syntaxError{
			fmt.Sprintf("%.60q is not a percentile", s), "write p(N) with N between 0 and 100, as in p(99.9); the greatest value is max",
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

package scenarios

import (
	"slices"
	"strconv"
	"strings"
)

// The tags of requests that their responses give them.
const (
	// StatusTag is the tag of the requests that were answered with a status; 0 stands for those without an answer.
	StatusTag = "status"
	// ExpectedTag is true for the requests that have not failed, and false for those that have.
	ExpectedTag = "expected_response"
)

// Outcomes are what the responses to a request are told apart by: by those statuses that a threshold selects, and by
// whether the request has failed, where a threshold selects that. The zero value tells nothing apart.
type Outcomes struct {
	Statuses []int // sorted; 0: no answer
	Expected bool
}

// Outcomes are those that the thresholds of the plan select.
func (p *Plan) Outcomes() (o Outcomes) {
	for _, t := range p.Thresholds {
		if text, selected := t.Selector[StatusTag]; selected {
			if status, ok := parseStatus(text); ok && !slices.Contains(o.Statuses, status) {
				o.Statuses = append(o.Statuses, status)
			}
		}
		_, selected := t.Selector[ExpectedTag]
		o.Expected = o.Expected || selected
	}
	slices.Sort(o.Statuses)
	return o
}

// Len is how many kinds of responses are told apart.
func (o *Outcomes) Len() int {
	kinds := len(o.Statuses) + 1
	if o.Expected {
		return 2 * kinds
	}
	return kinds
}

// Kind is the kind of a response, from 0 to below Len. status is 0 where there was none.
func (o *Outcomes) Kind(status int, failed bool) int {
	kind := slices.Index(o.Statuses, status) + 1
	if !o.Expected {
		return kind
	}
	if failed {
		return 2*kind + 1
	}
	return 2 * kind
}

// Tags are those of a kind.
func (o *Outcomes) Tags(kind int) map[string]string {
	tags := map[string]string{}
	if o.Expected {
		tags[ExpectedTag] = strconv.FormatBool(kind%2 == 0)
		kind /= 2
	}
	if kind > 0 {
		tags[StatusTag] = StatusName(o.Statuses[kind-1])
	}
	return tags
}

// Name tells a kind from the others of a plan: "503", "503 unexpected". It is empty where nothing is told apart, and
// for the first kind.
func (o *Outcomes) Name(kind int) string {
	tags := o.Tags(kind)
	name := tags[StatusTag]
	if tags[ExpectedTag] == "false" {
		name += " unexpected"
	}
	return strings.TrimSpace(name)
}

// byOutcome are the metrics that the tags of responses select from. The others are shares, of which such a selector
// would leave 0 or 1, or not of requests.
var byOutcome = []MetricName{
	HTTPReqs, HTTPReqDuration, HTTPReqServiceDuration, HTTPReqWaiting, HTTPReqTLSHandshaking,
	DataSent, DataReceived,
}

// SelectsOutcome reports whether a selector tells responses apart.
func SelectsOutcome(selector map[string]string) bool {
	_, status := selector[StatusTag]
	_, expected := selector[ExpectedTag]
	return status || expected
}

// WithoutOutcome is a selector without what tells responses apart.
func WithoutOutcome(selector map[string]string) map[string]string {
	if !SelectsOutcome(selector) {
		return selector
	}
	rest := map[string]string{}
	for tag, value := range selector {
		if tag != StatusTag && tag != ExpectedTag {
			rest[tag] = value
		}
	}
	return rest
}

// outcomeSelector holds a selector of responses against what there can be. ok is false when it found a fault.
func (r *reader) outcomeSelector(e entry, metric Metric, selector map[string]string) (ok bool) {
	if !SelectsOutcome(selector) {
		return true
	}
	if !slices.Contains(byOutcome, metric.Name) {
		var names []string
		for _, name := range byOutcome {
			names = append(names, string(name))
		}
		r.faultAt(e.at, strings.Join(names, ", ")+" are", "%s is not told apart by %s and %s", metric.Name, StatusTag,
			ExpectedTag)
		return false
	}
	if text, given := selector[StatusTag]; given {
		status, ok := parseStatus(text)
		switch {
		case !ok:
			r.faultAt(e.at, "write a status from 200 to 599, a code of gRPC such as UNAVAILABLE, or 0 for requests "+
				"without a response",
				"%s selects nothing: %.20q is no status", e.key, text)
			return false
		case r.callsOnly && status > 0 && status < GRPCStatus:
			r.faultAt(e.at, "write a code such as UNAVAILABLE",
				"%s selects nothing: %s is no status of gRPC, and the target takes calls of gRPC alone", e.key, text)
			return false
		}
	}
	if text, given := selector[ExpectedTag]; given && text != "true" && text != "false" {
		r.faultAt(e.at, "write true or false", "%s selects nothing: %s is never %.20q", e.key, ExpectedTag, text)
		return false
	}
	return true
}

package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Check is a named condition on responses. A response that does not meet it is counted; the request has not failed by
// it. Exactly one of Statuses, Header, JSON, Size, Body and Schema says what the check looks at.
type Check struct {
	Name     string
	Statuses []int    // the status is one of these
	Header   string   // the first header with this name
	JSON     JSONPath // the value in the body, which must be JSON as a whole; not nil
	Size     bool     // the length of the body in bytes, as it was sent
	Body     bool     // the text of the whole body
	Schema   *Schema  // the body, which must be JSON as a whole, is held against this; may be nil
	Test     Test
	Want     string  // of Equals and Contains: the text, of a JSON string its content; of Regex: the expression
	Min, Max float64 // of Within
}

// Test is the condition of a check.
type Test string

// The conditions.
const (
	Exists   Test = "exists"
	Absent   Test = "absent"
	Equals   Test = "equals" // numbers as numbers: 1.0 equals 1
	Contains Test = "contains"
	Regex    Test = "regex"   // somewhere in the text
	Within   Test = "within"  // a number from Min to Max, both included
	Matches  Test = "matches" // a schema
)

// MaxChecks bounds the checks of one request: what became of them is kept in the bits of a number.
const MaxChecks = 64

var checkShape = &shape{
	keys: []key{
		{"name", value},
		{"status", &shape{scalar: true, items: value}},
		{"header", value},
		{"json", value},
		{"bodySize", &shape{keys: []key{{"min", value}, {"max", value}}}},
		{"schema", value},
		{"exists", value},
		{"equals", value},
		{"contains", value},
		{"regex", value},
		{"min", value},
		{"max", value},
	},
	foreign: map[string]string{
		"matches": "use regex", "jsonpath": "use json",
		"body": "contains and regex look at the body; there are json, schema and bodySize as well",
	},
}

// checks reads the checks of a request.
func (r *reader) checks(n *node) []Check {
	if n == nil {
		return nil
	}
	r.vague = r.vague || n.bad
	if len(n.items) > MaxChecks {
		r.fault(n, "", "%s has %d checks; a request takes at most %d", n.path, len(n.items), MaxChecks)
	}
	var checks []Check
	seen := map[string]bool{}
	for _, item := range n.items {
		if item.bad {
			r.vague = true
			continue
		}
		c := r.check(item)
		if c.Name != "" && seen[c.Name] {
			r.fault(item.get("name"), "", "%s has two checks with the name %q", n.path, c.Name)
		}
		seen[c.Name] = true
		checks = append(checks, c)
	}
	return checks
}

func (r *reader) check(n *node) Check {
	name := r.checkName(n)
	c := r.subject(n)
	c.Name = name
	return c
}

// subject reads what a check looks at, and what that is held against.
func (r *reader) subject(n *node) (c Check) {
	subjects := []string{"status", "header", "json", "bodySize", "schema"}
	given := slices.DeleteFunc(slices.Clone(subjects), func(key string) bool { return n.get(key) == nil })
	if len(given) == 0 && (n.get("contains") != nil || n.get("regex") != nil) {
		c.Body = true
		r.bodyCondition(n, &c)
		return c
	}
	if len(given) != 1 {
		has := "none"
		if len(given) > 0 {
			has = strings.Join(given, " and ")
		}
		r.faultAt(n.keyAt, "for example {name: found, status: 200} or, of the body's text, {name: greets, "+
			"contains: Hello}",
			"%s needs exactly one of %s, and has %s", n.path, strings.Join(subjects, ", "), has)
		return c
	}
	subject := n.get(given[0])
	if subject.bad {
		return c
	}
	switch given[0] {
	case "status":
		c.Statuses, c.Test = r.statuses(subject), Equals
		r.noCondition(n, "status")
	case "bodySize":
		c.Size, c.Test = true, Within
		c.Min, c.Max = r.sizes(subject)
		r.noCondition(n, "bodySize")
	case "schema":
		c.Schema, c.Test = r.schema(subject), Matches
		r.noCondition(n, "schema")
	case "header":
		c.Header = r.headerName(subject)
		r.condition(n, &c)
	case "json":
		c.JSON = r.jsonPath(subject)
		r.condition(n, &c)
	}
	return c
}

// checkName reads a name, which selectors and reports know the check by: k6's are sentences, so blanks are allowed.
func (r *reader) checkName(n *node) string {
	name := n.get("name")
	if name == nil {
		r.missing(n, "name", "name: found")
	}
	if !given(name) {
		r.vague = true
		return ""
	}
	if text := name.text; text == "" || len(text) > longestName || text != strings.TrimSpace(text) ||
		strings.ContainsAny(text, ",{}\r\n\t") {
		r.vague = true
		r.fault(name, fmt.Sprintf("thresholds could not select it: use at most %d bytes, no commas or braces, and no "+
			"blanks at its ends", longestName), "a check cannot be named %.120q", text)
		return ""
	}
	return name.text
}

var conditions = []string{"exists", "equals", "contains", "regex", "min", "max"}

func (r *reader) noCondition(n *node, subject string) {
	for _, key := range conditions {
		if c := n.get(key); c != nil {
			r.faultAt(c.keyAt, "", "%s goes with header or json, not with %s", c.path, subject)
		}
	}
}

// bodyCondition reads what the text of the whole body is held against.
func (r *reader) bodyCondition(n *node, c *Check) {
	for _, key := range conditions {
		if other := n.get(key); other != nil && key != "contains" && key != "regex" {
			r.faultAt(other.keyAt, "of the body there are contains and regex", "%s goes with header or json",
				other.path)
			return
		}
	}
	r.condition(n, c)
}

// condition reads what a text or a JSON value is held against; without one it is that there is such.
func (r *reader) condition(n *node, c *Check) {
	var found []string
	for _, key := range conditions {
		if n.get(key) != nil {
			found = append(found, key)
		}
	}
	if len(found) > 1 && !slices.Equal(found, []string{"min", "max"}) {
		r.faultAt(n.get(found[1]).keyAt, "make two checks of it", "%s has the conditions %s; a check has one", n.path,
			strings.Join(found, " and "))
		return
	}
	c.Test = Exists
	if len(found) == 0 {
		return
	}
	at := n.get(found[0])
	switch found[0] {
	case "exists":
		if r.word(at, "true", []string{"true", "false"}) == "false" {
			c.Test = Absent
		}
	case "equals":
		c.Test, c.Want = Equals, at.text
		r.fixedText(at)
	case "contains":
		c.Test, c.Want = Contains, at.text
		r.fixedText(at)
		if given(at) && at.text == "" {
			r.fault(at, "", "%s is empty, and every text contains that", at.path)
		}
	case "regex":
		c.Test, c.Want = Regex, at.text
		r.expression(at)
	default:
		c.Test = Within
		c.Min, c.Max = r.bound(n.get("min"), math.Inf(-1)), r.bound(n.get("max"), math.Inf(1))
		r.ordered(n, c.Min, c.Max)
	}
}

// placeholder is what stands for a value in templates.
var placeholder = regexp.MustCompile(`\{\{\s*[A-Za-z_][A-Za-z0-9_]*\s*(\|[a-z0-9| ]*)?\}\}`)

// fixedText refuses a condition that is written like a template: it would be held against the braces.
func (r *reader) fixedText(n *node) {
	if found := placeholder.FindString(n.text); found != "" {
		r.fault(n, "take a text that is the same for all; a regex can look for the braces themselves",
			"%s has %.40s, and conditions have no placeholders", n.path, found)
	}
}

func (r *reader) bound(n *node, fallback float64) float64 {
	if !given(n) {
		return fallback
	}
	x, ok := r.number(n, -math.MaxFloat64, math.MaxFloat64)
	if !ok {
		return fallback
	}
	return x
}

func (r *reader) ordered(n *node, lowest, highest float64) {
	if lowest > highest {
		r.fault(n, "write the lower one as min", "%s holds for nothing: min is greater than max", n.path)
	}
}

// sizes reads the bounds of a body's length.
func (r *reader) sizes(n *node) (lowest, highest float64) {
	if n.get("min") == nil && n.get("max") == nil {
		r.fault(n, "for example {max: 20000}", "%s needs min or max", n.path)
	}
	highest = math.Inf(1)
	if least := n.get("min"); given(least) {
		lowest = float64(r.size(least))
	}
	if most := n.get("max"); given(most) {
		highest = float64(r.sizeOrZero(most))
	}
	r.ordered(n, lowest, highest)
	return lowest, highest
}

// sizeOrZero reads a size that may be 0: a body that has to be empty.
func (r *reader) sizeOrZero(n *node) int64 {
	if n.text == "0" {
		return 0
	}
	return r.size(n)
}

// expression compiles a regular expression, and returns nil when it is none.
func (r *reader) expression(n *node) *regexp.Regexp {
	if !given(n) {
		return nil
	}
	const longest = 1000
	if len(n.text) > longest {
		r.fault(n, "", "%s has %d characters; at most %d are read", n.path, len(n.text), longest)
		return nil
	}
	e, err := regexp.Compile(n.text)
	if err != nil {
		r.fault(n, "the syntax is that of RE2: https://golang.org/s/re2syntax", "%s: %v", n.path, err)
		return nil
	}
	return e
}

func (r *reader) jsonPath(n *node) JSONPath {
	if !given(n) {
		return nil
	}
	path, err := parseJSONPath(n.text)
	if err != nil {
		r.syntax(n.at, n.path+": ", err)
	}
	return path
}

// headerName reads the name of a header of answers.
func (r *reader) headerName(n *node) string {
	if given(n) && !isToken(n.text) {
		r.fault(n, "", "%.120q is not the name of a header", n.text)
	}
	return n.text
}

// checkSets returns the tags of every check of the plan, as thresholds on checks select them.
func (p *Plan) checkSets() []map[string]string {
	var sets []map[string]string
	for _, s := range p.Scenarios {
		for i := range s.Requests {
			for _, c := range s.Requests[i].Checks {
				for _, set := range p.tagsOf(&s, &s.Requests[i]) {
					set[tagCheck] = c.Name
					sets = append(sets, set)
				}
			}
		}
	}
	return sets
}

package request

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/scenarios"
)

// check is a check of the plan, ready to be held against answers.
type check struct {
	scenarios.Check
	header     int // index of what is kept of headers
	expression *regexp.Regexp
	number     float64 // Want as a number
	numeric    bool
}

func newCheck(plan scenarios.Check) (check, error) {
	c := check{Check: plan}
	var err error
	switch plan.Test {
	case scenarios.Regex:
		c.expression, err = regexp.Compile(plan.Want)
		if err != nil {
			return c, fmt.Errorf("check %s: %w", plan.Name, err)
		}
	case scenarios.Equals:
		c.number, err = strconv.ParseFloat(plan.Want, 64)
		c.numeric = err == nil
	}
	return c, nil
}

// passed are the checks that the answer meets: bit i is that of check i. size is the length of the body in bytes.
func (a *Answer) passed(status int, size int64) (bits uint64) {
	for i := range a.want.checks {
		if a.meets(&a.want.checks[i], status, size) {
			bits |= 1 << i
		}
	}
	return bits
}

func (a *Answer) meets(c *check, status int, size int64) bool {
	switch {
	case c.Size:
		return c.within(float64(size))
	case len(c.Statuses) > 0:
		return slices.Contains(c.Statuses, status)
	case c.header >= 0:
		h := &a.headers[c.header]
		return c.meetsHeader(h.value, h.given)
	}
	if c.Body {
		text, err := a.text()
		return err == nil && c.matches(text)
	}
	document, err := a.json()
	if err != nil {
		return false
	}
	if c.Schema != nil {
		return mismatch(c.Schema, document) == ""
	}
	return c.meetsJSON(lookUp(document, c.JSON))
}

// matches holds a text against what it has to contain.
func (c *check) matches(text []byte) bool {
	if c.Test == scenarios.Contains {
		return bytes.Contains(text, []byte(c.Want)) // which the compiler does not copy
	}
	return c.expression.Match(text)
}

// mismatch says why a document does not match a schema; empty: it does.
func mismatch(schema *scenarios.Schema, document gjson.Result) string {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(document.Raw))
	if err != nil {
		return err.Error() // what one parser takes for JSON and the other does not
	}
	return schema.Mismatch(value)
}

func (c *check) within(x float64) bool { return c.Min <= x && x <= c.Max }

func (c *check) meetsHeader(value []byte, given bool) bool {
	switch c.Test {
	case scenarios.Absent:
		return !given
	case scenarios.Equals:
		return given && string(value) == c.Want
	case scenarios.Contains, scenarios.Regex:
		return given && c.matches(value)
	case scenarios.Within:
		x, err := strconv.ParseFloat(string(value), 64)
		return given && err == nil && c.within(x)
	}
	return given
}

func (c *check) meetsJSON(v gjson.Result, found bool) bool {
	switch c.Test {
	case scenarios.Absent:
		return !found
	case scenarios.Equals:
		if found && v.Type == gjson.Number && c.numeric {
			return v.Num == c.number
		}
		return found && textOf(v) == c.Want
	case scenarios.Contains:
		return found && strings.Contains(textOf(v), c.Want)
	case scenarios.Regex:
		return found && c.expression.MatchString(textOf(v))
	case scenarios.Within:
		return found && v.Type == gjson.Number && c.within(v.Num)
	}
	return found
}

package imports

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/grafana/sobek/ast"
)

// checked makes checks of a call of check().
func (s *script) checked(of, checks *jsValue, e *ast.CallExpression) *jsValue {
	result := &jsValue{kind: jsComparison, name: "check"}
	if of.kind != jsAnswer || of.answer.step == nil {
		s.leaveOut(e, "check() of what is not a response")
		return result
	}
	for _, m := range checks.members {
		held := m.value
		if held.kind == jsFunction {
			line, column := s.at(held.function.body.Idx0())
			steps := len(s.flow.steps)
			held = s.call(held.function, []*jsValue{of})
			s.flow.steps = s.flow.steps[:steps] // a check that sends is none
			if !s.addCheck(of.answer.step, m.name, held) {
				s.d.leaveOut(line, column, "the check %.80q", checkName(m.name))
			}
			continue
		}
		if !s.addCheck(of.answer.step, m.name, held) {
			s.leaveOut(e, "the check %.80q", checkName(m.name))
		}
	}
	return result
}

// addCheck adds what a comparison asks of an answer; ok is false where no check can say it.
func (s *script) addCheck(step *request, name string, v *jsValue) (ok bool) {
	switch {
	case v.kind == jsAnswer && v.answer.part == "json": // there is such a value
		step.checks = append(step.checks, check{name: name, keys: []setting{{"json", v.answer.path}}})
		return true
	case v.kind == jsAnswer && v.answer.part == "body": // it is not empty
		step.checks = append(step.checks, check{name: name, raw: ", bodySize: {min: 1}"})
		return true
	case v.kind == jsAnswer && v.answer.part == "header":
		step.checks = append(step.checks, check{name: name, keys: []setting{{"header", v.answer.path}}})
		return true
	case v.kind != jsComparison || v.left == nil:
		return false
	case v.name == "&&": // a check each
		return s.addCheck(step, name, v.left) && s.addCheck(step, name+" (2)", v.right)
	}
	if statuses := statusesOf(v); len(statuses) > 0 {
		step.checks = append(step.checks, check{name: name, list: statuses})
		return true
	}
	left, right := v.left, v.right
	if right != nil && right.kind == jsAnswer {
		left, right = right, left
	}
	if left.kind != jsAnswer || right == nil {
		return false
	}
	if text := containedText(v.name, left, right); text != "" {
		step.checks = append(step.checks, check{name: name, keys: []setting{{"contains", text}}})
		return true
	}
	if pattern := patternOf(v.name, left, right); pattern != "" {
		c := check{name: name, keys: []setting{{"regex", pattern}}}
		if left.answer.part != "body" {
			c.keys = append([]setting{{left.answer.part, left.answer.path}}, c.keys...)
		}
		step.checks = append(step.checks, c)
		return true
	}
	subject := setting{left.answer.part, left.answer.path}
	if left.answer.part != "json" && left.answer.part != "header" {
		return s.sizeCheck(step, name, v)
	}
	condition, ok := conditionOf(v.name, right)
	if ok {
		step.checks = append(step.checks, check{name: name, keys: append([]setting{subject}, condition...)})
	}
	return ok
}

// containedText is the text that a body is to have in it: r.body.includes("x"), or r.body.indexOf("x") !== -1. It is
// empty for other comparisons.
func containedText(operator string, left, right *jsValue) string {
	switch {
	case left.answer.part == "body" && operator == "includes":
		text, _ := right.literal()
		return text
	case left.answer.part != "body.indexOf" || left.right == nil || right.kind != jsNumber:
		return ""
	case operator == "!=" && right.number == -1, operator == ">" && right.number == -1,
		operator == ">=" && right.number == 0:
		text, _ := left.right.literal()
		return text
	}
	return ""
}

// patternOf is the regular expression that a text of an answer is to match; it is empty for other comparisons, and for
// patterns that RE2 does not have.
func patternOf(operator string, left, right *jsValue) (pattern string) {
	text, known := right.literal()
	isText := left.answer.part == "body" || left.answer.part == "header" || left.answer.part == "json"
	switch {
	case !isText:
	case operator == "matches" && right.kind == jsPattern:
		pattern = right.text.string()
	case operator == "startsWith" && known:
		pattern = "^" + regexp.QuoteMeta(text)
	case operator == "==" && known && left.answer.part == "body":
		pattern = `^` + regexp.QuoteMeta(text) + `$`
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return ""
	}
	return pattern
}

// conditionOf is what a JSON value or a header is held against.
func conditionOf(operator string, right *jsValue) (keys []setting, ok bool) {
	nothing := right.kind == jsNothing
	literal, known := right.literal()
	switch {
	case operator == "!=" && nothing:
		return nil, true
	case operator == "==" && nothing:
		return []setting{{"exists", "false"}}, true
	case !known:
		return nil, false
	case operator == "==":
		return []setting{{"equals", literal}}, true
	case operator == "includes" && literal != "":
		return []setting{{"contains", literal}}, true
	case right.kind == jsNumber && operator == ">=":
		return []setting{{"min", literal}}, true
	case right.kind == jsNumber && operator == "<=":
		return []setting{{"max", literal}}, true
	}
	return nil, false
}

// sizeCheck is a check of the length of a body.
func (s *script) sizeCheck(step *request, name string, v *jsValue) bool {
	if v.left.kind != jsAnswer || v.right.kind != jsNumber || v.right.number < 0 || v.right.number > 1<<40 {
		return false
	}
	n := int64(v.right.number)
	if v.left.answer.part == "json.length" && v.name == ">" { // there is an element after n others
		path := v.left.answer.path + "[" + strconv.FormatInt(n, 10) + "]"
		step.checks = append(step.checks, check{name: name, keys: []setting{{"json", path}}})
		return true
	}
	if v.left.answer.part != "body.length" {
		return false
	}
	bound := ""
	switch v.name {
	case ">":
		bound = "{min: " + strconv.FormatInt(n+1, 10) + "}"
	case ">=":
		bound = "{min: " + strconv.FormatInt(max(n, 1), 10) + "}"
	case "<=":
		bound = "{max: " + strconv.FormatInt(n, 10) + "}"
	case "==":
		bound = "{min: " + strconv.FormatInt(n, 10) + ", max: " + strconv.FormatInt(n, 10) + "}"
	default:
		return false
	}
	step.checks = append(step.checks, check{name: name, raw: ", bodySize: " + bound})
	return true
}

// statusesOf are the statuses of which an answer is to have one: "r.status === 200 || r.status === 201".
func statusesOf(v *jsValue) []int {
	if v == nil || v.kind != jsComparison || v.left == nil || v.right == nil {
		return nil
	}
	if v.name == "||" {
		left, right := statusesOf(v.left), statusesOf(v.right)
		if len(left) == 0 || len(right) == 0 {
			return nil
		}
		for _, status := range right {
			if !slices.Contains(left, status) {
				left = append(left, status)
			}
		}
		return left
	}
	of, with := v.left, v.right
	if of.kind != jsAnswer {
		of, with = with, of
	}
	if v.name != "==" || of.kind != jsAnswer || of.answer.part != "status" || with.kind != jsNumber {
		return nil
	}
	if status := int(with.number); status >= 200 && status <= 599 {
		return []int{status}
	}
	return nil
}

package imports

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/sobek/ast"
	"github.com/tidwall/gjson"
)

// scripts reads the scripts of an item. Those that run after a request's answer may take texts from it, and hold its
// status against one; q is nil for a folder.
func (c *collection) scripts(item gjson.Result, q *request) {
	item.Get("event").ForEach(func(_, e gjson.Result) bool {
		source := e.Get("script.exec")
		lines := source.String()
		if source.IsArray() {
			var all []string
			source.ForEach(func(_, line gjson.Result) bool {
				all = append(all, line.String())
				return true
			})
			lines = strings.Join(all, "\n")
		}
		if strings.TrimSpace(lines) == "" {
			return true
		}
		if e.Get("listen").String() != "test" || q == nil {
			c.leaveOut(e, "the script %.20q of %.80q", e.Get("listen").String(), item.Get("name").String())
			return true
		}
		if left := c.tests(lines, q); left > 0 {
			c.leaveOut(e, "what the script of %.80q does besides checks and taking values of the answer", q.name)
		}
		return true
	})
}

// tests reads a script that runs after an answer, and counts the statements of it that are left out.
func (c *collection) tests(source string, q *request) (left int) {
	s, err := c.d.parse([]byte(source))
	if err != nil {
		return 1
	}
	s.names, s.asked = c.names, q
	part := func(part, path string) *jsValue {
		return &jsValue{kind: jsAnswer, answer: &answer{step: q, part: part, path: path}}
	}
	for name, v := range map[string]*jsValue{
		"pm":           {kind: jsObject, members: []jsMember{{"response", part("", "")}}},
		"responseBody": part("body", "$"),
		"responseCode": {kind: jsObject, members: []jsMember{{"code", part("status", "")}}},
		"postman":      builtin("postman"),
		"tests":        {kind: jsObject},
	} {
		s.globals.values[name] = v
	}
	t := &postmanTests{c: c, s: s, q: q}
	t.statements(s.program.Body, s.globals)
	return t.left
}

// postmanTests reads the statements of a test script.
type postmanTests struct {
	c     *collection
	s     *script
	q     *request
	name  string // of the test in which a statement stands
	left  int
	depth int
}

func (t *postmanTests) statements(all []ast.Statement, scope *jsScope) {
	for _, statement := range all {
		switch st := statement.(type) {
		case *ast.ExpressionStatement:
			if !t.expression(st.Expression, scope) {
				t.left++
			}
		case *ast.VariableStatement, *ast.LexicalDeclaration:
			t.s.execute(statement, scope)
		case *ast.EmptyStatement:
		case *ast.TryStatement:
			t.statements(st.Body.List, scope)
		case *ast.IfStatement: // what it guards may be taken of an answer, but is not left out without a word
			t.left++
			if body, ok := st.Consequent.(*ast.BlockStatement); ok && t.depth < mostDepth {
				t.depth++
				t.statements(body.List, scope)
				t.depth--
			}
		default:
			t.left++
		}
	}
}

// expression reads an expression that is a statement; ok is false for one that is left out.
func (t *postmanTests) expression(e ast.Expression, scope *jsScope) (ok bool) {
	switch e := e.(type) {
	case *ast.CallExpression:
		return t.call(e, scope)
	case *ast.DotExpression: // pm.expect(x).to.exist
		return t.asserted(e, scope)
	case *ast.AssignExpression:
		of, isElement := e.Left.(*ast.BracketExpression)
		if !isElement || t.s.source(of.Left) != "tests" {
			_, isName := e.Left.(*ast.Identifier)
			t.s.evaluate(e, scope)
			return isName
		}
		name, known := t.s.evaluate(of.Member, scope).literal()
		held := t.s.evaluate(e.Right, scope)
		return known && t.s.addCheck(t.q, name, held)
	}
	return false
}

// asserted reads an assertion without parentheses.
func (t *postmanTests) asserted(e *ast.DotExpression, scope *jsScope) (ok bool) {
	name := t.s.source(e)
	switch name {
	case "pm.response.to.be.ok":
		return t.status(200)
	case "pm.response.to.be.json":
		t.check([]setting{{"header", "Content-Type"}, {"contains", "json"}})
		return true
	}
	of := subject(e)
	word, isExpected := strings.CutPrefix(name, "pm.expect.to.")
	if of == nil || len(of.ArgumentList) != 1 || !isExpected {
		return false
	}
	held := t.s.evaluate(of.ArgumentList[0], scope)
	if held.kind == jsAnswer && (held.answer.part == "json" || held.answer.part == "header") {
		subject := setting{held.answer.part, held.answer.path}
		switch word {
		case "exist", "be.ok", "not.be.null", "not.be.undefined":
			t.check([]setting{subject})
			return true
		case "be.true", "be.false":
			t.check([]setting{subject, {"equals", strings.TrimPrefix(word, "be.")}})
			return true
		}
	}
	return false
}

// check adds a check by the name of the test.
func (t *postmanTests) check(keys []setting) {
	t.q.checks = append(t.q.checks, check{name: cmp.Or(t.name, "expected"), keys: keys})
}

// setters keep a value for later requests.
var setters = []string{
	"pm.environment.set", "pm.collectionVariables.set", "pm.globals.set", "pm.variables.set",
	"postman.setEnvironmentVariable", "postman.setGlobalVariable",
}

// call reads a call; ok is false for one that is left out.
func (t *postmanTests) call(call *ast.CallExpression, scope *jsScope) (ok bool) {
	if t.depth > mostDepth {
		return false
	}
	t.depth++
	defer func() { t.depth-- }()
	name := t.s.source(call.Callee)
	arguments := t.s.arguments(call, scope)
	first := argument(arguments, 0)
	switch {
	case name == "pm.test":
		return t.test(first, argument(arguments, 1))
	case slices.Contains(setters, name):
		return t.keep(first, argument(arguments, 1))
	case name == "pm.response.to.have.status" && first.kind == jsNumber:
		return t.status(int(first.number))
	case strings.HasPrefix(name, "pm.response.to."):
		return t.responds(strings.TrimPrefix(name, "pm.response.to."), arguments)
	case strings.HasPrefix(name, "console."):
		return true
	}
	return t.expected(call, name, first, scope)
}

// test reads the function of a test.
func (t *postmanTests) test(name, f *jsValue) bool {
	if f.function == nil {
		return false
	}
	outer := t.name
	t.name, _ = name.literal()
	defer func() { t.name = outer }()
	scope := f.function.scope.inner()
	switch body := f.function.body.(type) {
	case *ast.BlockStatement:
		t.statements(body.List, scope)
		return true
	case *ast.ExpressionBody:
		return t.expression(body.Expression, scope)
	}
	return false
}

// responds reads pm.response.to.have.header(…) and its kin.
func (t *postmanTests) responds(what string, arguments []*jsValue) bool {
	first, okFirst := argument(arguments, 0).literal()
	second, okSecond := argument(arguments, 1).literal()
	var keys []setting
	switch {
	case !okFirst:
		return false
	case what == "have.header":
		keys = []setting{{"header", first}}
	case what == "have.jsonBody":
		path, ok := gpath(first)
		if !ok {
			return false
		}
		keys = []setting{{"json", path}}
	case what == "have.body":
		t.check([]setting{{"regex", "^" + regexp.QuoteMeta(first) + "$"}})
		return true
	default:
		return false
	}
	if okSecond {
		keys = append(keys, setting{"equals", second})
	}
	t.check(keys)
	return true
}

// keep makes an extraction of a value of the answer that is kept under a name.
func (t *postmanTests) keep(name, v *jsValue) bool {
	literal, ok := name.literal()
	if value, known := v.literal(); ok && known {
		t.c.variables[literal] = value // for the requests that follow
		return true
	}
	if !ok || v.kind != jsAnswer || v.answer.step != t.q {
		return false
	}
	x := extraction{name: nameOf(literal, "value")}
	switch v.answer.part {
	case "json":
		x.json = v.answer.path
	case "header":
		x.header = v.answer.path
	default:
		return false
	}
	delete(t.c.variables, literal) // it no longer has the value that the collection gives it
	if !slices.Contains(t.q.extract, x) {
		t.q.extract = append(t.q.extract, x)
	}
	return true
}

func (t *postmanTests) status(status int) bool {
	if status < 200 || status > 599 {
		return false
	}
	t.q.checks = append(t.q.checks, check{name: cmp.Or(t.name, "status"), list: []int{status}})
	return true
}

// expected reads pm.expect(x).to.equal(y), and the other words for it.
func (t *postmanTests) expected(call *ast.CallExpression, name string, with *jsValue, scope *jsScope) bool {
	of := subject(call.Callee)
	if of == nil || len(of.ArgumentList) != 1 {
		return false
	}
	left, label := t.s.evaluate(of.ArgumentList[0], scope), cmp.Or(t.name, "expected")
	switch name {
	case "pm.expect.to.have.property":
		return t.property(left, t.s.arguments(call, scope))
	case "pm.expect.to.be.oneOf":
		return t.oneOf(left, with, label)
	}
	operator := expectations[name]
	if operator == "" {
		return false
	}
	return t.s.addCheck(t.q, label, &jsValue{kind: jsComparison, name: operator, left: left, right: with})
}

// property reads pm.expect(json).to.have.property(name, value).
func (t *postmanTests) property(of *jsValue, arguments []*jsValue) bool {
	name, ok := argument(arguments, 0).literal()
	if !ok || of.kind != jsAnswer || of.answer.part != "json" {
		return false
	}
	keys := []setting{{"json", under(of.answer.path, name)}}
	if value, known := argument(arguments, 1).literal(); known {
		keys = append(keys, setting{"equals", value})
	} else if len(arguments) > 1 {
		return false
	}
	t.check(keys)
	return true
}

// oneOf reads pm.expect(pm.response.code).to.be.oneOf([200, 201]).
func (t *postmanTests) oneOf(of, list *jsValue, label string) bool {
	if of.kind != jsAnswer || of.answer.part != "status" || list.kind != jsArray || len(list.items) == 0 {
		return false
	}
	var statuses []int
	for _, item := range list.items {
		if item.kind != jsNumber || item.number < 200 || item.number > 599 {
			return false
		}
		statuses = append(statuses, int(item.number))
	}
	t.q.checks = append(t.q.checks, check{name: label, list: statuses})
	return true
}

// expectations are Postman's words for comparisons.
var expectations = map[string]string{
	"pm.expect.to.equal": "==", "pm.expect.to.eql": "==", "pm.expect.to.be.equal": "==", "pm.expect.to.eq": "==",
	"pm.expect.to.be.eql": "==", "pm.expect.to.be.at.least": ">=", "pm.expect.to.be.at.most": "<=",
	"pm.expect.to.be.least": ">=", "pm.expect.to.be.most": "<=", "pm.expect.to.match": "matches",
	"pm.expect.to.not.equal": "!=", "pm.expect.to.not.eql": "!=",
	"pm.expect.to.include": "includes", "pm.expect.to.contain": "includes",
}

// subject is the call pm.expect(…) in pm.expect(…).to.equal.
func subject(e ast.Expression) *ast.CallExpression {
	for {
		switch at := e.(type) {
		case *ast.DotExpression:
			e = at.Left
		case *ast.CallExpression:
			return at
		default:
			return nil
		}
	}
}

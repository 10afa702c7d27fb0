package imports

import (
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
	s.names = c.names
	answered := &jsValue{kind: jsAnswer, answer: &answer{step: q}}
	s.globals.values["responseBody"] = &jsValue{kind: jsAnswer, answer: &answer{q, "body", "$"}}
	s.globals.values["pm"] = &jsValue{kind: jsObject, members: []jsMember{{"response", answered}}}
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
			if !t.call(st.Expression, scope) {
				t.left++
			}
		case *ast.VariableStatement, *ast.LexicalDeclaration:
			t.s.execute(statement, scope)
		case *ast.EmptyStatement:
		default:
			t.left++
		}
	}
}

// setters keep a value for later requests.
var setters = []string{
	"pm.environment.set", "pm.collectionVariables.set", "pm.globals.set", "pm.variables.set",
	"postman.setEnvironmentVariable", "postman.setGlobalVariable",
}

// call reads a call; ok is false for one that is left out.
func (t *postmanTests) call(e ast.Expression, scope *jsScope) (ok bool) {
	call, isCall := e.(*ast.CallExpression)
	if !isCall || t.depth > mostDepth {
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
		return t.call(body.Expression, scope)
	}
	return false
}

// keep makes an extraction of a value of the answer that is kept under a name.
func (t *postmanTests) keep(name, v *jsValue) bool {
	literal, ok := name.literal()
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
	name := t.name
	if name == "" {
		name = "status"
	}
	t.q.checks = append(t.q.checks, check{name: name, list: []int{status}})
	return true
}

// expected reads pm.expect(x).to.equal(y), and the other words for it.
func (t *postmanTests) expected(call *ast.CallExpression, name string, with *jsValue, scope *jsScope) bool {
	operator := expectations[name]
	if operator == "" {
		return false
	}
	of := subject(call.Callee)
	if of == nil || len(of.ArgumentList) != 1 {
		return false
	}
	left := t.s.evaluate(of.ArgumentList[0], scope)
	label := t.name
	if label == "" {
		label = "expected"
	}
	return t.s.addCheck(t.q, label, &jsValue{kind: jsComparison, name: operator, left: left, right: with})
}

// expectations are Postman's words for comparisons.
var expectations = map[string]string{
	"pm.expect.to.equal": "==", "pm.expect.to.eql": "==", "pm.expect.to.be.equal": "==", "pm.expect.to.eq": "==",
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

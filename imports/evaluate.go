package imports

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/sobek/ast"
	"github.com/grafana/sobek/token"
)

// evaluate is the value of an expression, as far as it is known. It is never nil.
func (s *script) evaluate(e ast.Expression, scope *jsScope) *jsValue {
	s.steps++
	if s.steps > mostSteps || s.depth > mostDepth*4 {
		return unknown
	}
	s.depth++
	defer func() { s.depth-- }()
	switch e := e.(type) {
	case *ast.StringLiteral:
		return jsString(e.Value.String())
	case *ast.NumberLiteral:
		return numberOf(e.Value)
	case *ast.BooleanLiteral:
		return jsBool(e.Value)
	case *ast.NullLiteral:
		return &jsValue{kind: jsNothing}
	case *ast.Identifier:
		return s.named(e.Name.String(), scope)
	case *ast.TemplateLiteral:
		return s.templateText(e, scope)
	case *ast.ObjectLiteral:
		return s.object(e, scope)
	case *ast.ArrayLiteral:
		v := &jsValue{kind: jsArray}
		for _, item := range e.Value {
			v.items = append(v.items, s.item(item, scope)...)
			if len(v.items) > mostItems {
				return unknown
			}
		}
		return v
	case *ast.FunctionLiteral:
		return functionOf(e, scope)
	case *ast.ArrowFunctionLiteral:
		return &jsValue{kind: jsFunction, function: &jsFunc{e.ParameterList, e.Body, scope}}
	case *ast.RegExpLiteral:
		return &jsValue{kind: jsPattern, text: plain(e.Pattern)}
	case *ast.CallExpression:
		return s.called(e, scope)
	case *ast.NewExpression:
		return s.constructed(e, scope)
	}
	return s.operation(e, scope)
}

func (s *script) operation(e ast.Expression, scope *jsScope) *jsValue {
	switch e := e.(type) {
	case *ast.DotExpression:
		return s.memberOf(s.evaluate(e.Left, scope), e.Identifier.Name.String(), e)
	case *ast.BracketExpression:
		return s.element(s.evaluate(e.Left, scope), s.evaluate(e.Member, scope), e)
	case *ast.OptionalChain:
		return s.evaluate(e.Expression, scope)
	case *ast.Optional:
		return s.evaluate(e.Expression, scope)
	case *ast.AwaitExpression:
		return s.evaluate(e.Argument, scope)
	case *ast.BinaryExpression:
		return s.binary(e, scope)
	case *ast.UnaryExpression:
		return s.unary(e, scope)
	case *ast.AssignExpression:
		return s.assign(e, scope)
	case *ast.ConditionalExpression:
		return s.chosen(e, scope)
	case *ast.SequenceExpression:
		v := unknown
		for _, one := range e.Sequence {
			v = s.evaluate(one, scope)
		}
		return v
	}
	return unknown
}

func numberOf(v any) *jsValue {
	switch n := v.(type) {
	case int64:
		return jsNum(float64(n))
	case float64:
		return jsNum(n)
	}
	return unknown
}

// named is the value of a name. What k6 sets itself is known without a declaration.
func (s *script) named(name string, scope *jsScope) *jsValue {
	if v := scope.get(name); v != nil {
		return v
	}
	switch name {
	case "__ITER":
		return &jsValue{kind: jsText, text: hole("iteration")}
	case "__VU":
		return builtin("__VU")
	case "undefined":
		return &jsValue{kind: jsNothing}
	case "__ENV", "JSON", "Math", "Date", "console", "open", "encodeURIComponent", "encodeURI", "String", "Number",
		"parseInt", "parseFloat", "Object", "Array", "pm", "URL",
		"URLSearchParams", "crypto", "btoa", "FormData":
		return builtin(name)
	}
	return unknown
}

func (s *script) templateText(e *ast.TemplateLiteral, scope *jsScope) *jsValue {
	var t text
	for i, element := range e.Elements {
		t = t.and(plain(element.Parsed.String()))
		if i >= len(e.Expressions) {
			continue
		}
		inner, ok := s.asText(s.evaluate(e.Expressions[i], scope))
		if !ok {
			inner = s.unknownText(e.Expressions[i])
		}
		t = t.and(inner)
		if t.isLonger(mostText) { // such as one that doubles itself again and again
			return unknown
		}
	}
	return &jsValue{kind: jsText, text: t}
}

// unknownText stands for a value that the script computes: a variable of the environment, named as the expression is.
func (s *script) unknownText(e ast.Expression) text {
	name := variableName(nameOf(s.source(e), "value"))
	s.leaveOut(e, "what %.60s is: the variable %s stands for it", s.source(e), name)
	return s.d.needs(name, s.source(e)+" of the script", s.d.known.IsField(name))
}

// source is how an expression that is a name, with members, is written; otherwise "a value".
func (s *script) source(e ast.Expression) string {
	switch e := e.(type) {
	case *ast.Identifier:
		return e.Name.String()
	case *ast.DotExpression:
		if left := s.source(e.Left); left != "a value" {
			return left + "." + e.Identifier.Name.String()
		}
	case *ast.CallExpression:
		return s.source(e.Callee)
	case *ast.BracketExpression:
		return s.source(e.Left)
	}
	return "a value"
}

func (s *script) object(e *ast.ObjectLiteral, scope *jsScope) *jsValue {
	v := &jsValue{kind: jsObject}
	for _, p := range e.Value {
		switch p := p.(type) {
		case *ast.PropertyShort:
			v.put(p.Name.Name.String(), s.named(p.Name.Name.String(), scope))
		case *ast.PropertyKeyed:
			if name, ok := s.key(p, scope); ok {
				v.put(name, s.evaluate(p.Value, scope))
			}
		case *ast.SpreadElement:
			for _, m := range s.evaluate(p.Expression, scope).members {
				v.put(m.name, m.value)
			}
		}
	}
	return v
}

// key is the name of a member.
func (s *script) key(p *ast.PropertyKeyed, scope *jsScope) (name string, ok bool) {
	if id, isName := p.Key.(*ast.Identifier); isName && !p.Computed {
		return id.Name.String(), true
	}
	return s.evaluate(p.Key, scope).literal()
}

// item is an element of a list, or the elements that are spread there.
func (s *script) item(e ast.Expression, scope *jsScope) []*jsValue {
	switch e := e.(type) {
	case nil:
		return []*jsValue{{kind: jsNothing}}
	case *ast.SpreadElement:
		return s.evaluate(e.Expression, scope).items
	}
	return []*jsValue{s.evaluate(e, scope)}
}

func (s *script) unary(e *ast.UnaryExpression, scope *jsScope) *jsValue {
	v := s.evaluate(e.Operand, scope)
	switch e.Operator {
	case token.MINUS:
		if v.kind == jsNumber {
			return jsNum(-v.number)
		}
	case token.PLUS:
		if literal, ok := v.literal(); ok {
			if n, err := strconv.ParseFloat(literal, 64); err == nil {
				return jsNum(n)
			}
		}
		return v
	case token.NOT:
		if v.kind == jsBoolean {
			return jsBool(!v.truth)
		}
		return &jsValue{kind: jsComparison, name: "!", left: v}
	case token.INCREMENT, token.DECREMENT:
		if name, ok := e.Operand.(*ast.Identifier); ok && v.kind == jsNumber {
			step := 1.0
			if e.Operator == token.DECREMENT {
				step = -1
			}
			scope.set(name.Name.String(), jsNum(v.number+step))
		}
		return v
	}
	return unknown
}

func (s *script) assign(e *ast.AssignExpression, scope *jsScope) *jsValue {
	v := s.evaluate(e.Right, scope)
	switch left := e.Left.(type) {
	case *ast.Identifier:
		if e.Operator == token.PLUS {
			v = s.sum(s.evaluate(left, scope), v, left, e.Right)
		} else if e.Operator != token.ASSIGN {
			v = unknown
		}
		scope.set(left.Name.String(), v)
	case *ast.DotExpression:
		s.setMember(s.evaluate(left.Left, scope), left.Identifier.Name.String(), v)
	case *ast.BracketExpression:
		if name, ok := s.evaluate(left.Member, scope).literal(); ok {
			s.setMember(s.evaluate(left.Left, scope), name, v)
		}
	}
	return v
}

func (s *script) setMember(of *jsValue, name string, v *jsValue) {
	if of.kind == jsObject {
		of.members = slices.Clone(of.members)
		of.put(name, v)
	}
}

// chosen is one of two values: by a condition that is known, or the first one that is.
func (s *script) chosen(e *ast.ConditionalExpression, scope *jsScope) *jsValue {
	test := s.evaluate(e.Test, scope)
	if test.kind == jsBoolean && !test.truth {
		return s.evaluate(e.Alternate, scope)
	}
	v := s.evaluate(e.Consequent, scope)
	if test.kind != jsBoolean {
		s.leaveOut(e, "the condition: its first value is taken")
	}
	return v
}

func (s *script) binary(e *ast.BinaryExpression, scope *jsScope) *jsValue {
	left := s.evaluate(e.Left, scope)
	if e.Operator == token.LOGICAL_OR || e.Operator == token.COALESCE {
		if v := s.orElse(left, e.Right, scope); v != nil {
			return v
		}
	}
	right := s.evaluate(e.Right, scope)
	if name, ok := operators[e.Operator]; ok {
		return compared(name, left, right)
	}
	switch e.Operator {
	case token.PLUS:
		return s.sum(left, right, e.Left, e.Right)
	case token.MULTIPLY, token.MINUS, token.SLASH, token.REMAINDER:
		return arithmetic(e.Operator, left, right)
	}
	return unknown
}

// orElse is "left || right" where left is a variable of the environment, whose value without it right is, or known to
// be something. It is nil where that is not so.
func (s *script) orElse(left *jsValue, right ast.Expression, scope *jsScope) *jsValue {
	switch {
	case left.kind == jsText && len(left.text) == 1 && left.text[0].variable != "":
		fallback, ok := s.evaluate(right, scope).literal()
		name := left.text[0].variable
		if userOfURL.MatchString(fallback) {
			fallback = userOfURL.ReplaceAllString(fallback, "$1")
			s.leaveOut(right, "user and password of the URL that is the default of %s: write them under auth", name)
		}
		if ok && fallback != "" && !strings.ContainsAny(fallback, "{}\"\n\r") && !s.d.known.IsField(name) {
			s.d.fallbacks[name] = fallback
		}
		return left
	case left.kind == jsText, left.kind == jsNumber && left.number != 0, left.kind == jsObject, left.kind == jsArray:
		return left
	case left.kind == jsNothing, left.kind == jsUnknown:
		return s.evaluate(right, scope)
	}
	return nil
}

// compared is what a comparison gives, where both sides are known.
func compared(operator string, left, right *jsValue) *jsValue {
	if left.kind == jsNumber && right.kind == jsNumber {
		a, b := left.number, right.number
		results := map[string]bool{"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
		if truth, ok := results[operator]; ok {
			return jsBool(truth)
		}
	}
	a, knowsA := left.literal()
	b, knowsB := right.literal()
	if knowsA && knowsB && left.kind == right.kind && (operator == "==" || operator == "!=") {
		return jsBool((a == b) == (operator == "=="))
	}
	return &jsValue{kind: jsComparison, name: operator, left: left, right: right}
}

// sum is "left + right".
func (s *script) sum(left, right *jsValue, atLeft, atRight ast.Expression) *jsValue {
	switch {
	case left.kind == jsNumber && right.kind == jsNumber:
		return jsNum(left.number + right.number)
	case left.kind == jsWhole && right.kind == jsNumber:
		sum := *left
		sum.number += right.number
		return &sum
	case left.kind == jsRandom && right.kind == jsNumber:
		return &jsValue{kind: jsRandom, number: left.number, span: left.span + right.number, feeder: left.feeder}
	case left.kind == jsNumber && (right.kind == jsWhole || right.kind == jsRandom):
		return s.sum(right, left, atRight, atLeft)
	}
	a, okA := s.asText(left)
	b, okB := s.asText(right)
	if !okA && !okB {
		return unknown
	}
	if !okA {
		a = s.unknownText(atLeft)
	}
	if !okB {
		b = s.unknownText(atRight)
	}
	return bounded(joined(a, b))
}

// bounded is a text, unless it is too long, as one that doubles itself again and again.
func bounded(t text) *jsValue {
	if t.isLonger(mostText) {
		return unknown
	}
	return &jsValue{kind: jsText, text: t}
}

// arithmetic is a product, difference, quotient or remainder: of numbers, and of a random number with one, as in
// Math.random() * users.length.
func arithmetic(operator token.Token, left, right *jsValue) *jsValue {
	random := left.kind == jsRandom || right.kind == jsRandom
	if right.kind == jsRandom {
		left, right = right, left
	}
	switch {
	case random && operator == token.MULTIPLY && right.kind == jsWhole:
		return &jsValue{kind: jsRandom, feeder: right.feeder}
	case random && operator == token.MULTIPLY && right.kind == jsNumber:
		return &jsValue{kind: jsRandom, number: left.number * right.number, span: left.span * right.number}
	case operator == token.REMAINDER && right.kind == jsWhole && right.span == 0: // __VU % users.length
		return &jsValue{kind: jsWhole, feeder: right.feeder, sequential: true}
	case operator == token.REMAINDER && right.kind == jsNumber && right.number > 0 && left.kind != jsNumber:
		drawn := left.kind == jsWhole || left.kind == jsRandom // otherwise it is as in __ITER % 10
		return &jsValue{kind: jsWhole, span: right.number, sequential: !drawn}
	case left.kind != jsNumber || right.kind != jsNumber:
		return unknown
	}
	switch operator {
	case token.MULTIPLY:
		return jsNum(left.number * right.number)
	case token.MINUS:
		return jsNum(left.number - right.number)
	case token.SLASH:
		if right.number != 0 {
			return jsNum(left.number / right.number)
		}
	case token.REMAINDER:
		if right.number != 0 {
			return jsNum(math.Mod(left.number, right.number))
		}
	}
	return unknown
}

package imports

import (
	"reflect"
	"strings"

	"github.com/grafana/sobek/ast"
	"github.com/grafana/sobek/file"
	"github.com/grafana/sobek/parser"
	"github.com/grafana/sobek/token"
)

// script reads a script without running it: it follows what is written, with the values that are known, and notes what
// depends on more than that.
type script struct {
	d            *draft
	program      *ast.Program
	globals      *jsScope
	exports      map[string]*jsValue
	flow         *request // whose steps are being read; nil outside of functions that send
	values       map[string]value
	names        map[string]bool // of what is extracted
	setupNames   map[string]bool // of what setup extracts
	data         *jsValue        // what setup returns
	outside      bool            // of the load: setup or teardown is read
	byGroup      bool            // thresholds select groups, so that requests have tags of theirs
	groups       []string        // of k6, within which the statements are that are read
	redirects    int             // that all requests follow
	follows      bool            // the script says how many
	statuses     []int           // that all requests expect
	cookieHeader text            // what a jar was given
	noReset      bool            // of cookies, after an iteration
	usesJar      bool
	asked        *request                     // whose answer a script of Postman looks at
	agent        string                       // the User-Agent of all requests
	env          *jsValue                     // variables of a scenario; nil: none
	reached      map[*ast.CallExpression]bool // requests
	depth        int                          // of calls
	steps        int                          // statements that were read: scripts may call themselves again and again
	ended        *jsValue                     // what the function returns, once it does
}

// Bounds of what is read of a script.
const (
	mostDepth    = 20
	mostSteps    = 20_000
	mostUnrolled = 20 // items of a list that a loop goes through
	mostItems    = 10_000
	mostText     = 1 << 20 // bytes of a text
)

// parse reads the text of a script. An error has its place.
func (d *draft) parse(content []byte) (*script, error) {
	program, err := parser.ParseFile(nil, "", string(content), parser.IgnoreRegExpErrors, parser.IsModule,
		parser.WithDisableSourceMaps)
	if err != nil {
		if faults, ok := err.(parser.ErrorList); ok && len(faults) > 0 {
			at, hint := faults[0].Position, ""
			if strings.HasSuffix(d.file, ".ts") {
				hint = "; TypeScript is not read: compile it to JavaScript first"
			}
			return nil, d.fault(at.Line, at.Column, "it is not JavaScript: %s%s", faults[0].Message, hint)
		}
		return nil, d.fault(0, 0, "it is not JavaScript: %v", err)
	}
	s := &script{
		d: d, program: program, exports: map[string]*jsValue{}, values: map[string]value{}, names: map[string]bool{},
		reached: map[*ast.CallExpression]bool{}, data: unknown,
		globals: &jsScope{values: map[string]*jsValue{}},
	}
	return s, nil
}

// at is the place of a node.
func (s *script) at(idx file.Idx) (line, column int) {
	if idx < 1 { // the parser notes no place for some
		return 0, 0
	}
	p := s.program.File.Position(int(idx) - 1)
	return p.Line, p.Column
}

func (s *script) leaveOut(node ast.Node, format string, args ...any) {
	if condition, ok := node.(*ast.IfStatement); ok { // whose own place is not known
		node = condition.Test
	}
	line, column := s.at(node.Idx0())
	s.d.leaveOut(line, column, format, args...)
}

// top reads the statements of the file itself: functions first, which may be called before they stand there.
func (s *script) top() {
	for _, statement := range s.program.Body {
		if f := declaredFunction(statement); f != nil && f.Name != nil {
			s.globals.values[f.Name.Name.String()] = functionOf(f, s.globals)
		}
	}
	for _, statement := range s.program.Body {
		if export, ok := statement.(*ast.ExportDeclaration); ok {
			s.export(export)
			continue
		}
		s.execute(statement, s.globals)
	}
}

func declaredFunction(statement ast.Statement) *ast.FunctionLiteral {
	switch d := statement.(type) {
	case *ast.FunctionDeclaration:
		return d.Function
	case *ast.ExportDeclaration:
		if d.HoistableDeclaration != nil && d.HoistableDeclaration.FunctionDeclaration != nil {
			return d.HoistableDeclaration.FunctionDeclaration.Function
		}
	}
	return nil
}

func functionOf(f *ast.FunctionLiteral, scope *jsScope) *jsValue {
	return &jsValue{kind: jsFunction, function: &jsFunc{f.ParameterList, f.Body, scope}}
}

func (s *script) export(e *ast.ExportDeclaration) {
	switch f := declaredFunction(e); {
	case e.IsDefault && f != nil:
		s.exports["default"] = functionOf(f, s.globals)
	case f != nil && f.Name != nil:
		s.exports[f.Name.Name.String()] = functionOf(f, s.globals)
	case e.IsDefault && e.AssignExpression != nil:
		s.exports["default"] = s.evaluate(e.AssignExpression, s.globals)
	}
	for _, bindings := range [][]*ast.Binding{variablesOf(e.Variable), lexicalOf(e.LexicalDeclaration)} {
		s.declare(bindings, s.globals)
		for _, b := range bindings {
			if name, ok := b.Target.(*ast.Identifier); ok {
				s.exports[name.Name.String()] = s.globals.get(name.Name.String())
			}
		}
	}
	if e.NamedExports != nil {
		for _, one := range e.NamedExports.ExportsList {
			name := one.Alias.String()
			if name == "" {
				name = one.IdentifierName.String()
			}
			if v := s.globals.get(one.IdentifierName.String()); v != nil {
				s.exports[name] = v
			}
		}
	}
}

func variablesOf(v *ast.VariableStatement) []*ast.Binding {
	if v == nil {
		return nil
	}
	return v.List
}

func lexicalOf(v *ast.LexicalDeclaration) []*ast.Binding {
	if v == nil {
		return nil
	}
	return v.List
}

func (s *script) declare(bindings []*ast.Binding, scope *jsScope) {
	for _, b := range bindings {
		v := unknown
		if b.Initializer != nil {
			v = s.evaluate(b.Initializer, scope)
		}
		s.bind(b.Target, v, scope)
	}
}

// bind gives the names of a target their values.
func (s *script) bind(target ast.Expression, v *jsValue, scope *jsScope) {
	switch t := target.(type) {
	case *ast.Identifier:
		scope.values[t.Name.String()] = v
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				scope.values[p.Name.Name.String()] = s.memberOf(v, p.Name.Name.String(), t)
			case *ast.PropertyKeyed:
				if key, ok := p.Key.(*ast.StringLiteral); ok {
					s.bind(p.Value, s.memberOf(v, key.Value.String(), t), scope)
				}
			}
		}
	case *ast.ArrayPattern:
		for i, element := range t.Elements {
			if element != nil && i < len(v.items) {
				s.bind(element, v.items[i], scope)
			}
		}
	case *ast.AssignExpression: // with a default
		if v.kind == jsUnknown || v.kind == jsNothing {
			v = s.evaluate(t.Right, scope)
		}
		s.bind(t.Left, v, scope)
	}
}

// execute reads a statement.
func (s *script) execute(statement ast.Statement, scope *jsScope) {
	s.steps++
	if s.steps > mostSteps || s.ended != nil {
		return
	}
	switch st := statement.(type) {
	case *ast.VariableStatement:
		s.declare(st.List, scope)
	case *ast.LexicalDeclaration:
		s.declare(st.List, scope)
	case *ast.ExpressionStatement:
		s.evaluate(st.Expression, scope)
	case *ast.BlockStatement:
		s.block(st, scope.inner())
	case *ast.ReturnStatement:
		s.ended = unknown
		if st.Argument != nil {
			v := s.evaluateReturned(st.Argument, scope)
			s.ended = v
		}
	case *ast.IfStatement:
		s.condition(st, scope)
	case *ast.ImportDeclaration:
		s.imported(st)
	case *ast.TryStatement:
		s.block(st.Body, scope.inner())
		if st.Finally != nil {
			s.block(st.Finally, scope.inner())
		}
	case *ast.FunctionDeclaration, *ast.ClassDeclaration, *ast.EmptyStatement, *ast.BranchStatement,
		*ast.DebuggerStatement, *ast.ThrowStatement:
	case *ast.LabelledStatement:
		s.execute(st.Statement, scope)
	default:
		s.loop(statement, scope)
	}
}

// evaluateReturned evaluates what a function returns, while it has not returned yet.
func (s *script) evaluateReturned(e ast.Expression, scope *jsScope) *jsValue {
	s.ended = nil
	v := s.evaluate(e, scope)
	if v == nil {
		return unknown
	}
	return v
}

func (s *script) block(b *ast.BlockStatement, scope *jsScope) {
	for _, statement := range b.List {
		if f := declaredFunction(statement); f != nil && f.Name != nil {
			scope.values[f.Name.Name.String()] = functionOf(f, scope)
		}
	}
	for _, statement := range b.List {
		s.execute(statement, scope)
	}
}

// condition follows the branch of a condition that is known. Of another one the first branch is taken when it sends
// something.
func (s *script) condition(st *ast.IfStatement, scope *jsScope) {
	test := s.evaluate(st.Test, scope)
	if test.kind == jsBoolean {
		if test.truth {
			s.execute(st.Consequent, scope.inner())
		} else if st.Alternate != nil {
			s.execute(st.Alternate, scope.inner())
		}
		return
	}
	if s.flow == nil {
		return
	}
	before, ended := len(s.flow.steps), s.ended
	s.execute(st.Consequent, scope.inner())
	s.ended = ended // an early end need not come
	if len(s.flow.steps) > before {
		s.leaveOut(st.Test, "the condition: what it guards is always sent")
	}
	switch {
	case st.Alternate == nil:
	case len(s.flow.steps) > before:
		s.leaveOut(st.Alternate, "the other branch of a condition")
		reach := func(call *ast.CallExpression, _ string) { s.reached[call] = true }
		s.eachRequest(reflect.ValueOf(st.Alternate), reach)
	default: // the first one sends nothing
		s.execute(st.Alternate, scope.inner())
		s.ended = ended
		if len(s.flow.steps) > before {
			s.leaveOut(st.Test, "the condition: what it guards is always sent")
		}
	}
}

func (s *script) bindInto(into ast.ForInto, v *jsValue, scope *jsScope) {
	switch i := into.(type) {
	case *ast.ForDeclaration:
		s.bind(i.Target, v, scope)
	case *ast.ForIntoVar:
		s.bind(i.Binding.Target, v, scope)
	}
}

// call reads the body of a function with its arguments.
func (s *script) call(f *jsFunc, arguments []*jsValue) *jsValue {
	if s.depth >= mostDepth || f == nil {
		return unknown
	}
	s.depth++
	defer func() { s.depth-- }()
	scope := f.scope.inner()
	if f.parameters != nil {
		for i, p := range f.parameters.List {
			v := unknown
			if i < len(arguments) {
				v = arguments[i]
			} else if p.Initializer != nil {
				v = s.evaluate(p.Initializer, scope)
			}
			s.bind(p.Target, v, scope)
		}
	}
	outer := s.ended
	s.ended = nil
	returned := unknown
	switch body := f.body.(type) {
	case *ast.BlockStatement:
		s.block(body, scope)
		if s.ended != nil {
			returned = s.ended
		}
	case *ast.ExpressionBody:
		returned = s.evaluate(body.Expression, scope)
	}
	s.ended = outer
	return returned
}

// operators of comparisons, as [jsComparison] names them.
var operators = map[token.Token]string{
	token.EQUAL: "==", token.STRICT_EQUAL: "==", token.NOT_EQUAL: "!=", token.STRICT_NOT_EQUAL: "!=", token.LESS: "<",
	token.LESS_OR_EQUAL: "<=", token.GREATER: ">", token.GREATER_OR_EQUAL: ">=", token.LOGICAL_OR: "||",
	token.LOGICAL_AND: "&&",
}

package imports

import (
	"slices"

	"github.com/grafana/sobek/ast"
)

// loop goes through a list that is known, and otherwise once through what a loop repeats.
func (s *script) loop(statement ast.Statement, scope *jsScope) {
	inner := scope.inner()
	switch st := statement.(type) {
	case *ast.ForOfStatement:
		list := s.evaluate(st.Source, scope)
		if list.kind == jsArray && list.name == "" && len(list.items) <= mostUnrolled {
			for _, item := range list.items {
				s.bindInto(st.Into, item, inner)
				s.execute(st.Body, inner.inner())
			}
			return
		}
		if list.kind == jsRows {
			s.bindInto(st.Into, s.element(list, &jsValue{kind: jsWhole, feeder: list.feeder}, st), inner)
		}
		s.repeated(statement, st.Body, inner)
	case *ast.ForInStatement:
		s.repeated(statement, st.Body, inner)
	case *ast.ForStatement:
		switch init := st.Initializer.(type) {
		case *ast.ForLoopInitializerLexicalDecl:
			s.declare(init.LexicalDeclaration.List, inner)
		case *ast.ForLoopInitializerVarDeclList:
			s.declare(init.List, inner)
		}
		s.counted(st, inner)
	case *ast.WhileStatement:
		s.repeated(statement, st.Body, inner)
	case *ast.DoWhileStatement:
		s.repeated(statement, st.Body, inner)
	case *ast.SwitchStatement:
		s.leaveOut(statement, "the switch")
	}
}

// counted goes through a loop as often as it is known to run. Where it sends the same each time, its steps are
// repeated.
func (s *script) counted(st *ast.ForStatement, scope *jsScope) {
	begins := make([]int, 0, mostUnrolled) // of the steps of each time
	for n := 0; ; n++ {
		test := unknown
		if st.Test != nil {
			test = s.evaluate(st.Test, scope)
		}
		if test.kind == jsBoolean && !test.truth {
			return
		}
		if s.flow != nil && len(begins) == 2 && s.isRepeated(begins[0], begins[1]) {
			s.flow.steps = s.flow.steps[:begins[1]]
			s.repeat(st, begins[0], s.timesMore(st, scope, n))
			return
		}
		if test.kind != jsBoolean || n >= mostUnrolled {
			break
		}
		if s.flow != nil {
			begins = append(begins, len(s.flow.steps))
		}
		s.execute(st.Body, scope.inner())
		if st.Update == nil {
			break
		}
		s.evaluate(st.Update, scope)
	}
	if len(begins) == mostUnrolled {
		s.leaveOut(st, "the loop: it is sent %d times", mostUnrolled)
		return
	}
	s.repeated(st, st.Body, scope)
}

// isRepeated reports whether the steps from one on are the same as those before, from another one on.
func (s *script) isRepeated(first, second int) bool {
	steps := s.flow.steps
	if second == first || len(steps)-second != second-first {
		return false
	}
	for i := range second - first {
		a, b := steps[first+i], steps[second+i]
		same := a.method == b.method && a.url.string() == b.url.string() && a.pause == b.pause && a.block == nil &&
			b.block == nil && len(a.headers) == len(b.headers) && len(a.extract)+len(b.extract) == 0
		var textsA, textsB []string
		a.eachText(func(t *text) { textsA = append(textsA, t.string()) })
		b.eachText(func(t *text) { textsB = append(textsB, t.string()) })
		if !same || !slices.Equal(textsA, textsB) {
			return false
		}
	}
	return true
}

// timesMore counts how often a loop runs, of which so many times are known.
func (s *script) timesMore(st *ast.ForStatement, scope *jsScope, known int) int {
	const most = 1000 // repeat is at most that
	for ; known < most; known++ {
		test := s.evaluate(st.Test, scope)
		if test.kind != jsBoolean || !test.truth {
			return known
		}
		s.evaluate(st.Update, scope)
	}
	s.leaveOut(st, "the loop: it is sent %d times", most)
	return known
}

// repeat has the steps from one on sent so often, unless they are in a group already.
func (s *script) repeat(st ast.Node, from, times int) {
	if s.outside || times < 2 {
		s.leaveOut(st, "the loop: what it repeats is sent once")
		return
	}
	group := &block{repeat: times}
	for _, step := range s.flow.steps[from:] {
		step.block = group
	}
}

// repeated reads once what a loop repeats.
func (s *script) repeated(statement, body ast.Statement, scope *jsScope) {
	before := 0
	if s.flow != nil {
		before = len(s.flow.steps)
	}
	s.execute(body, scope.inner())
	if s.flow != nil && len(s.flow.steps) > before {
		s.leaveOut(statement, "the loop: what it repeats is sent once")
	}
}

package policy

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// A value can be in another one many times: [a, a] has both in one place, and [[a, a], [a, a]] a four times. CEL counts
// the outermost list alone, so that a line of thirty such steps would take hours to compare, and memory without end to
// return. So the parts of a value are counted with all repetitions: when a list or a map is made, and when lists are
// joined or compared.

const (
	// partsPerUnit are parts of values, for a unit of CEL's cost.
	partsPerUnit = 5
	// What is looked at for counting: values, and values within each other. What has more is too large.
	maxCounted, maxDepth = 10_000, 1000
)

var counting = types.NewSizeCalculator(types.SizeCalculatorMaxTraversal(maxCounted),
	types.SizeCalculatorMaxDepth(maxDepth))

// partsOf is how many values a value has in it, with itself, where ten bytes of a text count as one. Lists and maps
// that an expression has made remember it.
func partsOf(value ref.Val) uint64 { return uint64(counting.AggregateSize(value)) }

// bounded makes a list or a map, unless it has too many parts.
type bounded struct {
	interpreter.InterpretableConstructor
	most uint64
}

// boundConstructors has constructors refuse what has more parts than that. What is made of constants is as long as its
// text.
func boundConstructors(most uint64) cel.ProgramOption {
	return cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		made, ok := i.(interpreter.InterpretableConstructor)
		if !ok {
			return i, nil
		}
		for _, value := range made.InitVals() {
			if _, constant := value.(interpreter.InterpretableConst); !constant {
				return &bounded{made, most}, nil
			}
		}
		return i, nil
	})
}

// Exec implements [interpreter.InterpretableV2].
func (b *bounded) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	made := b.InterpretableConstructor.Exec(frame)
	if partsOf(made) > b.most {
		return types.NewErr("a list or a map is too large: it has more than %d values, or more than %d of the resource",
			b.most, maxCounted)
	}
	return made
}

// Eval implements [interpreter.Interpretable].
func (b *bounded) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, b.Exec)
}

// costOfParts is the cost of a call that joins or compares lists or maps; nil for any other. Joining takes no time, but
// what is joined will be walked.
func costOfParts(function string, args []ref.Val, result ref.Val) *uint64 {
	if len(args) != 2 || !isContainer(args[0]) {
		return nil
	}
	parts := uint64(0)
	switch function {
	case operators.Add:
		parts = partsOf(args[1])
		_, appended := result.(traits.MutableLister) // by a macro, to what was counted before
		if !appended {
			parts += partsOf(args[0])
		}
	case operators.Equals, operators.NotEquals:
		parts = min(partsOf(args[0]), partsOf(args[1]))
	case operators.In, operators.OldIn:
		parts = partsOf(args[1])
	default:
		return nil
	}
	return new(1 + parts/partsPerUnit)
}

func isContainer(value ref.Val) bool {
	switch value.(type) {
	case traits.Lister, traits.Mapper, *types.Optional:
		return true
	}
	return false
}

// maxNested is how deep lists, maps, optional values and macros may be within each other. The time for checking types
// grows with the fourth power of that.
const maxNested = 40

// nested is how deep the type of an expression can be, or that of a part of it. What a macro does with an element is
// added to what the element is.
func nested(e ast.Expr) (depth int) {
	within := func(parts ...ast.Expr) {
		for _, part := range parts {
			depth = max(depth, nested(part))
		}
	}
	switch e.Kind() {
	case ast.ListKind:
		within(e.AsList().Elements()...)
		depth++
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			within(entry.AsMapEntry().Value())
		}
		depth++
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		within(c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result())
		depth += 1 + nested(c.IterRange())
	case ast.SelectKind:
		within(e.AsSelect().Operand())
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			within(call.Target())
		}
		within(call.Args()...)
		if strings.HasPrefix(call.FunctionName(), "optional.") {
			depth++
		}
	}
	return depth
}

// refuseShapes refuses what makes checking an expression slow: besides what is nested deep, maps with values as keys,
// because the type of {a: a} has the type of a in it twice. It refuses messages too, which nothing needs.
func refuseShapes(parsed *cel.Ast) error {
	tree := parsed.NativeRep()
	if nested(tree.Expr()) > maxNested {
		return refuse("1:1: lists, maps and macros are nested deeper than %d", maxNested)
	}
	for _, made := range ast.MatchDescendants(ast.NavigateAST(tree), func(e ast.NavigableExpr) bool {
		return e.Kind() == ast.MapKind || e.Kind() == ast.StructKind
	}) {
		at := made.ID()
		if made.Kind() == ast.StructKind {
			return refuseAt(tree, at, "an expression cannot make messages, only lists and maps")
		}
		for _, entry := range made.AsMap().Entries() {
			key := entry.AsMapEntry().Key()
			isText := key.Kind() == ast.CallKind && key.AsCall().FunctionName() == "string"
			if key.Kind() != ast.LiteralKind && !isText {
				return refuseAt(tree, key.ID(), "the key of a map must be a literal, or made by string(…)")
			}
		}
	}
	return nil
}

func refuseAt(tree *ast.AST, id int64, what string) error {
	place := tree.SourceInfo().GetStartLocation(id)
	return refuse("%d:%d: %s", place.Line(), place.Column()+1, what)
}

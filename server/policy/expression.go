package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Limits of expressions.
const (
	// MaxExpression is the longest expression in bytes.
	MaxExpression = 4096
	// unitsPerMicrosecond converts the time that an evaluation may take into what CEL counts: about a comparison each.
	unitsPerMicrosecond = 10
	// interruptEvery is after how many turns of a comprehension the context is looked at.
	interruptEvery = 64
	// What a compiled expression takes in memory, in bytes, estimated: besides its regular expressions, and for each
	// byte of its text.
	ofProgram, ofText = 4 << 10, 100
)

// environment declares what an expression can use: the resource, as it was decoded from JSON, and CEL's standard
// functions. Whole numbers of the document are compared with other numbers by their value.
func environment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("resource", cel.MapType(cel.StringType, cel.DynType)),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxExpression),
		cel.ParserRecursionLimit(100),
		cel.RegexProgramSizeLimit(maxPattern),
		cel.ASTValidators(literalPatterns{}),
	)
}

// program is a compiled expression. It is safe for concurrent use, and has no state.
type program struct {
	cel.Program
	limits *Limits
	size   int64 // what it takes in memory, in bytes, estimated
}

// compileExpression returns a [*Refusal] with the line and column of everything that is wrong.
func compileExpression(env *cel.Env, text string, limits *Limits) (*program, error) {
	ast, err := checkedExpression(env, text)
	if err != nil {
		return nil, err
	}
	out := ast.OutputType()
	if !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.StringType) && !out.IsExactType(cel.DynType) &&
		out.Kind() != types.MapKind {
		return nil, refuse("1:1: the expression results in %s; it must result in a bool, in one of %s, or in a map "+
			"with result and reasons", out, strings.Join(Results, ", "))
	}
	most := uint64(limits.Time.Microseconds()) * unitsPerMicrosecond
	found := &patterns{most: most, sizes: map[string]int{}}
	p, err := env.Program(ast, append(found.options(), cel.EvalOptions(cel.OptOptimize), cel.CostLimit(most),
		boundConstructors(most), cel.InterruptCheckFrequency(interruptEvery))...)
	if err != nil {
		return nil, refuse("1:1: %s", err)
	}
	return &program{p, limits, ofProgram + int64(len(text))*ofText + found.bytes}, nil
}

// checkedExpression parses an expression and checks its types.
func checkedExpression(env *cel.Env, text string) (*cel.Ast, error) {
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, refusalOf(issues)
	}
	err := refuseShapes(parsed)
	if err != nil {
		return nil, err
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, refusalOf(issues)
	}
	return checked, nil
}

func refusalOf(issues *cel.Issues) *Refusal {
	refusal := &Refusal{}
	for _, e := range issues.Errors() {
		refusal.Reasons = append(refusal.Reasons, fmt.Sprintf("%d:%d: %s", e.Location.Line(), e.Location.Column()+1,
			e.Message))
	}
	return refusal
}

// evaluate runs the expression on a document, which is a JSON object. It returns an error when ctx ends.
func (p *program) evaluate(ctx context.Context, document []byte) (Result, error) {
	var resource map[string]any
	err := json.Unmarshal(document, &resource)
	if err != nil {
		return failed("The resource is not a JSON object."), nil
	}
	limited, cancel := context.WithTimeout(ctx, p.limits.Time)
	defer cancel()
	value, _, err := p.ContextEval(limited, map[string]any{"resource": resource})
	switch {
	case ctx.Err() != nil: // that is no fault of the expression
		return Result{}, ctx.Err()
	case err != nil && errors.Is(limited.Err(), context.DeadlineExceeded):
		return failed("The expression was stopped after %s.", p.limits.Time), nil
	case err != nil:
		return failed("The expression failed: %.300s.", err), nil
	}
	result, err := resultOf(value)
	if err != nil {
		return failed("What the expression results in cannot be used: %s.", err), nil
	}
	return result, nil
}

// resultOf reads what an expression has resulted in.
func resultOf(value ref.Val) (Result, error) {
	switch v := value.(type) {
	case types.Bool:
		if v {
			return Result{"compliant", []string{}}, nil
		}
		return Result{"non_compliant", []string{"The expression is false."}}, nil
	case types.String:
		r := Result{Result: string(v)}
		return r, r.check()
	}
	native, err := value.ConvertToNative(reflect.TypeFor[map[string]any]())
	if err != nil {
		return Result{}, fmt.Errorf("it is a value of type %s", value.Type())
	}
	return resultOfMap(native.(map[string]any))
}

func resultOfMap(m map[string]any) (r Result, err error) {
	for name, value := range m {
		switch name {
		case "result":
			r.Result, _ = textOf(value)
		case "reasons":
			r.Reasons, err = textsOf(value)
		default:
			err = fmt.Errorf("its field %.40q is unknown", name)
		}
		if err != nil {
			return r, err
		}
	}
	return r, r.check()
}

func textOf(value any) (string, bool) {
	if v, ok := value.(ref.Val); ok {
		value = v.Value()
	}
	text, ok := value.(string)
	return text, ok
}

func textsOf(value any) ([]string, error) {
	if v, ok := value.(ref.Val); ok {
		native, err := v.ConvertToNative(reflect.TypeFor[[]any]())
		if err != nil {
			return nil, errors.New("its reasons are not a list")
		}
		value = native
	}
	items, ok := value.([]any)
	if !ok {
		return nil, errors.New("its reasons are not a list")
	}
	reasons := make([]string, len(items))
	for i, item := range items {
		reasons[i], ok = textOf(item)
		if !ok {
			return nil, fmt.Errorf("its reason %d is not a string", i)
		}
	}
	return reasons, nil
}

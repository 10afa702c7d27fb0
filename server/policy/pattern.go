package policy

import (
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

const (
	// maxPattern is how many instructions a regular expression may have when it is compiled.
	maxPattern = 1000
	// stepsPerUnit are instructions of a regular expression times bytes of the text, for a unit of CEL's cost.
	stepsPerUnit = 10
	// instructionBytes is what an instruction of a regular expression takes in memory, estimated.
	instructionBytes = 128
)

// patterns are the regular expressions of an expression. CEL neither counts their size, by which a match takes longer,
// nor stops a match.
type patterns struct {
	most  uint64         // what an evaluation may cost
	sizes map[string]int // in instructions
	bytes int64          // what they take in memory, estimated
}

func (p *patterns) options() []cel.ProgramOption {
	var optimizations []*interpreter.RegexOptimization
	for _, overload := range []string{overloads.Matches, overloads.MatchesString} {
		optimizations = append(optimizations, &interpreter.RegexOptimization{
			Function: overloads.Matches, OverloadID: overload, RegexIndex: 1, Factory: p.compile,
		})
	}
	return []cel.ProgramOption{cel.OptimizeRegex(optimizations...), cel.CostTracking(p)}
}

// compile makes a call that refuses a text whose match alone could cost too much.
func (p *patterns) compile(call interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
	size, err := types.RegexProgramSize(pattern)
	if err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	p.sizes[pattern] = size
	p.bytes += int64(size) * instructionBytes
	longest := int(p.most) * stepsPerUnit / size
	match := func(values ...ref.Val) ref.Val {
		text, ok := values[0].Value().(string)
		if !ok {
			return types.NoSuchOverloadErr()
		}
		if len(text) > longest {
			return types.NewErr("a text of %d bytes is too long for a regular expression of %d instructions, which "+
				"allows %d", len(text), size, longest)
		}
		return types.Bool(compiled.MatchString(text))
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), match), nil
}

// CallCost implements [cost.ActualCostEstimator]: nil is CEL's own estimate.
func (p *patterns) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	if function != overloads.Matches || len(args) != 2 {
		return costOfParts(function, args, result)
	}
	text, isText := args[0].Value().(string)
	pattern, isPattern := args[1].Value().(string)
	if !isText || !isPattern {
		return nil
	}
	cost := 1 + uint64(len(text)*p.sizes[pattern])/stepsPerUnit
	return &cost
}

// literalPatterns refuses patterns that are computed: each evaluation would compile them, which takes time that nothing
// counts.
type literalPatterns struct{}

// Name implements [cel.ASTValidator].
func (literalPatterns) Name() string { return "headroom.literal_patterns" }

// Validate implements [cel.ASTValidator].
func (literalPatterns) Validate(_ *cel.Env, _ cel.ValidatorConfig, checked *ast.AST, issues *cel.Issues) {
	for _, call := range ast.MatchDescendants(ast.NavigateAST(checked), ast.FunctionMatcher(overloads.Matches)) {
		args := call.AsCall().Args()
		pattern := args[len(args)-1]
		if pattern.Kind() != ast.LiteralKind {
			issues.ReportErrorAtID(pattern.ID(), "the regular expression must be a literal, such as \"^vm-\"")
			continue
		}
		text, _ := pattern.AsLiteral().Value().(string)
		_, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			issues.ReportErrorAtID(pattern.ID(), "%s", err)
		}
	}
}

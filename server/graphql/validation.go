package graphql

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// maxAlias bounds an alias in bytes, because each element of a list repeats it.
const maxAlias = 100

// validation has the rules of the specification, and two of ours.
func validation() *rules.Rules {
	all := rules.NewDefaultRules()
	all.AddRule("ShortAliases", shortAliases)
	all.AddRule("ScalarsInRange", scalarsInRange)
	return all
}

func shortAliases(observers *core.Events, add core.AddErrFunc) {
	observers.OnField(func(_ *core.Walker, f *ast.Field) {
		if len(f.Alias) > maxAlias {
			add(core.Message("The alias %.20s… has %d bytes; at most %d are allowed.", f.Alias, len(f.Alias), maxAlias),
				core.At(f.Position))
		}
	})
}

// scalarsInRange refuses numbers beyond 64 bits where our own scalars are: gqlparser looks at those of the
// specification alone, and gqlgen panics when it reads the others.
func scalarsInRange(observers *core.Events, add core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		if v.Definition == nil || v.Definition.Kind != ast.Scalar || v.Definition.BuiltIn {
			return
		}
		_, err := v.Value(nil)
		if err != nil {
			add(core.Message("A number of %.40s is out of range.", v.String()), core.At(v.Position))
		}
	})
}

// undecided returns the name of a variable that is null and that @skip or @include asks; "" if there is none. The
// specification lets such a variable pass where its default is not null, and gqlgen panics.
func undecided(oc *graphql.OperationContext) string {
	for _, v := range oc.Operation.VariableDefinitions {
		given, known := oc.Variables[v.Variable]
		if !known || given != nil || v.Type.NamedType != "Boolean" {
			continue
		}
		decides := asks(oc.Operation.SelectionSet, v.Variable)
		for _, fragment := range oc.Doc.Fragments {
			decides = decides || asks(fragment.SelectionSet, v.Variable)
		}
		if decides {
			return v.Variable
		}
	}
	return ""
}

// asks reports whether a directive within a selection, but not within its fragments, has the variable as its condition.
func asks(set ast.SelectionSet, variable string) bool {
	for _, one := range set {
		var directives ast.DirectiveList
		var within ast.SelectionSet
		switch one := one.(type) {
		case *ast.Field:
			directives, within = one.Directives, one.SelectionSet
		case *ast.InlineFragment:
			directives, within = one.Directives, one.SelectionSet
		case *ast.FragmentSpread:
			directives = one.Directives
		}
		for _, d := range directives {
			condition := d.Arguments.ForName("if")
			if condition != nil && condition.Value.Kind == ast.Variable && condition.Value.Raw == variable {
				return true
			}
		}
		if asks(within, variable) {
			return true
		}
	}
	return false
}

package imports

import (
	"reflect"
	"regexp"
	"strings"

	"github.com/grafana/sobek/ast"
)

// k6 reads a script of k6 (https://grafana.com/docs/k6/latest/using-k6/): options, and what the functions send that
// they name.
func (d *draft) k6(content []byte) error {
	s, err := d.parse(content)
	if err != nil {
		return err
	}
	s.top()
	options := s.exports["options"]
	if options == nil {
		options = unknown
	}
	s.byGroup = regexp.MustCompile(`\{[^}]*\bgroup:`).Match(content)
	s.connections(options)
	s.once("setup", &d.setup)
	s.options(options)
	s.once("teardown", &d.teardown)
	if !s.follows {
		d.leaveOut(0, 0, "k6 follows redirects; here a redirect is the answer, unless a request has redirects: 10")
	}
	if f := s.exports["handleSummary"]; f != nil && f.function != nil {
		line, column := s.at(f.function.body.Idx0())
		d.leaveOut(line, column, "handleSummary(): headroom report writes the reports")
	}
	s.unreached()
	d.settleKeyPair()
	return nil
}

// once reads setup or teardown: what it sends once. What setup returns is the argument of the other functions.
func (s *script) once(name string, flow **request) {
	f := s.exports[name]
	if f == nil || f.function == nil {
		return
	}
	s.begin(name)
	s.outside = true
	returned := s.call(f.function, []*jsValue{s.data})
	s.outside = false
	steps := s.flow.steps
	if len(steps) > 0 {
		steps[0].values = append(steps[0].values, s.flow.values...)
		*flow = &request{name: name, steps: steps}
	}
	s.flow = nil
	if name == "setup" {
		s.data, s.setupNames = returned, s.names
	}
	if line, column := s.at(f.function.body.Idx0()); len(steps) == 0 {
		s.d.leaveOut(line, column, "%s(): it sends nothing that can be read from the script", name)
	}
	const most = 100
	if len(steps) > most {
		s.d.leaveOut(0, 0, "%s(): what follows its first %d requests", name, most)
		(*flow).steps = steps[:most]
	}
	for _, step := range steps {
		step.pause, step.block, step.tags = pause{}, nil, nil // the load alone has these
	}
}

// begin prepares the reading of a function that sends.
func (s *script) begin(name string) {
	s.flow, s.steps = &request{name: nameOf(name, "flow")}, 0
	s.names, s.values, s.cookieHeader, s.groups = map[string]bool{}, map[string]value{}, nil, nil
	for taken := range s.setupNames {
		s.names[taken] = true
	}
}

// unreached notes requests that no function sends that was read, such as those of methods of classes.
func (s *script) unreached() {
	s.eachRequest(reflect.ValueOf(s.program.Body), func(call *ast.CallExpression, method string) {
		if !s.reached[call] {
			s.reached[call] = true
			s.leaveOut(call, "http.%s, which is in a part of the script that cannot be followed", method)
		}
	})
}

// eachRequest calls do for each call at and below a node that sends requests.
func (s *script) eachRequest(v reflect.Value, do func(call *ast.CallExpression, method string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if call, ok := v.Interface().(*ast.CallExpression); ok && v.Kind() == reflect.Pointer {
			method, isHTTP := strings.CutPrefix(s.source(call.Callee), "http.")
			if _, sends := methods[method]; isHTTP && (sends || method == "batch") {
				do(call, method)
			}
		}
		s.eachRequest(v.Elem(), do)
	case reflect.Slice:
		for i := range v.Len() {
			s.eachRequest(v.Index(i), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "DeclarationList" { // which has them again
				s.eachRequest(v.Field(i), do)
			}
		}
	}
}

// imported gives the names of an import what they stand for.
func (s *script) imported(i *ast.ImportDeclaration) {
	if i.FromClause == nil || i.ImportClause == nil {
		return
	}
	module := i.FromClause.ModuleSpecifier.String()
	name := moduleName(module)
	clause := i.ImportClause
	if clause.ImportedDefaultBinding != nil {
		s.globals.values[clause.ImportedDefaultBinding.Name.String()] = builtin(name)
	}
	if clause.NameSpaceImport != nil {
		s.globals.values[clause.NameSpaceImport.ImportedBinding.String()] = builtin(name)
	}
	if strings.HasPrefix(module, ".") {
		s.leaveOut(i, "the module %.80q: put what it has into the script", module)
	}
	if clause.NamedImports == nil {
		return
	}
	for _, one := range clause.NamedImports.ImportsList {
		as := one.Alias.String()
		if as == "" {
			as = one.IdentifierName.String()
		}
		s.globals.values[as] = builtin(strings.TrimPrefix(name+"."+one.IdentifierName.String(), "k6."))
	}
}

// moduleName is a module as the names of its functions have it: "k6/http" is http, a module by its URL what its file
// is called.
func moduleName(module string) string {
	name := strings.TrimPrefix(module, "k6/")
	switch {
	case strings.Contains(name, "papaparse"):
		return "papaparse"
	case strings.Contains(name, "k6-utils"), strings.Contains(name, "k6chaijs"),
		strings.Contains(name, "jslib.k6.io/url"):
		return "k6"
	case strings.Contains(name, "jslib.k6.io/formdata"):
		return "formdata"
	case name == "execution":
		return "exec"
	}
	return name
}

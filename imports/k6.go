package imports

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
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
	s.options(options)
	d.leaveOut(0, 0, "k6 follows redirects; here a redirect is the answer, unless a request has redirects: 10")
	for name, what := range map[string]string{
		"setup":         "setup(): what it sends once, before the load",
		"teardown":      "teardown(): what it sends once, after the load",
		"handleSummary": "handleSummary(): headroom report writes the reports",
	} {
		if f := s.exports[name]; f != nil && f.function != nil {
			line, column := s.at(f.function.body.Idx0())
			d.leaveOut(line, column, "%s", what)
		}
	}
	return nil
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
	if strings.HasPrefix(module, ".") {
		s.leaveOut(i, "the module %.80q: put what it has into the script", module)
	}
}

// moduleName is a module as the names of its functions have it: "k6/http" is http, a module by its URL what its file
// is called.
func moduleName(module string) string {
	name := strings.TrimPrefix(module, "k6/")
	switch {
	case strings.Contains(name, "papaparse"):
		return "papaparse"
	case strings.Contains(name, "k6-utils"):
		return "k6"
	case name == "execution":
		return "exec"
	}
	return name
}

// called is what a call gives.
func (s *script) called(e *ast.CallExpression, scope *jsScope) *jsValue {
	callee := s.evaluate(e.Callee, scope)
	if callee.kind == jsFunction {
		return s.call(callee.function, s.arguments(e, scope))
	}
	if callee.kind == jsAnswer {
		return s.askedOf(callee.answer, s.arguments(e, scope))
	}
	if callee.kind != jsBuiltin {
		arguments := s.arguments(e, scope)
		for _, a := range arguments { // what it sends may be of use
			if a.kind == jsFunction && s.flow != nil {
				s.call(a.function, nil)
			}
		}
		return unknown
	}
	name := callee.name
	if method, isText := strings.CutPrefix(name, "text."); isText {
		return s.textMethod(method, callee.left, s.arguments(e, scope))
	}
	if method, isList := strings.CutPrefix(name, "list."); isList {
		return s.listMethod(method, callee.left, s.arguments(e, scope))
	}
	if verb, ok := strings.CutPrefix(name, "http."); ok {
		return s.http(verb, e, s.arguments(e, scope))
	}
	return s.calledBuiltin(name, e, s.arguments(e, scope))
}

func (s *script) arguments(e *ast.CallExpression, scope *jsScope) (all []*jsValue) {
	for _, a := range e.ArgumentList {
		all = append(all, s.item(a, scope)...)
	}
	return all
}

// argument is the argument of that number; unknown when there is none.
func argument(all []*jsValue, i int) *jsValue {
	if i < len(all) {
		return all[i]
	}
	return &jsValue{kind: jsNothing}
}

// calledBuiltin is what a call of k6 or JavaScript itself gives.
func (s *script) calledBuiltin(name string, e *ast.CallExpression, arguments []*jsValue) *jsValue {
	first, second := argument(arguments, 0), argument(arguments, 1)
	switch name {
	case "check":
		return s.checked(first, second, e)
	case "group", "describe":
		if second.function != nil {
			return s.call(second.function, nil)
		}
	case "sleep":
		s.pause(first)
	case "JSON.stringify":
		if t, ok := s.json(first); ok {
			return &jsValue{kind: jsText, text: t}
		}
		return &jsValue{kind: jsText, text: s.unknownText(e.Callee)}
	case "JSON.parse":
		if first.kind == jsAnswer && first.answer.part == "body" {
			return &jsValue{kind: jsAnswer, answer: &answer{first.answer.step, "json", "$"}}
		}
		if first.name == "file" {
			s.leaveOut(e, "the file %.80q: make JSON lines of it (jq -c '.[]' FILE) and a feeder", first.text.string())
		}
	case "open":
		return &jsValue{name: "file", text: first.text}
	case "papaparse.parse":
		return s.rows(first)
	case "encoding.b64encode", "btoa":
		if literal, ok := first.literal(); ok {
			return jsString(base64.StdEncoding.EncodeToString([]byte(literal)))
		}
		s.noted(name, e)
	case "encodeURIComponent", "encodeURI":
		return s.component(first)
	case "String", "Number", "parseInt", "parseFloat":
		return first
	case "Math.random":
		return &jsValue{kind: jsRandom, number: 1}
	case "Math.floor", "Math.round", "Math.ceil", "Math.trunc":
		return rounded(strings.TrimPrefix(name, "Math."), first)
	case "uuidv4", "crypto.randomUUID":
		return &jsValue{kind: jsText, text: hole("uuid")}
	case "randomIntBetween":
		if first.kind == jsNumber && second.kind == jsNumber && second.number >= first.number {
			return &jsValue{kind: jsWhole, number: first.number, span: second.number - first.number + 1}
		}
	case "randomItem":
		return s.element(first, &jsValue{kind: jsWhole, feeder: first.feeder}, e)
	case "console.log", "console.error", "console.warn", "console.info", "console.debug":
	default:
		s.noted(name, e)
	}
	return unknown
}

// noted notes calls whose lack changes what is sent.
func (s *script) noted(name string, e *ast.CallExpression) {
	module, _, _ := strings.Cut(name, ".")
	if slices.Contains([]string{"ws", "grpc", "browser", "exec", "encoding", "crypto", "Date"}, module) ||
		strings.HasPrefix(name, "random") {
		s.leaveOut(e, "the call of %.60s", name)
	}
}

// rounded is a number without its fraction.
func rounded(how string, v *jsValue) *jsValue {
	switch v.kind {
	case jsNumber:
		f := map[string]func(float64) float64{
			"floor": math.Floor, "round": math.Round, "ceil": math.Ceil, "trunc": math.Trunc,
		}
		return jsNum(f[how](v.number))
	case jsRandom: // as in Math.floor(Math.random() * 100)
		return &jsValue{kind: jsWhole, span: math.Max(1, math.Ceil(v.number)), feeder: v.feeder}
	}
	return v
}

// rows are those of a CSV file with a header.
func (s *script) rows(file *jsValue) *jsValue {
	name, ok := file.text.string(), file.name == "file"
	if !ok || name == "" {
		return unknown
	}
	i := slices.IndexFunc(s.d.feeders, func(f *feeder) bool { return f.file == name })
	if i < 0 {
		taken := map[string]bool{}
		for _, f := range s.d.feeders {
			taken[f.name] = true
		}
		base := baseName(name)
		own := unique(nameOf(strings.TrimSuffix(base, extension(base)), "rows"), taken)
		f := &feeder{name: own, file: name, choice: "uniform"}
		s.d.feeders, i = append(s.d.feeders, f), len(s.d.feeders)
	}
	return &jsValue{kind: jsRows, feeder: s.d.feeders[i]}
}

// constructed is what new gives.
func (s *script) constructed(e *ast.NewExpression, scope *jsScope) *jsValue {
	callee := s.evaluate(e.Callee, scope)
	if callee.kind != jsBuiltin {
		return unknown
	}
	switch name := callee.name[strings.LastIndexByte(callee.name, '.')+1:]; name {
	case "SharedArray":
		if len(e.ArgumentList) == 2 {
			if f := s.evaluate(e.ArgumentList[1], scope); f.function != nil {
				return s.call(f.function, nil)
			}
		}
	case "Counter", "Trend", "Rate", "Gauge":
		s.leaveOut(e, "the metric of the script's own, a %s", name)
	}
	return unknown
}

// listMethod is what a method of a list gives.
func (s *script) listMethod(name string, of *jsValue, arguments []*jsValue) *jsValue {
	f := argument(arguments, 0).function
	switch name {
	case "map", "forEach":
		out := &jsValue{kind: jsArray}
		if f == nil || len(of.items) > mostUnrolled {
			return unknown
		}
		for i, item := range of.items {
			out.items = append(out.items, s.call(f, []*jsValue{item, jsNum(float64(i))}))
		}
		return out
	case "join":
		separator, _ := argument(arguments, 0).literal()
		var t text
		for i, item := range of.items {
			one, ok := s.asText(item)
			if !ok {
				return unknown
			}
			if i > 0 {
				t = joined(t, plain(separator))
			}
			t = joined(t, one)
		}
		return &jsValue{kind: jsText, text: t}
	}
	return unknown
}

// askedOf is what calling a part of an answer gives: res.json("a.b"), res.body.includes("x").
func (s *script) askedOf(a *answer, arguments []*jsValue) *jsValue {
	of := func(part, path string) *jsValue {
		return &jsValue{kind: jsAnswer, answer: &answer{a.step, part, path}}
	}
	switch a.part {
	case "json()":
		if len(arguments) == 0 {
			return of("json", "$")
		}
		selector, known := arguments[0].literal()
		if path, ok := gpath(selector); ok && known {
			return of("json", path)
		}
	case "text()":
		return of("body", "$")
	case "body.toString", "header.toString":
		part, _, _ := strings.Cut(a.part, ".")
		return of(part, a.path)
	case "json.toString":
		return of("json", a.path)
	case "body.includes", "header.includes", "json.includes":
		part, _, _ := strings.Cut(a.part, ".")
		return &jsValue{kind: jsComparison, name: "includes", left: of(part, a.path), right: argument(arguments, 0)}
	case "body.indexOf":
		return &jsValue{kind: jsAnswer, answer: a, right: argument(arguments, 0)}
	}
	return unknown
}

// http is what a call of the module http gives, and sends.
func (s *script) http(verb string, e *ast.CallExpression, arguments []*jsValue) *jsValue {
	method, hasBody := "", true
	switch verb {
	case "get", "head", "options":
		method, hasBody = strings.ToUpper(verb), verb == "options"
	case "post", "put", "patch":
		method = strings.ToUpper(verb)
	case "del":
		method = "DELETE"
	case "request", "asyncRequest":
		method, _ = argument(arguments, 0).literal()
		arguments = arguments[min(1, len(arguments)):]
	case "batch":
		return s.batch(e, argument(arguments, 0))
	case "url", "setResponseCallback", "expectedStatuses", "cookieJar", "file":
		if verb == "file" || verb == "setResponseCallback" {
			s.leaveOut(e, "the call of http.%s", verb)
		}
		return argument(arguments, 0)
	default:
		s.leaveOut(e, "the call of http.%.40s", verb)
		return unknown
	}
	body, params := unknown, argument(arguments, 1)
	if hasBody {
		body, params = argument(arguments, 1), argument(arguments, 2)
	}
	return s.send(method, e, argument(arguments, 0), body, params)
}

// batch is what http.batch sends at once, one after the other.
func (s *script) batch(e *ast.CallExpression, all *jsValue) *jsValue {
	out := &jsValue{kind: jsArray}
	items := all.items
	for _, m := range all.members {
		items = append(items, m.value)
	}
	for _, item := range items {
		switch item.kind {
		case jsArray: // [method, url, body, params]
			method, _ := argument(item.items, 0).literal()
			out.items = append(out.items, s.send(method, e, argument(item.items, 1), argument(item.items, 2),
				argument(item.items, 3)))
		case jsObject:
			get := func(name string) *jsValue {
				if v := item.member(name); v != nil {
					return v
				}
				return unknown
			}
			method, ok := get("method").literal()
			if !ok {
				method = "GET"
			}
			out.items = append(out.items, s.send(method, e, get("url"), get("body"), get("params")))
		default:
			out.items = append(out.items, s.send("GET", e, item, unknown, unknown))
		}
	}
	if len(items) > 1 {
		s.leaveOut(e, "http.batch: its requests are sent one after the other, not at once")
	}
	return out
}

// send adds a step to the flow that is read, and gives its answer.
func (s *script) send(method string, e *ast.CallExpression, address, body, params *jsValue) *jsValue {
	line, column := s.at(e.Idx0())
	if s.flow == nil {
		s.d.leaveOut(line, column, "a request outside of the functions that make the load")
		return unknown
	}
	method, ok := methodOf(method)
	if !ok {
		s.d.leaveOut(line, column, "the method %.20q", method)
		return unknown
	}
	u, ok := s.asText(address)
	if !ok || len(u) == 0 {
		s.d.leaveOut(line, column, "a %s to a URL that the script computes", method)
		return unknown
	}
	r := &request{method: method, url: u, line: line, column: column}
	s.params(r, params, e)
	s.body(r, body, e)
	s.flow.steps = append(s.flow.steps, r)
	s.paused = false
	return &jsValue{kind: jsAnswer, answer: &answer{step: r}}
}

// params takes the parameters of a request in.
func (s *script) params(r *request, params *jsValue, e *ast.CallExpression) {
	if params.kind == jsUnknown {
		return
	}
	for _, m := range params.members {
		switch m.name {
		case "headers":
			for _, h := range m.value.members {
				t, ok := s.asText(h.value)
				if !ok {
					t = s.d.needs(variableName(h.name), "the header "+h.name, s.d.known.IsHeader(h.name))
				}
				r.headers = append(r.headers, pair{h.name, t})
			}
		case "cookies":
			s.cookies(r, m.value)
		case "tags":
			if name := m.value.member("name"); name != nil {
				r.name, _ = name.literal()
			}
		case "timeout":
			r.timeout = timeoutOf(m.value)
		case "redirects":
			if m.value.kind == jsNumber {
				r.follows = int(math.Min(20, math.Max(0, m.value.number)))
			}
		case "responseType", "compression":
		case "responseCallback":
			s.leaveOut(e, "responseCallback: write the statuses under expectedStatus")
		default:
			s.leaveOut(e, "the parameter %.40s of a request", m.name)
		}
	}
}

func (s *script) cookies(r *request, all *jsValue) {
	var t text
	for i, m := range all.members {
		v, ok := s.asText(m.value)
		if !ok {
			v = s.d.needs(variableName(m.name), "the cookie "+m.name, true)
		}
		if i > 0 {
			t = joined(t, plain("; "))
		}
		t = joined(t, plain(m.name+"="), v)
	}
	if len(t) > 0 {
		r.headers = append(r.headers, pair{"Cookie", t})
	}
}

// timeoutOf is a duration of k6: a text, or milliseconds.
func timeoutOf(v *jsValue) string {
	switch v.kind {
	case jsNumber:
		if v.number >= 1 {
			return strconv.FormatFloat(v.number, 'f', 0, 64) + "ms"
		}
	case jsText:
		return durationOf(v.text.string())
	}
	return ""
}

// body gives a request its body: a text, or an object, which k6 sends as a form.
func (s *script) body(r *request, body *jsValue, e *ast.CallExpression) {
	switch body.kind {
	case jsNothing, jsUnknown:
		if body.kind == jsUnknown && body.name == "file" {
			s.leaveOut(e, "the body, which is the file %.80q", body.text.string())
		} else if body.kind == jsUnknown && body != unknown {
			s.leaveOut(e, "a body that the script computes")
		}
	case jsObject:
		for i, m := range body.members {
			t, ok := s.asText(m.value)
			if !ok {
				t = s.d.needs(variableName(m.name), "the field "+m.name+" of a form", s.d.known.IsField(m.name))
			}
			if i > 0 {
				r.body = joined(r.body, plain("&"))
			}
			r.body = joined(r.body, encoded(plain(m.name)), plain("="), encoded(t))
		}
		typed := slices.ContainsFunc(r.headers, func(h pair) bool { return strings.EqualFold(h.name, "Content-Type") })
		if !typed {
			r.headers = append(r.headers, pair{"Content-Type", plain("application/x-www-form-urlencoded")})
		}
	default:
		if t, ok := s.asText(body); ok {
			r.body = t
		} else {
			s.leaveOut(e, "a body that the script computes")
		}
	}
}

// pause notes a pause between requests.
func (s *script) pause(v *jsValue) {
	seconds := 1.0
	if v.kind == jsNumber {
		seconds = v.number
	}
	s.pauses, s.paused = append(s.pauses, seconds), true
}

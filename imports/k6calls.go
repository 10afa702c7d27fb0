package imports

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/sobek/ast"
)

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
	if strings.HasPrefix(name, "console.") { // what is written there is of no use here
		return unknown
	}
	if method, isURL := strings.CutPrefix(name, "url."); isURL {
		return s.urlMethod(method, callee.left, s.arguments(e, scope))
	}
	if name == "pattern.test" {
		asked := argument(s.arguments(e, scope), 0)
		return &jsValue{kind: jsComparison, name: "matches", left: asked, right: callee.left}
	}
	if method, isText := strings.CutPrefix(name, "text."); isText {
		return s.textMethod(method, callee.left, s.arguments(e, scope))
	}
	if method, isList := strings.CutPrefix(name, "list."); isList {
		return s.listMethod(method, callee.left, s.arguments(e, scope))
	}
	if method, isForm := strings.CutPrefix(name, "formdata."); isForm {
		return s.formData(method, callee.left, s.arguments(e, scope))
	}
	if method, isJar := strings.CutPrefix(name, "jar."); isJar {
		s.usesJar = true
		return s.jar(method, e, s.arguments(e, scope))
	}
	if verb, ok := strings.CutPrefix(name, "http."); ok {
		return s.http(verb, e, s.arguments(e, scope))
	}
	return s.calledBuiltin(name, e, s.arguments(e, scope))
}

func (s *script) arguments(e *ast.CallExpression, scope *jsScope) (all []*jsValue) {
	return s.expressions(e.ArgumentList, scope)
}

func (s *script) expressions(list []ast.Expression, scope *jsScope) (all []*jsValue) {
	for _, a := range list {
		all = append(all, s.item(a, scope)...)
		if len(all) > mostItems {
			return nil
		}
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
			name, _ := first.literal()
			s.groups = append(s.groups, tagValue(name))
			defer func() { s.groups = s.groups[:len(s.groups)-1] }()
			return s.call(second.function, nil)
		}
	case "sleep":
		s.sleep(first, e)
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
			return &jsValue{kind: jsRows, text: first.text}
		}
	case "open":
		return &jsValue{name: "file", text: first.text}
	case "papaparse.parse":
		return s.rows(first)
	case "encoding.b64encode", "btoa":
		t, ok := s.asText(first)
		if kind, _ := second.literal(); ok && (kind == "" || kind == "std") {
			return &jsValue{kind: jsText, text: inBase64(t)}
		}
		s.noted(name, e)
	case "encodeURIComponent", "encodeURI":
		return s.component(first)
	case "String", "Number", "parseInt", "parseFloat":
		return first
	case "postman.getResponseHeader":
		if name, ok := first.literal(); ok && s.asked != nil {
			return &jsValue{kind: jsAnswer, answer: &answer{s.asked, "header", name}}
		}
	case "Object.assign":
		out := &jsValue{kind: jsObject}
		for _, a := range arguments {
			for _, m := range a.members {
				out.put(m.name, m.value)
			}
		}
		return out
	case "Object.keys", "Object.values":
		out := &jsValue{kind: jsArray}
		for _, m := range first.members {
			item := m.value
			if name == "Object.keys" {
				item = jsString(m.name)
			}
			out.items = append(out.items, item)
		}
		return out
	case "Date.now":
		return s.valueText(value{name: "now", source: "time: unixMilli"})
	case "date.toISOString", "date.toJSON":
		return s.valueText(value{name: "now", source: "time: rfc3339"})
	case "date.getTime", "date.valueOf":
		return s.valueText(value{name: "now", source: "time: unixMilli"})
	case "randomString":
		return s.randomText(first, second)
	case "Math.random":
		return &jsValue{kind: jsRandom, number: 1}
	case "Math.floor", "Math.round", "Math.ceil", "Math.trunc":
		return s.rounded(strings.TrimPrefix(name, "Math."), first, e)
	case "uuidv4", "crypto.randomUUID":
		return &jsValue{kind: jsText, text: hole("uuid")}
	case "randomIntBetween":
		if first.kind == jsNumber && second.kind == jsNumber && second.number >= first.number {
			return &jsValue{kind: jsWhole, number: first.number, span: second.number - first.number + 1}
		}
	case "randomItem":
		return s.element(first, &jsValue{kind: jsWhole, feeder: first.feeder}, e)
	default:
		s.noted(name, e)
	}
	return unknown
}

// valueText is a text that a value fills.
func (s *script) valueText(v value) *jsValue {
	return &jsValue{kind: jsText, text: s.filledBy(v)}
}

// randomText is randomString(length, alphabet).
func (s *script) randomText(length, alphabet *jsValue) *jsValue {
	const longest = 10_000
	if length.kind != jsNumber || length.number < 1 || length.number > longest {
		return unknown
	}
	source := "string: " + numberText(length.number)
	if letters, ok := alphabet.literal(); ok && letters != "" && len(letters) <= 100 {
		source += ", alphabet: " + flowScalar(escapeVariables(letters))
	}
	return s.valueText(value{name: "text", source: source})
}

// sleep adds a pause after the last request.
func (s *script) sleep(v *jsValue, e *ast.CallExpression) {
	if s.flow == nil || s.outside {
		return
	}
	p, ok := pauseOf(v, s.d)
	steps := s.flow.steps
	switch {
	case !ok:
		s.leaveOut(e, "a pause whose length the script computes: one of a second stands for it")
		p = pause{least: 1, most: 1}
	case p.isZero():
		return
	}
	if len(steps) == 0 {
		s.leaveOut(e, "the pause before the first request")
		return
	}
	last := steps[len(steps)-1]
	if last.block != nil { // which would wait each time
		s.leaveOut(e, "the pause behind a loop")
		return
	}
	last.pause = last.pause.plus(p)
}

// pauseOf is a number of seconds, a random one, or a variable of the environment that has one as its default.
func pauseOf(v *jsValue, d *draft) (p pause, ok bool) {
	switch v.kind {
	case jsNumber:
		return pause{least: v.number, most: v.number}, v.number <= 86400
	case jsRandom:
		return pause{least: v.span, most: v.span + v.number}, v.feeder == nil && v.number > 0 && v.span >= 0
	case jsWhole:
		return pause{least: v.number, most: v.number + v.span - 1}, v.feeder == nil && v.span >= 1 && v.number >= 0
	case jsText:
		if literal, known := v.literal(); known {
			n, err := strconv.ParseFloat(literal, 64)
			return pause{least: n, most: n}, err == nil && n >= 0 && n <= 86400
		}
		if len(v.text) == 1 && v.text[0].variable != "" {
			name := v.text[0].variable
			fallback := positive(d.fallbacks[name])
			return pause{written: "${" + name + ":-" + fallback + "}s"}, fallback != ""
		}
	}
	return p, false
}

// formData is what a method of a FormData gives: https://grafana.com/docs/k6/latest/examples/data-uploads/
func (s *script) formData(method string, of *jsValue, arguments []*jsValue) *jsValue {
	switch method {
	case "append":
		if name, ok := argument(arguments, 0).literal(); ok {
			of.members = append(of.members, jsMember{name, argument(arguments, 1)})
		}
	case "body":
		return &jsValue{kind: jsObject, name: "formdata", members: of.members}
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
func (s *script) rounded(how string, v *jsValue, e *ast.CallExpression) *jsValue {
	switch v.kind {
	case jsNumber:
		f := map[string]func(float64) float64{
			"floor": math.Floor, "round": math.Round, "ceil": math.Ceil, "trunc": math.Trunc,
		}
		return jsNum(f[how](v.number))
	case jsRandom: // as in Math.floor(Math.random() * 100)
		from, n := math.Floor(v.span), math.Max(1, math.Ceil(v.number))
		switch {
		case v.number < 0:
			return unknown
		case v.feeder != nil:
		case how == "ceil":
			from++
		case how == "round":
			n++
			s.leaveOut(e, "that Math.round gives the first and the last number half as often as the others")
		}
		return &jsValue{kind: jsWhole, number: from, span: n, feeder: v.feeder}
	}
	return v
}

// rows are those of a CSV file with a header.
func (s *script) rows(file *jsValue) *jsValue {
	name, ok := file.text.string(), file.name == "file"
	if !ok || name == "" {
		return unknown
	}
	return &jsValue{kind: jsRows, feeder: s.d.feeder(name, "uniform", false)}
}

// rowsOf are those of a list in a file of JSON, which is to be made a file of JSON lines.
func (s *script) rowsOf(file, path string, at ast.Node) *jsValue {
	lines := strings.TrimSuffix(file, ".json") + strings.ReplaceAll(path, ".", "-") + ".jsonl"
	s.leaveOut(at, "the file %.80q is no feeder yet: make one by jq -c '%.80s[]' %.80s > %.80s", file,
		cmp.Or(path, "."), file, lines)
	return &jsValue{kind: jsRows, feeder: s.d.feeder(lines, "uniform", true)}
}

// constructed is what new gives.
func (s *script) constructed(e *ast.NewExpression, scope *jsScope) *jsValue {
	callee := s.evaluate(e.Callee, scope)
	if callee.kind != jsBuiltin {
		return unknown
	}
	switch callee.name {
	case "Date":
		return builtin("date")
	case "http.CookieJar":
		s.leaveOut(e, "a jar of cookies of its own")
		return builtin("jar")
	case "formdata.FormData", "http.FormData":
		return &jsValue{kind: jsBuiltin, name: "formdata"}
	case "URL", "URLSearchParams":
		return s.newURL(callee.name, s.expressions(e.ArgumentList, scope))
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
				t = t.and(plain(separator))
			}
			t = t.and(one)
			if t.isLonger(mostText) {
				return unknown
			}
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
	case "body.includes", "header.includes", "json.includes", "body.has", "headers.get": // has and get are of Postman
		if a.part == "headers.get" {
			name, _ := argument(arguments, 0).literal()
			return of("header", name)
		}
		part, _, _ := strings.Cut(a.part, ".")
		return &jsValue{kind: jsComparison, name: "includes", left: of(part, a.path), right: argument(arguments, 0)}
	case "body.match", "header.match", "json.match":
		part, _, _ := strings.Cut(a.part, ".")
		return &jsValue{kind: jsComparison, name: "matches", left: of(part, a.path), right: argument(arguments, 0)}
	case "body.startsWith", "header.startsWith", "json.startsWith":
		part, _, _ := strings.Cut(a.part, ".")
		return &jsValue{kind: jsComparison, name: "startsWith", left: of(part, a.path), right: argument(arguments, 0)}
	case "body.indexOf":
		return &jsValue{kind: jsAnswer, answer: a, right: argument(arguments, 0)}
	}
	return unknown
}

package imports

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/sobek/ast"
)

// jsKind is what is known of a value of a script.
type jsKind int

const (
	jsUnknown jsKind = iota
	jsText
	jsNumber
	jsBoolean
	jsNothing // null or undefined
	jsObject
	jsArray
	jsFunction
	jsBuiltin    // of k6, by name: http.get, check
	jsAnswer     // a response, or a part of one
	jsRows       // of a CSV file
	jsRow        // one of them
	jsRandom     // a random number from span to span and number
	jsWhole      // a random whole number, from number on: of rows or a list, an index
	jsPattern    // a regular expression
	jsComparison // of left with right by name
)

// jsValue is a value of a script, as far as it is known without running it.
type jsValue struct {
	kind        jsKind
	text        text
	number      float64
	span        float64 // of jsWhole: how many numbers there are; of jsRandom: where they begin
	truth       bool
	members     []jsMember
	items       []*jsValue
	name        string
	function    *jsFunc
	answer      *answer
	feeder      *feeder
	path        string    // of jsRows of JSON: how to get to them; of jsRow: of what is taken of it
	part        *formPart // http.file
	sequential  bool      // of jsWhole: by the number of the iteration; of a list: in its order
	left, right *jsValue
}

type jsMember struct {
	name  string
	value *jsValue
}

// jsFunc is a function of the script.
type jsFunc struct {
	parameters *ast.ParameterList
	body       ast.ConciseBody
	scope      *jsScope
}

// answer is a part of the response to a step.
type answer struct {
	step *request
	part string // "", body, json, header, headers, status, timings, or what is not known
	path string // of json, as a JSON path, or the name of a header
}

// jsScope has the values of names.
type jsScope struct {
	values map[string]*jsValue
	outer  *jsScope
}

func (s *jsScope) inner() *jsScope { return &jsScope{values: map[string]*jsValue{}, outer: s} }

func (s *jsScope) get(name string) *jsValue {
	for at := s; at != nil; at = at.outer {
		if v, ok := at.values[name]; ok {
			return v
		}
	}
	return nil
}

// set changes a name where it was declared.
func (s *jsScope) set(name string, v *jsValue) {
	for at := s; at != nil; at = at.outer {
		if _, ok := at.values[name]; ok {
			at.values[name] = v
			return
		}
	}
	s.values[name] = v
}

var unknown = &jsValue{}

func jsString(s string) *jsValue { return &jsValue{kind: jsText, text: plain(s)} }

func jsNum(n float64) *jsValue { return &jsValue{kind: jsNumber, number: n} }

func jsBool(b bool) *jsValue { return &jsValue{kind: jsBoolean, truth: b} }

func builtin(name string) *jsValue { return &jsValue{kind: jsBuiltin, name: name} }

// member is the value of a key of an object.
func (v *jsValue) member(name string) *jsValue {
	for _, m := range slices.Backward(v.members) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// put gives a member its value; one of that name has it instead of its own.
func (v *jsValue) put(name string, value *jsValue) {
	i := slices.IndexFunc(v.members, func(m jsMember) bool { return m.name == name })
	if i < 0 {
		v.members = append(v.members, jsMember{name, value})
		return
	}
	v.members[i].value = value
}

// literal is a text that is known whole; ok is false for other values.
func (v *jsValue) literal() (s string, ok bool) {
	switch v.kind {
	case jsText:
		return v.text.string(), v.text.isLiteral()
	case jsNumber:
		return numberText(v.number), true
	case jsBoolean:
		return strconv.FormatBool(v.truth), true
	}
	return "", false
}

func numberText(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// asText is a value as it is put into a text; ok is false for one that is not known.
func (s *script) asText(v *jsValue) (t text, ok bool) {
	switch v.kind {
	case jsText:
		return v.text, true
	case jsAnswer:
		return s.extracted(v.answer)
	case jsWhole:
		if v.feeder != nil || v.span < 1 || v.span > 1<<50 || math.Abs(v.number) > 1<<50 {
			return nil, false
		}
		from, to := int64(v.number), int64(v.number)+int64(v.span)-1
		if v.sequential {
			source := fmt.Sprintf("range: [%d, %d], choice: sequential", from, to)
			return s.filledBy(value{name: "number", source: source}), true
		}
		return s.filledBy(value{name: "number", from: from, to: to}), true
	case jsArray:
		if v.name == "random" && len(v.items) > 0 { // one of them
			return s.oneOf(v)
		}
	case jsRow:
		if v.path == "" {
			return nil, false
		}
		return s.filledBy(s.columnOf(v)), true
	}
	literal, ok := v.literal()
	return plain(literal), ok
}

// columnOf is what a row gives: a column of CSV, or what is at a path of JSON.
func (s *script) columnOf(v *jsValue) value {
	parts := strings.FieldsFunc(v.path, func(c rune) bool { return strings.ContainsRune(".[]'$", c) })
	name := "row"
	if len(parts) > 0 {
		name = parts[len(parts)-1]
	}
	name = nameOf(name, "column")
	if '0' <= name[0] && name[0] <= '9' {
		name = "column_" + name
	}
	column := v.path
	if !v.feeder.lines {
		column = strings.Join(parts, ".")
		if len(v.items) > 0 {
			column, _ = v.items[0].literal()
		}
	}
	return value{name: name, feeder: v.feeder.name, column: column}
}

// oneOf is one of the texts of a list, drawn at random.
func (s *script) oneOf(v *jsValue) (t text, ok bool) {
	var list []string
	for _, item := range v.items {
		literal, ok := item.literal()
		if !ok {
			return nil, false
		}
		list = append(list, literal)
	}
	if v.sequential {
		items := make([]string, len(list))
		for i, item := range list {
			items[i] = flowScalar(escapeVariables(item))
		}
		source := "list: [" + strings.Join(items, ", ") + "], choice: sequential"
		return s.filledBy(value{name: "item", source: source}), true
	}
	return s.filledBy(value{name: "item", list: list}), true
}

// filledBy is a hole that a value fills. The same value has the same name.
func (s *script) filledBy(v value) text {
	base := nameOf(v.name, "value")
	v.name = base
	for n := 2; ; n++ {
		known, taken := s.values[v.name]
		if !taken && !s.names[v.name] && v.name != "iteration" && v.name != "uuid" {
			s.values[v.name] = v
			break
		}
		known.name = v.name
		if taken && fmt.Sprint(known) == fmt.Sprint(v) && v.feeder != "" { // a random one is drawn again
			break
		}
		v.name = fmt.Sprintf("%s_%d", base, n)
	}
	if s.flow != nil {
		s.flow.values = append(s.flow.values, v)
	}
	return hole(v.name)
}

// extracted is the hole that a part of an answer fills in later steps.
func (s *script) extracted(a *answer) (t text, ok bool) {
	var x extraction
	switch a.part {
	case "json":
		x.json = a.path
		parts := strings.FieldsFunc(a.path, func(c rune) bool { return strings.ContainsRune(".[]'$", c) })
		if len(parts) > 0 {
			x.name = parts[len(parts)-1]
		}
	case "header":
		x.header, x.name = a.path, a.path
	case "cookie":
		x.cookie, x.name = a.path, a.path
	default:
		return nil, false
	}
	x.name = nameOf(x.name, "text")
	if '0' <= x.name[0] && x.name[0] <= '9' {
		x.name = "item_" + x.name
	}
	for _, known := range a.step.extract {
		if known.json == x.json && known.header == x.header && known.cookie == x.cookie {
			return hole(known.name), true
		}
	}
	base := x.name
	_, taken := s.values[x.name]
	for n := 2; s.names[x.name] || taken || x.name == "iteration" || x.name == "uuid"; n++ {
		x.name = fmt.Sprintf("%s_%d", base, n)
		_, taken = s.values[x.name]
	}
	s.names[x.name] = true
	a.step.extract = append(a.step.extract, x)
	return hole(x.name), true
}

// under is the JSON path of a member or element of what a path leads to.
func under(path, name string) string {
	if _, err := strconv.Atoi(name); err == nil {
		return path + "[" + name + "]"
	}
	for i, c := range name {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return path + "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "']"
		}
	}
	return path + "." + name
}

// gpath is a JSON path of a path of k6 and gjson, such as "items.0.id"; ok is false for what is more than that.
func gpath(s string) (path string, ok bool) {
	path = "$"
	for name := range strings.SplitSeq(s, ".") {
		if name == "" || strings.ContainsAny(name, `#*?|@\{}[]`) {
			return "", false
		}
		path = under(path, name)
	}
	return path, true
}

// json is a value as JSON.stringify writes it; ok is false when something of it is not known.
func (s *script) json(v *jsValue) (t text, ok bool) {
	s.steps++ // objects may have themselves as members
	if s.steps > mostSteps || s.depth > mostDepth*4 {
		return nil, false
	}
	s.depth++
	defer func() { s.depth-- }()
	switch v.kind {
	case jsObject:
		t = plain("{")
		for i, m := range v.members {
			inner, ok := s.json(m.value)
			if !ok || t.isLonger(mostText) {
				return nil, false
			}
			if i > 0 {
				t = t.and(plain(","))
			}
			t = t.and(plain(jsonQuoted(m.name)+":"), inner)
		}
		return joined(t, plain("}")), true
	case jsArray:
		if v.name == "random" {
			break
		}
		t = plain("[")
		for i, item := range v.items {
			inner, ok := s.json(item)
			if !ok || t.isLonger(mostText) {
				return nil, false
			}
			if i > 0 {
				t = t.and(plain(","))
			}
			t = t.and(inner)
		}
		return joined(t, plain("]")), true
	case jsNothing:
		return plain("null"), true
	case jsNumber, jsBoolean, jsWhole:
		return s.asText(v)
	}
	inner, ok := s.asText(v)
	if !ok {
		return nil, false
	}
	t = plain(`"`)
	for _, p := range inner {
		if p.literal != "" {
			quoted := jsonQuoted(p.literal)
			p.literal = quoted[1 : len(quoted)-1]
		}
		t = t.and(text{p})
	}
	return joined(t, plain(`"`)), true
}

func jsonQuoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a text can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

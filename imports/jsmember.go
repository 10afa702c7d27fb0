package imports

import (
	"cmp"
	"math"
	"strings"

	"github.com/grafana/sobek/ast"
)

// memberOf is a member of a value.
func (s *script) memberOf(v *jsValue, name string, _ ast.Node) *jsValue {
	switch v.kind {
	case jsObject:
		if m := v.member(name); m != nil {
			return m
		}
		return unknown
	case jsArray:
		switch name {
		case "length":
			return &jsValue{kind: jsNumber, number: float64(len(v.items)), items: v.items}
		case "map", "filter", "join", "concat", "slice", "find", "forEach":
			return &jsValue{kind: jsBuiltin, name: "list." + name, left: v}
		}
	case jsRows:
		switch {
		case name == "length":
			return &jsValue{kind: jsWhole, feeder: v.feeder}
		case v.feeder == nil: // a file of JSON, of which something is a list
			return &jsValue{kind: jsRows, text: v.text, path: v.path + "." + name}
		case name == "data":
			return v
		}
		return builtin("rows." + name)
	case jsRow:
		if name == "" {
			return unknown
		}
		path := cmp.Or(v.path, "$")
		return &jsValue{kind: jsRow, feeder: v.feeder, path: under(path, name), items: []*jsValue{jsString(name)}}
	case jsPattern:
		return &jsValue{kind: jsBuiltin, name: "pattern." + name, left: v}
	case jsText, jsNumber:
		return &jsValue{kind: jsBuiltin, name: "text." + name, left: v}
	case jsAnswer:
		return v.answer.member(name)
	case jsBuiltin:
		return s.memberOfBuiltin(v, name)
	}
	return unknown
}

// memberOfBuiltin is a member of what k6 or JavaScript has itself.
func (s *script) memberOfBuiltin(v *jsValue, name string) *jsValue {
	switch v.name {
	case "url":
		switch name {
		case "href":
			return &jsValue{kind: jsText, text: v.text}
		case "searchParams":
			return v
		}
		return &jsValue{kind: jsBuiltin, name: "url." + name, left: v}
	case "formdata":
		if name == "boundary" {
			return jsString("boundary")
		}
		return &jsValue{kind: jsBuiltin, name: "formdata." + name, left: v}
	case "http":
		if name == "CookieJar" || name == "FormData" {
			return builtin("http." + name)
		}
	case "__ENV":
		if own := s.env; own != nil && own.member(name) != nil {
			return own.member(name)
		}
		return &jsValue{kind: jsText, text: s.d.needs(variableName(name), "__ENV."+name+" of the script",
			s.d.known.IsField(name)), name: name}
	case "Math":
		if name == "PI" {
			return jsNum(math.Pi)
		}
	case "exec":
		if name == "scenario" || name == "vu" {
			return v
		}
		if strings.HasPrefix(name, "iterationIn") {
			return &jsValue{kind: jsText, text: hole("iteration")}
		}
	}
	return builtin(v.name + "." + name)
}

// member is a part of a part of an answer.
func (a *answer) member(name string) *jsValue {
	part := func(part, path string) *jsValue {
		return &jsValue{kind: jsAnswer, answer: &answer{a.step, part, path}}
	}
	switch a.part {
	case "":
		switch name {
		case "json":
			return part("json()", "$") // a function, until it is called
		case "body", "headers", "status", "timings", "cookies":
			return part(name, "$")
		case "code": // of Postman
			return part("status", "$")
		case "text": // of Postman: a function, until it is called
			return part("text()", "$")
		}
		return part("response."+name, "")
	case "headers":
		if name == "get" {
			return part("headers.get", "")
		}
		return part("header", name)
	case "cookies":
		return part("cookies of a name", name)
	case "cookies of a name":
		return part("cookie", a.path)
	case "cookie":
		return part("cookie", a.path)
	case "json":
		switch name {
		case "length", "toString", "includes", "match", "startsWith", "map", "filter", "find", "forEach":
			return part("json."+name, a.path)
		}
		return part("json", under(a.path, name))
	case "json()", "body", "header", "timings", "status":
		return part(a.part+"."+name, a.path)
	}
	return unknown
}

// element is what stands under an index or a name that is computed.
func (s *script) element(v, index *jsValue, at ast.Node) *jsValue {
	switch {
	case v.kind == jsRows && v.feeder == nil && (index.kind != jsText || !index.text.isLiteral()):
		rows := s.rowsOf(v.text.string(), v.path, at)
		rows.feeder.choice = "sequential"
		if index.kind == jsWhole && !index.sequential {
			rows.feeder.choice = "uniform"
		}
		return &jsValue{kind: jsRow, feeder: rows.feeder}
	case v.kind == jsRows && index.kind == jsWhole:
		if index.sequential {
			v.feeder.choice = "sequential"
		}
		return &jsValue{kind: jsRow, feeder: v.feeder}
	case v.kind == jsRows && (index.kind == jsNumber || index.kind == jsText || index.kind == jsUnknown):
		if index.kind != jsNumber {
			v.feeder.choice = "sequential"
		}
		return &jsValue{kind: jsRow, feeder: v.feeder}
	case v.kind == jsRow && index.kind == jsNumber && !v.feeder.lines:
		s.leaveOut(at, "the rows of %.80q are used by number: name its columns 0, 1, and so on in its first line",
			v.feeder.file)
		return s.memberOf(v, numberText(index.number), at)
	case v.kind == jsArray && index.kind == jsWhole:
		return &jsValue{kind: jsArray, name: "random", items: v.items, sequential: index.sequential}
	case v.kind == jsArray && index.kind == jsNumber:
		if i := int(index.number); i >= 0 && i < len(v.items) {
			return v.items[i]
		}
		return unknown
	}
	name, ok := index.literal()
	if !ok {
		return unknown
	}
	return s.memberOf(v, name, at)
}

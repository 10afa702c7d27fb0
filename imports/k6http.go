package imports

import (
	"math"
	"strconv"
	"strings"

	"github.com/grafana/sobek/ast"
)

// methods are those of the functions of the module http; an empty one is the first argument.
var methods = map[string]string{
	"get": "GET", "head": "HEAD", "options": "OPTIONS", "post": "POST", "put": "PUT", "patch": "PATCH", "del": "DELETE",
	"request": "", "asyncRequest": "",
}

// http is what a call of the module http gives, and sends.
func (s *script) http(verb string, e *ast.CallExpression, arguments []*jsValue) *jsValue {
	s.reached[e] = true
	method, sends := methods[verb]
	switch {
	case sends && method == "":
		method, _ = argument(arguments, 0).literal()
		arguments = arguments[min(1, len(arguments)):]
	case sends:
	default:
		return s.httpOther(verb, e, arguments)
	}
	body, params := unknown, argument(arguments, 1)
	if method != "GET" && method != "HEAD" || verb == "request" || verb == "asyncRequest" {
		body, params = argument(arguments, 1), argument(arguments, 2)
	}
	return s.send(method, e, argument(arguments, 0), body, params)
}

// httpOther is what a call of the module http gives that sends no single request.
func (s *script) httpOther(verb string, e *ast.CallExpression, arguments []*jsValue) *jsValue {
	first := argument(arguments, 0)
	switch verb {
	case "batch":
		return s.batch(e, first)
	case "url":
		return first
	case "cookieJar":
		return builtin("jar")
	case "file":
		return s.fileOf(first, argument(arguments, 1), argument(arguments, 2))
	case "expectedStatuses":
		return &jsValue{kind: jsArray, name: "statuses", items: arguments}
	case "setResponseCallback":
		s.statuses = s.statusesOf(first, e)
		return unknown
	}
	s.leaveOut(e, "the call of http.%.40s", verb)
	return unknown
}

// fileOf is a part of a form that is a file, or a text with a name.
func (s *script) fileOf(content, filename, kind *jsValue) *jsValue {
	part := &formPart{}
	part.filename, _ = filename.literal()
	part.kind, _ = kind.literal()
	if content.name == "file" {
		part.file = content.text.string()
		if part.filename == part.file {
			part.filename = ""
		}
		return &jsValue{name: "part", part: part}
	}
	t, ok := s.asText(content)
	if !ok {
		return unknown
	}
	part.value = t
	if part.filename == "" {
		part.filename = "file"
	}
	return &jsValue{name: "part", part: part}
}

// statusesOf are the statuses that http.expectedStatuses names.
func (s *script) statusesOf(v *jsValue, e *ast.CallExpression) (all []int) {
	const most = 50
	for _, item := range v.items {
		from, to := item.member("min"), item.member("max")
		switch {
		case item.kind == jsNumber:
			all = append(all, int(item.number))
		case from != nil && to != nil && from.number == 200 && to.number == 399: // as here
			return nil
		case from != nil && to != nil && to.number-from.number < most:
			for n := int(from.number); n <= int(to.number); n++ {
				all = append(all, n)
			}
		default:
			s.leaveOut(e, "the statuses that are expected: write them under expectedStatus")
			return nil
		}
	}
	if v.name != "statuses" {
		s.leaveOut(e, "the statuses that are expected: write them under expectedStatus")
	}
	return all
}

// batch is what http.batch sends at once, one after the other.
func (s *script) batch(e *ast.CallExpression, all *jsValue) *jsValue {
	out := &jsValue{kind: jsArray}
	items := all.items
	if all.kind == jsObject {
		out.kind = jsObject
		for _, m := range all.members {
			items = append(items, m.value)
		}
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
	if len(items) == 0 {
		s.leaveOut(e, "http.batch of a list that the script computes")
	}
	if len(items) > 1 {
		s.leaveOut(e, "http.batch: its requests are sent one after the other, not at once")
	}
	for i := range min(len(all.members), len(out.items)) {
		out.members = append(out.members, jsMember{all.members[i].name, out.items[i]})
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
	r := &request{
		method: method, url: u, follows: s.redirects, status: s.statuses, line: line, column: column,
	}
	if s.byGroup && len(s.groups) > 0 && !s.outside {
		r.tags = append(r.tags, setting{"group", "::" + strings.Join(s.groups, "::")})
	}
	s.params(r, params, e)
	if len(s.cookieHeader) > 0 {
		r.headers = append(r.headers, pair{"Cookie", s.cookieHeader})
	}
	s.body(r, body, e)
	s.flow.steps = append(s.flow.steps, r)
	return &jsValue{kind: jsAnswer, answer: &answer{step: r}}
}

// params takes the parameters of a request in.
func (s *script) params(r *request, params *jsValue, e *ast.CallExpression) {
	if params.kind == jsUnknown {
		if params != unknown {
			s.leaveOut(e, "parameters that the script computes")
		}
		return
	}
	for _, m := range params.members {
		if m.value.kind == jsUnknown && m.name != "responseType" {
			s.leaveOut(e, "the parameter %.40s of a request, which the script computes", m.name)
			continue
		}
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
			s.requestTags(r, m.value)
		case "timeout":
			r.timeout = timeoutOf(m.value)
		case "redirects":
			if m.value.kind == jsNumber {
				r.follows = int(math.Min(20, math.Max(0, m.value.number)))
				s.follows = true
			}
		case "auth":
			if how, _ := m.value.literal(); how != "basic" {
				s.leaveOut(e, "signing in by %.20q", how)
			}
		case "compression":
			if kind, _ := m.value.literal(); kind != "" {
				s.leaveOut(e, "the compression of the body, %.20q", kind)
			}
		case "responseCallback":
			r.status = s.statusesOf(m.value, e)
		case "responseType", "discardResponseBodies":
		case "jar":
			s.leaveOut(e, "a jar of cookies of its own")
		default:
			s.leaveOut(e, "the parameter %.40s of a request", m.name)
		}
	}
}

// requestTags takes the tags of a request in: its name, and others.
func (s *script) requestTags(r *request, tags *jsValue) {
	for _, m := range tags.members {
		text, ok := m.value.literal()
		switch value := tagValue(text); {
		case m.name == "name" && ok:
			r.name = text
		case ok && value != "" && m.name != "name":
			r.tags = append(r.tags, setting{nameOf(m.name, "tag"), value})
		default:
			s.d.leaveOut(r.line, r.column, "the tag %.40s, whose value the script computes", m.name)
		}
	}
}

func (s *script) cookies(r *request, all *jsValue) {
	var t text
	for i, m := range all.members {
		v, ok := s.asText(m.value)
		if m.value.kind == jsObject && m.value.member("value") != nil {
			v, ok = s.asText(m.value.member("value"))
		}
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

// jar reads a call of a jar of cookies.
func (s *script) jar(method string, e *ast.CallExpression, arguments []*jsValue) *jsValue {
	name, okName := argument(arguments, 1).literal()
	value, okValue := s.asText(argument(arguments, 2))
	if method != "set" || !okName || !okValue {
		if method != "cookiesForURL" {
			s.leaveOut(e, "the call of %.40s of a jar of cookies", method)
		}
		return unknown
	}
	if len(s.cookieHeader) > 0 {
		s.cookieHeader = joined(s.cookieHeader, plain("; "))
	}
	s.cookieHeader = joined(s.cookieHeader, plain(name+"="), value)
	return unknown
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
	switch {
	case body.name == "file":
		r.file = body.text.string()
	case body.kind == jsNothing, body == unknown:
	case body.kind == jsObject:
		s.form(r, body)
	default:
		if t, ok := s.asText(body); ok {
			r.body = t
		} else {
			s.leaveOut(e, "a body that the script computes")
		}
	}
}

// form gives a request the fields of an object: as a form, or where one of them is a file with a part for each.
func (s *script) form(r *request, body *jsValue) {
	hasFile := body.name == "formdata"
	for _, m := range body.members {
		hasFile = hasFile || m.value.part != nil
	}
	for _, m := range body.members {
		values := []*jsValue{m.value}
		if m.value.kind == jsArray && m.value.name == "" {
			values = m.value.items
		}
		for _, v := range values {
			if v.part != nil {
				part := *v.part
				part.name = m.name
				r.parts = append(r.parts, part)
				continue
			}
			t, ok := s.asText(v)
			if !ok {
				t = s.d.needs(variableName(m.name), "the field "+m.name+" of a form", s.d.known.IsField(m.name))
			}
			if hasFile {
				r.parts = append(r.parts, formPart{name: m.name, value: t})
			} else {
				r.form = append(r.form, pair{m.name, t})
			}
		}
	}
	if len(r.form) > 0 {
		r.typed(typeOfForm)
	}
}

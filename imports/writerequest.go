package imports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// request writes a request or a flow.
func (w *writer) request(r *request) {
	w.line(3, "- name: %s", r.name)
	if r.weight > 1 {
		w.line(4, "weight: %d", r.weight)
	}
	if len(r.steps) == 0 {
		w.sends(r, 4)
	}
	w.values(r, 4)
	if len(r.steps) == 0 {
		return
	}
	w.line(4, "steps:")
	w.steps(r, 5)
}

// values writes what fills the holes of a request or flow.
func (w *writer) values(r *request, indent int) {
	signs := w.signsOf(r)
	if len(r.values)+len(signs) == 0 {
		return
	}
	w.line(indent, "values:")
	for _, v := range r.values {
		leaveOut := func() { r.values = slices.DeleteFunc(r.values, func(o value) bool { return o.name == v.name }) }
		w.own("the value "+v.name, r.line, r.column, leaveOut, func() {
			w.line(indent+1, "%s: %s", v.name, w.value(v))
		})
	}
	for _, s := range signs {
		w.line(indent+1, "%s: {list: [%s]}", s, strconv.Quote(signText[s]))
	}
}

// steps writes the steps of a flow, those that are repeated together as a group.
func (w *writer) steps(r *request, indent int) {
	var within *block
	for _, step := range r.steps {
		if step.block != within && step.block != nil {
			w.line(indent, "- repeat: %d", step.block.repeat)
			if step.block.name != "" {
				w.line(indent+1, "name: %s", step.block.name)
			}
			w.line(indent+1, "steps:")
		}
		within = step.block
		at := indent
		if within != nil {
			at += 2
		}
		leaveOut := func() { r.steps = slices.DeleteFunc(r.steps, func(o *request) bool { return o == step }) }
		w.own("the step "+step.name, step.line, step.column, leaveOut, func() {
			w.line(at, "- name: %s", step.name)
			w.sends(step, at+1)
		})
	}
}

func (w *writer) value(v value) string {
	switch {
	case v.feeder != "":
		key := "column"
		if slices.ContainsFunc(w.d.feeders, func(f *feeder) bool { return f.name == v.feeder && f.lines }) {
			key = "field"
		}
		return fmt.Sprintf("{feeder: %s, %s: %s}", v.feeder, key, flowScalar(escapeVariables(v.column)))
	case v.source != "":
		return "{" + v.source + "}"
	case v.list != nil:
		items := make([]string, len(v.list))
		for i, item := range v.list {
			items[i] = flowScalar(escapeVariables(item))
		}
		return "{list: [" + strings.Join(items, ", ") + "]}"
	}
	return fmt.Sprintf("{range: [%d, %d]}", v.from, v.to)
}

// sends writes what a request sends, and what is held against its answers.
func (w *writer) sends(r *request, indent int) {
	if r.method != "GET" {
		w.line(indent, "method: %s", r.method)
	}
	w.line(indent, "path: %s", scalar(w.path(r.url), indent))
	w.headers(&r.headers, r, indent)
	w.auth(r, indent)
	w.body(r, indent)
	switch len(r.status) {
	case 0:
	case 1:
		w.line(indent, "expectedStatus: %d", r.status[0])
	default:
		w.line(indent, "expectedStatus: %s", list(r.status))
	}
	if r.timeout != "" {
		w.own("the timeout of "+r.name, r.line, r.column, func() { r.timeout = "" }, func() {
			w.line(indent, "timeout: %s", r.timeout)
		})
	}
	if r.follows > 0 {
		w.line(indent, "redirects: %d", min(r.follows, 20))
	}
	if !r.pause.isZero() {
		w.own("the pause after "+r.name, r.line, r.column, func() { r.pause = pause{} }, func() {
			w.line(indent, "pause: %s", r.pause.yaml())
		})
	}
	w.tags(&r.tags, indent)
	w.looksAt(r, indent)
}

// headers writes headers of a request or scenario.
func (w *writer) headers(all *[]pair, of *request, indent int) {
	if len(*all) == 0 {
		return
	}
	w.line(indent, "headers:")
	for _, h := range *all {
		leaveOut := func() { *all = slices.DeleteFunc(*all, func(o pair) bool { return o.name == h.name }) }
		w.own("the header "+h.name+" of "+of.name, of.line, of.column, leaveOut, func() {
			w.line(indent+1, "%s: %s", scalar(h.name, indent), scalar(w.template(h.value), indent+1))
		})
	}
}

func (w *writer) auth(r *request, indent int) {
	a := r.auth
	if a == nil {
		return
	}
	w.own("how "+r.name+" signs in", r.line, r.column, func() { r.auth = nil }, func() {
		if !a.basic {
			w.line(indent, "auth: {bearer: %s}", flowScalar(w.template(a.bearer)))
			return
		}
		w.line(indent, "auth: {basic: {user: %s, password: %s}}", flowScalar(w.template(a.user)),
			flowScalar(w.template(a.password)))
	})
}

func (w *writer) looksAt(r *request, indent int) {
	if len(r.checks) > 0 {
		w.line(indent, "checks:")
	}
	for _, c := range r.checks {
		var keys strings.Builder
		if c.list != nil {
			keys.WriteString(", status: " + list(c.list))
		}
		for _, k := range c.keys {
			keys.WriteString(", " + k.key + ": " + flowScalar(escapeVariables(k.value)))
		}
		leaveOut := func() { r.checks = slices.DeleteFunc(r.checks, func(o check) bool { return o.name == c.name }) }
		w.own("the check "+c.name, r.line, r.column, leaveOut, func() {
			w.line(indent+1, "- {name: %s%s%s}", flowScalar(escapeVariables(c.name)), keys.String(), c.raw)
		})
	}
	if len(r.extract) > 0 {
		w.line(indent, "extract:")
	}
	for _, x := range r.extract {
		var keys []string
		for _, k := range []setting{
			{"json", x.json}, {"header", x.header}, {"cookie", x.cookie}, {"regex", x.regex},
		} {
			if k.value != "" {
				keys = append(keys, k.key+": "+flowScalar(escapeVariables(k.value)))
			}
		}
		if x.otherwise != nil {
			keys = append(keys, "default: "+flowScalar(escapeVariables(*x.otherwise)))
		}
		leaveOut := func() {
			r.extract = slices.DeleteFunc(r.extract, func(o extraction) bool { return o.name == x.name })
		}
		w.own("what is taken of the answer as "+x.name, r.line, r.column, leaveOut, func() {
			w.line(indent+1, "%s: {%s}", x.name, strings.Join(keys, ", "))
		})
	}
}

func list(numbers []int) string {
	all := make([]string, len(numbers))
	for i, n := range numbers {
		all[i] = strconv.Itoa(n)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

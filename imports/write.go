package imports

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kinds name what was imported.
var kinds = map[Format]string{
	K6: "a k6 script", Postman: "a Postman collection", OpenAPI: "an OpenAPI document", HAR: "a HAR file",
	JMeter: "a test plan of JMeter", Curl: "curl commands",
}

// writer writes YAML, in the order and the form in which a person would.
type writer struct {
	strings.Builder
	d *draft
	// signs are the values that a request needs for characters that a template would take for something else.
	signs  map[string]bool
	lines  int // that were written
	owners []owner
}

// owner is what some lines of the file are of, and how it is left out.
type owner struct {
	from, to     int
	what         string
	line, column int // in the file that is imported
	leaveOut     func()
}

// own writes something that can be left out.
func (w *writer) own(what string, line, column int, leaveOut, write func()) {
	from := w.lines + 1
	write()
	w.owners = append(w.owners, owner{from, w.lines, what, line, column, leaveOut})
}

func (w *writer) line(indent int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.WriteString(strings.Repeat("  ", indent) + text + "\n")
	w.lines += 1 + strings.Count(text, "\n")
}

// written is the scenario file.
func (d *draft) written() *writer {
	w := &writer{d: d, signs: map[string]bool{}}
	w.opening()
	w.line(0, "name: %s", scalar(nameOf(strings.TrimSuffix(baseName(d.file), extension(d.file)), "imported"), 0))
	w.target()
	w.tags(&d.tags, 0)
	w.section("tls", &d.tls)
	w.section("http", &d.http)
	w.feeders()
	w.once("setup", 0, &d.setup)
	w.line(0, "scenarios:")
	taken := map[string]bool{}
	for _, g := range d.groups {
		leaveOut := func() { d.groups = slices.DeleteFunc(d.groups, func(o *group) bool { return o == g }) }
		w.own("the scenario "+g.name, 0, 0, leaveOut, func() {
			w.line(1, "%s:", unique(nameOf(g.name, "load"), taken))
			w.group(g)
		})
	}
	w.once("teardown", 0, &d.teardown)
	w.gates()
	return w
}

// target writes where the load goes.
func (w *writer) target() {
	d := w.d
	w.line(0, "target:")
	w.own("the address of the service", 0, 0, func() { d.target = nil }, func() {
		w.line(1, "url: %s", scalar(w.address(), 1))
	})
	for _, s := range []struct {
		key  string
		text *string
	}{{"socket", &d.socket}, {"proxy", &d.proxy}} {
		if *s.text != "" {
			w.own("target."+s.key, 0, 0, func() { *s.text = "" }, func() {
				w.line(1, "%s: %s", s.key, flowScalar(escapeVariables(*s.text)))
			})
		}
	}
}

// section writes settings of connections under their key.
func (w *writer) section(name string, all *[]setting) {
	if len(*all) == 0 {
		return
	}
	w.own("the section "+name, 0, 0, func() { *all = nil }, func() {
		w.line(0, "%s:", name)
		for _, s := range *all {
			leaveOut := func() { *all = slices.DeleteFunc(*all, func(o setting) bool { return o.key == s.key }) }
			w.own(name+"."+s.key, 0, 0, leaveOut, func() { w.line(1, "%s: %s", s.key, s.value) })
		}
	})
}

func (w *writer) feeders() {
	d := w.d
	if len(d.feeders) > 0 {
		w.line(0, "feeders:")
	}
	for _, f := range d.feeders {
		kind := "csv"
		if f.lines {
			kind = "jsonl"
		}
		w.own("the file "+f.file, 0, 0, func() { d.dropFeeder(f) }, func() {
			w.line(1, "%s: {%s: %s, choice: %s}", f.name, kind, flowScalar(escapeVariables(f.file)), f.choice)
		})
	}
}

// once writes a flow that is sent once.
func (w *writer) once(name string, indent int, flow **request) {
	r := *flow
	if r == nil {
		return
	}
	w.own(name, 0, 0, func() { *flow = nil }, func() {
		w.line(indent, "%s:", name)
		w.values(r, indent+1)
		w.line(indent+1, "steps:")
		w.steps(r, indent+2)
	})
}

func (w *writer) group(g *group) {
	w.own("the load of "+g.name, 0, 0, func() { g.load = defaultLoad }, func() {
		for _, s := range g.load {
			items := strings.Split(strings.Trim(s.value, "[]"), "}, {")
			if len(s.value) < mostColumns || len(items) == 1 {
				w.line(2, "%s: %s", s.key, s.value)
				continue
			}
			w.line(2, "%s:", s.key)
			for _, item := range items {
				w.line(3, "- {%s}", strings.Trim(item, "{}"))
			}
		}
	})
	if !g.think.isZero() {
		w.own("the pause of the users of "+g.name, 0, 0, func() { g.think = pause{} }, func() {
			w.line(2, "thinkTime: %s", g.think.yaml())
		})
	}
	if g.cookies {
		w.own("the cookies of "+g.name, 0, 0, func() { g.cookies = false }, func() { w.line(2, "cookies: true") })
	}
	w.tags(&g.tags, 2)
	w.headers(&g.headers, &request{name: g.name}, 2)
	w.once("login", 2, &g.login)
	w.line(2, "requests:")
	for _, r := range g.requests {
		leaveOut := func() { g.requests = slices.DeleteFunc(g.requests, func(o *request) bool { return o == r }) }
		w.own("the request "+r.name, r.line, r.column, leaveOut, func() { w.request(r) })
	}
}

// tags writes tags in one line.
func (w *writer) tags(all *[]setting, indent int) {
	if len(*all) == 0 {
		return
	}
	w.own("tags", 0, 0, func() { *all = nil }, func() {
		pairs := make([]string, len(*all))
		for i, t := range *all {
			pairs[i] = t.key + ": " + flowScalar(escapeVariables(t.value))
		}
		w.line(indent, "tags: {%s}", strings.Join(pairs, ", "))
	})
}

// dropFeeder drops a file, and the values that take something from it.
func (d *draft) dropFeeder(f *feeder) {
	d.feeders = slices.DeleteFunc(d.feeders, func(o *feeder) bool { return o == f })
	for _, r := range d.roots() {
		r.values = slices.DeleteFunc(r.values, func(v value) bool { return v.feeder == f.name })
	}
}

// opening is the comment that says what to do next.
func (w *writer) opening() {
	d := w.d
	w.comment(0, fmt.Sprintf("Made of %s, %s, by headroom import. What to do next:", baseName(d.file), kinds[d.format]))
	w.comment(0, "- Look at target.url: it is the service that gets the load.")
	if len(d.variables) > 0 {
		w.comment(0, "- Set these variables of the environment (or give a file with them to --env-file):")
		for _, v := range d.variables {
			w.comment(0, fmt.Sprintf("    %s: %s", v.Name, v.For))
		}
	}
	w.comment(0, "- headroom try FILE sends each request once, and shows what is answered.")
	if d.guessed() {
		w.comment(0, "- Set the load and the thresholds: what is below is a guess.")
	} else if len(d.gates) == 0 {
		w.comment(0, "- Set thresholds, without which a run passes whatever it measures.")
	}
	if len(d.notes) > 0 {
		w.comment(0, "Not carried over:")
	}
	for _, n := range d.leftOut() {
		place := ""
		if n.Line > 0 {
			place = fmt.Sprintf("line %d: ", n.Line)
		}
		w.comment(0, "- "+place+n.Text)
	}
}

// guessed reports whether the file says nothing of a load.
func (d *draft) guessed() bool {
	return d.format != K6 && d.format != JMeter
}

// comment writes lines of at most 120 characters.
func (w *writer) comment(indent int, s string) {
	const longest = 116
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	for {
		at := len(s)
		if utf8.RuneCountInString(s) > longest {
			at = strings.LastIndexByte(s[:len(string([]rune(s)[:longest]))], ' ')
			if at <= len(s)-len(strings.TrimLeft(s, " ")) {
				at = len(s)
			}
		}
		w.line(indent, "# %s", strings.TrimRight(s[:at], " "))
		if at == len(s) {
			return
		}
		rest := strings.TrimLeft(s[at:], " ")
		if rest == "" {
			return
		}
		s = "  " + rest
	}
}

// address is the address of the target.
func (w *writer) address() string {
	const example = "http://127.0.0.1:8080"
	d := w.d
	target := d.filled(d.target, nil, nil)
	var b strings.Builder
	for i, p := range target {
		fallback := "set-" + p.variable
		switch {
		case p.variable == "":
			b.WriteString(escapeVariables(p.literal))
			continue
		case d.fallbacks[p.variable] != "":
			fallback = d.fallbacks[p.variable]
		case len(target) == 1:
			fallback = example
		case i > 0 && strings.HasSuffix(target[i-1].literal, ":"):
			fallback = "8080"
		}
		b.WriteString("${" + p.variable + ":-" + fallback + "}")
	}
	address := userOfURL.ReplaceAllString(strings.TrimRight(b.String(), "/"), "$1")
	if address == "" {
		return example
	}
	return address
}

func (w *writer) gates() {
	d := w.d
	if d.guessed() {
		w.line(0, "thresholds:")
		w.line(1, `http_req_failed: "rate<0.01"`)
		return
	}
	if len(d.gates) > 0 {
		w.line(0, "thresholds:")
	}
	for _, g := range d.gates {
		leaveOut := func() { d.gates = slices.DeleteFunc(d.gates, func(o *gate) bool { return o == g }) }
		w.own("the threshold "+g.metric, g.line, g.column, leaveOut, func() { w.gate(g) })
	}
}

func (w *writer) gate(g *gate) {
	w.line(1, "%s:", scalar(g.metric, 1))
	for _, e := range g.expressions {
		if !e.abort {
			w.line(2, "- %s", scalar(e.text, 2))
			continue
		}
		delay := ""
		if e.delay != "" {
			delay = ", delayAbortEval: " + e.delay
		}
		w.line(2, "- {threshold: %s, abortOnFail: true%s}", flowScalar(e.text), delay)
	}
}

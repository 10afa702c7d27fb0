package imports

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	w := &writer{d: d}
	w.opening()
	w.line(0, "name: %s", scalar(nameOf(strings.TrimSuffix(baseName(d.file), extension(d.file)), "imported"), 0))
	w.line(0, "target:")
	w.own("the address of the service", 0, 0, func() { d.target = nil }, func() {
		w.line(1, "url: %s", scalar(w.address(), 1))
	})
	if len(d.feeders) > 0 {
		w.line(0, "feeders:")
	}
	for _, f := range d.feeders {
		w.own("the file "+f.file, 0, 0, func() { d.dropFeeder(f) }, func() {
			w.line(1, "%s: {csv: %s, choice: %s}", f.name, flowScalar(escapeVariables(f.file)), f.choice)
		})
	}
	w.line(0, "scenarios:")
	taken := map[string]bool{}
	for _, g := range d.groups {
		leaveOut := func() { d.groups = slices.DeleteFunc(d.groups, func(o *group) bool { return o == g }) }
		w.own("the scenario "+g.name, 0, 0, leaveOut, func() {
			w.line(1, "%s:", unique(nameOf(g.name, "load"), taken))
			w.group(g)
		})
	}
	w.gates()
	return w
}

func (w *writer) group(g *group) {
	w.own("the load of "+g.name, 0, 0, func() { g.load = defaultLoad }, func() {
		for _, s := range g.load {
			w.line(2, "%s: %s", s.key, s.value)
		}
	})
	w.line(2, "requests:")
	for _, r := range g.requests {
		leaveOut := func() { g.requests = slices.DeleteFunc(g.requests, func(o *request) bool { return o == r }) }
		w.own("the request "+r.name, r.line, r.column, leaveOut, func() { w.request(r) })
	}
}

// dropFeeder drops a file, and the values that take something from it.
func (d *draft) dropFeeder(f *feeder) {
	d.feeders = slices.DeleteFunc(d.feeders, func(o *feeder) bool { return o == f })
	for _, g := range d.groups {
		for _, r := range g.requests {
			r.values = slices.DeleteFunc(r.values, func(v value) bool { return v.feeder == f.name })
		}
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
	for _, n := range d.notes {
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

// request writes a request or a flow.
func (w *writer) request(r *request) {
	signs := w.signsOf(r)
	w.line(3, "- name: %s", r.name)
	if r.weight > 1 {
		w.line(4, "weight: %d", r.weight)
	}
	if len(r.steps) == 0 {
		w.sends(r, 4)
	}
	if len(r.values)+len(signs) > 0 {
		w.line(4, "values:")
		for _, v := range r.values {
			w.line(5, "%s: %s", v.name, v.yaml())
		}
		for _, s := range signs {
			w.line(5, "%s: {list: [%s]}", s, strconv.Quote(signText[s]))
		}
	}
	if len(r.steps) == 0 {
		return
	}
	w.line(4, "steps:")
	for _, step := range r.steps {
		leaveOut := func() { r.steps = slices.DeleteFunc(r.steps, func(o *request) bool { return o == step }) }
		w.own("the step "+step.name, step.line, step.column, leaveOut, func() {
			w.line(5, "- name: %s", step.name)
			w.sends(step, 6)
		})
	}
}

func (v value) yaml() string {
	switch {
	case v.feeder != "":
		return fmt.Sprintf("{feeder: %s, column: %s}", v.feeder, flowScalar(escapeVariables(v.column)))
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
	if len(r.headers) > 0 {
		w.line(indent, "headers:")
		for _, h := range r.headers {
			w.line(indent+1, "%s: %s", scalar(h.name, indent), scalar(w.template(h.value), indent+1))
		}
	}
	if len(r.body) > 0 {
		w.line(indent, "body: %s", scalar(w.template(r.body), indent))
	}
	switch len(r.status) {
	case 0:
	case 1:
		w.line(indent, "expectedStatus: %d", r.status[0])
	default:
		w.line(indent, "expectedStatus: %s", list(r.status))
	}
	if r.timeout != "" {
		w.line(indent, "timeout: %s", r.timeout)
	}
	if r.follows > 0 {
		w.line(indent, "redirects: %d", min(r.follows, 20))
	}
	w.looksAt(r, indent)
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
		for _, k := range []setting{{"json", x.json}, {"header", x.header}, {"regex", x.regex}} {
			if k.value != "" {
				keys = append(keys, k.key+": "+flowScalar(escapeVariables(k.value)))
			}
		}
		leaveOut := func() { r.extract = slices.DeleteFunc(r.extract, func(o extraction) bool { return o == x }) }
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

// Values for characters that would mean something else in a template: two braces open a placeholder, and a "$" before
// a variable is that of a literal one.
const (
	twoBraces = "two_braces"
	dollar    = "dollar"
)

var signText = map[string]string{twoBraces: "{{", dollar: "$"}

// signsOf are the values for such characters that a request or flow needs.
func (w *writer) signsOf(r *request) (names []string) {
	w.signs = map[string]bool{}
	for _, one := range append([]*request{r}, r.steps...) {
		if len(one.url) > 0 {
			w.path(one.url)
		}
		w.template(one.body)
		for _, h := range one.headers {
			w.template(h.value)
		}
	}
	for _, name := range []string{dollar, twoBraces} {
		if w.signs[name] {
			names = append(names, name)
		}
	}
	return names
}

// template is a text as templates have it.
func (w *writer) template(t text) string {
	var b strings.Builder
	for i, p := range t {
		switch {
		case p.hole != "":
			b.WriteString("{{" + p.hole + "}}")
		case p.variable != "":
			fallback := w.d.fallbacks[p.variable]
			if fallback == "" {
				fallback = "set-" + p.variable
			}
			b.WriteString("${" + p.variable + ":-" + fallback + "}")
		default:
			literal := escapeVariables(p.literal)
			ends := i+1 < len(t) && t[i+1].variable != "" && strings.HasSuffix(literal, "$")
			if ends {
				literal = strings.TrimSuffix(literal, "$")
			}
			if strings.Contains(literal, "{{") {
				w.signs[twoBraces] = true
				literal = strings.ReplaceAll(literal, "{{", "{{"+twoBraces+"}}")
			}
			b.WriteString(literal)
			if ends {
				w.signs[dollar] = true
				b.WriteString("{{" + dollar + "}}")
			}
		}
	}
	return b.String()
}

// path is a text as paths have it: without characters that a URL may not have.
func (w *writer) path(t text) string {
	s, parts := t.flat()
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == mark:
			b.WriteString(s[i : i+size])
		case c <= ' ' || c > '~' || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`' ||
			c == '|' || c == '{' || c == '}' || c == '%' && !escaped.MatchString(s[i:]):
			for _, octet := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", octet)
			}
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return w.template(unflat(b.String(), parts))
}

var escaped = regexp.MustCompile(`^%[0-9A-Fa-f]{2}`)

// escapeVariables keeps "${" what it is.
func escapeVariables(s string) string { return strings.ReplaceAll(s, "${", "$${") }

var (
	plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*( [A-Za-z0-9_./(-]+)*$`)
	reserved    = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// scalar is a text as a value in a block of YAML at an indentation.
func scalar(s string, indent int) string {
	if strings.Contains(s, "\n") && fitsBlock(s) {
		sign := "|-"
		body := s
		if strings.HasSuffix(s, "\n") {
			sign, body = "|", strings.TrimSuffix(s, "\n")
		}
		margin := "\n" + strings.Repeat("  ", indent+1)
		return sign + margin + strings.ReplaceAll(body, "\n", margin)
	}
	if plainScalar.MatchString(s) && !reserved.MatchString(s) && !strings.Contains(s, "//") {
		return s
	}
	return flowScalar(s)
}

// flowScalar is a text as a value in braces or brackets.
func flowScalar(s string) string {
	odd := strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) && c != ' ' })
	switch {
	case odd || !utf8.ValidString(s):
		return jsonText(s)
	case strings.ContainsAny(s, `"\`):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + s + `"`
}

// jsonText is a text in the double quotes of JSON, which YAML reads as such, with nothing that YAML may not have.
func jsonText(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '"' || c == '\\' || c < ' ':
			encoded, err := json.Marshal(string(c))
			if err != nil {
				panic(err) // a text can be encoded
			}
			b.Write(encoded[1 : len(encoded)-1])
		case c >= 0x7f && c <= 0xffff && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		case c > 0xffff && !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return `"` + b.String() + `"`
}

// fitsBlock reports whether a text of several lines can be written as a block: none of its lines begins the block with
// a blank or ends with one, and all characters can be seen.
func fitsBlock(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if body == "" || strings.HasPrefix(body, " ") || strings.HasPrefix(body, "\n") || strings.HasSuffix(body, "\n") ||
		!utf8.ValidString(s) {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.TrimRight(line, " ") != line || line == "" ||
			strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) && c != ' ' }) {
			return false
		}
	}
	return true
}

func baseName(file string) string { return file[strings.LastIndexAny(file, `/\`)+1:] }

func extension(file string) string {
	if i := strings.LastIndexByte(file, '.'); i > 0 && !strings.ContainsAny(file[i:], `/\`) {
		return file[i:]
	}
	return ""
}

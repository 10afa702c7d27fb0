package imports

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// dataSet makes a feeder of a CSV file.
func (p *plan) dataSet(e *element) {
	p.passed(e, e.prop)
	file, names := p.plain(e.prop("filename")), e.prop("variableNames")
	delimiter := e.prop("delimiter")
	switch {
	case file == "" || strings.Contains(file, "${"):
		p.d.leaveOut(e.line, e.column, "the CSV file of %.80q, whose name is computed", e.name)
		return
	case delimiter != "" && delimiter != ",":
		p.d.leaveOut(e.line, e.column, "the CSV file %.80q: write commas in place of %.10q between its values", file,
			delimiter)
	}
	if names != "" && e.prop("ignoreFirstLine") != "true" {
		p.d.leaveOut(e.line, e.column, "the CSV file %.80q: its first line must name the columns, %.200q", file, names)
	}
	f := p.d.feeder(file, "sequential", false)
	if names == "" {
		p.unnamed = f
	}
	for column := range strings.SplitSeq(names, ",") {
		column = strings.TrimSpace(column)
		if column != "" {
			p.csv = append(p.csv, value{name: nameOf(column, "column"), feeder: f.name, column: column})
		}
	}
}

// counter makes a value of a counter.
func (p *plan) counter(e *element) {
	const most = 1_000_000
	number := func(name string, otherwise int64) int64 {
		n, err := strconv.ParseInt(p.plain(e.prop(name)), 10, 64)
		if err != nil || n < 0 || n > 1<<50 {
			return otherwise
		}
		return n
	}
	name := nameOf(e.prop("CounterConfig.name"), "")
	from := number("CounterConfig.start", 0)
	to := max(number("CounterConfig.end", from+most), from)
	if step := number("CounterConfig.incr", 1); name == "" || step != 1 || e.prop("CounterConfig.per_user") == "true" {
		p.d.leaveOut(e.line, e.column, "how the counter %.80q counts: it goes up by one, for all users together",
			e.name)
	}
	if name != "" {
		p.values = append(p.values, value{
			name: name, source: "range: [" + strconv.FormatInt(from, 10) + ", " + strconv.FormatInt(to, 10) +
				"], choice: sequential",
		})
	}
}

// randomVariable makes a value of a random variable.
func (p *plan) randomVariable(e *element) {
	name := nameOf(e.prop("variableName"), "")
	from, errFrom := strconv.ParseInt(p.plain(e.prop("minimumValue")), 10, 64)
	to, errTo := strconv.ParseInt(p.plain(e.prop("maximumValue")), 10, 64)
	if name == "" || errFrom != nil || errTo != nil || from > to || to > 1<<50 || from < -1<<50 ||
		e.prop("outputFormat") != "" {
		p.d.leaveOut(e.line, e.column, "the random variable %.80q", e.name)
		return
	}
	p.values = append(p.values, value{name: name, from: from, to: to})
}

// plain is a text in which the plan's variables have their values, and properties their defaults.
func (p *plan) plain(s string) string {
	return p.resolved(s, func(m string) string {
		if _, otherwise, ok := propertyOf(m); ok && otherwise != "" {
			return otherwise
		}
		return m
	})
}

// propertyOf reads ${__P(name,default)} or ${__property(name,variable,default)}.
func propertyOf(s string) (name, otherwise string, ok bool) {
	m := property.FindStringSubmatch(s)
	if m == nil {
		return "", "", false
	}
	return m[1], strings.TrimSpace(cmp.Or(m[2], m[3])), true
}

// raw is a text in which the plan's variables have their values, and properties are what they are.
func (p *plan) raw(s string) string { return p.resolved(s, func(m string) string { return m }) }

func (p *plan) resolved(s string, other func(string) string) string {
	for range 10 { // variables may name others
		room := mostText - len(s)
		next := reference.ReplaceAllStringFunc(s, func(m string) string {
			if v, ok := p.variables[m[2:len(m)-1]]; ok && room >= len(v) {
				room -= len(v)
				return v
			}
			return other(m)
		})
		if next == s {
			break
		}
		s = next
	}
	return s
}

var (
	reference = regexp.MustCompile(`\$\{[^{}]*\}`)
	property  = regexp.MustCompile(
		`^\$\{__(?:P|property)\(([^,()]*)(?:,([^,()]*)|,[^,()]*,([^,()]*))?\)\}$`)
	random       = regexp.MustCompile(`^\$\{__Random\(\s*(-?\d{1,15})\s*,\s*(-?\d{1,15})\s*(?:,[^()]*)?\)\}$`)
	randomString = regexp.MustCompile(`^\$\{__RandomString\(\s*(\d{1,4})\s*(?:,([^,()]*))?(?:,[^()]*)?\)\}$`)
)

// text is a text with holes for the plan's variables that are known at run time only.
func (p *plan) text(s string, at *element) (t text) {
	s = p.plain(strings.ToValidUTF8(s, "\ufffd"))
	last := 0
	for _, m := range reference.FindAllStringIndex(s, -1) {
		t = t.and(plain(s[last:m[0]]), p.filled(s[m[0]:m[1]], at))
		last = m[1]
	}
	return joined(t, plain(s[last:]))
}

// filled is what stands for a reference such as ${id} or ${__Random(1,10)}.
func (p *plan) filled(s string, at *element) text {
	name := s[2 : len(s)-1]
	switch name {
	case "__UUID", "__UUID()":
		return hole("uuid")
	case "__counter(FALSE,)", "__counter(FALSE)":
		return hole("iteration")
	case "__counter(TRUE,)", "__counter(TRUE)", "__iterationNum":
		p.d.leaveOut(at.line, at.column, "that %s counts for each thread: here it counts all iterations", s)
		return hole("iteration")
	case "__time", "__time()", "__time(,)":
		return p.value("time", "time: unixMilli")
	case "__time(/1000)", "__time(/1000,)":
		return p.value("time_seconds", "time: unix")
	}
	if of, _, ok := propertyOf(s); ok {
		return p.d.needs(variableName(of), "the property "+nameOf(of, "value")+" of JMeter", p.d.known.IsField(of))
	}
	if m := randomString.FindStringSubmatch(s); m != nil && m[1] != "0" {
		source := "string: " + strings.TrimLeft(m[1], "0")
		if m[2] != "" {
			source += ", alphabet: " + flowScalar(escapeVariables(m[2]))
		}
		return p.value("text_"+strconv.Itoa(len(p.values)+1), source)
	}
	if m := random.FindStringSubmatch(s); m != nil {
		from, errFrom := strconv.ParseInt(m[1], 10, 64)
		to, errTo := strconv.ParseInt(m[2], 10, 64)
		if errFrom == nil && errTo == nil && from <= to {
			v := value{name: "number_" + strconv.Itoa(len(p.values)+1), from: from, to: to}
			p.values = append(p.values, v)
			return hole(v.name)
		}
	}
	if strings.HasPrefix(name, "__") {
		p.d.leaveOut(at.line, at.column, "the function %.80s of JMeter: a variable of the environment stands for it", s)
		return p.d.needs(variableName(name), "the function "+nameOf(name, "value")+" of JMeter", false)
	}
	own := nameOf(name, "value")
	if p.unnamed != nil && !p.isKnown(own) {
		p.csv = append(p.csv, value{name: own, feeder: p.unnamed.name, column: name})
	}
	return hole(own)
}

// value is the hole of a value that is made when a request is.
func (p *plan) value(name, source string) text {
	if !p.isKnown(name) {
		p.values = append(p.values, value{name: name, source: source})
	}
	return hole(name)
}

// isKnown reports whether something gives a name a value, other than an answer that comes later.
func (p *plan) isKnown(name string) bool {
	for _, v := range append(p.values[:len(p.values):len(p.values)], p.csv...) {
		if v.name == name {
			return true
		}
	}
	for _, r := range append(p.login[:len(p.login):len(p.login)], p.flow...) {
		for _, x := range r.extract {
			if x.name == name {
				return true
			}
		}
	}
	return false
}

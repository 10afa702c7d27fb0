package imports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// element is an element of a test plan with what stands in it, and below it in the tree of the plan.
type element struct {
	kind     string
	name     string // testname
	enabled  bool
	line     int
	column   int
	text     string
	inner    []*element          // as the file has them
	props    map[string]*element // of inner, by name
	children []*element          // of the hashTree that follows
}

// jmeter reads a test plan of JMeter (https://jmeter.apache.org/usermanual/component_reference.html). The file is a
// tree in which each element is followed by a hashTree with those below it.
func (d *draft) jmeter(content []byte) error {
	root, err := d.parseXML(content)
	if err != nil {
		return err
	}
	if root.kind != "jmeterTestPlan" {
		return d.fault(root.line, root.column, "it is no test plan of JMeter: it begins with %.40q", root.kind)
	}
	p := &plan{d: d, variables: map[string]string{}}
	for _, e := range tree(root) {
		p.collect(e)
		p.walk(e.children, scope{})
	}
	return nil
}

// parseXML reads a document.
func (d *draft) parseXML(content []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	// JMeter writes UTF-8, whatever a file says.
	decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	const deepest = 500
	var stack []*element
	for {
		line, column := decoder.InputPos()
		token, err := decoder.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil, d.fault(line, column, "it has no element")
			}
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return nil, d.fault(syntax.Line, 0, "it is not XML: %s", syntax.Msg)
			}
			return nil, d.fault(line, column, "it is not XML: %v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{kind: t.Name.Local, enabled: true, line: line, column: column, props: map[string]*element{}}
			if len(stack) > deepest {
				return nil, d.fault(line, column, "it is nested more than %d elements deep", deepest)
			}
			for _, a := range t.Attr {
				switch a.Name.Local {
				case "testname", "name":
					e.name = a.Value
				case "enabled":
					e.enabled = a.Value != "false"
				}
			}
			if len(stack) > 0 {
				in := stack[len(stack)-1]
				in.inner = append(in.inner, e)
				if e.name != "" {
					in.props[e.name] = e
				}
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		case xml.EndElement:
			if len(stack) == 1 {
				return stack[0], nil
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// tree is what a document has, each element with those of the hashTree behind it.
func tree(in *element) (all []*element) {
	for _, e := range in.inner {
		if e.kind != "hashTree" {
			all = append(all, e)
			continue
		}
		if len(all) == 0 {
			return tree(e)
		}
		all[len(all)-1].children = tree(e)
	}
	return all
}

// prop is the text of a property.
func (e *element) prop(name string) string {
	if p := e.props[name]; p != nil {
		return strings.TrimSpace(p.text)
	}
	return ""
}

// plan is what of a test plan is known everywhere.
type plan struct {
	d         *draft
	variables map[string]string
	flow      []*request
	values    []value
	csv       []value // columns of CSV files
}

// scope is what configures the samplers at and below a place of the plan.
type scope struct {
	defaults *element
	headers  []pair
}

// collect takes the variables that a plan defines.
func (p *plan) collect(e *element) {
	if e.kind == "TestPlan" {
		p.arguments(e.props["TestPlan.user_defined_variables"])
	}
	for _, c := range e.children {
		if c.kind == "Arguments" && c.enabled {
			p.arguments(c)
		}
		p.collect(c)
	}
}

func (p *plan) arguments(e *element) {
	for _, a := range argumentsOf(e) {
		if name := a.prop("Argument.name"); name != "" {
			p.variables[name] = a.prop("Argument.value")
		}
	}
}

// argumentsOf are the arguments of an element.
func argumentsOf(e *element) []*element {
	if e == nil || e.props["Arguments.arguments"] == nil {
		return nil
	}
	return e.props["Arguments.arguments"].inner
}

// walk reads elements of the plan and what is below them.
func (p *plan) walk(all []*element, in scope) {
	for _, e := range all { // configuration goes for what stands before it, too
		if e.enabled {
			in = p.configured(e, in)
		}
	}
	for _, e := range all {
		if !e.enabled {
			p.d.leaveOut(e.line, e.column, "%s %.80q, which is disabled", e.kind, e.name)
			continue
		}
		p.element(e, in)
	}
}

// configured is a scope with what an element adds to it.
func (p *plan) configured(e *element, in scope) scope {
	switch e.kind {
	case "ConfigTestElement":
		if e.props["HTTPSampler.domain"] != nil || e.props["HTTPSampler.path"] != nil {
			in.defaults = e
		}
	case "HeaderManager":
		in.headers = slices.Clone(in.headers)
		if list := e.props["HeaderManager.headers"]; list != nil {
			for _, h := range list.inner {
				in.headers = append(in.headers, pair{h.prop("Header.name"), p.text(h.prop("Header.value"), h)})
			}
		}
	case "CSVDataSet":
		p.dataSet(e)
	case "CookieManager":
		p.d.leaveOut(e.line, e.column, "the cookies that answers set, which %.60q keeps", e.name)
	case "AuthManager":
		p.d.leaveOut(e.line, e.column, "the users and passwords of %.60q: write a header Authorization", e.name)
	}
	return in
}

// element reads one element.
func (p *plan) element(e *element, in scope) {
	switch e.kind {
	case "ThreadGroup", "SetupThreadGroup", "PostThreadGroup":
		p.threads(e, in)
	case "HTTPSamplerProxy", "HTTPSampler", "HTTPSampler2":
		p.sampler(e, in)
	case "GenericController", "TransactionController", "OnceOnlyController":
		p.walk(e.children, in)
	case "ConfigTestElement", "HeaderManager", "CSVDataSet", "CookieManager", "AuthManager", "Arguments",
		"ResultCollector", "CacheManager", "DNSCacheManager", "KeystoreConfig":
	case "ConstantTimer", "UniformRandomTimer", "GaussianRandomTimer", "PoissonRandomTimer",
		"ConstantThroughputTimer":
		p.d.leaveOut(e.line, e.column, "the timer %.80q", e.name)
	default:
		p.d.leaveOut(e.line, e.column, "%.60s %.80q", e.kind, e.name)
		if len(e.children) > 0 {
			p.d.leaveOut(e.line, e.column, "%.80q: what is below it is sent once each time", e.name)
			p.walk(e.children, in)
		}
	}
}

// threads makes a scenario of a thread group.
func (p *plan) threads(e *element, in scope) {
	if e.kind == "SetupThreadGroup" || e.kind == "PostThreadGroup" {
		p.d.leaveOut(e.line, e.column, "%.80q, which sends once before or after the load", e.name)
		return
	}
	p.flow, p.values = nil, nil
	p.walk(e.children, in)
	if len(p.flow) == 0 {
		return
	}
	p.flow[0].values = append(slices.Concat(p.flow[0].values, p.values), p.csv...)
	vus, duration := 1, "1m"
	if n, err := strconv.Atoi(p.plain(e.prop("ThreadGroup.num_threads"))); err == nil && n > 0 {
		vus = min(n, 100_000)
	} else {
		p.d.leaveOut(e.line, e.column, "the number of threads of %.80q", e.name)
	}
	if n, err := strconv.ParseFloat(p.plain(e.prop("ThreadGroup.duration")), 64); err == nil && n > 0 && n <= 86400 &&
		e.prop("ThreadGroup.scheduler") == "true" {
		duration = strconv.FormatFloat(math.Ceil(n), 'f', 0, 64) + "s"
	} else {
		p.d.leaveOut(e.line, e.column, "%.80q ends after a number of loops, and here after a duration: 1m is a guess",
			e.name)
	}
	if ramp := p.plain(e.prop("ThreadGroup.ramp_time")); ramp != "" && ramp != "0" && ramp != "1" {
		p.d.leaveOut(e.line, e.column, "the ramp-up of %.80q, %.20q s: all users start at once", e.name, ramp)
	}
	p.d.sequence(nameOf(e.name, "threads"), p.flow, []setting{
		{"executor", "constant-vus"}, {"vus", strconv.Itoa(vus)}, {"duration", duration},
	})
}

// sampler adds a request.
func (p *plan) sampler(e *element, in scope) {
	get := func(name string) string {
		if v := e.prop(name); v != "" {
			return v
		}
		if in.defaults != nil {
			return in.defaults.prop(name)
		}
		return ""
	}
	method, ok := methodOf(p.plain(get("HTTPSampler.method")))
	if get("HTTPSampler.method") == "" {
		method, ok = "GET", true
	}
	if !ok {
		p.d.leaveOut(e.line, e.column, "the method %.20q of %.80q", method, e.name)
		return
	}
	r := &request{name: e.name, method: method, url: p.address(get, e), line: e.line, column: e.column}
	r.headers = append(r.headers, in.headers...)
	p.below(e, r)
	p.parameters(e, r)
	if e.prop("HTTPSampler.follow_redirects") == "true" {
		r.follows = 10
	}
	if ms, err := strconv.Atoi(p.plain(get("HTTPSampler.response_timeout"))); err == nil && ms > 0 && ms <= 3_600_000 {
		r.timeout = strconv.Itoa(ms) + "ms"
	}
	if files := e.props["HTTPsampler.Files"]; files != nil && len(files.inner) > 0 && files.inner[0].inner != nil {
		p.d.leaveOut(e.line, e.column, "the files of %.80q", e.name)
	}
	p.flow = append(p.flow, r)
}

// address is the URL of a sampler.
func (p *plan) address(get func(string) string, e *element) text {
	path := get("HTTPSampler.path")
	if absolute.MatchString(path) {
		return p.text(path, e)
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "${") {
		path = "/" + path
	}
	domain := get("HTTPSampler.domain")
	if domain == "" {
		return p.text(path, e)
	}
	scheme, port := get("HTTPSampler.protocol"), get("HTTPSampler.port")
	if scheme == "" {
		scheme = "http"
	}
	out := joined(plain(p.plain(scheme)+"://"), p.text(domain, e))
	if port != "" {
		out = joined(out, plain(":"), p.text(port, e))
	}
	if !strings.HasPrefix(path, "/") {
		out = joined(out, plain("/"))
	}
	return joined(out, p.text(path, e))
}

// parameters gives a request its query, its form, or its body.
func (p *plan) parameters(e *element, r *request) {
	arguments := argumentsOf(e.props["HTTPsampler.Arguments"])
	raw := e.prop("HTTPSampler.postBodyRaw") == "true"
	var fields text
	for _, a := range arguments {
		v := ""
		if at := a.props["Argument.value"]; at != nil {
			v = at.text
		}
		if raw {
			r.body = joined(r.body, p.text(v, a))
			continue
		}
		value := p.text(v, a)
		if a.prop("HTTPArgument.always_encode") != "false" {
			value = encoded(value)
		}
		if len(fields) > 0 {
			fields = joined(fields, plain("&"))
		}
		fields = joined(fields, encoded(p.text(a.prop("Argument.name"), a)), plain("="), value)
	}
	if len(fields) == 0 {
		return
	}
	if r.method == "GET" || r.method == "HEAD" || r.method == "DELETE" || r.method == "OPTIONS" {
		separator := "?"
		if s, _ := r.url.flat(); strings.Contains(s, "?") {
			separator = "&"
		}
		r.url = joined(r.url, plain(separator), fields)
		return
	}
	r.body = fields
	typed := slices.ContainsFunc(r.headers, func(h pair) bool { return strings.EqualFold(h.name, "Content-Type") })
	if !typed {
		r.headers = append(r.headers, pair{"Content-Type", plain("application/x-www-form-urlencoded")})
	}
}

// below takes what stands below a sampler: headers, extractors and assertions.
func (p *plan) below(e *element, r *request) {
	for _, c := range e.children {
		switch {
		case !c.enabled:
			p.d.leaveOut(c.line, c.column, "%s %.80q, which is disabled", c.kind, c.name)
		case c.kind == "HeaderManager":
			r.headers = append(r.headers, p.configured(c, scope{}).headers...)
		case c.kind == "JSONPostProcessor":
			p.jsonExtractor(c, r)
		case c.kind == "RegexExtractor":
			p.regexExtractor(c, r)
		case c.kind == "ResponseAssertion":
			p.assertion(c, r)
		case c.kind == "ResultCollector":
		default:
			p.d.leaveOut(c.line, c.column, "%.60s %.80q", c.kind, c.name)
		}
	}
}

func (p *plan) jsonExtractor(e *element, r *request) {
	names := strings.Split(e.prop("JSONPostProcessor.referenceNames"), ";")
	paths := strings.Split(e.prop("JSONPostProcessor.jsonPathExprs"), ";")
	for i, name := range names {
		if i >= len(paths) || !singlePath.MatchString(strings.TrimSpace(paths[i])) || nameOf(name, "") == "" {
			p.d.leaveOut(e.line, e.column, "what %.80q takes of answers: its path leads to more than one value",
				e.name)
			continue
		}
		r.extract = append(r.extract, extraction{name: nameOf(name, "text"), json: strings.TrimSpace(paths[i])})
	}
}

// singlePath is a JSON path that leads to one value.
var singlePath = regexp.MustCompile(`^\$(\.[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]{1,9}\]|\['[^'\\]+'\]){1,30}$`)

func (p *plan) regexExtractor(e *element, r *request) {
	pattern, template := e.prop("RegexExtractor.regex"), e.prop("RegexExtractor.template")
	compiled, err := regexp.Compile(pattern)
	headers := e.prop("RegexExtractor.useHeaders")
	name := nameOf(e.prop("RegexExtractor.refname"), "")
	odd := template != "" && template != "$1$" || headers != "" && headers != "false"
	if err != nil || odd || compiled.NumSubexp() != 1 || name == "" || len(pattern) > 1000 {
		p.d.leaveOut(e.line, e.column, "what %.80q takes of answers: write a regular expression (RE2) with one group",
			e.name)
		return
	}
	r.extract = append(r.extract, extraction{name: name, regex: pattern})
}

// Bits of what an assertion tests.
const (
	assertsContains  = 2  // a regular expression somewhere in the text
	assertsNot       = 4  // none of it may hold
	assertsSubstring = 16 // a text somewhere in it
)

// assertion makes checks of an assertion on the status, or on the text of the body.
func (p *plan) assertion(e *element, r *request) {
	kind, _ := strconv.Atoi(e.prop("Assertion.test_type"))
	if e.prop("Assertion.test_field") == "Assertion.response_data" && p.textAssertion(e, r, kind) {
		return
	}
	var statuses []int
	if list := e.props["Asserion.test_strings"]; list != nil { // so JMeter spells it
		for _, s := range list.inner {
			if n, err := strconv.Atoi(strings.TrimSpace(s.text)); err == nil && n >= 200 && n <= 599 {
				statuses = append(statuses, n)
			}
		}
	}
	if e.prop("Assertion.test_field") != "Assertion.response_code" || len(statuses) == 0 || kind&assertsNot != 0 {
		p.d.leaveOut(e.line, e.column, "the assertion %.80q", e.name)
		return
	}
	if e.prop("Assertion.assume_success") == "true" {
		r.status = statuses
		return
	}
	r.checks = append(r.checks, check{name: e.name, list: statuses})
}

// textAssertion makes a check of each text that a body is to have; ok is false where no check can say it.
func (p *plan) textAssertion(e *element, r *request, kind int) (ok bool) {
	list := e.props["Asserion.test_strings"]
	key := map[int]string{assertsContains: "regex", assertsSubstring: "contains"}[kind]
	if list == nil || key == "" || len(list.inner) == 0 {
		return false
	}
	var checks []check
	for _, s := range list.inner {
		text := p.plain(s.text)
		_, err := regexp.Compile(text)
		if text == "" || strings.Contains(text, "${") || len(text) > 1000 || key == "regex" && err != nil {
			return false
		}
		checks = append(checks, check{name: e.name, keys: []setting{{key, text}}})
	}
	r.checks = append(r.checks, checks...)
	return true
}

// dataSet makes a feeder of a CSV file.
func (p *plan) dataSet(e *element) {
	file, names := p.plain(e.prop("filename")), e.prop("variableNames")
	delimiter := e.prop("delimiter")
	switch {
	case file == "" || strings.Contains(file, "${"):
		p.d.leaveOut(e.line, e.column, "the CSV file of %.80q, whose name is computed", e.name)
		return
	case delimiter != "" && delimiter != ",":
		p.d.leaveOut(e.line, e.column, "the CSV file %.80q: it must have commas between its values", file)
		return
	}
	if names == "" || e.prop("ignoreFirstLine") != "true" {
		p.d.leaveOut(e.line, e.column, "the CSV file %.80q: its first line must name the columns, %.200q", file, names)
	}
	taken := map[string]bool{}
	for _, f := range p.d.feeders {
		if f.file == file {
			return
		}
		taken[f.name] = true
	}
	base := baseName(file)
	name := unique(nameOf(strings.TrimSuffix(base, extension(base)), "rows"), taken)
	f := &feeder{name: name, file: file, choice: "sequential"}
	p.d.feeders = append(p.d.feeders, f)
	for column := range strings.SplitSeq(names, ",") {
		column = strings.TrimSpace(column)
		if column != "" {
			p.csv = append(p.csv, value{name: nameOf(column, "column"), feeder: f.name, column: column})
		}
	}
}

// plain is a text in which the plan's variables have their values.
func (p *plan) plain(s string) string {
	for range 10 { // variables may name others
		next := reference.ReplaceAllStringFunc(s, func(m string) string {
			if v, ok := p.variables[m[2:len(m)-1]]; ok {
				return v
			}
			if parts := property.FindStringSubmatch(m); parts != nil && parts[2] != "" {
				return parts[2]
			}
			return m
		})
		if next == s || len(next) > 1<<20 {
			break
		}
		s = next
	}
	return s
}

var (
	reference = regexp.MustCompile(`\$\{[^{}]*\}`)
	property  = regexp.MustCompile(`^\$\{__(?:P|property)\(([^,()]*)(?:,([^,()]*))?\)\}$`)
	random    = regexp.MustCompile(`^\$\{__Random\(\s*(-?\d{1,15})\s*,\s*(-?\d{1,15})\s*(?:,[^()]*)?\)\}$`)
)

// text is a text with holes for the plan's variables that are known at run time only.
func (p *plan) text(s string, at *element) (t text) {
	s = p.plain(strings.ToValidUTF8(s, "\ufffd"))
	last := 0
	for _, m := range reference.FindAllStringIndex(s, -1) {
		t = joined(t, plain(s[last:m[0]]), p.filled(s[m[0]:m[1]], at))
		last = m[1]
	}
	return joined(t, plain(s[last:]))
}

// filled is what stands for a reference such as ${id} or ${__Random(1,10)}.
func (p *plan) filled(s string, at *element) text {
	name := s[2 : len(s)-1]
	switch {
	case name == "__UUID" || name == "__UUID()":
		return hole("uuid")
	case name == "__threadNum" || name == "__counter(TRUE,)" || name == "__counter(FALSE,)" || name == "__iterationNum":
		return hole("iteration")
	}
	if m := property.FindStringSubmatch(s); m != nil {
		what := "the property " + nameOf(m[1], "value") + " of JMeter"
		return p.d.needs(variableName(m[1]), what, p.d.known.IsField(m[1]))
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
	return hole(nameOf(name, "value"))
}

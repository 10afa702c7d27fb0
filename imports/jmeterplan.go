package imports

import (
	"slices"
	"strconv"
	"strings"
)

// plan is what of a test plan is known everywhere.
type plan struct {
	d         *draft
	top       []*element
	variables map[string]string
	flow      []*request
	login     []*request // those of the flow that are sent once
	first     pause      // before the first of the flow
	ended     loopEnd
	values    []value
	csv       []value  // columns of CSV files
	unnamed   *feeder  // a CSV file that names its columns itself
	block     *block   // that is repeated
	within    []string // transactions
	cookies   bool     // of the thread group that is read
	group     *element // that is read; nil outside of groups
	rate      *throughput
	keepAlive int // requests that keep their connections
	closed    int // those that do not
	depth     int
	following []*element // modules that are read
	modules   int        // that were read
}

// scope is what configures the samplers at and below a place of the plan.
type scope struct {
	defaults []*element // the nearest first
	headers  []pair
	pause    pause // before each of them
	auth     []authorization
	cookies  text       // that all of them send
	after    []*element // what looks at their answers
}

// authorization is for the URLs that begin with one.
type authorization struct {
	url            string
	user, password text
}

// passedOver are elements without a meaning for what is sent.
var passedOver = map[string]bool{
	"ResultCollector": true, "Arguments": true, "Summariser": true, "BackendListener": true, "ResultAction": true,
	"ResultSaver": true, "DebugPostProcessor": true,
	"DebugSampler": true,
}

// collect takes the variables that a plan defines.
func (p *plan) collect(e *element) {
	if !e.enabled {
		return
	}
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
	const deepest = 100
	if p.depth > deepest {
		return
	}
	p.depth++
	defer func() { p.depth-- }()
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

// configures reports whether an element configures what is beside and below it.
func (p *plan) configures(e *element) bool {
	return slices.Contains([]string{
		"ConfigTestElement", "HeaderManager", "CSVDataSet", "CookieManager", "AuthManager", "CounterConfig",
		"RandomVariableConfig", "DNSCacheManager", "CacheManager", "KeystoreConfig",
	}, e.kind)
}

// configured is a scope with what an element adds to it.
func (p *plan) configured(e *element, in scope) scope {
	switch e.kind {
	case "ConfigTestElement":
		if slices.ContainsFunc(e.inner, func(i *element) bool { return strings.HasPrefix(i.name, "HTTPSampler.") }) {
			in.defaults = append([]*element{e}, in.defaults...)
		}
	case "HeaderManager":
		in.headers = append(p.headers(e), in.headers...)
	case "CSVDataSet":
		p.dataSet(e)
	case "CounterConfig":
		p.counter(e)
	case "RandomVariableConfig":
		p.randomVariable(e)
	case "CookieManager":
		in.cookies = p.cookieManager(e, in.cookies)
	case "DNSCacheManager":
		p.hosts(e)
	case "CacheManager", "KeystoreConfig":
		p.d.leaveOut(e.line, e.column, "%s %.80q", e.kind, e.name)
	case "AuthManager":
		in.auth = append(p.authorizations(e), in.auth...)
	default:
		switch {
		case p.isTimer(e):
			in.pause = in.pause.plus(p.timer(e))
		case isAfter(e.kind):
			in.after = append(in.after[:len(in.after):len(in.after)], e)
		}
	}
	return in
}

func (p *plan) headers(e *element) (all []pair) {
	if list := e.props["HeaderManager.headers"]; list != nil {
		for _, h := range list.inner {
			all = append(all, pair{h.prop("Header.name"), p.text(h.prop("Header.value"), h)})
		}
	}
	return all
}

// cookieManager keeps cookies that answers set, and sends those that it has itself.
func (p *plan) cookieManager(e *element, sent text) text {
	p.cookies = true
	if p.group != nil && e.prop("CookieManager.clearEachIteration") == "true" {
		p.d.leaveOut(e.line, e.column, "that cookies are forgotten after an iteration: here users keep them")
	}
	list := e.props["CookieManager.cookies"]
	if list == nil {
		return sent
	}
	for _, c := range list.inner {
		if c.name == "" || strings.ContainsAny(c.name, "=; ") {
			continue
		}
		if len(sent) > 0 {
			sent = joined(sent, plain("; "))
		}
		sent = joined(sent, plain(c.name+"="), p.text(c.prop("Cookie.value"), c))
	}
	return sent
}

// hosts takes in the addresses that a plan has for hosts.
func (p *plan) hosts(e *element) {
	list := e.props["DNSCacheManager.hosts"]
	if list == nil {
		return
	}
	for _, h := range list.inner {
		address, _, several := strings.Cut(p.plain(h.prop("StaticHost.Address")), ",")
		host := p.plain(h.prop("StaticHost.Name"))
		if host == "" || address == "" || several || strings.Contains(host+address, "${") {
			p.d.leaveOut(h.line, h.column, "the addresses of %.80q", host)
			continue
		}
		p.d.routes = append(p.d.routes, route{host: host, toHost: address})
	}
}

func (p *plan) authorizations(e *element) (all []authorization) {
	list := e.props["AuthManager.auth_list"]
	if list == nil {
		return nil
	}
	for _, a := range list.inner {
		how := a.prop("Authorization.mechanism")
		if how != "" && how != "BASIC" && how != "BASIC_DIGEST" {
			p.d.leaveOut(a.line, a.column, "signing in by %.40s, of %.80q", how, e.name)
			continue
		}
		all = append(all, authorization{
			p.plain(a.prop("Authorization.url")), p.text(a.prop("Authorization.username"), a),
			p.text(a.prop("Authorization.password"), a),
		})
	}
	return all
}

// element reads one element.
func (p *plan) element(e *element, in scope) {
	switch {
	case e.kind == "TestPlan":
		p.testPlan(e, in)
	case strings.HasSuffix(e.kind, "ThreadGroup"):
		p.threads(e, in)
	case p.configures(e), passedOver[e.kind], p.isTimer(e):
	case isAfter(e.kind):
		if p.group == nil && p.depth < 2 {
			p.d.leaveOut(e.line, e.column, "%.60s %.80q", e.kind, e.name)
		}
	case p.group == nil && e.kind != "WorkBench":
		p.d.leaveOut(e.line, e.column, "%.60s %.80q, which is in no thread group", e.kind, e.name)
	default:
		p.inGroup(e, in)
	}
}

func (p *plan) testPlan(e *element, in scope) {
	if e.prop("TestPlan.serialize_threadgroups") == "true" {
		p.d.leaveOut(e.line, e.column, "that thread groups follow one another: here they run at the same time")
	}
	p.walk(e.children, in)
}

// inGroup reads an element of a thread group.
func (p *plan) inGroup(e *element, in scope) {
	switch e.kind {
	case "HTTPSamplerProxy", "HTTPSampler", "HTTPSampler2":
		p.sampler(e, in)
	case "TestAction":
		p.action(e, in)
	case "GenericController", "RecordingController":
		p.walk(e.children, in)
	case "TransactionController":
		p.within = append(p.within, e.name)
		p.walk(e.children, in)
		p.within = p.within[:len(p.within)-1]
	case "OnceOnlyController":
		p.onceOnly(e, in)
	case "LoopController":
		p.loop(e, in)
	case "ModuleController":
		p.module(e, in)
	default:
		p.d.leaveOut(e.line, e.column, "%.60s %.80q", e.kind, e.name)
		before := len(p.flow)
		p.walk(e.children, in)
		if len(p.flow) > before {
			p.d.leaveOut(e.line, e.column, "%.80q: what is below it is sent once each time", e.name)
		}
	}
}

// onceOnly reads what each user sends in its first iteration. Where nothing is sent before, it is a login.
func (p *plan) onceOnly(e *element, in scope) {
	before := len(p.flow)
	p.walk(e.children, in)
	switch {
	case len(p.flow) == before:
	case before == 0 && p.block == nil:
		p.login, p.flow, p.first = append(p.login, p.flow...), nil, pause{}
	default:
		p.d.leaveOut(e.line, e.column, "that %.80q sends once for each user: here it sends each time", e.name)
	}
}

// loop reads what is sent several times.
func (p *plan) loop(e *element, in scope) {
	const most = 1000
	text := p.plain(e.prop("LoopController.loops"))
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 0 || n > most:
		p.d.leaveOut(e.line, e.column, "how often the loop %.80q is gone through, %.20q: it is once", e.name, text)
		p.walk(e.children, in)
	case n == 0:
		p.d.leaveOut(e.line, e.column, "the loop %.80q, which is gone through 0 times", e.name)
	case n == 1:
		p.walk(e.children, in)
	case p.block != nil:
		p.d.leaveOut(e.line, e.column, "the loop %.80q in a loop: it is gone through once", e.name)
		p.walk(e.children, in)
	default:
		b := &block{name: nameOf(e.name, "loop"), repeat: n, from: len(p.flow)}
		p.block = b
		p.walk(e.children, in)
		p.block = nil
		p.endLoop(b)
	}
}

// module reads the part of the plan that a controller names.
func (p *plan) module(e *element, in scope) {
	path := e.props["ModuleController.node_path"]
	if path != nil && len(path.inner) > 0 {
		name := strings.TrimSpace(path.inner[len(path.inner)-1].text)
		found := find(p.top, name)
		const mostModules = 1000 // modules that name others grow fast
		if found != nil && found != e && !slices.Contains(p.following, found) && p.modules < mostModules {
			p.modules++
			p.following = append(p.following, found)
			p.walk(found.children, in)
			p.following = p.following[:len(p.following)-1]
			return
		}
	}
	p.d.leaveOut(e.line, e.column, "the module %.80q", e.name)
}

// find is the first element of a name that has others below it.
func find(all []*element, name string) *element {
	for _, e := range all {
		if e.name == name && len(e.children) > 0 && e.kind != "TestPlan" {
			return e
		}
		if below := find(e.children, name); below != nil {
			return below
		}
	}
	return nil
}

// lost notes that a plan has no thread group.
func (p *plan) lost() {
	if len(p.d.groups) == 0 && len(p.d.notes) == 0 {
		p.d.leaveOut(0, 0, "there is no thread group with an HTTP request in it")
	}
}

package imports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// draft is a scenario file as far as it has been read from a file of another tool.
type draft struct {
	file      string
	format    Format
	target    text      // scheme, host and port; empty until known
	tls, http []setting // of the sections of these names
	socket    string    // target.socket
	proxy     string    // target.proxy
	routes    []route
	tags      []setting
	setup     *request // flows that are sent once; nil: none
	teardown  *request
	groups    []*group
	feeders   []*feeder
	gates     []*gate
	notes     []Note
	more      map[Note]bool // those that are only counted
	variables []Variable
	secrets   map[string]string // the names of the variables that stand for secrets, by secret
	fallbacks map[string]string // what variables are if they are not set, by name
	known     scenarios.Redactor
}

// group is a scenario of the file: a load, and what each iteration of it sends.
type group struct {
	name     string
	load     []setting // executor and what belongs to it, in order
	think    pause     // of users, after an iteration
	cookies  bool
	tags     []setting
	headers  []pair
	login    *request // a flow that each user sends once; nil: none
	requests []*request
}

// setting is a key with a value that is written as it is.
type setting struct{ key, value string }

// request is a request of its own, or with steps a flow.
type request struct {
	name    string
	weight  int
	method  string
	url     text // absolute, or from the path on
	headers []pair
	auth    *credentials // nil: none
	body    text         // as it is sent; otherwise one of the next four
	file    string
	json    *jsonNode
	form    []pair
	parts   []formPart
	status  []int
	checks  []check
	extract []extraction
	values  []value
	timeout string
	follows int    // redirects
	pause   pause  // after the answer
	block   *block // of steps that are repeated together; nil: none
	thought bool   // the pause is a part of the think time as well
	tags    []setting
	steps   []*request
	version string // of HTTP, by which it was recorded
	line    int
	column  int
}

type pair struct {
	name  string
	value text
}

// check is a check, with the keys that say what it looks at.
type check struct {
	name string
	keys []setting // their values are written as texts
	list []int     // of status
	raw  string    // of what is no text
}

// block is a group of steps that follow one another.
type block struct {
	name   string
	repeat int
	from   int   // of JMeter, while it is read: which request of the flow begins it
	before pause // before each time
}

// extraction takes a text out of an answer, by json, header, cookie or regex.
type extraction struct {
	name, json, header, cookie, regex string
	otherwise                         *string // what is taken where there is nothing; nil: the step fails
}

// value fills holes, by one of list, feeder and source, otherwise by a range.
type value struct {
	name   string
	list   []string
	from   int64 // of a range to to
	to     int64
	feeder string
	column string // or of JSON lines the path of a field
	source string // of what is none of these: "time: unix"
}

// feeder is a file of rows: CSV, or JSON lines.
type feeder struct {
	name, file, choice string
	lines              bool
}

// gate is a threshold.
type gate struct {
	metric      string
	expressions []expression
	line        int
	column      int
}

type expression struct {
	text  string
	abort bool
	delay string
}

func newDraft(file string, format Format) *draft {
	return &draft{
		file: file, format: format, secrets: map[string]string{}, fallbacks: map[string]string{}, more: map[Note]bool{},
	}
}

// fault is an error in the file.
func (d *draft) fault(line, column int, format string, args ...any) error {
	return &Error{File: d.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// leaveOut notes what is not carried over. Secrets must not be among args.
func (d *draft) leaveOut(line, column int, format string, args ...any) {
	const most = 200 // more would be read by nobody
	n := Note{line, column, fmt.Sprintf(format, args...)}
	switch {
	case slices.Contains(d.notes, n):
	case len(d.notes) < most:
		d.notes = append(d.notes, n)
	default:
		d.more[n] = true
	}
}

// leftOut are the notes, and how many there are beyond them.
func (d *draft) leftOut() []Note {
	if len(d.more) == 0 {
		return d.notes
	}
	return append(slices.Clip(d.notes), Note{Text: fmt.Sprintf("and %d more", len(d.more))})
}

// feeder is the feeder of a file.
func (d *draft) feeder(file, choice string, lines bool) *feeder {
	taken := map[string]bool{}
	for _, f := range d.feeders {
		if f.file == file {
			return f
		}
		taken[f.name] = true
	}
	base := baseName(file)
	name := unique(nameOf(strings.TrimSuffix(base, extension(base)), "rows"), taken)
	f := &feeder{name: name, file: file, choice: choice, lines: lines}
	d.feeders = append(d.feeders, f)
	return f
}

// needs makes a variable of the environment known and returns it as a text.
func (d *draft) needs(name, what string, secret bool) text {
	if !slices.ContainsFunc(d.variables, func(v Variable) bool { return v.Name == name }) {
		d.variables = append(d.variables, Variable{name, what, secret})
	}
	return variable(name)
}

// conceal is the variable of the environment that stands for a secret; the same secret has the same one.
func (d *draft) conceal(secret, name, what string) text {
	if known, ok := d.secrets[secret]; ok {
		return variable(known)
	}
	name = variableName(name)
	free := name
	for n := 2; slices.ContainsFunc(d.variables, func(v Variable) bool { return v.Name == free }); n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	d.secrets[secret] = free
	return d.needs(free, what, true)
}

// roots are the requests and flows of the draft, those that are sent once among them.
func (d *draft) roots() (all []*request) {
	for _, g := range d.groups {
		all = append(all, g.requests...)
		if g.login != nil {
			all = append(all, g.login)
		}
	}
	for _, once := range []*request{d.setup, d.teardown} {
		if once != nil {
			all = append(all, once)
		}
	}
	return all
}

// each calls do for each request of the draft, and for each step of flows.
func (d *draft) each(do func(r *request)) {
	for _, r := range d.roots() {
		for _, step := range r.sent() {
			do(step)
		}
	}
}

// sent are the steps of a flow, or a request itself.
func (r *request) sent() []*request {
	if len(r.steps) == 0 {
		return []*request{r}
	}
	return r.steps
}

// has reports whether a request has a header.
func (r *request) has(name string) bool {
	return slices.ContainsFunc(r.headers, func(h pair) bool { return strings.EqualFold(h.name, name) })
}

// typed gives a request a Content-Type unless it has one.
func (r *request) typed(kind string) {
	if kind != "" && !r.has("Content-Type") {
		r.headers = append(r.headers, pair{"Content-Type", plain(kind)})
	}
}

// withQuery adds a parameter, whose name and value are encoded already, to the URL of a request.
func (r *request) withQuery(parameter text) {
	separator := "?"
	if s, _ := r.url.flat(); strings.Contains(s, "?") {
		separator = "&"
	}
	r.url = joined(r.url, plain(separator), parameter)
}

// eachText calls do for each text of a request but its URL.
func (r *request) eachText(do func(*text)) {
	do(&r.body)
	for i := range r.headers {
		do(&r.headers[i].value)
	}
	for i := range r.form {
		do(&r.form[i].value)
	}
	for i := range r.parts {
		do(&r.parts[i].value)
	}
	r.json.eachText(do)
	if r.auth != nil {
		do(&r.auth.bearer)
		do(&r.auth.user)
		do(&r.auth.password)
	}
}

// defaultLoad is the load of what says nothing of one.
var defaultLoad = []setting{{"executor", "constant-arrival-rate"}, {"rate", "10"}, {"duration", "1m"}}

// sequence is a group whose iterations send requests one after the other: a flow, or one request by itself.
func (d *draft) sequence(name string, requests []*request, load []setting) {
	const mostSteps = 100
	if len(requests) == 0 {
		return
	}
	g := &group{name: name, load: load}
	for i := 0; len(requests) > 0; i++ {
		n := min(len(requests), mostSteps)
		// A request by itself has neither extract nor repeat.
		if len(requests) == 1 && len(requests[0].extract) == 0 && requests[0].block == nil {
			g.requests = append(g.requests, requests[0])
			break
		}
		flow := &request{name: name, steps: requests[:n:n]}
		if i > 0 {
			flow.name = fmt.Sprintf("%s_%d", name, i+1)
			d.leaveOut(0, 0, "a flow has at most %d steps: what follows them in %s is a flow of its own, %s, and not "+
				"sent after it", mostSteps, name, flow.name)
		}
		g.requests = append(g.requests, flow)
		requests = requests[n:]
	}
	d.groups = append(d.groups, g)
}

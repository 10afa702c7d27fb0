package imports

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// draft is a scenario file as far as it has been read from a file of another tool.
type draft struct {
	file      string
	format    Format
	target    text // scheme, host and port; empty until known
	groups    []*group
	feeders   []*feeder
	gates     []*gate
	notes     []Note
	variables []Variable
	secrets   map[string]string // the names of the variables that stand for secrets, by secret
	fallbacks map[string]string // what variables are if they are not set, by name
	known     scenarios.Redactor
}

// group is a scenario of the file: a load, and what each iteration of it sends.
type group struct {
	name     string
	load     []setting // executor and what belongs to it, in order
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
	body    text
	status  []int
	checks  []check
	extract []extraction
	values  []value
	timeout string
	follows int // redirects
	steps   []*request
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

// extraction takes a text out of an answer, by one of json, header and regex.
type extraction struct{ name, json, header, regex string }

// value fills holes.
type value struct {
	name   string
	list   []string
	from   int64 // of a range to to, without list and feeder
	to     int64
	feeder string
	column string
}

type feeder struct {
	name, file, choice string
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
	return &draft{file: file, format: format, secrets: map[string]string{}, fallbacks: map[string]string{}}
}

// fault is an error in the file.
func (d *draft) fault(line, column int, format string, args ...any) error {
	return &Error{File: d.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// leaveOut notes what is not carried over. Secrets must not be among args.
func (d *draft) leaveOut(line, column int, format string, args ...any) {
	const most = 200 // more would be read by nobody
	n := Note{line, column, fmt.Sprintf(format, args...)}
	if len(d.notes) < most && !slices.Contains(d.notes, n) {
		d.notes = append(d.notes, n)
	}
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

var noVariable = regexp.MustCompile(`[^A-Za-z0-9]+`)

// variableName is a name as variables of the environment have it: "X-Api-Key" is X_API_KEY, "baseUrl" BASE_URL.
func variableName(s string) string {
	s = regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(s, "${1}_$2")
	s = strings.ToUpper(strings.Trim(noVariable.ReplaceAllString(s, "_"), "_"))
	if s == "" || '0' <= s[0] && s[0] <= '9' {
		s = "VALUE_" + s
	}
	return strings.TrimRight(s[:min(len(s), 60)], "_")
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// nameOf is a text as names in a scenario file have it.
func nameOf(s, fallback string) string {
	const longest = 60
	s = strings.Trim(noName.ReplaceAllString(s, "_"), "_-")
	s = strings.Trim(s[:min(len(s), longest)], "_-")
	if s == "" {
		return fallback
	}
	return s
}

// unique is a name that taken does not have, and has then.
func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	taken[free] = true
	return free
}

var idSegment = regexp.MustCompile(`^([0-9]+|[0-9a-fA-F-]{16,}|.*\{\{.*|.*\$\{.*|.{25,})$`)

// requestName names a request by its method and its path, in which ids are "id".
func requestName(method string, u text) string {
	path, _, _ := strings.Cut(pathOf(u).string(), "?")
	words := []string{strings.ToLower(method)}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
		case idSegment.MatchString(segment):
			words = append(words, "id")
		default:
			if decoded, err := url.PathUnescape(segment); err == nil {
				segment = decoded
			}
			words = append(words, segment)
		}
	}
	return nameOf(strings.Join(words, "_"), strings.ToLower(method))
}

var absolute = regexp.MustCompile(`(?i)^https?://[^/?#]*`)

// pathOf is the path of a URL with its query, without scheme, host and fragment.
func pathOf(u text) text {
	_, path := splitAddress(u)
	path, _ = path.split("#")
	if s, _ := path.flat(); !strings.HasPrefix(s, "/") {
		path = joined(plain("/"), path)
	}
	return path
}

// splitAddress cuts a URL into the address of its service and what follows. The address is empty in a URL that begins
// with its path. A URL that begins with a variable or hole has that as its address.
func splitAddress(u text) (address, rest text) {
	s, parts := u.flat()
	if place := absolute.FindString(s); place != "" {
		n := strings.Count(place, string(mark))
		return unflat(place, parts[:n]), unflat(s[len(place):], parts[n:])
	}
	if strings.HasPrefix(s, string(mark)) {
		end := strings.IndexAny(s, "/?#")
		if end < 0 {
			end = len(s)
		}
		n := strings.Count(s[:end], string(mark))
		return unflat(s[:end], parts[:n]), unflat(s[end:], parts[n:])
	}
	return nil, u
}

// each calls do for each request of the draft, and for each step of flows.
func (d *draft) each(do func(g *group, r *request)) {
	for _, g := range d.groups {
		for _, r := range g.requests {
			if len(r.steps) == 0 {
				do(g, r)
			}
			for _, step := range r.steps {
				do(g, step)
			}
		}
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
		if len(requests) == 1 && len(requests[0].extract) == 0 {
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

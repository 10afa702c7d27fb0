package imports

import (
	"bytes"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// result settles what the draft leaves open, and writes it.
func (d *draft) result() (*Result, error) {
	d.chooseTarget()
	d.settleConnection()
	d.each(func(r *request) { d.settle(r) })
	d.each(d.withoutKnownSecrets)
	for _, g := range d.groups {
		shared := &request{headers: g.headers}
		d.settleHeaders(shared)
		g.headers = shared.headers
	}
	d.dropEmpty()
	out, err := d.valid()
	if err != nil {
		return nil, err
	}
	requests := 0
	d.each(func(*request) { requests++ })
	return &Result{Format: d.format, Text: out, Requests: requests, LeftOut: d.leftOut(), Variables: d.variables}, nil
}

// valid is the scenario file without what no scenario file can have, such as thresholds on metrics that are not there:
// the reader of scenarios says what that is, and by its line it is found and left out.
func (d *draft) valid() ([]byte, error) {
	const (
		mostTries = 50      // each leaves something out
		longest   = 1 << 20 // bytes of a scenario file
	)
	var err error
	for range mostTries {
		if len(d.groups) == 0 {
			return nil, d.nothing()
		}
		for _, g := range d.groups {
			d.settleNames(g.requests)
			if g.login != nil {
				d.settleNames(g.login.steps)
			}
			d.settlePauses(g)
		}
		for _, once := range []*request{d.setup, d.teardown} {
			if once != nil {
				d.settleNames(once.steps)
			}
		}
		d.settleAllHoles()
		d.dropUnused()
		sortNotes(d.notes)
		w := d.written()
		if w.Len() > longest {
			return nil, d.fault(0, 0, "the scenario would have %d bytes, and a scenario file has at most %d: import "+
				"it in parts", w.Len(), longest)
		}
		_, err = asSaved(w.String()).Parse()
		if err == nil {
			return []byte(w.String()), nil
		}
		var faults scenarios.Errors
		if !errors.As(err, &faults) || !d.leaveOutAll(faults, w.owners) {
			break
		}
	}
	return nil, d.fault(0, 0, "the scenario that was made of it is not valid, which is a fault of this program: %v",
		err)
}

// asSaved is a scenario whose files are not read: they need not be there yet.
func asSaved(text string) scenarios.Saved {
	return scenarios.Saved{File: "imported.yaml", Text: text, Variables: map[string]string{}}
}

// nothing is the fault of a file of which nothing is left to send.
func (d *draft) nothing() error {
	const why = "it has no request that a scenario could send"
	if len(d.notes) == 0 {
		return d.fault(0, 0, "%s", why)
	}
	sortNotes(d.notes)
	n := d.notes[0]
	telling := func(n Note) bool {
		return strings.Contains(n.Text, "sends nothing") || strings.Contains(n.Text, "exports no function")
	}
	if i := slices.IndexFunc(d.notes, telling); i >= 0 {
		n = d.notes[i]
	}
	return d.fault(n.Line, n.Column, "%s: %s", why, n.Text)
}

// leaveOutAll leaves out what faults lie in; ok is false when nothing of it can be left out.
func (d *draft) leaveOutAll(faults scenarios.Errors, owners []owner) (ok bool) {
	done := map[*owner]bool{}
	for _, fault := range faults {
		var smallest *owner
		for i := range owners {
			o := &owners[i]
			covers := o.from <= fault.Line && fault.Line <= o.to
			if covers && (smallest == nil || o.to-o.from < smallest.to-smallest.from) {
				smallest = o
			}
		}
		if smallest == nil || done[smallest] {
			continue
		}
		done[smallest], ok = true, true
		smallest.leaveOut()
		d.leaveOut(smallest.line, smallest.column, "%s: %s", smallest.what, fault.Message)
	}
	d.dropEmpty()
	return ok
}

// dropEmpty drops flows without steps, and scenarios without requests.
func (d *draft) dropEmpty() {
	for _, g := range d.groups {
		g.requests = slices.DeleteFunc(g.requests, func(r *request) bool { return r.method == "" && len(r.steps) == 0 })
	}
	d.groups = slices.DeleteFunc(d.groups, func(g *group) bool { return len(g.requests) == 0 })
	flows := []**request{&d.setup, &d.teardown}
	for _, g := range d.groups {
		flows = append(flows, &g.login)
	}
	for _, once := range flows {
		if *once != nil && len((*once).steps) == 0 {
			*once = nil
		}
	}
}

// dropUnused drops feeders and variables that nothing takes anything from.
func (d *draft) dropUnused() {
	fed := map[string]bool{}
	for _, r := range d.roots() {
		for _, v := range r.values {
			fed[v.feeder] = true
		}
	}
	d.feeders = slices.DeleteFunc(d.feeders, func(f *feeder) bool { return !fed[f.name] })
	out := []byte(d.written().String())
	d.variables = slices.DeleteFunc(d.variables, func(v Variable) bool {
		return !bytes.Contains(out, []byte("${"+v.Name+":-"))
	})
}

// chooseTarget finds the service that most requests go to. Requests to others are left out.
func (d *draft) chooseTarget() {
	counts, first := map[string]int{}, map[string]text{}
	best := ""
	var order []string
	d.each(func(r *request) {
		address, _ := splitAddress(r.url)
		key := d.addressKey(address)
		if key == "" {
			return
		}
		if counts[key] == 0 {
			order, first[key] = append(order, key), address
		}
		counts[key]++
	})
	for _, key := range order {
		if counts[key] > counts[best] {
			best = key
		}
	}
	if len(d.target) == 0 && best != "" {
		d.target = first[best]
	}
	want := d.addressKey(d.target)
	other := func(r *request) bool {
		address, _ := splitAddress(r.url)
		key := d.addressKey(address)
		if key == "" || key == want || len(r.steps) > 0 {
			return false
		}
		d.leaveOut(r.line, r.column, "%s %s: another service than %s, and a file has one target", r.method,
			withoutQuery(r.url), d.target.string())
		return true
	}
	for _, g := range d.groups {
		g.requests = slices.DeleteFunc(g.requests, other)
	}
	for _, r := range d.roots() {
		had := len(r.steps) > 0
		r.withoutSteps(other)
		if had && len(r.steps) == 0 {
			r.method = ""
		}
	}
	d.dropEmpty()
}

// withoutSteps drops steps. What users waited after them, they wait after the step before.
func (r *request) withoutSteps(drop func(*request) bool) {
	kept := r.steps[:0]
	for _, step := range r.steps {
		switch {
		case !drop(step):
			kept = append(kept, step)
		case len(kept) > 0:
			kept[len(kept)-1].pause = kept[len(kept)-1].pause.plus(step.pause)
		}
	}
	r.steps = kept
}

// withoutQuery is a URL as a message may show it: a query or the user of a URL may be a secret.
func withoutQuery(u text) string {
	s, _, _ := strings.Cut(u.string(), "?")
	return userOfURL.ReplaceAllString(s, "$1")
}

var userOfURL = regexp.MustCompile(`^((?i:https?://))[^/?#]*@`)

// addressKey is the same for addresses of the same service.
func (d *draft) addressKey(address text) string {
	key := userOfURL.ReplaceAllString(strings.ToLower(address.string()), "$1")
	key = strings.TrimSuffix(key, "/")
	if strings.HasPrefix(key, "http://") {
		return strings.TrimSuffix(key, ":80")
	}
	return strings.TrimSuffix(key, ":443")
}

// settleNames gives the requests of a group names that differ.
func (d *draft) settleNames(all []*request) {
	requests, flows := map[string]bool{}, map[string]bool{}
	for _, r := range all {
		if len(r.steps) > 0 {
			r.name = unique(nameOf(r.name, "flow"), flows)
			for _, step := range r.steps {
				d.settleName(step, requests)
			}
			continue
		}
		d.settleName(r, requests)
	}
}

func (d *draft) settleName(r *request, taken map[string]bool) {
	if r.name == "" {
		r.name = requestName(r.method, r.url)
	}
	r.name = unique(nameOf(r.name, strings.ToLower(r.method)), taken)
	const mostChecks = 64
	checks := map[string]bool{}
	for i := range r.checks {
		r.checks[i].name = unique(checkName(r.checks[i].name), checks)
	}
	r.checks = r.checks[:min(len(r.checks), mostChecks)]
}

var noCheckName = regexp.MustCompile(`[,{}\s]+`)

// checkName is a text as names of checks have it.
func checkName(s string) string {
	const longest = 80
	s = strings.TrimSpace(noCheckName.ReplaceAllString(strings.ToValidUTF8(s, ""), " "))
	for len(s) > longest {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:longest], ""))
	}
	if s == "" {
		return "check"
	}
	return s
}

// methodOf is a method that a scenario has; ok is false for others.
func methodOf(method string) (string, bool) {
	method = strings.ToUpper(strings.TrimSpace(method))
	return method, slices.Contains([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions,
	}, method)
}

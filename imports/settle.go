package imports

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// result settles what the draft leaves open, and writes it.
func (d *draft) result() (*Result, error) {
	d.chooseTarget()
	d.each(func(_ *group, r *request) { d.settle(r) })
	d.groups = slices.DeleteFunc(d.groups, func(g *group) bool { return len(g.requests) == 0 })
	out, err := d.valid()
	if err != nil {
		return nil, err
	}
	requests := 0
	d.each(func(*group, *request) { requests++ })
	return &Result{Format: d.format, Text: out, Requests: requests, LeftOut: d.notes, Variables: d.variables}, nil
}

// valid is the scenario file without what no scenario file can have, such as thresholds on metrics that are not there:
// the reader of scenarios says what that is, and by its line it is found and left out.
func (d *draft) valid() ([]byte, error) {
	const mostTries = 50 // each leaves something out
	var err error
	for range mostTries {
		if len(d.groups) == 0 {
			return nil, d.nothing()
		}
		for _, g := range d.groups {
			d.settleNames(g)
			for _, r := range g.requests {
				d.settleHoles(r)
			}
		}
		d.dropUnused()
		sortNotes(d.notes)
		w := d.written()
		_, err = scenarios.Parse("imported.yaml", []byte(w.String()))
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

// nothing is the fault of a file of which nothing is left to send.
func (d *draft) nothing() error {
	const why = "it has no request that a scenario could send"
	if len(d.notes) == 0 {
		return d.fault(0, 0, "%s", why)
	}
	sortNotes(d.notes)
	n := d.notes[0]
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
	for _, g := range d.groups {
		g.requests = slices.DeleteFunc(g.requests, func(r *request) bool { return r.method == "" && len(r.steps) == 0 })
	}
	d.groups = slices.DeleteFunc(d.groups, func(g *group) bool { return len(g.requests) == 0 })
	return ok
}

// dropUnused drops feeders and variables that nothing takes anything from.
func (d *draft) dropUnused() {
	fed := map[string]bool{}
	for _, g := range d.groups {
		for _, r := range g.requests {
			for _, v := range r.values {
				fed[v.feeder] = true
			}
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
	d.each(func(_ *group, r *request) {
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
		for _, r := range g.requests {
			had := len(r.steps)
			r.steps = slices.DeleteFunc(r.steps, other)
			if had > 0 && len(r.steps) == 0 {
				r.method = "none"
			}
		}
		g.requests = slices.DeleteFunc(g.requests, func(r *request) bool { return r.method == "none" })
	}
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

// ownHeaders are those that the sender makes itself, or that belong to one connection (RFC 9110, section 7.6.1).
var ownHeaders = []string{
	"Host", "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "Http2-Settings", "Proxy-Authorization", "Expect",
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// settle makes a request one that a scenario can send, without secrets.
func (d *draft) settle(r *request) {
	r.method = strings.ToUpper(r.method)
	address, _ := splitAddress(r.url)
	signedIn := slices.ContainsFunc(r.headers, func(h pair) bool { return strings.EqualFold(h.name, "Authorization") })
	if s, _ := address.flat(); userOfURL.MatchString(s) && !signedIn {
		r.headers = append(r.headers, pair{"Authorization", plain("Basic user:password of the URL")})
	}
	r.url = d.withoutSecrets(pathOf(r.url), queryFields)
	for _, fields := range bodyFields {
		r.body = d.withoutSecrets(r.body, fields)
	}
	d.settleHeaders(r)
}

// settleHeaders puts headers of one name together, and variables in place of secrets.
func (d *draft) settleHeaders(r *request) {
	var kept []pair
	for _, h := range r.headers {
		name := textproto.CanonicalMIMEHeaderKey(h.name)
		if strings.HasPrefix(h.name, ":") || slices.Contains(ownHeaders, name) {
			continue
		}
		s, _ := h.value.flat()
		control := strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
		if !headerName.MatchString(h.name) || control {
			d.leaveOut(r.line, r.column, "a header of %s %s that cannot be sent", r.method, r.url.string())
			continue
		}
		h.name = name
		if i := slices.IndexFunc(kept, func(k pair) bool { return k.name == name }); i >= 0 {
			separator := ", "
			if name == "Cookie" {
				separator = "; "
			}
			if kept[i].value.string() != h.value.string() {
				kept[i].value = joined(kept[i].value, plain(separator), h.value)
			}
			continue
		}
		kept = append(kept, h)
	}
	for i := range kept {
		if kept[i].value.hasLiteral() && d.isSecretHeader(kept[i].name) {
			kept[i].value = d.concealHeader(kept[i])
		}
	}
	r.headers = kept
}

// hasLiteral reports whether a text has characters of its own, apart from blanks and the scheme of credentials.
func (t text) hasLiteral() bool {
	return slices.ContainsFunc(t, func(p part) bool {
		literal := strings.TrimSpace(p.literal)
		return literal != "" && !slices.Contains([]string{"Bearer", "Basic", "Token", "Digest"}, literal)
	})
}

func (d *draft) isSecretHeader(name string) bool {
	return d.known.IsHeader(name) || d.known.IsField(name)
}

// concealHeader is the value of a header with a variable in place of its secret.
func (d *draft) concealHeader(h pair) text {
	s := h.value.string()
	scheme, secret, found := strings.Cut(s, " ")
	switch {
	case h.name == "Cookie":
		return d.conceal(s, "COOKIE", "the header Cookie")
	case h.name != "Authorization" || !found:
		return d.conceal(s, h.name, "the header "+h.name)
	case strings.EqualFold(scheme, "Basic"):
		return joined(plain(scheme+" "), d.conceal(secret, "BASIC_CREDENTIALS",
			"user:password in base64, for the header Authorization"))
	}
	what := "what follows " + nameOf(scheme, "it") + " in the header Authorization"
	return joined(plain(scheme+" "), d.conceal(secret, "API_TOKEN", what))
}

// Where fields with secrets may be: in a query, and in bodies that are JSON, a form, or XML.
var (
	queryFields = regexp.MustCompile(`[?&]([^=&?]+)=([^&#]*)`)
	bodyFields  = []*regexp.Regexp{
		regexp.MustCompile(`"((?:[^"\\]|\\.)+)"\s*:\s*"((?:[^"\\]|\\.)*)"`),
		regexp.MustCompile(`"((?:[^"\\]|\\.)+)"\s*:\s*([0-9]+)`),
		regexp.MustCompile(`(?:^|[&\s])([A-Za-z0-9_.\[\]%-]+)=([^&\s"<>]*)`),
		regexp.MustCompile(`<(?:\w+:)?([\w.-]+)(?:\s[^<>]*)?>([^<>]*)</`),
		regexp.MustCompile(`name="([^"]+)"\r\n\r\n([^\r\n]*)`),
	}
)

// withoutSecrets puts variables in place of the values of fields that are known to hold secrets.
func (d *draft) withoutSecrets(t text, fields *regexp.Regexp) text {
	return t.replaced(fields, func(name, value string) text {
		if !d.known.IsField(name) || value == "true" || value == "false" {
			return nil
		}
		return d.conceal(value, name, "the field "+name)
	})
}

// settleNames gives the requests of a group names that differ.
func (d *draft) settleNames(g *group) {
	requests, flows := map[string]bool{}, map[string]bool{}
	for _, r := range g.requests {
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

// settleHoles keeps the values and extractions that something uses, and makes variables of the environment of holes
// that nothing fills.
func (d *draft) settleHoles(r *request) {
	steps := r.steps
	if len(steps) == 0 {
		steps = []*request{r}
		r.extract = nil
	}
	filled := map[string]bool{"iteration": true, "uuid": true}
	var values []value
	const most = 32 // values, and texts that are extracted
	for _, v := range append(slices.Clone(r.values), valuesOf(r.steps)...) {
		if !filled[v.name] && len(values) < most {
			filled[v.name] = true
			values = append(values, v)
		}
	}
	used, seen := map[string]bool{}, maps.Clone(filled)
	for _, step := range steps {
		fill := func(t text) text { return d.filled(t, filled, used) }
		step.url, step.body = fill(step.url), fill(step.body)
		for i := range step.headers {
			step.headers[i].value = fill(step.headers[i].value)
		}
		for _, x := range step.extract {
			filled[x.name] = true
		}
	}
	count := 0
	for i, step := range steps {
		step.extract = slices.DeleteFunc(step.extract, func(x extraction) bool {
			if seen[x.name] {
				d.leaveOut(step.line, step.column, "%s is taken again; it keeps its first value", x.name)
				return true
			}
			seen[x.name] = true
			unused := !usedLater(steps[i+1:], x.name)
			if !unused {
				count++
			}
			return unused
		})
		step.values = nil
	}
	if count > most {
		d.leaveOut(0, 0, "%s takes %d texts of answers, and a flow at most %d", r.name, count, most)
	}
	r.values = slices.DeleteFunc(values, func(v value) bool { return !used[v.name] })
}

func valuesOf(steps []*request) (all []value) {
	for _, step := range steps {
		all = append(all, step.values...)
	}
	return all
}

// filled is a text whose holes are all filled by something.
func (d *draft) filled(t text, filled, used map[string]bool) text {
	out := slices.Clone(t)
	for i, p := range out {
		switch {
		case p.hole == "":
		case filled[p.hole]:
			used[p.hole] = true
		default:
			secret := d.known.IsField(p.hole)
			out[i] = d.needs(variableName(p.hole), "{{"+p.hole+"}} of the file", secret)[0]
		}
	}
	return out
}

func usedLater(steps []*request, name string) bool {
	uses := func(t text) bool { return slices.ContainsFunc(t, func(p part) bool { return p.hole == name }) }
	return slices.ContainsFunc(steps, func(r *request) bool {
		return uses(r.url) || uses(r.body) || slices.ContainsFunc(r.headers, func(h pair) bool { return uses(h.value) })
	})
}

// methodOf is a method that a scenario has; ok is false for others.
func methodOf(method string) (string, bool) {
	method = strings.ToUpper(strings.TrimSpace(method))
	return method, slices.Contains([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions,
	}, method)
}

package scenarios

import (
	"slices"
)

// lifeShape is that of a flow that is not a part of the load: its steps, or these with values.
var lifeShape = &shape{
	items: stepShape,
	keys:  []key{{"values", &shape{names: keysShape}}, {"steps", &shape{items: stepShape}}},
}

// shared is what the requests of a scenario, or of the file, share.
type shared struct {
	headers []Header        // of the scenario
	setup   map[string]bool // the names that setup extracts
	login   map[string]bool // those that the scenario's login extracts
	used    map[string]bool // those of them that are used
}

// knows reports whether a name is one that setup or login extracts.
func (s *shared) knows(name string) bool { return s.setup[name] || s.login[name] }

// use notes that a name is used.
func (s *shared) use(name string) {
	if s.used == nil {
		s.used = map[string]bool{}
	}
	s.used[name] = true
}

// source says which flow extracts a name that is known.
func (s *shared) source(name string) string {
	if s.setup[name] {
		return "setup"
	}
	return "login"
}

// session reads what the requests of a scenario share: headers, cookies, and a login.
func (r *reader) session(n *node, s *Scenario, executor Executor, target Target) {
	headers, auth, cookies, login := n.get("headers"), n.get("auth"), n.get("cookies"), n.get("login")
	for _, k := range []*node{headers, auth} {
		if k != nil && executor == (Browser{}).Executor() {
			r.faultAt(k.keyAt, "leave it out", "%s does not go with executor browser", k.path)
		}
	}
	if executor != "" && !hasUsers(executor) {
		for _, k := range []*node{cookies, login} {
			if k != nil {
				r.faultAt(k.keyAt, "leave it out", "%s does not go with executor %s", k.path, executor)
			}
		}
		cookies, login = nil, nil
	}
	s.Cookies = r.flag(cookies)
	login = asFlow(login)
	r.shared.headers, r.shared.login = nil, extractedNames(login)
	for name := range r.shared.login {
		delete(r.shared.used, name) // another login's
	}
	holes := r.newHoles(nil, nil)
	all := r.withAuth(n, r.headers(headers, holes, nil), holes)
	names := r.shared.login
	r.shared.login = nil // they are not known before the login
	r.shared.headers = slices.DeleteFunc(slices.Clone(all), func(h Header) bool { return h.names(names) })
	s.Login = r.life(login, "login", target)
	r.shared.headers, r.shared.login = all, names
}

// hasUsers reports whether the iterations of an executor are those of users with sessions.
func hasUsers(executor Executor) bool {
	return !slices.Contains([]Executor{Browser{}.Executor(), Replay{}.Executor(), Subscribers{}.Executor()}, executor)
}

// names reports whether a header has a hole for one of these values.
func (h Header) names(values map[string]bool) bool {
	return slices.ContainsFunc(h.Value, func(p Part) bool { return values[p.Value] })
}

// asFlow is a flow that is not a part of the load as a mapping, also where only its steps are written.
func asFlow(n *node) *node {
	if n == nil || n.kind != sequence {
		return n
	}
	steps := *n
	return &node{kind: mapping, at: n.at, keyAt: n.keyAt, path: n.path, entries: []entry{{"steps", n.keyAt, &steps}}}
}

// extractedNames are the names of what the steps of a flow extract.
func extractedNames(flow *node) map[string]bool {
	names := map[string]bool{}
	for _, e := range extractedBy(flow) {
		names[e.key] = true
	}
	return names
}

// extractedBy is what the steps of a flow extract.
func extractedBy(flow *node) (all []entry) {
	steps := flow.get("steps")
	if steps == nil {
		return nil
	}
	for _, step := range steps.items {
		if extract := step.get("extract"); extract != nil {
			all = append(all, extract.entries...)
		}
	}
	return all
}

// unusedNames reports what setup or a login extracts and nothing uses.
func (r *reader) unusedNames(flow *node) {
	if len(r.errs) > 0 {
		return
	}
	for _, e := range extractedBy(asFlow(flow)) {
		if !r.shared.used[e.key] {
			r.faultAt(e.at, "remove it, or write {{"+e.key+"}} where it is needed", "%s is used nowhere", e.value.path)
		}
	}
}

// notInLife are the keys of steps that have no meaning outside of the load.
var notInLife = []string{"stream", "goodput", "click", "tags", "thresholds"}

// life reads a flow that is not a part of the load. What it extracts may be used outside of it.
func (r *reader) life(n *node, name string, target Target) []Request {
	if !given(n) {
		return nil
	}
	steps := n.get("steps")
	if steps == nil {
		r.missing(n, "steps", "steps: [{name: token, method: POST, path: /login}]")
	}
	if !given(steps) {
		return nil
	}
	r.stepCount(steps, len(steps.items))
	holes := r.newHoles(n.get("values"), steps)
	values := r.values(n.get("values"), target)
	var requests []Request
	for _, item := range steps.items {
		r.noCourse(item, "a flow of the load", "leave it out")
		if item.bad {
			holes.unread = true
			continue
		}
		for _, key := range notInLife {
			if k := item.get(key); k != nil {
				r.faultAt(k.keyAt, "leave it out", "%s: %s is not a part of the load", k.path, name)
			}
		}
		request := r.step(item, values, holes)
		request.Flow, request.Step = name, len(requests)
		if request.Step == 0 {
			request.Weight = 1
		}
		requests = append(requests, request)
	}
	for _, e := range holes.extracted {
		if holes.used[e.key] {
			r.shared.use(e.key)
		}
	}
	holes.extracted = nil // what no step uses, the load may
	holes.reportUnused()
	return requests
}

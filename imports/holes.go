package imports

import (
	"maps"
	"slices"
)

// most is how many values a request or flow has at most, and how many texts it extracts.
const most = 32

// settleAllHoles keeps the values and extractions that something uses, and makes variables of the environment of holes
// that nothing fills.
func (d *draft) settleAllHoles() {
	known, used := map[string]bool{"iteration": true, "uuid": true}, map[string]bool{}
	if d.setup != nil {
		d.settleSteps(d.setup.steps, maps.Clone(known))
		for _, x := range extractedBy(d.setup) {
			known[x.name] = true
		}
	}
	for _, g := range d.groups {
		d.settleGroupHoles(g, known, used)
	}
	if d.teardown != nil {
		d.settleHoles(d.teardown, known, used)
	}
	if d.setup == nil {
		return
	}
	d.settleOnce(d.setup, map[string]bool{"iteration": true, "uuid": true}, used)
}

// settleGroupHoles settles those of a scenario.
func (d *draft) settleGroupHoles(g *group, known, used map[string]bool) {
	before := known
	if g.login != nil {
		known = maps.Clone(known)
		d.settleSteps(g.login.steps, maps.Clone(known))
		for _, x := range extractedBy(g.login) {
			known[x.name] = true
		}
	}
	here := map[string]bool{}
	for _, r := range g.requests {
		d.settleHoles(r, known, here)
	}
	for i := range g.headers {
		g.headers[i].value = d.filled(g.headers[i].value, map[string]bool{"iteration": true, "uuid": true}, here)
	}
	if g.login != nil {
		d.settleOnce(g.login, before, here)
	}
	maps.Copy(used, here)
}

// settleOnce settles the holes of a flow that is sent once, when it is known what of its extractions is used elsewhere.
func (d *draft) settleOnce(r *request, known, used map[string]bool) {
	for i, step := range r.steps {
		step.extract = slices.DeleteFunc(step.extract, func(x extraction) bool {
			return !used[x.name] && !usedLater(r.steps[i+1:], x.name)
		})
	}
	d.fillSteps(r, known, used)
}

func extractedBy(r *request) (all []extraction) {
	for _, step := range r.steps {
		all = append(all, step.extract...)
	}
	return all
}

// settleHoles settles the holes of a request or flow. known are the names that are filled already, used becomes those
// of them that are used.
func (d *draft) settleHoles(r *request, known, used map[string]bool) {
	if len(r.steps) == 0 {
		r.extract = nil
	}
	d.fillSteps(r, known, used)
	steps := r.sent()
	d.settleSteps(steps, maps.Clone(known))
	count := 0
	for i, step := range steps {
		step.extract = slices.DeleteFunc(step.extract, func(x extraction) bool {
			unused := !usedLater(steps[i+1:], x.name)
			if !unused {
				count++
			}
			return unused
		})
	}
	if count > most {
		d.leaveOut(0, 0, "%s takes %d texts of answers, and a flow at most %d", r.name, count, most)
	}
}

// settleSteps drops extractions of names that are taken.
func (d *draft) settleSteps(steps []*request, taken map[string]bool) {
	for _, step := range steps {
		step.extract = slices.DeleteFunc(step.extract, func(x extraction) bool {
			if taken[x.name] {
				d.leaveOut(step.line, step.column, "%s is taken again; it keeps its first value", x.name)
				return true
			}
			taken[x.name] = true
			return false
		})
	}
}

// fillSteps sees to it that something fills each hole of a request or flow, and keeps the values that it uses.
func (d *draft) fillSteps(r *request, known, used map[string]bool) {
	filled, here := maps.Clone(known), map[string]bool{}
	var values []value
	for _, v := range append(slices.Clone(r.values), valuesOf(r.steps)...) {
		if !filled[v.name] && len(values) < most {
			filled[v.name] = true
			values = append(values, v)
		}
	}
	for _, step := range r.sent() {
		fill := func(t *text) { *t = d.filled(*t, filled, here) }
		fill(&step.url)
		step.eachText(fill)
		for _, x := range step.extract {
			if slices.ContainsFunc(values, func(v value) bool { return v.name == x.name }) {
				continue // settled below
			}
			filled[x.name] = true
		}
	}
	for _, step := range r.steps {
		step.values = nil
		step.extract = slices.DeleteFunc(step.extract, func(x extraction) bool {
			taken := slices.ContainsFunc(values, func(v value) bool { return v.name == x.name })
			if taken {
				d.leaveOut(step.line, step.column, "%s is taken again; it keeps its first value", x.name)
			}
			return taken
		})
	}
	r.values = slices.DeleteFunc(values, func(v value) bool { return !here[v.name] })
	maps.Copy(used, here)
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
		case p.base64 != nil:
			inner := d.filled(*p.base64, filled, used)
			out[i].base64 = &inner
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
	return slices.ContainsFunc(steps, func(r *request) bool {
		found := r.url.names(name)
		r.eachText(func(t *text) { found = found || t.names(name) })
		return found
	})
}

// names reports whether a text has a hole of a name.
func (t text) names(name string) bool {
	return slices.ContainsFunc(t, func(p part) bool {
		return p.hole == name || p.base64 != nil && p.base64.names(name)
	})
}

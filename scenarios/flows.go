package scenarios

import (
	"maps"
	"slices"
)

// Extraction takes a text out of an answer, for the steps of the flow that follow. Without JSON, Header and Cookie it
// looks at the whole body.
type Extraction struct {
	Name   string
	JSON   JSONPath // the value in the body, which must be JSON as a whole; may be nil
	Header string   // the first header of that name, or of all Set-Cookie the first that fits; may be empty
	Cookie string   // the value that the answer sets this cookie to; may be empty
	Regex  string   // what its one group matches is taken; may be empty with one of the others
	HTML   bool     // character references in what was taken stand for characters
	// Default is what is taken where there is nothing to extract; nil: the step has failed then
	Default *string
}

// Bounds of a flow.
const (
	maxSteps       = 100
	maxExtractions = 32 // of one flow
)

var extractShape = &shape{
	keys: []key{
		{"json", value},
		{"header", value},
		{"cookie", value},
		{"regex", value},
		{"decode", value},
		{"default", value},
	},
	foreign: map[string]string{"jsonpath": "use json", "body": "use json or regex"},
}

// stepKeys are those of a request that belong to the steps where it is a flow.
var stepKeys = append([]string{
	"grpc", "method", "path", "headers", "auth", "expectedStatus", "checks", "timeout", "redirects", "extract",
}, bodyKeys...)

// flow reads an entry of requests that has steps. Its steps follow one another in the list.
func (r *reader) flow(n *node, target Target) []Request {
	name := r.requestName(n)
	weight := int(r.whole(n.get("weight"), 1, 1, maxWeight))
	tags := r.tags(n.get("tags"))
	for _, key := range stepKeys {
		if k := n.get(key); k != nil {
			r.faultAt(k.keyAt, "write it there", "%s belongs to a step of the flow", k.path)
		}
	}
	r.noCourse(n, "a step of the flow", "write it there")
	steps := n.get("steps")
	if !given(steps) {
		r.vague = true
		return nil
	}
	all := r.leavesOf(steps)
	r.stepCount(steps, len(all))
	holes := r.newHoles(n.get("values"), steps)
	values := r.values(n.get("values"), target)
	var requests []Request
	for _, item := range all {
		if item.bad {
			r.vague, holes.unread = true, true
			continue
		}
		block, condition := r.before(item, len(requests) == 0, holes)
		request := r.step(item.node, values, holes)
		request.Block, request.If = block, condition
		r.pace(item.node, &request)
		request.Flow, request.Step = name, len(requests)
		if request.Step == 0 {
			request.Weight = weight
		}
		if len(tags) > 0 {
			own := request.Tags
			request.Tags = maps.Clone(tags)
			maps.Copy(request.Tags, own)
		}
		requests = append(requests, request)
	}
	r.noPauseAtEnd(all)
	holes.reportUnused()
	return requests
}

func (r *reader) stepCount(steps *node, n int) {
	if n == 0 || n > maxSteps {
		r.fault(steps, "", "%s has %d steps; it must be 1 to %d", steps.path, n, maxSteps)
	}
}

// extractions reads what a step takes out of its answers.
func (r *reader) extractions(n *node, holes *holes) []Extraction {
	if n == nil {
		return nil
	}
	holes.unread = holes.unread || n.bad
	var all []Extraction
	for _, e := range n.entries {
		r.name(e.at, "what is extracted", e.key)
		switch {
		case e.key == ValueIteration || e.key == ValueUUID:
			r.faultAt(e.at, "choose another name", "the value %s is built in", e.key)
		case holes.values.get(e.key) != nil:
			r.faultAt(e.at, "choose another name", "%s is one of the flow's values already", e.key)
		case r.shared.knows(e.key):
			r.faultAt(e.at, "choose another name", "%s is extracted by %s already", e.key, r.shared.source(e.key))
		case slices.ContainsFunc(holes.extracted, func(x entry) bool { return x.key == e.key }):
			r.faultAt(e.at, "choose another name", "%s is extracted twice in the flow", e.key)
		}
		holes.extracted = append(holes.extracted, e)
		if len(holes.extracted) == maxExtractions+1 {
			r.faultAt(e.at, "", "the flow extracts more than %d texts", maxExtractions)
		}
		if !e.value.bad {
			all = append(all, r.extraction(e))
		}
	}
	return all
}

func (r *reader) extraction(e entry) Extraction {
	n := e.value
	x := Extraction{Name: e.key}
	if otherwise := n.get("default"); given(otherwise) {
		x.Default = &otherwise.text
	}
	path, header, cookie, regex := n.get("json"), n.get("header"), n.get("cookie"), n.get("regex")
	x.HTML = r.word(n.get("decode"), "", []string{"html"}) == "html"
	if !exactlyOne(path, header, cookie) && (regex == nil || path != nil || header != nil || cookie != nil) {
		r.faultAt(n.keyAt, "for example {json: $.id}; a regex may go with either",
			"%s needs one of json, header, cookie and regex", n.path)
		return x
	}
	if path != nil {
		x.JSON = r.jsonPath(path)
	}
	if header != nil {
		x.Header = r.headerName(header)
	}
	if given(cookie) {
		x.Cookie = cookie.text
		if !isToken(x.Cookie) {
			r.fault(cookie, "", "%s %.120q is not the name of a cookie", cookie.path, x.Cookie)
		}
	}
	if regex == nil {
		return x
	}
	if compiled := r.expression(regex); compiled != nil && compiled.NumSubexp() != 1 {
		r.fault(regex, `what one pair of parentheses matches is taken, as in id=(\d+); write (?:…) for others`,
			"%s has %d groups, and must have one", regex.path, compiled.NumSubexp())
	}
	x.Regex = regex.text
	return x
}

// laterStep says of an unknown hole whether a later step extracts it.
func laterStep(steps *node, name string) bool {
	if steps == nil {
		return false
	}
	return slices.ContainsFunc(leaves(steps), func(step leaf) bool { return step.get("extract").get(name) != nil })
}

// reportUnusedExtractions reports what no later step takes.
func (h *holes) reportUnusedExtractions() {
	for _, e := range h.extracted {
		if !h.used[e.key] {
			h.faultAt(e.at, "remove it, or write {{"+e.key+
				"}} in a later step; a check tells whether something is there",
				"%s is used by no later step", e.value.path)
		}
	}
}

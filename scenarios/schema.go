package scenarios

import (
	"strconv"
	"strings"
)

// shape says what a place in the file may hold. It may allow several kinds: a status or a list of them.
type shape struct {
	scalar bool
	binary bool   // a single value may be !!binary
	any    bool   // whatever YAML has: for what is written as JSON
	items  *shape // of a list
	keys   []key  // of a mapping with the keys of this format, in the order of the documentation
	names  *shape // of a mapping with keys that the user chooses
	// foreign are keys that users of k6 know and that are not here, with what to do instead.
	foreign map[string]string
}

type key struct {
	name  string
	shape *shape
}

var (
	value  = &shape{scalar: true}
	values = &shape{names: value} // a mapping of single values, such as tags

	thresholdShape = &shape{
		scalar: true,
		items: &shape{scalar: true, keys: []key{
			{"threshold", value}, {"abortOnFail", value}, {"delayAbortEval", value},
		}},
	}

	stageShape = &shape{keys: []key{{"target", value}, {"duration", value}, {"name", value}}}

	keysShape = &shape{keys: []key{
		{"fixture", value},
		{"first", value},
		{"list", &shape{items: value}},
		{"range", &shape{items: value}},
		{"string", value},
		{"alphabet", value},
		{"time", value},
		{"feeder", value},
		{"column", value},
		{"field", value},
		{"choice", value},
		{"exponent", value},
		{"secret", secretSource},
	}}

	stepShape = &shape{
		keys: []key{
			{"name", value},
			{"grpc", callShape},
			{"method", value},
			{"path", value},
			{"headers", secretTexts},
			{"auth", authShape},
			{"body", bodyText},
			{"bodyFile", value},
			{"json", &shape{any: true}},
			{"form", formShape},
			{"multipart", multipartShape},
			{"expectedStatus", &shape{scalar: true, items: value}},
			{"checks", &shape{items: checkShape}},
			{"extract", &shape{names: extractShape}},
			{"timeout", value},
			{"redirects", value},
			{"stream", value},
			{"goodput", &shape{keys: []key{{"firstToken", value}, {"tokenTime", value}}}},
			{"click", value},
			{"tags", values},
			{"thresholds", &shape{names: thresholdShape}},
			{"pause", pauseShape},
			{"repeat", pauseShape},
			{"if", conditionShape},
			{"until", pollShape},
		},
		foreign: map[string]string{
			"url":   "the target's address is in target.url; use path for what follows it",
			"check": "use checks", "status": "use expectedStatus",
			"weight": "a flow has a weight, its steps have none",
			"values": "write it beside steps: a flow's steps share its values",
		},
	}

	// requestShape is that of a request that is an iteration of its own, and of a flow.
	requestShape = &shape{
		keys: append([]key{
			{"weight", value},
			{"values", &shape{names: keysShape}},
			{"steps", &shape{items: flowStepShape}},
		}, stepShape.keys...),
		foreign: map[string]string{
			"url":   stepShape.foreign["url"],
			"check": "use checks", "status": "use expectedStatus", "flow": "give it a name and steps",
		},
	}

	scenarioShape = &shape{
		keys: []key{
			{"executor", value},
			{"engine", value},
			{"region", value},
			{"startTime", value},
			{"warmup", value},
			{"warmupLimit", value},
			{"rate", value},
			{"timeUnit", value},
			{"duration", value},
			{"startRate", value},
			{"arrivals", value},
			{"amplitude", value},
			{"period", value},
			{"size", value},
			{"every", value},
			{"stages", &shape{items: stageShape}},
			{"vus", value},
			{"startVUs", value},
			{"iterations", value},
			{"maxDuration", value},
			{"network", value},
			{"cpu", value},
			{"thinkTime", &shape{scalar: true, keys: []key{{"min", value}, {"max", value}}}},
			{"maxVUs", value},
			{"subscribers", value},
			{"rampUp", value},
			{"protocol", value},
			{"event", &shape{keys: []key{{"id", value}, {"of", value}, {"time", value}}}},
			{"retry", value},
			{"resume", value},
			{"file", value},
			{"format", value},
			{"fields", recordedFieldsShape},
			{"skipBadLines", value},
			{"speed", value},
			{"name", value},
			{"headers", secretTexts},
			{"auth", authShape},
			{"cookies", value},
			{"login", lifeShape},
			{"expectedStatus", &shape{scalar: true, items: value}},
			{"timeout", value},
			{"gracefulStop", value},
			{"tags", values},
			{"thresholds", &shape{names: thresholdShape}},
			{"requests", &shape{items: requestShape}},
		},
		foreign: map[string]string{
			"preAllocatedVUs":  "nothing is allocated in advance here: use maxVUs",
			"gracefulRampDown": "a user who is to go ends its iteration first; gracefulStop limits that at the end",
			"exec":             "write what is sent under requests",
			"env":              "write keys under values of a request",
		},
	}

	environmentShape = &shape{keys: []key{
		{"fixtures", &shape{keys: []key{{"resources", value}}}},
		{"replica", value},
		{"instances", value},
		{"balancer", value},
		{"edge", value},
		{"regions", &shape{names: &shape{keys: []key{{"primary", value}, {"users", value}, {"distances", values}}}}},
		{"images", &shape{keys: []key{{"postgres", value}, {"cache", value}, {"balancer", value}, {"edge", value}}}},
		{"postgres", values},
		{"server", secretTexts}, // which there are, the server knows
	}}

	faultShape = &shape{
		keys:    []key{{"at", value}, {"target", value}, {"instance", value}, {"region", value}, {"action", value}},
		foreign: map[string]string{"startTime": "use at", "time": "use at"},
	}

	experimentShape = &shape{keys: []key{
		{"base", value},
		{"head", value},
		{"baseCommand", value},
		{"headCommand", value},
		{"baseImage", value},
		{"headImage", value},
		{"baseUrl", value},
		{"headUrl", value},
		{"build", value},
		{"command", value},
		{"ready", value},
		{"readyWithin", value},
		{"maxTime", value},
		{"tolerance", value},
		{"alpha", value},
		{"slice", value},
		{"discard", value},
		{"warmup", value},
	}}

	planShape = &shape{keys: []key{
		{"name", value},
		{"description", value},
		{"include", includeShape},
		{"seed", value},
		{"engine", value},
		{"pacing", value},
		{"trace", &shape{keys: []key{{"ratio", value}}}},
		{"tags", values},
		{"target", &shape{keys: []key{
			{"url", value},
			{"urls", &shape{items: value}},
			{"proxy", value},
			{"socket", value},
			{"metrics", &shape{scalar: true, items: value}},
		}}},
		{"tls", tlsShape},
		{"http", httpShape},
		{"grpc", grpcShape},
		{"environment", environmentShape},
		{"feeders", &shape{names: feederShape}},
		{"setup", lifeShape},
		{"teardown", lifeShape},
		{"scenarios", &shape{names: scenarioShape}},
		{"faults", &shape{items: faultShape}},
		{"redact", &shape{items: value}},
		{"thresholds", &shape{names: thresholdShape}},
		{"experiment", experimentShape},
		{"regression", &shape{names: &shape{scalar: true, items: value}}},
	}}
)

// find returns the shape of a key of a mapping; nil when there is no such key.
func (s *shape) find(name string) *shape {
	if s.any {
		return s
	}
	if s.names != nil {
		return s.names
	}
	for _, k := range s.keys {
		if k.name == name {
			return k.shape
		}
	}
	return nil
}

func (s *shape) isMapping() bool { return s.keys != nil || s.names != nil }

// unknown says what to do about a key that the shape does not have.
func (s *shape) unknown(name string) (hint string) {
	if hint := s.foreign[name]; hint != "" {
		return hint
	}
	return suggest(name, s.known())
}

// known are the keys of the shape.
func (s *shape) known() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

func (s *shape) allows(k kind) bool {
	if s.any {
		return true
	}
	switch k {
	case scalar:
		return s.scalar
	case sequence:
		return s.items != nil
	}
	return s.isMapping()
}

// kinds names what the shape allows: "a single value or a list".
func (s *shape) kinds() string {
	var names []string
	for _, k := range []kind{scalar, sequence, mapping} {
		if s.allows(k) {
			names = append(names, string(k))
		}
	}
	return strings.Join(names, " or ")
}

// checkShape reports everything at and below n that the shape does not allow. Unknown keys are removed; values of the
// wrong form are marked bad, so that what remains can be read without looking at its form again, and so that nothing is
// called missing that is only wrong.
func (r *reader) checkShape(n *node, s *shape, path string) {
	n.path = path
	switch {
	case n.bad:
		return
	case s.any:
		r.anyShape(n, path)
		return
	case n.null:
		r.bad(n, "give it one or remove the line", "%s has no value", path)
	case !s.allows(n.kind):
		r.bad(n, "", "%s must be %s, not %s", orFile(path), s.kinds(), n.kind)
	case n.binary && !s.binary:
		r.bad(n, "write it as a text", "%s cannot be binary", path)
	}
	for i, item := range n.items {
		r.checkShape(item, s.items, itemPath(path, i, item))
	}
	kept := n.entries[:0]
	for _, e := range n.entries {
		if inner := s.find(e.key); inner != nil {
			r.checkShape(e.value, inner, join(path, e.key))
			kept = append(kept, e)
			continue
		}
		r.faultAt(e.at, s.unknown(e.key), "unknown key %q%s", e.key, in(path))
		if meant := Nearest(e.key, s.known()); meant != "" && n.get(meant) == nil {
			kept = append(kept, entry{meant, e.at, &node{kind: scalar, at: e.at, keyAt: e.at, bad: true}})
		}
	}
	n.entries = kept
}

// anyShape names everything at and below n, which may be anything but binary.
func (r *reader) anyShape(n *node, path string) {
	n.path = path
	if n.binary {
		r.bad(n, "JSON has texts only: write it as one", "%s cannot be binary", path)
	}
	for i, item := range n.items {
		r.anyShape(item, itemPath(path, i, item))
	}
	for _, e := range n.entries {
		r.anyShape(e.value, join(path, e.key))
	}
}

// bad reports a fault and marks the node, so that it is not read.
func (r *reader) bad(n *node, hint, format string, args ...any) {
	r.fault(n, hint, format, args...)
	n.bad, n.entries, n.items = true, nil, nil
}

func orFile(path string) string {
	if path == "" {
		return "a scenario file"
	}
	return path
}

// in is " in path", or nothing at the top of the file.
func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// itemPath names an item by its name if it has one, or by its number in the file.
func itemPath(path string, index int, item *node) string {
	if name := item.get("name"); name != nil && name.kind == scalar && name.text != "" {
		return join(path, name.text)
	}
	return join(path, strconv.Itoa(index))
}

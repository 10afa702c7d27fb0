package scenarios

import (
	"slices"
	"time"
)

// Repeat says how often something is done in an iteration: each time as often as from Least to Most, at random. Both
// are 0 for what is done once.
type Repeat struct{ Least, Most int }

// Block is a group of steps of a flow that are repeated together, or left out together.
type Block struct {
	Steps  int // of the flow, from the one that has it on
	Repeat Repeat
	If     *Condition // nil: they are never left out
}

// Condition is held against a value that the flow knows: one of its values, or what a step before has extracted. Of the
// check only the test and what that needs is used. A value that is empty does not exist.
type Condition struct {
	Value string
	Check
}

// Poll has a step sent again until its answer meets a check.
type Poll struct {
	Check
	Retries int       // how often it is sent again at most
	Pause   ThinkTime // before each of these
}

// Bounds and defaults of the course of a flow.
const (
	maxRepeat           = 1000
	defaultRetries      = 10
	defaultPollingPause = time.Second
)

var (
	pauseShape     = &shape{scalar: true, keys: []key{{"min", value}, {"max", value}}}
	conditionShape = &shape{keys: []key{
		{"value", value},
		{"exists", value},
		{"equals", value},
		{"contains", value},
		{"regex", value},
		{"min", value},
		{"max", value},
	}}
	pollShape = &shape{
		keys:    append(slices.Clone(checkShape.keys[1:]), key{"retries", value}, key{"pause", pauseShape}),
		foreign: checkShape.foreign,
	}

	// courseKeys are those of a step that say when it is sent, and how often.
	courseKeys = []key{{"pause", pauseShape}, {"repeat", pauseShape}, {"if", conditionShape}, {"until", pollShape}}

	// flowStepShape is that of a step of a flow, and of a group of them.
	flowStepShape = &shape{
		keys:    append(slices.Clone(stepShape.keys), key{"steps", &shape{items: stepShape}}),
		foreign: stepShape.foreign,
	}
)

// noCourse refuses the keys of steps where n is none; why says what to do.
func (r *reader) noCourse(n *node, what, why string) {
	for _, k := range courseKeys {
		if found := n.get(k.name); found != nil {
			r.faultAt(found.keyAt, why, "%s belongs to %s", found.path, what)
		}
	}
}

// leaf is a step of a flow.
type leaf struct {
	*node
	group *node // that begins with it; nil: none
	steps int   // of the group
}

// leaves are the steps of a list, those of groups among them, in their order.
func leaves(steps *node) (all []leaf) {
	if steps == nil {
		return nil
	}
	for _, item := range steps.items {
		inner := item.get("steps")
		if inner == nil {
			all = append(all, leaf{node: item})
			continue
		}
		for i, step := range inner.items {
			one := leaf{node: step}
			if i == 0 {
				one.group, one.steps = item, len(inner.items)
			}
			all = append(all, one)
		}
	}
	return all
}

// leavesOf are the steps of a flow.
func (r *reader) leavesOf(steps *node) []leaf {
	for _, item := range steps.items {
		if inner := item.get("steps"); inner != nil {
			r.group(item, inner)
		}
	}
	return leaves(steps)
}

// group holds a group of steps against what it may have.
func (r *reader) group(n, steps *node) {
	for _, e := range n.entries {
		if !slices.Contains([]string{"steps", "repeat", "if", "name"}, e.key) {
			r.faultAt(e.at, "write it there", "%s belongs to a step of the group", e.value.path)
		}
	}
	if n.get("repeat") == nil && n.get("if") == nil {
		r.faultAt(n.keyAt, "or write its steps among the others",
			"%s is a group of steps: it needs repeat or if", n.path)
	}
	if !steps.bad && len(steps.items) == 0 {
		r.fault(steps, "", "%s is empty", steps.path)
	}
}

// before reads what is to be known before a step is sent: whether, and how often with those that follow. It is called
// before what the step extracts is known.
func (r *reader) before(n leaf, first bool, holes *holes) (block *Block, condition *Condition) {
	if n.group != nil {
		block = &Block{
			Steps: n.steps, Repeat: r.times(n.group.get("repeat")),
			If: r.holdsIf(n.group.get("if"), first, holes),
		}
	}
	return block, r.holdsIf(n.get("if"), first, holes)
}

// holdsIf reads a condition; first says that it is that of the first step.
func (r *reader) holdsIf(n *node, first bool, holes *holes) *Condition {
	if !given(n) {
		return nil
	}
	if first {
		r.faultAt(n.keyAt, "an iteration sends at least one request: give flows weights",
			"%s is of the first step", n.path)
		return nil
	}
	of := r.need(n, "value", "value: token")
	if !given(of) {
		return nil
	}
	if _, secret := holes.secretOf[of.text]; secret {
		r.fault(of, "", "%s is a secret, which is always the same", of.path)
		return nil
	}
	holes.use(of, of.text)
	c := &Condition{Value: of.text}
	r.condition(n, &c.Check)
	return c
}

// pace reads when the requests of a step are sent, and how often.
func (r *reader) pace(n *node, request *Request) {
	request.Pause = r.pause(n.get("pause"), "pause")
	request.Repeat = r.times(n.get("repeat"))
	until := n.get("until")
	if !given(until) {
		return
	}
	request.Until = &Poll{
		Check:   r.subject(until),
		Retries: int(r.whole(until.get("retries"), defaultRetries, 1, maxRepeat)),
		Pause:   ThinkTime{defaultPollingPause, defaultPollingPause},
	}
	if pause := until.get("pause"); pause != nil {
		request.Until.Pause = r.pause(pause, "pause")
	}
}

func (r *reader) times(n *node) Repeat {
	if !given(n) {
		return Repeat{}
	}
	if n.kind == scalar {
		times := int(r.whole(n, 1, 1, maxRepeat))
		return Repeat{times, times}
	}
	const example = "repeat: {min: 1, max: 5}"
	least, most := r.need(n, "min", example), r.need(n, "max", example)
	repeat := Repeat{int(r.whole(least, 1, 1, maxRepeat)), int(r.whole(most, maxRepeat, 1, maxRepeat))}
	if given(least) && repeat.Least > repeat.Most {
		r.fault(least, "", "%s is %d, more than %s, %d", least.path, repeat.Least, most.path, repeat.Most)
	}
	return repeat
}

// noPauseAtEnd refuses a pause for which no request waits.
func (r *reader) noPauseAtEnd(steps []leaf) {
	if len(steps) == 0 {
		return
	}
	last := steps[len(steps)-1]
	if pause := last.get("pause"); pause != nil && last.get("repeat") == nil && !r.repeats(steps) {
		r.faultAt(pause.keyAt, "users pause between iterations with thinkTime",
			"%s: no request of the flow follows", pause.path)
	}
}

// repeats reports whether the last steps are a group, which may be gone through again.
func (r *reader) repeats(steps []leaf) bool {
	for i, s := range steps {
		if s.group != nil && s.group.get("repeat") != nil && i+s.steps == len(steps) {
			return true
		}
	}
	return false
}

// flowNames are the flows of a plan.
type flowNames struct {
	all []string           // sorted
	of  map[[2]string]bool // by scenario and flow
	any map[string]bool    // scenarios that have one
}

func newFlowNames(p *Plan) *flowNames {
	f := &flowNames{of: map[[2]string]bool{}, any: map[string]bool{}}
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		for k := range s.Requests {
			if flow := s.Requests[k].Flow; flow != "" && s.Requests[k].Step == 0 {
				f.all = append(f.all, flow)
				f.of[[2]string{s.Name, flow}], f.any[s.Name] = true, true
			}
		}
	}
	slices.Sort(f.all)
	f.all = slices.Compact(f.all)
	return f
}

// flowSelector holds a selector of flows against those that the plan has.
func (r *reader) flowSelector(e entry, selector map[string]string, scope thresholdScope) (ok bool) {
	if r.vague {
		return true
	}
	flow, one := selector[tagFlow]
	scenario, chosen := selector[tagScenario]
	_, known := slices.BinarySearch(scope.flows.all, flow)
	missing := chosen && (one && !scope.flows.of[[2]string{scenario, flow}] || !scope.flows.any[scenario])
	switch {
	case len(scope.flows.all) == 0:
		r.faultAt(e.at, "the time of an iteration of one request is http_req_duration",
			"%s judges flows, and no scenario has one", e.key)
	case one && !known:
		r.faultAt(e.at, r.suggest(flow, scope.flows.all), "%s selects nothing: no flow is %.60q", e.key, flow)
	case missing && slices.Contains(scope.scenarios, scenario):
		r.faultAt(e.at, "", "%s selects nothing: the scenario has no such flow", e.key)
	default:
		return true
	}
	return false
}

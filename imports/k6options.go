package imports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options makes scenarios of what a script exports as options
// (https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/).
func (s *script) options(options *jsValue) {
	if all := options.member("scenarios"); all != nil && len(all.members) > 0 {
		for _, m := range all.members {
			s.scenario(m.name, m.value)
		}
	} else {
		s.scenario("default", options)
	}
	if thresholds := options.member("thresholds"); thresholds != nil {
		for _, m := range thresholds.members {
			s.threshold(m.name, m.value)
		}
	}
	carried := []string{
		"scenarios", "thresholds", "vus", "duration", "iterations", "stages", "summaryTrendStats", "systemTags",
	}
	for _, m := range options.members {
		if !slices.Contains(carried, m.name) {
			s.d.leaveOut(0, 0, "the option %.60s of the script", m.name)
		}
	}
}

// scenario makes a scenario of one of k6, and of the options themselves, which stand for one.
func (s *script) scenario(name string, o *jsValue) {
	function := "default"
	if exec := o.member("exec"); exec != nil {
		function, _ = exec.literal()
	}
	f := s.exports[function]
	if f == nil || f.function == nil {
		s.d.leaveOut(0, 0, "the scenario %s: the script exports no function %s", name, function)
		return
	}
	s.flow, s.pauses, s.paused = &request{name: nameOf(name, "flow")}, nil, false
	s.names, s.values = map[string]bool{}, map[string]value{}
	for _, m := range members(o.member("env")) {
		s.d.leaveOut(0, 0, "the variable %.60s of the scenario %s", m.name, name)
	}
	s.call(f.function, []*jsValue{{kind: jsUnknown}})
	steps := s.flow.steps
	values := s.flow.values
	s.flow = nil
	if len(steps) == 0 {
		s.d.leaveOut(0, 0, "the scenario %s: its function sends nothing that can be read from the script", name)
		return
	}
	steps[0].values = append(steps[0].values, values...)
	before := len(s.d.groups)
	s.d.sequence(nameOf(name, "default"), steps, s.load(name, o))
	if len(s.d.groups) > before {
		s.think(s.d.groups[before])
	}
}

func members(v *jsValue) []jsMember {
	if v == nil {
		return nil
	}
	return v.members
}

// think is what sleep() becomes: users pause at the end of an iteration.
func (s *script) think(g *group) {
	if len(s.pauses) == 0 {
		return
	}
	closed := g.load[0].value == "constant-vus"
	last := s.pauses[len(s.pauses)-1]
	if closed && s.paused && last > 0 && last < 86400 {
		at := min(2, len(g.load))
		g.load = slices.Insert(slices.Clone(g.load), at, setting{"thinkTime", seconds(last)})
		if len(s.pauses) == 1 {
			return
		}
	}
	s.d.leaveOut(0, 0, "sleep() in %s, except for a last one of users", g.name)
}

func seconds(n float64) string {
	return time.Duration(math.Max(1, math.Round(n*1000)) * float64(time.Millisecond)).String()
}

// durationOf is a duration of k6 as scenario files have it; empty for one that is none, or longer than a day.
func durationOf(s string) string {
	s = strings.TrimSpace(s)
	var days time.Duration
	if before, after, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseFloat(before, 64)
		if err != nil {
			return ""
		}
		days, s = time.Duration(n*24*float64(time.Hour)), after
		if s == "" {
			s = "0s"
		}
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil { // milliseconds
		s = strconv.FormatFloat(n, 'f', -1, 64) + "ms"
	}
	length, err := time.ParseDuration(s)
	if err != nil || length+days < 0 || length+days > 24*time.Hour {
		return ""
	}
	return (length + days).String()
}

// load is the load of a scenario.
func (s *script) load(name string, o *jsValue) (all []setting) {
	text := func(key string) string {
		v, _ := literalOf(o.member(key))
		return v
	}
	executor := text("executor")
	if executor == "" {
		executor = "constant-vus"
		if o.member("stages") != nil {
			executor = "ramping-vus"
		} else if o.member("iterations") != nil {
			executor = "shared-iterations"
		}
	}
	duration := s.configured(o.member("duration"), durationOf)
	if duration == "" || duration == "0s" {
		duration = "1m0s"
	}
	switch executor {
	case "constant-arrival-rate":
		rate := s.configured(o.member("rate"), positive)
		if rate == "" {
			rate = "10"
			s.d.leaveOut(0, 0, "the rate of %s: the one that is there is a guess", name)
		}
		all = []setting{{"executor", executor}, {"rate", rate}, {"duration", duration}}
		all = append(all, s.open(o)...)
	case "ramping-arrival-rate":
		all = []setting{{"executor", executor}}
		if start := text("startRate"); start != "" {
			all = append(all, setting{"startRate", cmp.Or(positive(start), "0")})
		}
		all = append(all, setting{"stages", s.stages(o.member("stages"), name)})
		all = append(all, s.open(o)...)
	default:
		all = s.closed(name, executor, o, duration)
	}
	for _, key := range []string{"startTime", "gracefulStop"} {
		if d := durationOf(text(key)); d != "" {
			all = append(all, setting{key, d})
		}
	}
	return all
}

func literalOf(v *jsValue) (s string, ok bool) {
	if v == nil {
		return "", false
	}
	return v.literal()
}

// configured is a value of the options as a scenario file has it: one that is written out, or a variable of the
// environment with one as its default. It is empty for others, and for those that valid is empty for.
func (s *script) configured(v *jsValue, valid func(string) string) string {
	if v == nil {
		return ""
	}
	if literal, ok := v.literal(); ok {
		return valid(literal)
	}
	if v.kind != jsText || len(v.text) != 1 || v.text[0].variable == "" {
		return ""
	}
	name := v.text[0].variable
	if fallback := valid(s.d.fallbacks[name]); fallback != "" {
		return "${" + name + ":-" + fallback + "}"
	}
	return ""
}

// positive is a number above 0, and empty for other texts.
func positive(s string) string {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n > 0 && n <= 1_000_000 {
		return numberText(n)
	}
	return ""
}

// users is a number of users, and empty for other texts.
func users(s string) string {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 1 {
		return ""
	}
	return strconv.Itoa(int(math.Min(n, 100_000)))
}

// open are the keys that all executors with a rate have.
func (s *script) open(o *jsValue) (all []setting) {
	if unit, ok := literalOf(o.member("timeUnit")); ok {
		if d := durationOf(unit); d != "" && d != "0s" {
			all = append(all, setting{"timeUnit", d})
		}
	}
	most := 0.0
	for _, key := range []string{"preAllocatedVUs", "maxVUs"} {
		if v := o.member(key); v != nil && v.kind == jsNumber {
			most = math.Max(most, v.number)
		}
	}
	if most >= 1 {
		all = append(all, setting{"maxVUs", strconv.Itoa(int(math.Min(most, 100_000)))})
	}
	return all
}

// stages are those of a ramp, as YAML.
func (s *script) stages(list *jsValue, name string) string {
	var all []string
	moving := false
	if list != nil {
		for _, stage := range list.items {
			target, okTarget := literalOf(stage.member("target"))
			length, okLength := literalOf(stage.member("duration"))
			n, err := strconv.ParseFloat(target, 64)
			d := durationOf(length)
			if !okTarget || !okLength || err != nil || n < 0 || d == "" {
				s.d.leaveOut(0, 0, "a stage of %s whose target and duration are not written out", name)
				continue
			}
			moving = moving || n > 0 && d != "0s"
			all = append(all, fmt.Sprintf("{target: %s, duration: %s}", target, d))
		}
	}
	if !moving {
		all = append(all, "{target: 10, duration: 1m}")
		s.d.leaveOut(0, 0, "the stages of %s: the one that is there is a guess", name)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// closed is a load of users. Those whose number changes, or who end after some iterations, become users who are there
// all the time.
func (s *script) closed(name, executor string, o *jsValue, duration string) []setting {
	vus, length := s.configured(o.member("vus"), users), duration
	if vus == "" {
		vus = "1"
	}
	if executor == "ramping-vus" {
		vus, length = s.ramped(o, duration)
	}
	if executor != "constant-vus" {
		s.d.leaveOut(0, 0, "the executor %s of %s: as many users as at its most, for its whole duration", executor,
			name)
	}
	return []setting{{"executor", "constant-vus"}, {"vus", vus}, {"duration", length}}
}

// ramped are the most users of the stages of a scenario, and how long all of them take.
func (s *script) ramped(o *jsValue, duration string) (vus, length string) {
	most, sum := 1.0, time.Duration(0)
	for _, stage := range stagesOf(o) {
		target, _ := literalOf(stage.member("target"))
		if n, err := strconv.ParseFloat(target, 64); err == nil {
			most = math.Max(most, n)
		}
		text, _ := literalOf(stage.member("duration"))
		if d, err := time.ParseDuration(durationOf(text)); err == nil {
			sum += d
		}
	}
	length = duration
	if sum > 0 && sum <= 24*time.Hour {
		length = sum.String()
	}
	return users(numberText(most)), length
}

func stagesOf(o *jsValue) []*jsValue {
	if stages := o.member("stages"); stages != nil {
		return stages.items
	}
	return nil
}

// threshold adds a gate. Whether there is such a one here is found out when the scenario is written.
func (s *script) threshold(metric string, v *jsValue) {
	g := &gate{metric: metricName(metric)}
	items := v.items
	if v.kind != jsArray {
		items = []*jsValue{v}
	}
	for _, item := range items {
		e := expression{}
		if item.kind == jsObject {
			e.text, _ = literalOf(item.member("threshold"))
			if abort := item.member("abortOnFail"); abort != nil {
				e.abort = abort.truth
			}
			delay, _ := literalOf(item.member("delayAbortEval"))
			e.delay = durationOf(delay)
		} else {
			e.text, _ = item.literal()
		}
		if e.text != "" {
			g.expressions = append(g.expressions, e)
		}
	}
	twice := slices.ContainsFunc(s.d.gates, func(o *gate) bool { return o.metric == g.metric })
	if len(g.expressions) > 0 && !twice {
		s.d.gates = append(s.d.gates, g)
	}
}

// metricName is a metric with its selector. Names of requests are what a scenario file makes of them.
func metricName(metric string) string {
	base, selector, found := strings.Cut(strings.TrimSuffix(metric, "}"), "{")
	if !found {
		return base
	}
	var kept []string
	for tag := range strings.SplitSeq(selector, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(tag), ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "name" {
			value = nameOf(value, value)
		}
		kept = append(kept, name+":"+value)
	}
	return base + "{" + strings.Join(kept, ",") + "}"
}

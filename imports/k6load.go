package imports

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// load is the load of a scenario.
func (s *script) load(name string, o *jsValue) (all []setting) {
	executor, _ := literalOf(o.member("executor"))
	switch {
	case executor != "":
	case given(o.member("stages")):
		executor = "ramping-vus"
	case given(o.member("iterations")):
		executor = "shared-iterations"
	default:
		executor = "constant-vus"
	}
	duration := s.configured(o.member("duration"), durationOf)
	if duration == "" || duration == "0s" {
		duration = "1m"
		if executor == "constant-vus" || executor == "constant-arrival-rate" {
			s.d.leaveOut(0, 0, "the script says nothing of how long %s takes: the duration that is there is a guess",
				name)
		}
	}
	switch executor {
	case "constant-arrival-rate":
		rate := s.configured(o.member("rate"), positive)
		if rate == "" {
			rate = "10"
			s.d.leaveOut(0, 0, "the rate of %s: the one that is there is a guess", name)
		}
		all = []setting{{"executor", executor}, {"rate", rate}, {"duration", duration}}
		all = append(all, s.open(name, o)...)
	case "ramping-arrival-rate":
		all = []setting{{"executor", executor}}
		if start := s.option(name, o, "startRate", rate); start != "" {
			all = append(all, setting{"startRate", start})
		}
		all = append(all, setting{"stages", s.stages(o.member("stages"), name, rate)})
		all = append(all, s.open(name, o)...)
	case "ramping-vus":
		all = s.rampingUsers(name, o)
	case "shared-iterations", "per-vu-iterations":
		all = s.iterations(name, executor, o)
	default:
		all = s.constantUsers(name, executor, o, duration)
	}
	for _, key := range []string{"startTime", "gracefulStop"} {
		if d := s.option(name, o, key, durationOf); d != "" {
			all = append(all, setting{key, d})
		}
	}
	return all
}

// given reports whether an option is there.
func given(v *jsValue) bool { return v != nil && v.kind != jsNothing }

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

// option is an option of a scenario, as configured has it. One that is there and cannot be read is listed.
func (s *script) option(scenario string, o *jsValue, key string, valid func(string) string) string {
	v := o.member(key)
	written := s.configured(v, valid)
	literal, _ := literalOf(v)
	n, err := strconv.ParseFloat(literal, 64)
	switch {
	case written == "" && given(v):
		s.d.leaveOut(0, 0, "the %s of %s, which the script computes", key, scenario)
	case err == nil && n > mostUsers && written == strconv.Itoa(mostUsers):
		s.d.leaveOut(0, 0, "the %s of %s: a scenario has at most %d users", key, scenario, mostUsers)
	}
	return written
}

// positive is a number above 0, and empty for other texts.
func positive(s string) string {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n > 0 && n <= 1_000_000 {
		return numberText(n)
	}
	return ""
}

const mostUsers = 100_000

// users is a number of users, and empty for other texts.
func users(s string) string {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 1 {
		return ""
	}
	return strconv.Itoa(int(math.Min(n, mostUsers)))
}

// rate is a rate or number of 0 or more, and empty for other texts.
func rate(s string) string {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n <= 1_000_000 {
		return numberText(n)
	}
	return ""
}

// usersOrNone is a number of users, of which there may be none.
func usersOrNone(s string) string {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1 {
		return "0"
	}
	return users(s)
}

// open are the keys that all executors with a rate have.
func (s *script) open(name string, o *jsValue) (all []setting) {
	if unit := s.option(name, o, "timeUnit", durationOf); unit != "" && unit != "0s" {
		all = append(all, setting{"timeUnit", unit})
	}
	most := s.option(name, o, "maxVUs", users)
	if most == "" {
		most = s.option(name, o, "preAllocatedVUs", users)
	}
	if most != "" {
		all = append(all, setting{"maxVUs", most})
	}
	return all
}

// stages are those of a ramp, as YAML; target is what is valid as one.
func (s *script) stages(list *jsValue, name string, target func(string) string) string {
	var all []string
	moving := false
	if list != nil {
		for _, stage := range list.items {
			to := s.configured(stage.member("target"), target)
			d := s.configured(stage.member("duration"), durationOf)
			if to == "" || d == "" {
				s.d.leaveOut(0, 0, "a stage of %s whose target and duration are not written out", name)
				continue
			}
			moving = moving || to != "0" && d != "0s"
			to, d = inBraces(to), inBraces(d)
			all = append(all, fmt.Sprintf("{target: %s, duration: %s}", to, d))
		}
	}
	if !moving {
		all = append(all, "{target: 10, duration: 1m}")
		s.d.leaveOut(0, 0, "the stages of %s: the one that is there is a guess", name)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// inBraces is a value as it may stand in braces, where a variable needs quotes.
func inBraces(s string) string {
	if strings.HasPrefix(s, "$") {
		return strconv.Quote(s)
	}
	return s
}

func (s *script) rampingUsers(name string, o *jsValue) []setting {
	all := []setting{{"executor", "ramping-vus"}}
	start := s.option(name, o, "startVUs", usersOrNone)
	if start == "" {
		start = s.option(name, o, "vus", users) // of the options themselves
	}
	if start != "" && start != "1" {
		all = append(all, setting{"startVUs", start})
	}
	if v := o.member("gracefulRampDown"); v != nil {
		s.d.leaveOut(0, 0, "gracefulRampDown of %s: who is to go ends its iteration first", name)
	}
	return append(all, setting{"stages", s.stages(o.member("stages"), name, usersOrNone)})
}

func (s *script) iterations(name, executor string, o *jsValue) []setting {
	const most = 1_000_000_000
	whole := func(text string) string {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < 1 || n > most {
			return ""
		}
		return strconv.Itoa(int(n))
	}
	vus := cmp.Or(s.option(name, o, "vus", users), "1")
	iterations := cmp.Or(s.option(name, o, "iterations", whole), "1")
	n, errN := strconv.Atoi(iterations)
	if v, err := strconv.Atoi(vus); err == nil && errN == nil && executor == "shared-iterations" && n < v {
		vus = iterations // each user has one
	}
	all := []setting{{"executor", executor}, {"vus", vus}, {"iterations", iterations}}
	longest := s.option(name, o, "maxDuration", durationOf)
	if o.member("maxDuration") == nil && o.member("executor") == nil {
		longest = s.option(name, o, "duration", durationOf)
	}
	if longest != "" && longest != "0s" {
		all = append(all, setting{"maxDuration", longest})
	}
	return all
}

// constantUsers is a load of users who are there all the time.
func (s *script) constantUsers(name, executor string, o *jsValue, duration string) []setting {
	if executor != "constant-vus" {
		s.d.leaveOut(0, 0, "the executor %.40s of %s: users who are there all the time stand for it", executor, name)
	}
	vus := cmp.Or(s.option(name, o, "vus", users), "1")
	return []setting{{"executor", "constant-vus"}, {"vus", vus}, {"duration", duration}}
}

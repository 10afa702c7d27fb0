package imports

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// threads makes a scenario of a thread group, or of one that is sent once a flow before or after the load.
func (p *plan) threads(e *element, in scope) {
	p.flow, p.login, p.first, p.block, p.ended = nil, nil, pause{}, nil, loopEnd{back: func() {}}
	defer func(values, csv []value, rate *throughput, cookies bool) { // those of the plan go for the next group, too
		p.values, p.csv, p.rate, p.cookies = values, csv, rate, cookies
	}(p.values, p.csv, p.rate, p.cookies)
	p.values, p.csv = slices.Clip(p.values), slices.Clip(p.csv)
	p.group = e
	p.passed(e, e.prop)
	p.walk(e.children, in)
	p.group = nil
	cookies := p.cookies
	flow, login := p.flow, p.login
	if len(flow) == 0 { // all of it is sent once
		flow, login = login, nil
	}
	if len(flow) == 0 {
		p.d.leaveOut(e.line, e.column, "%s %.80q, which sends nothing that a scenario could", e.kind, e.name)
		return
	}
	behind := p.endFlow(flow)
	for _, first := range [][]*request{flow, login} {
		if len(first) > 0 {
			first[0].values = append(append(first[0].values, p.values...), p.csv...)
		}
	}
	switch e.kind {
	case "SetupThreadGroup":
		p.once(e, &p.d.setup, append(login, flow...), "setup_")
	case "PostThreadGroup":
		p.once(e, &p.d.teardown, append(login, flow...), "")
	default:
		before := len(p.d.groups)
		p.d.sequence(nameOf(e.name, "threads"), flow, p.load(e, flow))
		for _, g := range p.d.groups[before:] {
			g.cookies = cookies
			if g.hasUsers() && len(g.requests) == 1 {
				g.think = behind
			} else if !behind.isZero() {
				p.d.leaveOut(e.line, e.column, "the pause between the iterations of %.80q", e.name)
			}
			if len(login) > 0 {
				g.login = &request{name: "login", steps: p.plainSteps(login)}
			}
		}
	}
}

// plainSteps are steps without what belongs to the load alone.
func (p *plan) plainSteps(steps []*request) []*request {
	for _, step := range steps {
		if step.block != nil {
			p.d.leaveOut(step.line, step.column, "that %.80q is sent %d times: outside of the load it is sent once",
				step.name, step.block.repeat)
		}
		step.pause, step.block, step.tags = pause{}, nil, nil
	}
	return steps
}

// once adds the steps of a thread group that is not a part of the load. Other groups do not know what it extracts.
func (p *plan) once(e *element, flow **request, steps []*request, prefix string) {
	const most = 100
	if *flow == nil {
		*flow = &request{name: strings.TrimSuffix(prefix, "_")}
	}
	for _, step := range steps {
		for i, x := range step.extract {
			for _, later := range steps {
				later.renameHole(x.name, prefix+x.name)
			}
			step.extract[i].name = prefix + x.name
		}
	}
	(*flow).steps = append((*flow).steps, p.plainSteps(steps)...)
	if len((*flow).steps) > most {
		p.d.leaveOut(e.line, e.column, "what follows the first %d requests of %.80q", most, e.name)
		(*flow).steps = (*flow).steps[:most]
	}
	threads, _ := p.count(e, "ThreadGroup.num_threads")
	loops, _ := strconv.Atoi(p.plain(p.loops(e)))
	if threads != 1 || loops != 1 {
		p.d.leaveOut(e.line, e.column, "that %.80q sends several times: here it sends once", e.name)
	}
}

// renameHole gives a hole of a request another name.
func (r *request) renameHole(from, to string) {
	rename := func(t *text) {
		for i, p := range *t {
			if p.hole == from {
				(*t)[i].hole = to
			}
		}
	}
	rename(&r.url)
	r.eachText(rename)
}

// loops is how often the threads of a group go through it.
func (p *plan) loops(e *element) string {
	if main := e.props["ThreadGroup.main_controller"]; main != nil {
		return main.prop("LoopController.loops")
	}
	return ""
}

// count is a number of a group from 1 on; ok is false for one that is computed.
func (p *plan) count(e *element, name string) (n int, ok bool) {
	x, err := strconv.ParseFloat(p.plain(e.prop(name)), 64)
	if err != nil || x < 1 {
		return 1, false
	}
	return int(math.Min(x, 100_000)), true
}

// written is a number as the scenario has it: a property of JMeter is a variable with its default.
func (p *plan) written(s string, n int) string {
	if of, otherwise, ok := propertyOf(p.raw(s)); ok && otherwise != "" {
		name := variableName(of)
		p.d.needs(name, "the property "+nameOf(of, "value")+" of JMeter", false)
		return "${" + name + ":-" + strconv.Itoa(n) + "}"
	}
	return strconv.Itoa(n)
}

// load is the load of a thread group.
func (p *plan) load(e *element, flow []*request) (all []setting) {
	if strings.HasSuffix(e.kind, "ConcurrencyThreadGroup") {
		return p.concurrency(e)
	}
	vus, ok := p.count(e, "ThreadGroup.num_threads")
	if !ok {
		p.d.leaveOut(e.line, e.column, "the number of threads of %.80q: the one that is there is a guess", e.name)
	}
	seconds := func(name string) float64 {
		n, err := strconv.ParseFloat(p.plain(e.prop(name)), 64)
		if err != nil || n < 0 {
			return 0
		}
		return math.Min(n, 86400)
	}
	scheduled := e.prop("ThreadGroup.scheduler") == "true"
	ramp, duration := seconds("ThreadGroup.ramp_time"), 0.0
	if scheduled {
		duration = seconds("ThreadGroup.duration")
	}
	loops, err := strconv.Atoi(p.plain(p.loops(e)))
	forever := err != nil || loops < 1
	switch {
	case p.rate != nil:
		all = p.arrivals(e, flow, vus, duration)
	case forever || duration > 0 && loops < 1:
		all = p.users(e, vus, ramp, duration)
	default:
		all = p.iterations(e, vus, loops, ramp, duration)
	}
	if delay := seconds("ThreadGroup.delay"); scheduled && delay > 0 {
		all = append(all, setting{"startTime", secondsText(delay)})
	}
	return all
}

func secondsText(n float64) string {
	return durationText(time.Duration(math.Ceil(math.Min(n, 86400))) * time.Second)
}

// users is a load that goes on for a time, with users who come one after the other in the first part of it.
func (p *plan) users(e *element, vus int, ramp, duration float64) []setting {
	if duration <= 0 {
		duration = math.Max(60, ramp+60)
		p.d.leaveOut(e.line, e.column, "%.80q goes on without an end: the duration that is there is a guess", e.name)
	}
	count := p.written(e.prop("ThreadGroup.num_threads"), vus)
	if ramp <= 1 || vus == 1 {
		return []setting{{"executor", "constant-vus"}, {"vus", count}, {"duration", secondsText(duration)}}
	}
	stages := "[{target: " + inBraces(count) + ", duration: " + secondsText(math.Min(ramp, duration)) + "}"
	if ramp > duration {
		reached := strconv.Itoa(int(math.Max(1, math.Round(float64(vus)*duration/ramp))))
		stages = "[{target: " + reached + ", duration: " + secondsText(duration) + "}"
	}
	if duration > ramp {
		stages += ", {target: " + inBraces(count) + ", duration: " + secondsText(duration-ramp) + "}"
	}
	return []setting{{"executor", "ramping-vus"}, {"startVUs", "0"}, {"stages", stages + "]"}}
}

// iterations is a load that ends when each user has gone through its flow so often.
func (p *plan) iterations(e *element, vus, loops int, ramp, duration float64) []setting {
	if ramp > 1 && vus > 1 {
		p.d.leaveOut(e.line, e.column, "the ramp-up of %.80q, %s: all users start at once", e.name, secondsText(ramp))
	}
	const longest = 86400
	if duration <= 0 {
		duration = longest
	}
	return []setting{
		{"executor", "per-vu-iterations"},
		{"vus", p.written(e.prop("ThreadGroup.num_threads"), vus)},
		{"iterations", p.written(p.loops(e), loops)},
		{"maxDuration", secondsText(duration)},
	}
}

// arrivals is the load of a group that a timer holds to a rate.
func (p *plan) arrivals(e *element, flow []*request, vus int, duration float64) []setting {
	perMinute := p.rate.perMinute
	if p.rate.mode == "" || p.rate.mode == "0" {
		perMinute *= float64(vus)
	}
	if duration <= 0 {
		duration = 60
		p.d.leaveOut(e.line, e.column, "how long %.80q takes: the duration that is there is a guess", e.name)
	}
	p.d.leaveOut(e.line, e.column, "that a slow service is asked less by %.80q: iterations begin at the rate of its "+
		"timer, with as many users at most", e.name)
	if shared := p.rate.mode == "1" || p.rate.mode == "3"; shared && p.groups() > 1 {
		p.d.leaveOut(e.line, e.column, "that the rate of the timer is that of all thread groups together: %.80q has "+
			"it by itself", e.name)
	}
	samples := 0 // that an iteration makes
	for _, step := range flow {
		samples++
		if step.block != nil {
			samples += step.block.repeat - 1
		}
	}
	rate := strconv.FormatFloat(math.Max(0.01, math.Round(perMinute/float64(samples)*100)/100), 'f', -1, 64)
	all := []setting{
		{"executor", "constant-arrival-rate"},
		{"rate", rate},
		{"timeUnit", "1m"},
		{"duration", secondsText(duration)},
		{"maxVUs", strconv.Itoa(vus)},
	}
	if p.rate.random {
		all = append(all, setting{"arrivals", "poisson"})
	}
	return all
}

// groups is how many thread groups of the plan make load.
func (p *plan) groups() (n int) {
	for _, top := range p.top {
		for _, e := range top.children {
			if e.enabled && strings.HasSuffix(e.kind, "ThreadGroup") && e.kind != "SetupThreadGroup" &&
				e.kind != "PostThreadGroup" {
				n++
			}
		}
	}
	return n
}

// concurrency is the load of a Concurrency Thread Group, a plugin.
func (p *plan) concurrency(e *element) []setting {
	unit := 60.0
	if e.prop("Unit") == "S" {
		unit = 1
	}
	number := func(name string) float64 {
		n, err := strconv.ParseFloat(p.plain(e.prop(name)), 64)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	vus := strconv.Itoa(int(math.Max(1, math.Min(number("TargetLevel"), 100_000))))
	ramp, hold := number("RampUp")*unit, number("Hold")*unit
	if ramp+hold <= 0 || ramp+hold > 86400 {
		ramp, hold = 0, 60
		p.d.leaveOut(e.line, e.column, "how long %.80q takes: the duration that is there is a guess", e.name)
	}
	return []setting{
		{"executor", "ramping-vus"},
		{"startVUs", "0"},
		{"stages", "[{target: " + vus + ", duration: " + secondsText(ramp) + "}, {target: " + vus + ", duration: " +
			secondsText(hold) + "}]"},
	}
}

package scenarios

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of an experiment.
const (
	DefaultMaxTime   = 10 * time.Minute
	DefaultTolerance = 0.05
	DefaultAlpha     = 0.01
	DefaultSlice     = 2 * time.Second
	DefaultDiscard   = 500 * time.Millisecond
	DefaultArmWarmup = 2 * time.Second
)

// Experiment is what a paired experiment compares, how long it may take, and how it is judged.
type Experiment struct {
	Base, Head Arm
	// Build is a line for the shell that builds a revision, run in its checkout; empty: nothing is built.
	Build string
	// Command is a line for the shell that starts the service of a revision, run in its checkout; of images, the
	// arguments of their program. {{address}} and {{port}} stand for where it is to listen.
	Command string
	// Ready is the path that answers a GET with a status below 400 once the service is ready; empty: it is ready once
	// its port takes connections.
	Ready       string
	ReadyWithin time.Duration // 0: 30 s
	MaxTime     time.Duration // of the experiment; 10 min
	Tolerance   float64       // of the gates that are judged where Regressions is empty: 0.05
	Alpha       float64       // the probability with which two equal arms fail: 0.01
	Slice       time.Duration // the measured part of a slice
	Discard     time.Duration // the part before it
	Warmup      time.Duration // of an arm that was just started
	Regressions []Regression  // empty: P95 of all requests and the CPU time per request, by Tolerance
}

// Arm is one of the two versions. At most one field is set; an arm without any is the revision that the other fields
// of the experiment, or the defaults, decide.
type Arm struct {
	Revision string // as git names it
	Command  string // a line for the shell
	Image    string // of a container
	URL      string // of a service that runs
}

// Gates are what an experiment of the plan is judged by: its regressions or, where there are none, P95 of all requests
// and the CPU time per request, by its tolerance. Several closed scenarios without an open one have the throughput and
// the CPU time of each in their place.
func (p *Plan) Gates() []Regression {
	e := p.Experiment
	if len(e.Regressions) > 0 {
		return slices.Clone(e.Regressions)
	}
	p95, value := Aggregation{Name: "p", Percentile: 95}, Aggregation{Name: onlyValue}
	cpu := Regression{
		Metric: CPUPerRequest, Aggregation: value, Tolerance: e.Tolerance,
		Source: onlyValue + "<+" + percent(e.Tolerance),
	}
	if len(p.Scenarios) == 1 || slices.ContainsFunc(p.Scenarios, func(s Scenario) bool { return s.Load.Open() }) {
		return []Regression{{
			Metric: HTTPReqDuration, Aggregation: p95, Tolerance: e.Tolerance,
			Source: "p(95)<+" + percent(e.Tolerance),
		}, cpu}
	}
	var gates []Regression
	for _, s := range p.Scenarios {
		cpu.Selector = map[string]string{tagScenario: s.Name}
		gates = append(gates, Regression{
			Metric: HTTPReqs, Selector: cpu.Selector, Aggregation: Aggregation{Name: "rate"}, Tolerance: e.Tolerance,
			MoreIsBetter: true, Source: "rate>-" + percent(e.Tolerance),
		}, cpu)
	}
	return gates
}

// experiment reads the section experiment, whose defaults hold for a file without one, and the section regression. The
// scenarios of the plan have been read.
func (r *reader) experiment(file *node, p *Plan) Experiment {
	n := file.get("experiment")
	e := Experiment{
		Build:     r.shellLine(n.get("build")),
		Command:   r.service(n.get("command")),
		Ready:     r.readyPath(n.get("ready")),
		MaxTime:   r.lasting(n.get("maxTime"), DefaultMaxTime),
		Tolerance: r.tolerance(n.get("tolerance")),
		Alpha:     r.alpha(n.get("alpha")),
		Slice:     r.lasting(n.get("slice"), DefaultSlice),
		Discard:   r.duration(n.get("discard"), DefaultDiscard),
		Warmup:    r.duration(n.get("warmup"), DefaultArmWarmup),
	}
	e.ReadyWithin = r.lasting(n.get("readyWithin"), 0)
	e.Base, e.Head = r.arm(n, "base"), r.arm(n, "head")
	r.alike(n)
	e.Regressions = r.regressions(file.get("regression"), p)
	return e
}

// armKinds are what an arm can be, with what follows base or head in the key that says so.
var armKinds = []struct{ suffix, name, plural string }{
	{"", "a revision", "revisions"},
	{"Command", "a command", "commands"},
	{"Image", "an image", "images"},
	{"Url", "a URL", "URLs"},
}

// arm reads the keys of one of the two arms.
func (r *reader) arm(n *node, side string) Arm {
	first := ""
	for _, kind := range armKinds {
		key := side + kind.suffix
		given := n.get(key)
		if given == nil {
			continue
		}
		if first != "" {
			r.faultAt(given.keyAt, "remove one of the two", "experiment.%s and experiment.%s both say what the %s is",
				first, key, side)
			return Arm{}
		}
		first = key
	}
	return Arm{
		Revision: r.revision(n.get(side)),
		Command:  r.service(n.get(side + "Command")),
		Image:    r.armImage(n.get(side + "Image")),
		URL:      r.address(n.get(side + "Url")),
	}
}

// alike holds what the two arms are against each other, and the keys that revisions alone have against what they are.
// An arm that is not there is a revision.
func (r *reader) alike(n *node) {
	for _, kind := range armKinds[1:] {
		base, head := n.get("base"+kind.suffix), n.get("head"+kind.suffix)
		if base == nil && head == nil {
			continue
		}
		one, missing := base, "head"
		if base == nil {
			one, missing = head, "base"
		}
		if base == nil || head == nil {
			r.faultAt(one.keyAt, "add "+missing+kind.suffix, "one arm is %s and the other is not: both have to be",
				kind.name)
			return
		}
		r.onlyOf(n, kind.suffix, kind.plural)
		return
	}
}

// onlyOf refuses the keys that arms of another kind have. An image takes a command as well: the arguments of its
// program.
func (r *reader) onlyOf(n *node, suffix, plural string) {
	for _, key := range []string{"build", "command"} {
		only := n.get(key)
		if only == nil || key == "command" && suffix == "Image" {
			continue
		}
		r.faultAt(only.keyAt, "remove it", "experiment.%s is of revisions, and the arms are %s", key, plural)
	}
}

// revision reads the name of a revision, of which git alone knows whether there is one.
func (r *reader) revision(n *node) string {
	name := r.text(n, "")
	if given(n) && (name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \t\r\n")) {
		r.fault(n, "write it as git names it: main, v1.2.0, HEAD~3 or a hash", "%s %.120q is not a revision", n.path,
			name)
	}
	return name
}

// shellLine reads what is given to a shell.
func (r *reader) shellLine(n *node) string {
	line := strings.TrimSpace(r.text(n, ""))
	if given(n) && line == "" {
		r.fault(n, "remove it, or write a line for the shell", "%s is empty", n.path)
	}
	return line
}

// service reads the line that starts a service. Two arms run at the same time, so it has to take its port from us.
func (r *reader) service(n *node) string {
	line := r.shellLine(n)
	if line != "" && !strings.Contains(line, "{{address}}") && !strings.Contains(line, "{{port}}") {
		r.fault(n, "write {{address}} or {{port}} where the service is told on what to listen",
			"%s does not say where to listen, and both arms run at the same time", n.path)
	}
	return line
}

func (r *reader) armImage(n *node) string {
	if !given(n) {
		return ""
	}
	return r.image(n, "")
}

func (r *reader) readyPath(n *node) string {
	path := r.text(n, "")
	if given(n) && (!strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\r\n#")) {
		r.fault(n, "write it as /health", "%s %.120q is not a path", n.path, path)
	}
	return path
}

// lasting reads a duration above 0.
func (r *reader) lasting(n *node, fallback time.Duration) time.Duration {
	if d, ok := r.positiveDuration(n); ok {
		return d
	}
	return fallback
}

// Bounds of an experiment's tolerance.
const (
	minTolerance = 0.001
	maxTolerance = 1
)

// tolerance reads a share, with a percent sign or as a number: 5% or 0.05.
func (r *reader) tolerance(n *node) float64 {
	if !given(n) {
		return DefaultTolerance
	}
	const hint = "5 % is written 5% or 0.05"
	digits, inPercent := strings.CutSuffix(n.text, "%")
	share, ok := parseNumber(strings.TrimSpace(digits))
	if inPercent {
		share /= 100
	}
	switch {
	case !ok:
		r.fault(n, hint, "%s must be a share, not %.120q", n.path, n.text)
	case share < minTolerance || share > maxTolerance:
		r.fault(n, hint, "%s is %s; it must be from %s to %s", n.path, n.text, percent(minTolerance),
			percent(maxTolerance))
	default:
		return share
	}
	return DefaultTolerance
}

// alpha reads a probability.
func (r *reader) alpha(n *node) float64 {
	if !given(n) {
		return DefaultAlpha
	}
	alpha, err := strconv.ParseFloat(n.text, 64)
	switch {
	case err != nil:
		r.fault(n, "", "%s must be a number, not %.120q", n.path, n.text)
	case !(alpha > 0 && alpha < 0.5):
		r.fault(n, "it is the probability with which two equal arms fail", "%s is %s; it must lie between 0 and 0.5",
			n.path, n.text)
	default:
		return alpha
	}
	return DefaultAlpha
}

package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.yaml
var shipped embed.FS

// Shipped returns the names of the scenarios that come with the program, in alphabetical order.
func Shipped() []string {
	files, err := fs.Glob(shipped, "*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".yaml")
	}
	slices.Sort(files)
	return files
}

// Inputs are what a scenario file is read with.
type Inputs struct {
	// Overrides "key=value" replace values of the file before it is validated, in this order: the key is a dotted path
	// such as scenarios.warm.rate or scenarios.warm.requests.get_hot.weight, the value YAML.
	Overrides []string
	Lookup    Lookup    // the environment; nil: no variable is set
	Secrets   *Redactor // learns the secrets that are found, even if the file is refused; may be nil

	recorded []Included // of a saved run
}

// Read reads a scenario file without an environment: see [Inputs.Read].
func Read(path string, overrides ...string) (*Plan, error) {
	return Inputs{Overrides: overrides}.Read(path)
}

// Parse reads a scenario without an environment: see [Inputs.Parse].
func Parse(file string, src []byte, overrides ...string) (*Plan, error) {
	return Inputs{Overrides: overrides}.Parse(file, src)
}

// Read reads a scenario file. When there is none at path and the last element of path, with or without .yaml, is the
// name of a shipped scenario, it reads that. Errors are those of [Inputs.Parse].
func (in Inputs) Read(path string) (*Plan, error) {
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		src, err = shipped.ReadFile(strings.TrimSuffix(filepath.Base(path), ".yaml") + ".yaml")
		if err != nil {
			return nil, notThere(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open scenario: %w", err)
	}
	return in.Parse(path, src)
}

// notThere says that there is no file at path, and which scenarios are shipped.
func notThere(path string) error {
	meant := Nearest(strings.TrimSuffix(filepath.Base(path), ".yaml"), Shipped())
	if meant != "" {
		meant = fmt.Sprintf(" did you mean %q?", meant)
	}
	return fmt.Errorf("open scenario %s: %w;%s shipped with the program: %s", path, fs.ErrNotExist, meant,
		strings.Join(Shipped(), ", "))
}

// Parse reads a scenario from src; file is its name in errors and, without its extension, the default of the
// scenario's name. An error is of type [Errors] and has every fault that was found, without secrets.
func (in Inputs) Parse(file string, src []byte) (*Plan, error) { return in.parse(file, src, false) }

// Saved is the scenario of a run, as its record has it: without its secrets, which nothing is read for.
type Saved struct {
	File      string
	Text      string
	Includes  []Included
	Overrides []string
	Variables map[string]string // of the environment, those that values named; nil: "${" has no meaning
}

// Parse reads the scenario again. Where a secret was, the plan has [Redacted].
func (s Saved) Parse() (*Plan, error) { return s.inputs().parse(s.File, []byte(s.Text), true) }

// Secrets knows the secrets that the record has nevertheless, as those of older versions do.
func (s Saved) Secrets() *Redactor {
	in := s.inputs()
	in.newReader(s.File, true).tree([]byte(s.Text), in)
	return in.Secrets
}

func (s Saved) inputs() Inputs {
	in := Inputs{Overrides: s.Overrides, Secrets: &Redactor{}, recorded: s.Includes}
	if s.Variables != nil {
		in.Lookup = func(name string) (string, bool) {
			value, ok := s.Variables[name]
			return value, ok
		}
	}
	return in
}

func (in Inputs) parse(file string, src []byte, saved bool) (*Plan, error) {
	r := in.newReader(file, saved)
	r.checkForeign(src)
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	tree := r.tree(src, in)
	if tree == nil {
		return nil, r.errs.sorted()
	}
	r.checkShape(tree, planShape, "")
	if tree.bad {
		return nil, r.errs.sorted()
	}
	plan := r.plan(tree)
	plan.Source = Source{
		File: file, Text: string(src), Includes: r.included, Overrides: in.Overrides, Variables: r.shownVariables(),
	}
	if len(r.errs) > 0 {
		return nil, r.errs.sorted()
	}
	return plan, nil
}

func (in Inputs) newReader(file string, saved bool) *reader {
	r := &reader{
		file: file, saved: saved, recorded: in.recorded, expands: !saved || in.Lookup != nil,
		secrets: in.Secrets, lookup: in.Lookup,
		variables: map[string]string{}, hidden: map[string]bool{}, secretValues: map[string]bool{},
	}
	if r.secrets == nil {
		r.secrets = &Redactor{}
	}
	if r.lookup == nil {
		r.lookup = func(string) (string, bool) { return "", false }
	}
	return r
}

// tree is the content of a file with its overrides and variables. What is secret in it is known before a fault could
// show it. It is nil when there is none; then a fault says why.
func (r *reader) tree(src []byte, in Inputs) *node {
	r.secrets.Learn(string(src)) // what follows may not be understood
	tree := build(src, "", r.faultAt)
	if tree == nil {
		if len(r.errs) == 0 {
			r.faultAt(place{line: 1, column: 1}, "it needs at least scenarios", "the file is empty")
		}
		return nil
	}
	tree.keyAt = place{line: 1, column: 1}
	r.include(tree, r.file, []string{filepath.Clean(r.file)})
	r.learnAll(tree)
	for _, text := range in.Overrides {
		r.override(tree, text)
	}
	r.learnAll(tree)
	if r.expands {
		r.expand(tree)
	}
	r.learnAll(tree)
	r.maskAll(src, in.Overrides)
	return tree
}

func (r *reader) plan(n *node) *Plan {
	r.regional = n.get("environment").get("regions") != nil
	p := &Plan{
		Name:        r.planName(n),
		Description: r.text(n.get("description"), ""),
		Seed:        uint64(r.whole(n.get("seed"), 1, 0, math.MaxInt64)),
		Tags:        r.tags(n.get("tags")),
		Engine:      Engine(r.word(n.get("engine"), string(EngineAuto), engines)),
		Pacing:      Pacing(r.word(n.get("pacing"), string(Precise), pacings)),
	}
	ratio, sampled := r.number(n.get("trace").get("ratio"), 0, 1)
	if sampled {
		p.TraceRatio = &ratio
	}
	r.redactNames(n.get("redact"))
	p.Target = r.target(n)
	p.Target.Metrics = r.metricsOf(n.get("target"))
	r.connections(n, &p.Target)
	if own := p.Target.URL != ""; !own {
		p.Environment = r.environment(n.get("environment"))
	} else if env := n.get("environment"); env != nil {
		r.faultAt(env.keyAt, "remove one of the two",
			"environment configures the reference server, but target names another service")
	}
	p.Feeders = r.readFeeders(n.get("feeders"))
	setup := asFlow(n.get("setup"))
	p.Setup = r.life(setup, "setup", p.Target)
	r.shared.setup = extractedNames(setup)
	scenarios := n.get("scenarios")
	if scenarios == nil && !r.vague {
		r.missing(n, "scenarios", "scenarios: {steady: {executor: constant-arrival-rate, …}}")
	} else if scenarios != nil && !scenarios.bad && len(scenarios.entries) == 0 {
		r.fault(scenarios, "", "scenarios is empty")
	}
	if scenarios != nil {
		r.vague = r.vague || scenarios.bad
		for _, e := range scenarios.entries {
			p.Scenarios = append(p.Scenarios, r.scenario(e, p.Target))
		}
	}
	r.shared.headers, r.shared.login = nil, nil
	p.Teardown = r.life(asFlow(n.get("teardown")), "teardown", p.Target)
	r.unusedNames(setup)
	r.grpc(n, p)
	r.connectionHeaders(n, p)
	r.checkConnections(n, p)
	r.checkEngines(n, p)
	p.Faults = r.faults(n, p)
	p.Thresholds = r.allThresholds(n, p)
	p.Experiment = r.experiment(n, p)
	r.unusedFeeders(n.get("feeders"))
	return p
}

// checkEngines reports what scenarios need and their engines cannot do.
func (r *reader) checkEngines(file *node, p *Plan) {
	const hint = "remove it, or use engine: vegeta"
	own, usesWire, reported := file.get("engine"), false, false
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		if _, streams := s.Load.(Subscribers); streams { // they have a client of their own
			continue
		}
		engine, lacks := p.EngineOf(s), p.BeyondWire(s)
		usesWire = usesWire || engine != EngineVegeta
		switch chosen := file.get("scenarios").get(s.Name).get("engine"); {
		case engine != EngineWire || lacks == "":
		case s.Engine != "":
			r.fault(chosen, hint, "%s: wire cannot do what the scenario asks for: %s", chosen.path, lacks)
		case !reported:
			reported = true
			r.fault(own, hint, "engine: wire cannot do what the file asks for: %s", lacks)
		}
	}
	if pacing := file.get("pacing"); pacing != nil && len(p.Scenarios) > 0 && !usesWire {
		r.faultAt(pacing.keyAt, "remove one of the two", "pacing is of the wire engine; vegeta has one of its own")
	}
}

var pacings = []string{string(Precise), string(Spin), string(Economical)}

var engines = []string{string(EngineAuto), string(EngineWire), string(EngineVegeta)}

// planName is the name that the file gives itself; without one, the name of the file.
func (r *reader) planName(n *node) string {
	if given := n.get("name"); given != nil {
		if !given.bad {
			r.name(given.at, "name", given.text)
		}
		return given.text
	}
	base := filepath.Base(r.file)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	if !isName(base) || len(base) > longestName {
		r.faultAt(n.keyAt, fmt.Sprintf("add a name of letters, digits, - and _, at most %d", longestName),
			"the file's own name %.120q cannot be the scenario's name", base)
	}
	return base
}

// reservedTags are given to every request, to steps of flows or to checks, and cannot be set.
var reservedTags = []string{
	tagScenario, tagName, tagMethod, StageTag, tagFlow, tagCheck, InstanceTag, StatusTag, ExpectedTag,
}

func (r *reader) tags(n *node) map[string]string {
	if n == nil || len(n.entries) == 0 {
		r.vague = r.vague || n != nil && n.bad
		return nil
	}
	tags := make(map[string]string, len(n.entries))
	for _, e := range n.entries {
		if !r.name(e.at, "the tag", e.key) {
			r.vague = true
			continue
		}
		if slices.Contains(reservedTags, e.key) || r.regional && e.key == RegionTag {
			r.faultAt(e.at, "choose another name", "the tag %s is given already", e.key)
			continue
		}
		if e.value.bad {
			r.vague = true
			continue
		}
		if text := e.value.text; text == "" || text != strings.TrimSpace(text) ||
			strings.ContainsAny(text, ",{}\r\n\t") {
			r.vague = true
			r.fault(e.value, "thresholds could not select it: leave out commas, braces and blanks at its ends",
				"%s cannot be %.120q", e.value.path, text)
			continue
		}
		tags[e.key] = e.value.text
	}
	return tags
}

// Defaults of the environment.
const (
	defaultResources     = 100_000
	maxResources         = 10_000_000
	defaultPostgresImage = "postgres:15"
	defaultCacheImage    = "docker.dragonflydb.io/dragonflydb/dragonfly:latest"
)

var isPostgresSetting = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$`).MatchString

func (r *reader) environment(n *node) Environment {
	images := n.get("images")
	env := Environment{
		Replica:       r.flag(n.get("replica")),
		Instances:     int(r.whole(n.get("instances"), 1, 1, MostInstances)),
		Balancer:      r.word(n.get("balancer"), "", Balancers),
		Edge:          r.word(n.get("edge"), "", Edges),
		Resources:     int(r.whole(n.get("fixtures").get("resources"), defaultResources, 1, maxResources)),
		PostgresImage: r.image(images.get("postgres"), defaultPostgresImage),
		CacheImage:    r.image(images.get("cache"), defaultCacheImage),
		Server:        r.settings(n.get("server")),
	}
	env.Regions = r.regions(n)
	env.BalancerImage = r.frontImage(n, images, "balancer", "balancer: nginx")
	env.EdgeImage = r.frontImage(n, images, "edge", "edge: varnish")
	if edge := n.get("edge"); given(edge) && env.Instances > 1 && n.get("balancer") == nil {
		r.faultAt(edge.keyAt, "add balancer: nginx", "an edge asks one address, and there are %d instances",
			env.Instances)
	}
	settings := n.get("postgres")
	if settings == nil {
		return env
	}
	env.Postgres = make(map[string]string, len(settings.entries))
	for _, e := range settings.entries {
		switch {
		case !isPostgresSetting(e.key):
			r.faultAt(e.at, "write the names of postgresql.conf",
				"%.120q is not the name of a PostgreSQL setting", e.key)
		case strings.ContainsAny(e.value.text, "\r\n"):
			r.fault(e.value, "", "%s has more than one line", e.value.path)
		default:
			env.Postgres[e.key] = e.value.text
		}
	}
	return env
}

// frontImage reads the image of a balancer or an edge, which is of no use without one.
func (r *reader) frontImage(environment, images *node, kind, example string) string {
	image := images.get(kind)
	if !given(image) {
		return ""
	}
	if environment.get(kind) == nil {
		r.faultAt(image.keyAt, "add "+example+", or remove the image", "%s is of no use without %s", image.path, kind)
	}
	return r.image(image, "")
}

func (r *reader) image(n *node, fallback string) string {
	image := r.text(n, fallback)
	if image == "" || strings.ContainsAny(image, " \t\r\n") {
		r.fault(n, `write it as "postgres:15"`, "%s %.120q is not the reference of an image", n.path, image)
	}
	return image
}

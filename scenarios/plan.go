// Package scenarios turns a scenario file into a validated Plan.
//
// It is pure: it opens no connection and reads no clock. Everything that can be known to be wrong before a run starts
// is an error here, with its place in the file.
package scenarios

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plan is a validated scenario file: what to load, with what, and which thresholds decide.
type Plan struct {
	Name        string
	Description string
	Seed        uint64            // of every random choice in the run
	Tags        map[string]string // on every request of the run
	Engine      Engine            // of the scenarios that choose none
	Pacing      Pacing
	Target      Target
	Environment Environment
	Feeders     []Feeder   // in the order of the file
	Setup       []Request  // a flow that is sent once before the load
	Teardown    []Request  // one that is sent once after it
	Scenarios   []Scenario // in the order of the file
	Faults      []Fault    // in the order of time
	Thresholds  []Threshold
	TraceRatio  *float64   // share of the requests, 0 to 1, that have a trace; nil where the file does not say
	Experiment  Experiment // its defaults where the file has no section experiment
	Source      Source
}

// Source is where a Plan came from, kept so that a run can be reproduced from its record alone.
type Source struct {
	File      string     // as the user gave it
	Text      string     // the file's content, before overrides
	Includes  []Included // the files that it includes, in the order in which they were read
	Overrides []string   // "key=value", in the order given
	// Variables are those of the environment that values named, with [Redacted] for secret ones; nil when there are
	// none.
	Variables map[string]string
}

// Engine is what sends the requests of a scenario. Both engines send the same requests in the same order.
type Engine string

// The engines.
const (
	EngineAuto   Engine = "auto" // wire for the scenarios that it can send, vegeta for the others
	EngineWire   Engine = "wire"
	EngineVegeta Engine = "vegeta"
)

// EngineOf is the engine that a scenario asks for: its own choice, or the plan's.
func (p *Plan) EngineOf(s *Scenario) Engine { return cmp.Or(s.Engine, p.Engine, EngineAuto) }

// BeyondWire names what a scenario needs and the wire engine cannot do, such as "proxies". It is "" when there is
// nothing.
func (p *Plan) BeyondWire(s *Scenario) string {
	switch {
	case s.HasCalls():
		return "calls of gRPC"
	case p.Target.Proxy != "":
		return "proxies"
	case p.Target.HTTP.isTooFewFor(s.Load):
		return "users that wait for one of fewer connections"
	case slices.ContainsFunc(s.Requests, func(r Request) bool { return r.Redirects > 0 }):
		return "redirects"
	}
	return ""
}

// SampledRatio is the share of the requests, 0 to 1, that have a trace.
func (p *Plan) SampledRatio() float64 {
	if p.TraceRatio == nil {
		return 0
	}
	return *p.TraceRatio
}

// Pacing is how the wire engine waits for the instants at which it is to send.
type Pacing string

// The pacings. What each costs and how late it is, loadgen's documentation says.
const (
	Precise    Pacing = "precise"    // also when empty: sleeps until the instant
	Spin       Pacing = "spin"       // sleeps until shortly before it, then watches the clock
	Economical Pacing = "economical" // sends, and sees answers, at whole milliseconds
)

// Target is the service under load. An empty URL means the reference server, which the run starts itself.
type Target struct {
	URL    string   // http or https, without a trailing slash; of several instances the first
	Others []string // the other instances, each with the scheme and the path of URL
	Proxy  string   // http, https or socks5: what the requests go through; may be empty
	Socket string   // the path of a Unix socket that connections are made to, whatever the host of URL; may be empty
	TLS    TLS
	HTTP   HTTP
	// Metrics are the URLs at which the instances of the service give their metrics in the format of Prometheus.
	Metrics []string
}

// URLs are those of all instances of the service; none for the reference server.
func (t Target) URLs() []string {
	if t.URL == "" {
		return nil
	}
	return append([]string{t.URL}, t.Others...)
}

// MostInstances bounds the instances of a service.
const MostInstances = 64

// Environment is what the reference server runs on. It is not used when Target.URL is set.
type Environment struct {
	Resources     int      // rows in the fixture
	Instances     int      // of the reference server, which share the other servers
	Balancer      string   // before the instances: one of Balancers, or empty
	Edge          string   // before all of that: one of Edges, or empty
	Replica       bool     // a streaming replica of the primary
	Regions       []Region // in the order of the file; none where everything is in one place
	PostgresImage string
	CacheImage    string
	BalancerImage string            // empty: the official one
	EdgeImage     string            // empty: the official one
	Postgres      map[string]string // postgresql.conf settings
	Server        []Setting         // of the reference server, in the order of the file
}

// Balancers are those that can stand before the instances, Edges the caches that can stand before these.
var (
	Balancers = []string{"nginx", "haproxy"}
	Edges     = []string{"varnish", "nginx"}
)

// Fault is something that happens to a server of the environment while the load goes on.
type Fault struct {
	At     time.Duration // after the start of the run
	Target string        // one of FaultTargets
	// Instance is the number, from 1, of the instance that the fault happens to, where Target is TargetInstance; else
	// 0.
	Instance int
	Region   string // that the fault happens to, where Target is TargetRegion; else empty
	Action   string // one of FaultActions; of TargetInstances only RollingRestart, of TargetRegion some
}

// The targets of faults that are instances of the reference server.
const (
	TargetInstance  = "instance"  // one of them
	TargetInstances = "instances" // all of them, one after the other
	TargetRegion    = "region"    // that of a region, with its replica
)

// RollingRestart is the action that asks each instance in turn to end, waits until it has finished its requests, and
// starts it again.
const RollingRestart = "rolling-restart"

// FaultTargets are what faults happen to, FaultActions what happens to one server. The first three targets, which are
// no instances, and the actions are those of package containers.
var (
	FaultTargets = []string{"cache", "replica", "primary", TargetInstances}
	FaultActions = []string{"kill", "pause", "resume", "restart"}
)

// String is "kill cache", "kill instance 2" or "kill region us".
func (f Fault) String() string { return f.Action + " " + f.victim() }

// victim is what the fault happens to.
func (f Fault) victim() string {
	switch f.Target {
	case TargetInstance:
		return instanceName(f.Instance)
	case TargetRegion:
		return TargetRegion + " " + f.Region
	}
	return f.Target
}

// instanceName is what an instance is called in messages.
func instanceName(number int) string { return TargetInstance + " " + strconv.Itoa(number) }

// Scenario is one stream of requests with its own schedule.
type Scenario struct {
	Name       string
	Engine     Engine        // empty: that of the plan; see Plan.EngineOf
	Region     string        // whose users send it; empty where the environment has none
	StartTime  time.Duration // from the start of the run
	Load       Load          // its length includes Warmup
	Warmup     time.Duration // first part of the load, which is sent and not measured
	AutoWarmup bool          // the warm-up ends when the scenario is steady; Warmup is the longest that it may take
	// from the end of the load: how long late iterations may still start, and open ones go on
	GracefulStop time.Duration
	Tags         map[string]string
	Requests     []Request
	Cookies      bool      // each user keeps the cookies that answers set
	Login        []Request // a flow that each user sends once, before the load
}

// HasSessions reports whether the scenario's requests depend on the user who sends them.
func (s *Scenario) HasSessions() bool { return s.Cookies || len(s.Login) > 0 }

// AllRequests are those of all scenarios, of their logins, and of setup and teardown.
func (p *Plan) AllRequests() iter.Seq[*Request] {
	return func(yield func(*Request) bool) {
		lists := [][]Request{p.Setup, p.Teardown}
		for i := range p.Scenarios {
			lists = append(lists, p.Scenarios[i].Requests, p.Scenarios[i].Login)
		}
		for _, list := range lists {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// StageTag is the tag of the requests that are meant to be sent within a stage with a name.
const StageTag = "stage"

// InstanceTag is the tag of the requests that an instance of the service has answered: its number, from 1. Where
// several instances have an address of their own, it is the one that the request was sent to.
const InstanceTag = "instance"

// Instances is the number of instances of the service.
func (p *Plan) Instances() int { return max(1, p.Environment.Instances, len(p.Target.URLs())) }

// Servers is the number of instances of the reference server.
func (e *Environment) Servers() int { return max(1, e.Instances, len(e.Regions)) }

// ByInstance reports whether a threshold tells the instances apart, so that what they answer is counted one by one.
func (p *Plan) ByInstance() bool {
	return slices.ContainsFunc(p.Thresholds, func(t Threshold) bool { return t.Selector[InstanceTag] != "" })
}

// StageNames are the values of the tag stage that the scenario's requests have, in the order of time: "", which stands
// for no such tag, goes first where a part of the scenario lies in no stage with a name.
func (s *Scenario) StageNames() []string {
	_, stages := StagesOf(s.Load)
	names := []string{""}
	bare := len(stages) == 0
	for _, stage := range stages {
		if stage.Name != "" {
			names = append(names, stage.Name)
		}
		bare = bare || stage.Name == "" && stage.Duration > 0
	}
	if !bare {
		return names[1:]
	}
	return names
}

// Request is one named kind of request; Weight decides how often it is drawn within its scenario. The steps of a flow
// are requests that follow one another, of which the first is drawn: all with the Values of the flow.
type Request struct {
	Name           string
	Weight         int    // 0 for the steps of a flow but the first
	Flow           string // name of the flow that it is a step of; may be empty
	Step           int    // within the flow, from 0
	Method         string
	Path           Template
	Headers        []Header // in the order of the file
	Body           Template
	ExpectedStatus []int         // empty: any status from 200 to 399
	Checks         []Check       // in the order of the file, at most MaxChecks
	Extract        []Extraction  // for later steps of the flow
	Pause          ThinkTime     // of the user, from its answer to the flow's next request
	Repeat         Repeat        // of the step
	If             *Condition    // the step is left out unless it holds; nil: it never is
	Until          *Poll         // the step is sent again until this holds; nil: it is not
	Block          *Block        // that begins with the step; nil: none does
	Timeout        time.Duration // from sending to the last byte of the body
	Redirects      int           // followed at most
	Stream         Streaming     // how its answers are streamed; empty: they are not
	Goodput        *Goodput      // limits that its streamed answers should meet; nil: there are none
	Call           *Call         // of a gRPC method; nil: the request is one of HTTP
	Click          string        // CSS selector of what a browser clicks on; may be empty
	Values         []Value
	Tags           map[string]string
}

// Streaming is how the answers to a request are streamed.
type Streaming string

// The ways of streaming: server-sent events of any kind, or those of which each has a piece of generated text, as the
// completions of OpenAI's API and of those compatible with it.
const (
	StreamSSE    Streaming = "sse"
	StreamOpenAI Streaming = "openai"
	StreamGRPC   Streaming = "grpc" // the messages of a call
)

// Header is one header line of a request.
type Header struct {
	Name  string
	Value Template
	Basic bool // Value is "user:password", which is sent in base64 after "Basic "
}

// Template is text with holes: the concatenation of its parts.
type Template []Part

// Part is a literal (Value empty) or a hole that the value of that name fills.
type Part struct {
	Literal  string
	Value    string
	Base64   bool     // the value is written in base64, and that as Encoding says
	Encoding Encoding // of the value
}

// Text is the template as it is written in a scenario: with {{name}} for a hole.
func (t Template) Text() string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.Literal)
		if p.Value != "" {
			b.WriteString("{{" + p.Value + "}}")
		}
	}
	return b.String()
}

// The values that every template may name without declaring them.
const (
	ValueIteration = "iteration" // number of the iteration within its scenario, from 0
	ValueUUID      = "uuid"      // a random UUID, fixed by the seed and the iteration
)

// Value is a named hole's content: a choice among the keys of a set.
type Value struct {
	Name     string
	Keys     Keys
	Choice   Choice
	Exponent float64 // of Zipf: key of rank r (from 1) is drawn with a probability proportional to 1/r^Exponent
}

// Choice says how a key is picked from a set.
type Choice string

// The choices of keys.
const (
	Uniform    Choice = "uniform"
	Zipf       Choice = "zipf"
	Sequential Choice = "sequential" // iteration i takes key i modulo the size of the set
)

package scenarios

import "time"

// Experiment is what a paired experiment compares, how long it may take, and how it is judged.
type Experiment struct {
	Base, Head Arm
	// Build is a line for the shell that builds a revision, run in its checkout; empty: nothing is built.
	Build string
	// Command is a line for the shell that starts the service of a revision, run in its checkout. {{address}} and
	// {{port}} stand for where it is to listen.
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

// Regression is a gate of an experiment: how much worse a figure may be in the head than in the base.
type Regression struct {
	Metric       MetricName
	Selector     map[string]string // every tag must match; empty selects all
	Aggregation  Aggregation
	Tolerance    float64 // a share of the base's value: 0.05 for 5 %
	MoreIsBetter bool    // the figure may fall by the tolerance; else it may rise by it
	Source       string  // the expression as written: "p(95)<+5%"
	Line, Column int     // in the scenario file; 0 when an override gave it
}

// Name is the metric with its selector: http_req_duration{name:get}.
func (r Regression) Name() string { return metricName(r.Metric, r.Selector) }

// The metrics that experiments alone have. All are of one arm in one slice, per request that was measured.
const (
	HTTPReqSucceeded    MetricName = "http_req_succeeded"     // share of the requests that did not fail
	CPUPerRequest       MetricName = "cpu_per_request"        // CPU time of all processes of the arm
	AllocatedPerRequest MetricName = "allocated_per_request"  // bytes allocated by Go
	ObjectsPerRequest   MetricName = "objects_per_request"    // objects allocated by Go
	DBTimePerRequest    MetricName = "db_time_per_request"    // time of queries, as the reference server counts it
	StatementsPerReq    MetricName = "statements_per_request" // queries, as the reference server counts them
	InstructionsPerReq  MetricName = "instructions_per_request"
)

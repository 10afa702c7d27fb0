package results

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/policycortex/headroom/results/capacity"
)

// CapacityVersion is the version of the saved capacity's format.
const CapacityVersion = 1

// Capacity is a search for the highest rate at which the objectives of a scenario hold, with everything needed to draw
// its report again and to repeat it. Rates are in iterations per second of all scenarios together: requests or, where
// the scenario has flows, flows.
type Capacity struct {
	Version     int            `json:"version"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
	Tool        Tool           `json:"tool"`
	Command     []string       `json:"command"` // as typed
	Scenario    Scenario       `json:"scenario"`
	Environment Environment    `json:"environment"`
	Design      CapacityDesign `json:"design"`
	Processes   Processes      `json:"processes,omitempty"` // where those of the service are
	Started     time.Time      `json:"started"`
	Elapsed     float64        `json:"elapsed_seconds"`
	Interrupted bool           `json:"interrupted,omitempty"`

	// Objectives are what holds up to the capacity.
	Objectives Objectives `json:"slo"`
	// Rate is the capacity with its 95 % interval; nil where nothing was found.
	Rate *capacity.Interval `json:"rate"`
	// AtLeast says that the capacity lies above Rate.Low, and how far above is not known; AtMost that it lies below
	// Rate.High.
	AtLeast bool `json:"at_least,omitempty"`
	AtMost  bool `json:"at_most,omitempty"`
	// RequestsPerIteration is 1 unless the scenario has flows.
	RequestsPerIteration float64 `json:"requests_per_iteration"`
	Proven               bool    `json:"proven"` // the soak at the lower end held
	// Knee is the rate from which on the response time is twice that at light load; 0 where it was not seen.
	Knee float64 `json:"knee"`
	// Binding is the objective that was crossed in most bad trials; of those that were in as many, the one that was at
	// the lowest rate. Empty: none was.
	Binding string `json:"binding"`
	// Bound is what was exhausted first, or unknown; WhyUnknown is why it is that.
	Bound      string     `json:"bound"`
	WhyUnknown string     `json:"why_unknown,omitempty"`
	Evidence   []string   `json:"evidence,omitempty"`
	Law        *LawRecord `json:"usl,omitempty"` // over users
	// InstanceLaw is the law over instances, where enough numbers of them were measured, and Efficiency what each
	// number does compared with one.
	InstanceLaw *LawRecord            `json:"usl_instances,omitempty"`
	Efficiency  []capacity.Efficiency `json:"efficiency,omitempty"`

	Plan      PlanRecord          `json:"plan"`
	Forecast  []capacity.Forecast `json:"forecast"`
	WhatIf    []WhatIf            `json:"what_if,omitempty"`
	Beyond    *Beyond             `json:"beyond,omitempty"`
	Posterior *Density            `json:"posterior,omitempty"`

	Bracket []CapacityTrial `json:"bracket,omitempty"`
	// Instances are stretches on some of the instances, where there are several.
	Instances []CapacityTrial `json:"instance_steps,omitempty"`
	Trials    []CapacityTrial `json:"trials"`

	Valid    bool     `json:"valid"`
	Outcome  Outcome  `json:"outcome"` // PASS, FAIL, UNRESOLVED, INVALID
	Reasons  []string `json:"reasons"`
	Warnings []string `json:"warnings,omitempty"`
}

// CapacityDesign is how the search was to be carried out.
type CapacityDesign struct {
	Seed    uint64  `json:"seed"`
	Discard float64 `json:"discard_seconds"` // of a trial
	Measure float64 `json:"measure_seconds"`
	Soak    float64 `json:"soak_seconds"`
	Width   float64 `json:"width"` // of the interval, as a share of its middle
	MaxTime float64 `json:"max_time_seconds"`
	Require float64 `json:"require,omitempty"` // rate that the lower end must reach
}

// Objective is a threshold that holds up to the capacity.
type Objective struct {
	Metric     string `json:"metric"`     // with its selector
	Expression string `json:"expression"` // as written: p(95)<50
}

// String is the objective as scenarios have it.
func (o Objective) String() string { return o.Metric + ": " + o.Expression }

// Objectives are in JSON as they are in scenarios: the expressions of each metric.
type Objectives []Objective

// MarshalJSON writes {"http_req_duration": ["p(95)<50"]}.
func (all Objectives) MarshalJSON() ([]byte, error) {
	of := map[string][]string{}
	for _, o := range all {
		of[o.Metric] = append(of[o.Metric], o.Expression)
	}
	return json.Marshal(of)
}

// UnmarshalJSON reads what MarshalJSON has written, in the order of the metrics' names.
func (all *Objectives) UnmarshalJSON(doc []byte) error {
	var of map[string][]string
	if err := json.Unmarshal(doc, &of); err != nil {
		return err
	}
	for _, metric := range slices.Sorted(maps.Keys(of)) {
		for _, expression := range of[metric] {
			*all = append(*all, Objective{metric, expression})
		}
	}
	return nil
}

// The kinds of trials.
const (
	TrialClosed = "closed"     // users without pauses
	TrialLight  = "light load" // the first open one, far below what users reached
	TrialSearch = "search"
	TrialSoak   = "soak"
	// TrialRecovery is at light load, after a trial that the service had not got rid of when the time for answers was
	// over.
	TrialRecovery = "recovery"
)

// CapacityTrial is a stretch of load on the service.
type CapacityTrial struct {
	Kind    string  `json:"kind"`
	At      float64 `json:"at_seconds"` // of its start, since the search's
	Seconds float64 `json:"seconds"`    // that were measured
	Users   int     `json:"users,omitempty"`
	// Instances that were sent to; 0: all.
	Instances int `json:"instances,omitempty"`

	Rate     float64 `json:"rate,omitempty"` // that was asked for
	Achieved float64 `json:"achieved"`       // iterations per second
	Requests int64   `json:"requests"`
	Failed   int64   `json:"failed"`
	Refused  int64   `json:"refused,omitempty"` // of the failed: answers with 429 or 503
	// Unanswered are those of the failed that had no answer when the time for answers was over.
	Unanswered int64   `json:"unanswered,omitempty"`
	P50        float64 `json:"p50_ms"` // response time of all requests
	P95        float64 `json:"p95_ms"`
	P99        float64 `json:"p99_ms"`
	// InFlight is the mean number of requests under way, by Little's law.
	InFlight float64 `json:"in_flight"`
	Bad      bool    `json:"bad,omitempty"`
	// Crossed are the objectives that did not hold, and what else made it bad.
	Crossed []string `json:"crossed,omitempty"`
	// Excess is the share of the requests that missed an objective as a multiple of the share that may, of the
	// objective where that is the highest; nil where one is about no share.
	Excess *float64 `json:"excess,omitempty"`
	// MayMiss is how many requests could have missed that objective.
	MayMiss float64 `json:"may_miss,omitempty"`
	// AtLimits are both for other limits of the first objective on a response time.
	AtLimits []LimitExcess `json:"at_limits,omitempty"`
	// Veto is why it says nothing; empty where it does. Limit says that the generator was the limit.
	Veto   string  `json:"veto,omitempty"`
	Limit  bool    `json:"generator_limit,omitempty"`
	Values []Value `json:"values,omitempty"` // of the objectives
	Use    Use     `json:"use"`
}

// FailedShare is the share of the requests that failed; 0 without any.
func (t CapacityTrial) FailedShare() float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Failed) / float64(t.Requests)
}

// GoodRate is the iterations per second that were answered, without the share that failed.
func (t CapacityTrial) GoodRate() float64 { return t.Achieved * (1 - t.FailedShare()) }

// LimitExcess is the excess of a trial with another limit of an objective.
type LimitExcess struct {
	Limit   float64 `json:"limit_ms"`
	Excess  float64 `json:"excess"`
	MayMiss float64 `json:"may_miss"`
}

// Value is what an objective was held against.
type Value struct {
	Objective string  `json:"objective"`
	Actual    float64 `json:"actual"`
	Unit      string  `json:"unit,omitempty"`
	Samples   int64   `json:"samples"`
	Holds     bool    `json:"holds"`
}

// Use is what was used during a trial. What nobody told is nil.
type Use struct {
	CPUs      int      `json:"cpus"` // of the machine
	Generator float64  `json:"generator_cores"`
	System    *float64 `json:"system_cores,omitempty"` // of the system under test, all of its processes
	Server    *float64 `json:"server_cores,omitempty"` // of the reference server alone
	// ServerCPUs are those that the reference server may use; 0: not known.
	ServerCPUs int `json:"server_cpus,omitempty"`
	// GC is the part of Server that collected garbage, by the estimate of its Go runtime, which is too high where its
	// threads wait for a CPU; GCPaused is the share of the time in which that stopped all of its goroutines.
	GC       *float64 `json:"gc_cores,omitempty"`
	GCPaused *float64 `json:"gc_paused,omitempty"`
	// Service is of the processes that listen at the service's address on this machine, Process of the one of them that
	// used most. Both are parts of Others, and told where nobody knows all processes of the system under test.
	Service *float64 `json:"service_cores,omitempty"`
	Process *float64 `json:"service_process_cores,omitempty"`
	Others  *float64 `json:"others_cores,omitempty"`
	Stolen  *float64 `json:"stolen_cores,omitempty"`
	// Waited is the part of the time in which the system's threads could have run that they waited for a CPU.
	Waited *float64 `json:"system_wait,omitempty"`
	// of the acquires of a database connection of the reference server
	PoolWaits *float64 `json:"pool_waits,omitempty"`   // the share that waited
	PoolWait  *float64 `json:"pool_wait_ms,omitempty"` // the mean wait of those
	Database  *float64 `json:"database_p95_ms,omitempty"`
	HitRatio  *float64 `json:"hit_ratio,omitempty"`
}

// MachineShare is the share of the machine's CPU time that was in use; nil where that is not known.
func (u Use) MachineShare() *float64 {
	if u.CPUs == 0 || u.Others == nil {
		return nil
	}
	used := u.Generator + *u.Others
	if u.System != nil {
		used += *u.System
	}
	return new(used / float64(u.CPUs))
}

// ServerShare is the share that the reference server used of the CPU time that it may use; nil where it is not known.
func (u Use) ServerShare() *float64 { return u.ofServer(u.Server) }

// GCShare is the share of the same CPU time that went into garbage collection.
func (u Use) GCShare() *float64 { return u.ofServer(u.GC) }

// atOneCPU bounds the cores that a process in need of more than one CPU may seem to use, by the inaccuracy of clocks.
const atOneCPU = 1.05

// OneCPUShare is the share of one CPU that the service's busiest process used, and 0 where it used more than one: then
// it is not confined to one. nil where no process is known.
func (u Use) OneCPUShare() *float64 {
	if u.Process == nil {
		return nil
	}
	if *u.Process > atOneCPU {
		return new(0.0)
	}
	return new(*u.Process)
}

func (u Use) ofServer(cores *float64) *float64 {
	if cores == nil || u.ServerCPUs == 0 {
		return nil
	}
	return new(*cores / float64(u.ServerCPUs))
}

// LawRecord is the scalability law of a service, with intervals: low, middle, high.
type LawRecord struct {
	Alpha [3]float64 `json:"alpha"`
	Beta  [3]float64 `json:"beta"`
	Gamma [3]float64 `json:"gamma"`
	// Over is what N is: users, instances.
	Over     string         `json:"over"`
	Model    capacity.Model `json:"model"` // the best by AICc
	RSquared float64        `json:"r_squared"`
	// Peak is the concurrency with the highest throughput, which is Most; 0: none where the law may be asked, which is
	// up to twice what was measured, and up to that where there is a Refusal. PeakHigh is 0 where it lies farther.
	Peak     float64           `json:"peak,omitempty"`
	PeakLow  float64           `json:"peak_lo,omitempty"`
	PeakHigh float64           `json:"peak_hi,omitempty"`
	Most     float64           `json:"most,omitempty"`
	Refusal  string            `json:"refusal,omitempty"`
	Others   []capacity.Fit    `json:"models"`
	Samples  []capacity.Sample `json:"samples"`
	Band     []LawPoint        `json:"band"`
}

// LawPoint is the law's throughput at a concurrency, with its interval.
type LawPoint struct {
	N    float64 `json:"n"`
	X    float64 `json:"x"`
	Low  float64 `json:"lo"`
	High float64 `json:"hi"`
}

// PlanRecord is what a forecast assumes.
type PlanRecord struct {
	Use   float64 `json:"use"`   // share of its capacity that an instance is loaded with
	Spare int     `json:"spare"` // instances that may be missing
	Price float64 `json:"price_per_hour,omitempty"`
	// Measured is the number of instances that the capacity is that of; 0 counts as 1.
	Measured int `json:"measured_instances,omitempty"`
	// Assumed says that no law over instances was measured, so that how more of them scale is a range: from no shared
	// work over the first to the second share of it.
	Assumed bool       `json:"assumed"`
	Shared  [2]float64 `json:"assumed_shared"`
	// Today is the peak that there is today; 0: not given.
	Today float64 `json:"today,omitempty"`
}

// WhatIf is the capacity at another objective, from the same trials.
type WhatIf struct {
	Objective string             `json:"objective"`
	Rate      *capacity.Interval `json:"rate"`
	// Bounds: see [Capacity].
	AtLeast bool `json:"at_least,omitempty"`
	AtMost  bool `json:"at_most,omitempty"`
}

// Beyond is how the service is at more than its capacity, and after that. Goodput, Share, P95, Failed and Refused are
// of the last half of the overload.
type Beyond struct {
	Rate    float64 `json:"rate"`
	Seconds float64 `json:"seconds"`       // of the overload
	Goodput float64 `json:"goodput"`       // good answers per second: in time where an objective says so
	Share   float64 `json:"goodput_share"` // of the capacity
	P95     float64 `json:"p95_ms"`
	Failed  float64 `json:"failed"`  // share
	Refused float64 `json:"refused"` // share answered with 429 or 503
	// Recovered is how long after the load fell to After the objectives held again; nil: not while it was watched.
	After     float64  `json:"after_rate"`
	Recovered *float64 `json:"recovered_seconds"`
	Watched   float64  `json:"watched_seconds"`
	Behaviour string   `json:"behaviour"` // holds, degrades, collapses, sheds; empty: see NotJudged
	// NotJudged is why there is no word for it.
	NotJudged string `json:"not_judged,omitempty"`
	// Course is what was answered in each second of both, from the beginning on.
	Course []BeyondSecond `json:"course,omitempty"`
}

// BeyondSecond is a second of load beyond the capacity, or after it, by the instant at which answers came.
type BeyondSecond struct {
	Goodput float64 `json:"goodput"`          // good answers, as in [Beyond]
	P95     float64 `json:"p95_ms,omitempty"` // of the response times; 0: nothing was answered
}

// Density is a probability density over rates.
type Density struct {
	Rates   []float64 `json:"rates"`
	Density []float64 `json:"density"`
}

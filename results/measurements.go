// Package results holds what was measured: the measurements of a run, its verdict, its saved form on disk, and the
// merging of shards. Package judge of it says what follows from them, package stats has the mathematics.
package results

import (
	"errors"
	"slices"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// Measurements are everything that one run of the load generator saw. Offsets are seconds since Started.
type Measurements struct {
	Engine      string    `json:"engine"`           // which engine sent the load; several are joined by "and"
	Pacing      string    `json:"pacing,omitempty"` // how it waited for the instants of sending
	Started     time.Time `json:"started"`
	Elapsed     float64   `json:"elapsed_seconds"`
	Interrupted bool      `json:"interrupted,omitempty"`
	Aborted     string    `json:"aborted,omitempty"` // the threshold that ended the run early
	// AbortedBy is its gate as it was then. What was answered after that does not undo it.
	AbortedBy *Gate `json:"aborted_by,omitempty"`
	// FeederSHA256 are the sums of the files of rows that values were taken from, by the feeder's name.
	FeederSHA256 map[string]string `json:"feeder_sha256,omitempty"`
	Loads        []*Load           `json:"loads"`             // one a scenario
	Series       []*Series         `json:"series"`            // one a request of a scenario
	Streams      []*Stream         `json:"streams,omitempty"` // one a scenario of subscribers
	TimeBlocks   []*TimeBlocks     `json:"batches,omitempty"` // one a scenario and selector of a quantile threshold
	// one a scenario and selector of a threshold with a window
	Seconds    []*Seconds    `json:"seconds,omitempty"`
	Pages      []*Pages      `json:"pages,omitempty"`      // one a page that a browser loaded
	Iterations []*Iterations `json:"iterations,omitempty"` // one a flow of a scenario
	Slowest    []SlowRequest `json:"slowest,omitempty"`    // by request, the slowest first
	Traces     []Trace       `json:"traces,omitempty"`     // of the slowest sampled requests of the reference server
	// one a second and scenario, and one a second and request with answers
	Points []Point `json:"points"`
	// one a second and scenario of subscribers
	StreamPoints []StreamPoint `json:"stream_points,omitempty"`
	Views        []ServerView  `json:"server_views,omitempty"`
	Samples      []Sample      `json:"server_samples,omitempty"` // the server's own account, second by second
	Marks        []Mark        `json:"marks,omitempty"`          // in the order of time
	Incidents    []Incident    `json:"incidents,omitempty"`      // in the order of time
	Generator    Generator     `json:"generator"`
	Health       *Health       `json:"health,omitempty"` // nil in runs saved before it was recorded
	Warnings     []string      `json:"warnings,omitempty"`
}

// Load is how a scenario's schedule went.
type Load struct {
	Scenario string `json:"scenario"`
	Executor string `json:"executor"`
	// Engine is which engine sent this load, where not all loads of the run had the same; else empty.
	Engine string `json:"engine,omitempty"`
	// Open is true for a schedule that does not depend on answers; only then do the lags mean anything, and is Planned
	// more than Sent and Dropped.
	Open bool `json:"open"`
	// Counted is true for a closed load of a given number of iterations, so that Planned and Dropped mean something.
	Counted bool  `json:"counted,omitempty"`
	Planned int64 `json:"planned"` // iterations that the schedule held, warm-up included, until its end or the run's
	Sent    int64 `json:"sent"`
	Dropped int64 `json:"dropped"` // planned and never sent; without a schedule, for want of a port or file
	// OutOfFiles and OutOfPorts are the requests, warm-up included, for which the generator had no file descriptor or
	// local port left.
	OutOfFiles int64 `json:"out_of_files,omitempty"`
	OutOfPorts int64 `json:"out_of_ports,omitempty"`
	// Resent is how often a request was sent once more on another stream of HTTP/2, warm-up included, because the
	// server had not worked on it: it refused it, or the connection broke before anything of an answer came.
	Resent int64 `json:"resent,omitempty"`
	MaxVUs int   `json:"max_vus"`
	// Begun are the iterations whose first request was measured; 0 in runs saved before it was recorded.
	Begun int64 `json:"measured_begun,omitempty"`
	// RecordingSHA256 is the sum of the file that was replayed; else empty.
	RecordingSHA256 string `json:"recording_sha256,omitempty"`
	// MeasuredPlanned is Planned without the warm-up.
	MeasuredPlanned int64   `json:"measured_planned"`
	MeasuredFrom    float64 `json:"measured_from"` // offset of the measured window's start
	MeasuredTo      float64 `json:"measured_to"`   // and of its end
	// where MeasuredTo would have been, had the run's end not come before
	ScheduledTo float64 `json:"scheduled_to,omitempty"`
	LastAnswer  float64 `json:"last_answer"`      // offset of the last answer to a measured request
	Cut         bool    `json:"cut,omitempty"`    // the end of the run came before that of its schedule
	Warmup      *Warmup `json:"warmup,omitempty"` // nil unless it was automatic
	Stages      []Stage `json:"stages,omitempty"` // those with a name, in the order of time
	// Lag is the actual minus the intended send instant of the measured requests.
	Lag *Histogram `json:"-"`
	// OwnLag is the part of Lag for which the generator is to blame: a send that was late although fewer than MaxVUs
	// requests were in flight.
	OwnLag *Histogram `json:"-"`
}

// Stage is a part of a scenario's schedule that has a name. Offsets are seconds since the start of the run.
type Stage struct {
	Name       string  `json:"name"`
	From       float64 `json:"from"` // of its measured part, as the schedule has it
	To         float64 `json:"to"`
	LastAnswer float64 `json:"last_answer"`      // to a measured request that was meant to be sent within it
	Steady     bool    `json:"steady,omitempty"` // the schedule asks for the same rate all the time
}

// MeasuredStages are the stages as far as the run came. One that it did not come to ends where it begins.
func (l *Load) MeasuredStages() []Stage {
	stages := slices.Clone(l.Stages)
	for i := range stages {
		stages[i].To = max(stages[i].From, min(stages[i].To, l.MeasuredTo))
	}
	return stages
}

// AskedRate is the iterations per second, requests or flows, that the schedule meant to send in the measured window.
func (l *Load) AskedRate() float64 {
	if l.MeasuredTo <= l.MeasuredFrom {
		return 0
	}
	return float64(l.MeasuredPlanned) / (l.MeasuredTo - l.MeasuredFrom)
}

// AchievedRate is the iterations per second of the load that were measured: where AskedRate counts flows, so does it.
func (m *Measurements) AchievedRate(l *Load) float64 {
	var of []*Series
	var iterations int64
	begin, _ := m.Beginnings(l.Scenario)
	for _, s := range m.Series {
		if s.Scenario != l.Scenario {
			continue
		}
		of = append(of, s)
		if begin[s.Name] {
			iterations += s.Requests
		}
	}
	if l.Begun > 0 {
		iterations = l.Begun
	}
	return Summary{Requests: iterations, Seconds: m.MeasuredSeconds(of)}.Rate()
}

// Beginnings are the names of a scenario's requests with which an iteration begins: the first step of each flow, and
// every request that is in none. flows says that there are flows.
func (m *Measurements) Beginnings(scenario string) (names map[string]bool, flows bool) {
	names = map[string]bool{}
	known := map[string]bool{} // flows
	for _, s := range m.Series {
		flow := s.Tags["flow"]
		if s.Scenario != scenario || flow != "" && known[flow] {
			continue
		}
		names[s.Name] = true
		if flow != "" {
			known[flow], flows = true, true
		}
	}
	return names, flows
}

// Series is what one named request of one scenario met in the measured window.
type Series struct {
	Scenario string `json:"scenario"`
	Name     string `json:"name"`
	Method   string `json:"method"`
	// in which it was meant to be sent, where that has a name
	Stage string `json:"stage,omitempty"`
	// the instance of the service that answered, from 1, where a threshold tells them apart; 0 also where none is named
	Instance int `json:"instance,omitempty"`
	// "503", "unexpected": of the responses, where a threshold tells them apart; empty for the rest of them
	Outcome string `json:"outcome,omitempty"`
	// what selectors match: scenario, name, method and the file's tags
	Tags map[string]string `json:"tags"`
	// "201, 204": as the file has it; empty: 200 to 399
	Expected string `json:"expected_status,omitempty"`
	Requests int64  `json:"requests"`
	Failed   int64  `json:"failed"` // no answer, or not the expected status
	// a flow's step that was not sent because one before it failed
	Skipped       int64            `json:"skipped,omitempty"`
	CacheAnswers  int64            `json:"cache_answers"` // answers with an X-Cache header
	CacheHits     int64            `json:"cache_hits"`    // those of them that a cache gave
	BytesSent     int64            `json:"bytes_sent"`    // of bodies
	BytesReceived int64            `json:"bytes_received"`
	Statuses      map[int]int64    `json:"statuses"`
	Errors        map[string]int64 `json:"errors,omitempty"` // by class
	// what the first of each class met: a message, or the answer's beginning
	ErrorSamples map[string]string `json:"error_samples,omitempty"`
	Checks       []Check           `json:"checks,omitempty"` // in the order of the file
	// Response counts from the intended send instant to the last byte of the answer. Requests that got no answer are
	// not in it, but for timeouts: they count with the time that they waited.
	Response *Histogram `json:"-"`
	// Service counts from the actual send instant.
	Service *Histogram `json:"-"`
	// Waiting counts from there to the first byte of answers that came whole; nil in runs saved before it was recorded.
	Waiting *Histogram `json:"-"`
	// Handshakes are those of TLS, each with the request that was the first on its connection; nil where there is none.
	Handshakes *Histogram `json:"-"`
	// Streamed is nil where answers are not streamed.
	Streamed *Streamed `json:"streamed,omitempty"`
}

// Streamed is what the streamed answers to a request had that came whole. With the kind [scenarios.StreamOpenAI] an
// event is one that has a piece of text.
type Streamed struct {
	Kind   scenarios.Streaming `json:"kind"`
	Events int64               `json:"events"`
	Tokens int64               `json:"tokens,omitempty"` // as the service counts them, or else one for each event
	// Goodput are the limits of the request, if it has any, and Good the answers that met both.
	Goodput *scenarios.Goodput `json:"goodput,omitempty"`
	Good    int64              `json:"good,omitempty"`
	// First counts from the intended send instant to the first event of an answer, Gap from an event to the next one.
	First *Histogram `json:"-"`
	Gap   *Histogram `json:"-"`
}

// NewStreamed is what has counted nothing; nil where answers are not streamed.
func NewStreamed(kind scenarios.Streaming) *Streamed {
	if kind == "" {
		return nil
	}
	return &Streamed{Kind: kind, First: NewHistogram(), Gap: NewHistogram()}
}

// merge adds what o counted.
func (s *Streamed) merge(o *Streamed) error {
	s.Events += o.Events
	s.Tokens += o.Tokens
	s.Good += o.Good
	return errors.Join(s.First.Merge(o.First), s.Gap.Merge(o.Gap))
}

// Check is how often the answers to a request met one of its checks. A request without an answer met none.
type Check struct {
	Name   string `json:"name"`
	Passed int64  `json:"passed"`
	Failed int64  `json:"failed"`
	Unmet  string `json:"first_unmet,omitempty"` // what the first answer had that did not meet it
}

// Share is the share of the answers that met the check, 0 to 1; 0 when there were none.
func (c Check) Share() float64 {
	if c.Passed+c.Failed == 0 {
		return 0
	}
	return float64(c.Passed) / float64(c.Passed+c.Failed)
}

// Point is one second of one scenario, or of one of its requests, by the instant at which answers came.
type Point struct {
	Scenario string `json:"scenario"`
	Request  string `json:"request,omitempty"` // empty: all of the scenario
	Second   int    `json:"second"`            // offset of its start
	Warmup   bool   `json:"warmup,omitempty"`
	// the scenario began or ended within it: its counts are not those of a second
	Partial bool `json:"partial,omitempty"`
	// Asked is the iterations, requests or flows, that the schedule meant to send within it. It is 0 of a request and
	// of a closed load, and in runs saved before it was recorded.
	Asked    int64   `json:"asked,omitempty"`
	Requests int64   `json:"requests"`
	Failed   int64   `json:"failed"`
	P50      float64 `json:"p50_ms"` // of response time
	P95      float64 `json:"p95_ms"`
	P99      float64 `json:"p99_ms"`
	Max      float64 `json:"max_ms"`
}

// Mark is something that was done to the system during the run: a fault that was injected.
type Mark struct {
	Text  string  `json:"text"`          // "kill cache"
	Due   float64 `json:"due_seconds"`   // offset at which the scenario wanted it
	Begun float64 `json:"begun_seconds"` // and those at which it was begun
	Done  float64 `json:"done_seconds"`  // and seen to have happened
	Error string  `json:"error,omitempty"`
}

// Incident is something that happened to a server of the system during the run, and that no fault of the scenario did.
type Incident struct {
	At   float64 `json:"seen_seconds"` // offset at which it was seen
	Text string  `json:"text"`         // "the cache: process 4711 ended: signal: killed"
}

// Generator is what the load generator itself used.
type Generator struct {
	CPUSeconds  float64 `json:"cpu_seconds"` // user and system time of the process during the run
	WallSeconds float64 `json:"wall_seconds"`
	CPUs        int     `json:"cpus"`
	GCPauses    float64 `json:"gc_pauses_seconds"`
	NumGC       uint32  `json:"num_gc"`
	MaxRSSBytes int64   `json:"max_rss_bytes"` // of the process's whole life
	GoMaxProcs  int     `json:"gomaxprocs"`
	StolenShare float64 `json:"stolen_share"` // of the machine's CPU time: what other virtual machines took
	GoVersion   string  `json:"go_version"`
}

// CPUCores is the mean number of cores that the generator kept busy.
func (g Generator) CPUCores() float64 {
	if g.WallSeconds == 0 {
		return 0
	}
	return g.CPUSeconds / g.WallSeconds
}

// Select returns the series whose tags contain the selector's.
func (m *Measurements) Select(selector map[string]string) []*Series {
	var selected []*Series
	for _, s := range m.Series {
		if s.Matches(selector) {
			selected = append(selected, s)
		}
	}
	return selected
}

// Matches reports whether the series' tags contain the selector's.
func (s *Series) Matches(selector map[string]string) bool { return scenarios.Selects(selector, s.Tags) }

// Summary is a group of series taken together.
type Summary struct {
	Requests int64
	Failed   int64
	Seconds  float64 // that the group's measured windows cover
	Response *Histogram
	Service  *Histogram
}

// Rate is the requests per second of the group.
func (s Summary) Rate() float64 {
	if s.Seconds == 0 {
		return 0
	}
	return float64(s.Requests) / s.Seconds
}

// FailedShare is the share of the requests that failed, 0 to 1.
func (s Summary) FailedShare() float64 {
	if s.Requests == 0 {
		return 0
	}
	return float64(s.Failed) / float64(s.Requests)
}

// Summarize takes the series that the selector matches together.
func (m *Measurements) Summarize(selector map[string]string) (Summary, error) {
	return m.SummarizeSeries(m.Select(selector))
}

// SummarizeSeries takes some of the series together.
func (m *Measurements) SummarizeSeries(selected []*Series) (Summary, error) {
	sum := Summary{Response: NewHistogram(), Service: NewHistogram()}
	for _, s := range selected {
		sum.Requests += s.Requests
		sum.Failed += s.Failed
		if err := sum.Response.Merge(s.Response); err != nil {
			return sum, err
		}
		if err := sum.Service.Merge(s.Service); err != nil {
			return sum, err
		}
	}
	sum.Seconds = m.MeasuredSeconds(selected)
	return sum, nil
}

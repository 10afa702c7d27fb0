package scenarios

import (
	"slices"
	"time"
)

// Load says when the iterations of a scenario start, for how long, and how many may be under way at once. An iteration
// is one request, or one pass through the steps of a flow. All rates are in iterations per second.
//
// A load is one of [ConstantRate], [RampingRate], [SineRate], [Bursts] and [Replay], which are open, or [Users],
// [RampingUsers], [SharedIterations], [UserIterations] and [Browser], which are closed, or [Subscribers], who send one
// request each and keep its answer open.
type Load interface {
	// Executor is the name of the load in a scenario file.
	Executor() Executor
	// Open reports whether iterations start on a schedule, however slowly the service responds. In a closed load they
	// wait for each other.
	Open() bool
	// Steady reports whether the load stays the same for its whole length. Only then can what is measured be steady.
	Steady() bool
	// Length is how long the load lasts, with the warm-up; at most, where it has a number of iterations. That of a
	// Replay is 0 until [Plan.Recorded] has set it.
	Length() time.Duration
	// Workers is the most iterations that may be under way at once.
	Workers() int
	// WithWorkers returns the same load with n workers, which is what one shard of it has.
	WithWorkers(n int) Load

	sealed()
}

// ConstantRate starts iterations at a constant rate.
type ConstantRate struct {
	Rate     float64
	Duration time.Duration
	Arrivals Arrivals
	MaxVUs   int
}

// RampingRate starts iterations at a rate that changes linearly within each of its stages.
type RampingRate struct {
	StartRate float64
	Stages    []Stage
	Arrivals  Arrivals
	MaxVUs    int
}

// Stage is one linear ramp of a rate, or of a number of users.
type Stage struct {
	Target   float64       // at the end of the stage: the rate, in iterations per second, or the users
	Duration time.Duration // 0: there is a jump to Target
	Name     string        // value of the tag stage for the requests that are due within it; may be empty
}

// SineRate starts iterations at a rate that follows a sine wave around its mean.
type SineRate struct {
	Rate      float64 // the mean
	Amplitude float64 // how far the rate swings to either side; at most Rate
	Period    time.Duration
	Duration  time.Duration
	Arrivals  Arrivals
	MaxVUs    int
}

// Bursts starts groups of iterations, all of a group at the same instant.
type Bursts struct {
	Size     int           // iterations in a group
	Every    time.Duration // from the start of one group to the start of the next
	Duration time.Duration
	MaxVUs   int
}

// Users is a closed load: each user starts an iteration when its previous one has ended and it has thought.
type Users struct {
	VUs       int
	ThinkTime ThinkTime
	Duration  time.Duration
}

// ThinkTime is the pause of a user after each iteration, drawn uniformly from Min to Max. Both are 0 when users do not
// pause.
type ThinkTime struct{ Min, Max time.Duration }

// Replay sends the requests of a recording at their recorded times, or at a constant rate where the recording has no
// times.
type Replay struct {
	Recording Recording
	Rate      float64       // 0 where the recording has times
	Repeat    time.Duration // how long a recording without times is sent again and again; 0: once
	Duration  time.Duration // 0 until [Plan.Recorded] has set it
	MaxVUs    int
}

// Subscribers open a stream of server-sent events each, spread evenly over the ramp-up, and keep it open to the end of
// the load. A stream that breaks they open again, as the EventSource of the HTML standard does.
type Subscribers struct {
	Protocol    Protocol
	Subscribers int
	RampUp      time.Duration
	Duration    time.Duration // with all subscribers: what follows the ramp-up
	Event       StreamEvent
	Retry       time.Duration // from a break to the next attempt, until the stream sets it
	Resume      bool          // send the last event ID with the next attempt
}

// Protocol is what streams are made of.
type Protocol string

// The protocols.
const (
	ServerSentEvents Protocol = "sse"
	WebSocket        Protocol = "websocket" // each message is an event
)

// StreamEvent says where events have what is measured of them.
type StreamEvent struct {
	ID   JSONPath // a whole number in the data; nil: the stream's own ids count
	Of   JSONPath // a field of the data for each of whose texts ids count anew; nil: ids count all events
	NoID bool     // no ids are looked at
	Time JSONPath // when the event was made, in the data; nil: events do not say it
}

// Arrivals says how the starts of iterations are spread around the rate.
type Arrivals string

// The kinds of arrivals.
const (
	Even    Arrivals = "even"    // at equal distances; also when empty
	Poisson Arrivals = "poisson" // at random, like those of many independent users
)

// Executor is the name of a kind of load in scenario files. The names are those of k6 where k6 has one.
type Executor string

// Steady reports whether the loads of an executor stay the same for their whole length. It is false for an unknown
// name.
func (e Executor) Steady() bool {
	return slices.ContainsFunc(executors, func(x executor) bool { return x.load.Executor() == e && x.load.Steady() })
}

func (ConstantRate) Executor() Executor { return "constant-arrival-rate" }
func (RampingRate) Executor() Executor  { return "ramping-arrival-rate" }
func (SineRate) Executor() Executor     { return "sine-arrival-rate" }
func (Bursts) Executor() Executor       { return "burst-arrival-rate" }
func (Users) Executor() Executor        { return "constant-vus" }
func (Replay) Executor() Executor       { return "replay" }
func (Subscribers) Executor() Executor  { return "subscribers" }

func (ConstantRate) Open() bool { return true }
func (RampingRate) Open() bool  { return true }
func (SineRate) Open() bool     { return true }
func (Bursts) Open() bool       { return true }
func (Users) Open() bool        { return false }
func (Replay) Open() bool       { return true }
func (Subscribers) Open() bool  { return false }

func (ConstantRate) Steady() bool { return true }
func (RampingRate) Steady() bool  { return false }
func (SineRate) Steady() bool     { return false }
func (Bursts) Steady() bool       { return false }
func (Users) Steady() bool        { return true }
func (Replay) Steady() bool       { return false }
func (Subscribers) Steady() bool  { return false }

func (l ConstantRate) Length() time.Duration { return l.Duration }
func (l SineRate) Length() time.Duration     { return l.Duration }
func (l Bursts) Length() time.Duration       { return l.Duration }
func (l Users) Length() time.Duration        { return l.Duration }
func (l Replay) Length() time.Duration       { return l.Duration }
func (l Subscribers) Length() time.Duration  { return l.RampUp + l.Duration }
func (l RampingRate) Length() time.Duration  { return lengthOf(l.Stages) }

func (l ConstantRate) Workers() int { return l.MaxVUs }
func (l RampingRate) Workers() int  { return l.MaxVUs }
func (l SineRate) Workers() int     { return l.MaxVUs }
func (l Bursts) Workers() int       { return l.MaxVUs }
func (l Users) Workers() int        { return l.VUs }
func (l Replay) Workers() int       { return l.MaxVUs }
func (l Subscribers) Workers() int  { return l.Subscribers }

func (l ConstantRate) WithWorkers(n int) Load { l.MaxVUs = n; return l }
func (l RampingRate) WithWorkers(n int) Load  { l.MaxVUs = n; return l }
func (l SineRate) WithWorkers(n int) Load     { l.MaxVUs = n; return l }
func (l Bursts) WithWorkers(n int) Load       { l.MaxVUs = n; return l }
func (l Users) WithWorkers(n int) Load        { l.VUs = n; return l }
func (l Replay) WithWorkers(n int) Load       { l.MaxVUs = n; return l }
func (l Subscribers) WithWorkers(n int) Load  { l.Subscribers = n; return l }

func (ConstantRate) sealed() {}
func (RampingRate) sealed()  {}
func (SineRate) sealed()     {}
func (Bursts) sealed()       {}
func (Users) sealed()        {}
func (Replay) sealed()       {}
func (Subscribers) sealed()  {}

// unread stands for a load that could not be read. A plan with it is refused; it claims whatever causes no second
// fault.
type unread struct{}

func (unread) Executor() Executor     { return "" }
func (unread) Open() bool             { return true }
func (unread) Steady() bool           { return true }
func (unread) Length() time.Duration  { return 0 }
func (unread) Workers() int           { return 0 }
func (unread) WithWorkers(n int) Load { return unread{} }
func (unread) sealed()                {}

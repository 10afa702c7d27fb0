// Package tuning decides what to change in a running server, and whether a change was worth it. It is arithmetic: a
// [Controller] is given the figures of one window after the other and answers with at most one change at a time. What
// the changes do to a pool, a cache or the garbage collector is the caller's.
//
// A trial goes as an operator would do it by hand. Two windows in a row must ask for a change (a rule of [rules]). It
// is made, a window passes in which it takes effect, and then its own figure and the mean time of all requests are
// compared with what they were before. A change that helped is kept, one that made requests slower is taken back, and
// one that did nothing is taken back unless it costs nothing. Knobs rest after each trial, and longer after each failed
// one.
//
// Where that comes from:
//
//   - One change at a time, accepted only if a comparison says so, is hill climbing by experiments, as in evolutionary
//     operation (Box, Evolutionary Operation: A Method for Increasing Industrial Productivity, 1957).
//   - Growing by factors and giving way at the first sign of harm is what congestion control does (Jacobson, Congestion
//     Avoidance and Control, 1988), and limits of concurrency that follow latency (Netflix concurrency-limits, 2018).
//   - Why a plain rule oscillates where the effect comes late, and that it takes a dead band, a delay before the
//     judgement and slower retries to stop it: Hellerstein et al., Feedback Control of Computing Systems, 2004. The
//     sizer of the cache's first level (server/cache/usage) has the same.
//   - The comparison is that of ranks by Mann and Whitney (On a test of whether one of two random variables is
//     stochastically larger than the other, 1947).
package tuning

import (
	"fmt"
	"time"
)

// Mode is what the controller may do.
type Mode string

// The modes.
const (
	Off    Mode = "off"    // nothing is watched
	Advise Mode = "advise" // what it would do is told
	Act    Mode = "act"    // it does that
)

// Knob is what can be changed.
type Knob string

// The knobs, in the order in which they are turned when several are asked for: what makes queries cheaper comes before
// what lets more of them run.
const (
	Statistics  Knob = "statistics"   // ANALYZE of a table; the value is how often
	PlanMode    Knob = "plan_mode"    // plan_cache_mode of connections: 0 as Postgres is set, 1 auto
	PlanKind    Knob = "plan_kind"    // of a statement: 0 as Postgres chooses, 1 planned for its parameters
	Pool        Knob = "pool"         // connections
	L1Size      Knob = "l1_size"      // the largest that L1 may be, in bytes
	L1TTL       Knob = "l1_ttl"       // lifetime in L1, in seconds
	Replica     Knob = "replica"      // 1 is read from, 0 is not
	Prefetch    Knob = "prefetch"     // 1 on, 0 off
	GCPercent   Knob = "gc_percent"   // GOGC
	MemoryLimit Knob = "memory_limit" // GOMEMLIMIT, in bytes
)

// Knobs are all of them, in that order.
var Knobs = []Knob{
	Statistics, PlanMode, PlanKind, Pool, L1Size, L1TTL, Replica, Prefetch, GCPercent, MemoryLimit,
}

// Text says what a value of the knob means.
func (k Knob) Text(v float64) string {
	switch k {
	case Statistics:
		return fmt.Sprintf("analyzed %.0f times", v)
	case PlanMode:
		return choice(v, "as Postgres is set", "auto")
	case PlanKind:
		return choice(v, "as Postgres chooses", "planned for its parameters")
	case Pool:
		return fmt.Sprintf("%.0f connections", v)
	case L1Size, MemoryLimit:
		return fmt.Sprintf("%.4g MiB", v/(1<<20))
	case L1TTL:
		return time.Duration(v * float64(time.Second)).String()
	case GCPercent:
		return fmt.Sprintf("%.0f %%", v)
	}
	return choice(v, "off", "on")
}

func choice(v float64, zero, one string) string {
	if v == 0 {
		return zero
	}
	return one
}

// Change is one turn of a knob.
type Change struct {
	Knob Knob
	// Subject is what it is of: a table or the SQL of a statement; empty where there is only one.
	Subject  string
	From, To float64
}

// back is the change that undoes c.
func (c Change) back() Change {
	c.From, c.To = c.To, c.From
	return c
}

// Undoable reports whether a change can be undone.
func (c Change) Undoable() bool { return c.Knob != Statistics }

// The outcomes of an action.
const (
	Trying   = "trying"   // its effect is not known yet
	Kept     = "kept"     // it helped, or did no harm and costs nothing
	Reverted = "reverted" // it did not help, and was undone
	Failed   = "failed"   // it could not be made, or not be undone
	Advised  = "advised"  // it would have been made in mode act
	Undone   = "undone"   // by the administrator
	Adapted  = "adapted"  // the cache did it by itself
)

// Outcomes are all of them.
var Outcomes = []string{Trying, Kept, Reverted, Failed, Advised, Undone, Adapted}

// Action is a change with its reason and its effect. Figures are null where nothing was measured.
type Action struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Knob    Knob      `json:"knob"`
	Subject string    `json:"subject,omitempty"` // a table, or the SQL of a statement
	From    float64   `json:"from"`
	To      float64   `json:"to"`
	Text    string    `json:"text"`   // From and To in words
	Reason  string    `json:"reason"` // with the figures that it rests on
	// Figure is what the change is meant to lower, Before its mean before the change, and After its mean afterwards.
	Figure string   `json:"figure"`
	Before *float64 `json:"before"`
	After  *float64 `json:"after"`
	// RequestBefore and RequestAfter are the mean times of all requests, in milliseconds.
	RequestBefore *float64  `json:"request_ms_before"`
	RequestAfter  *float64  `json:"request_ms_after"`
	Outcome       string    `json:"outcome"`
	Ended         time.Time `json:"ended,omitzero"` // when the outcome was known
	Note          string    `json:"note,omitempty"` // why it has that outcome
	stuck         bool      // it failed to be undone, so it is in force
}

// inForce reports whether what the action has changed is still so.
func (a *Action) inForce() bool { return a.Outcome == Kept || a.Outcome == Trying || a.stuck }

// Change is the change of the action.
func (a *Action) Change() Change {
	return Change{Knob: a.Knob, Subject: a.Subject, From: a.From, To: a.To}
}

package results

import (
	"fmt"
	"math"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Outcome is what a run comes to.
type Outcome string

// The outcomes. INVALID goes before FAIL: where the generator was the limit, neither a pass nor a failure is known.
// FAIL goes before UNRESOLVED: one threshold that was certainly crossed decides.
const (
	Pass       Outcome = "PASS"
	Fail       Outcome = "FAIL"
	Invalid    Outcome = "INVALID"
	Unresolved Outcome = "UNRESOLVED" // too few samples to tell on which side of its limit a quantile lies
	// of a shard that went well: its thresholds are judged when all shards have been merged
	Part Outcome = "PART"
)

// Worse returns the outcome that counts of two runs: FAIL, INVALID, UNRESOLVED, PASS, in this order.
func (o Outcome) Worse(other Outcome) Outcome {
	order := []Outcome{Pass, Unresolved, Invalid, Fail}
	if slices.Index(order, other) > slices.Index(order, o) {
		return other
	}
	return o
}

// Verdict is the judgement of a run.
type Verdict struct {
	Outcome Outcome  `json:"outcome"`
	Gates   []Gate   `json:"gates"`
	Invalid []string `json:"invalid,omitempty"` // why the measurement cannot be trusted
	Failed  []string `json:"failed,omitempty"`  // why it failed, besides the gates that were crossed
	// NoneSucceeded are the requests that failed every time, where Failed does not say so of their scenario or the run.
	NoneSucceeded []string `json:"none_succeeded,omitempty"`
	Warnings      []string `json:"warnings,omitempty"`
	// Untimed is why its response times cannot be trusted, where it failed all the same.
	Untimed []string `json:"untimed,omitempty"`
}

// Gate is one threshold with what was measured.
type Gate struct {
	// Threshold is what was asked, parsed. Of a gate that was read it lacks whether it may abort a run, and where it
	// stands.
	Threshold  scenarios.Threshold `json:"-"`
	Metric     string              `json:"metric"`     // with its selector: http_req_duration{scenario:warm}
	Expression string              `json:"expression"` // as written: p(95)<50
	Op         scenarios.Operator  `json:"op"`
	Target     float64             `json:"target"`
	Actual     float64             `json:"actual"` // meaningless when Samples is 0
	Unit       string              `json:"unit"`   // ms, /s, B, B/s or empty for shares and counts
	Samples    int64               `json:"samples"`
	// Margin is the share of what may be lost that is left: (Actual - Target) / (Best - Target). It is 1 at the best
	// value, 0 at the target, negative when crossed, and 0 where [Gate.HasMargin] is false.
	Margin float64 `json:"margin"`
	// Best is the best value that there can be where more is better: 1 of a share, the rate that was asked for of one
	// of requests. Nil where there is none, and the margin is the distance to the target as a share of it then; and nil
	// where less is better, of which the best is 0.
	Best   *float64 `json:"best,omitempty"`
	Passed bool     `json:"passed"`
	// Unresolved is true when it neither passed nor failed: the limit lies within Interval, or Reason says why.
	Unresolved bool `json:"unresolved,omitempty"`
	// NotReached is true when it neither passed nor failed because the run ended before what it is of.
	NotReached bool `json:"not_reached,omitempty"`
	// Unsteady says how the stage that it is of moved while it should have been steady. It may have passed all the
	// same.
	Unsteady string    `json:"unsteady,omitempty"`
	Interval *Interval `json:"interval,omitempty"` // of a quantile of response or service time
	// of a threshold "for" a time: the worst, which Actual and Samples are of
	Window *Window `json:"window,omitempty"`
	Reason string  `json:"reason,omitempty"` // why it failed, where the numbers do not say it
}

// HasMargin is false where a share of what may be lost has no meaning: without data, not reached, of an equality, of a
// limit of 0, and where nothing may be lost.
func (g *Gate) HasMargin() bool {
	bound := g.Op.IsUpper() || g.Op.IsLower()
	return bound && g.Samples > 0 && !g.NotReached && g.Target != 0 && (g.Best == nil || *g.Best != g.Target)
}

// Hold records what was measured, in a unit, of so many samples, and holds it against the target.
func (g *Gate) Hold(actual float64, unit string, samples int64) {
	g.Actual, g.Unit, g.Samples = actual, unit, samples
	if samples > 0 {
		g.Passed = g.Holds(actual)
		g.Margin = g.margin()
	}
}

// Holds reports whether a value is on the good side of the target.
func (g *Gate) Holds(actual float64) bool { return g.Op.Holds(actual, g.Target) }

// margin is [Gate.Margin] of what was measured.
func (g *Gate) margin() float64 {
	if !g.HasMargin() {
		return 0
	}
	whole := -math.Abs(g.Target) // from the target to the best value
	switch {
	case g.Best != nil:
		whole = *g.Best - g.Target
	case g.Op.IsLower():
		whole = math.Abs(g.Target)
	}
	share := (g.Actual - g.Target) / whole
	if math.IsInf(share, 0) {
		// as of a limit of 0: this one is hardly more, and JSON has no infinity, so that the run could not be saved
		return 0
	}
	return share
}

// Interval is the 95 % confidence interval of a figure, in its unit; see [stats.Quantile] for that of a quantile.
type Interval struct {
	Confidence float64  `json:"confidence"` // 0.95
	Low        *float64 `json:"low"`        // null: too few values to tell
	High       *float64 `json:"high"`
	// Effective is the effective sample size at the quantile: how many independent values would tell as much.
	Effective float64 `json:"effective_samples"`
	// Corrected is false where the run is too short to tell how much neighbouring requests depend on each other.
	Corrected bool `json:"corrected"`
}

// Ends reports whether the interval has an end; false for nil.
func (in *Interval) Ends() bool { return in != nil && (in.Low != nil || in.High != nil) }

// Window is a stretch of the run, by which a threshold "for" a time is judged.
type Window struct {
	From    int `json:"from"` // seconds since the start of the run
	Seconds int `json:"seconds"`
	Of      int `json:"of"` // windows that were judged
	// Fewest is the number of samples in that one of them which has the fewest.
	Fewest int64 `json:"fewest_samples"`
}

// complete gives a gate that was read what is not saved with it: its threshold, and the margin of a share in a run that
// was saved before that was a share of what may be lost.
func (g *Gate) complete() error {
	t, err := scenarios.ParseThreshold(g.Metric, g.Expression)
	if err != nil {
		return fmt.Errorf("the gate %s %s: %w", g.Metric, g.Expression, err)
	}
	g.Threshold = t
	if g.Best == nil && t.Metric.IsShare() && g.Op.IsLower() {
		g.Best = new(1.0)
		g.Margin = g.margin()
	}
	return nil
}

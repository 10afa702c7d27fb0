package results

import (
	"math"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// Gate is one threshold with what was measured.
type Gate struct {
	Metric     string  `json:"metric"`     // with its selector: http_req_duration{scenario:warm}
	Expression string  `json:"expression"` // as written: p(95)<50
	Op         string  `json:"op"`
	Target     float64 `json:"target"`
	Actual     float64 `json:"actual"` // meaningless when Samples is 0
	Unit       string  `json:"unit"`   // ms, /s, B, B/s or empty for shares and counts
	Samples    int64   `json:"samples"`
	// Margin is the share of what may be lost that is left: (Actual - Target) / (Best - Target). It is 1 at the best value, 0
	// at the target, negative when crossed, and 0 where [Gate.HasMargin] is false.
	Margin float64 `json:"margin"`
	// Best is the best value that there can be where more is better: 1 of a share, the rate that was asked for of one of
	// requests. Nil where there is none, and the margin is the distance to the target as a share of it then; and nil where less
	// is better, of which the best is 0.
	Best   *float64 `json:"best,omitempty"`
	Passed bool     `json:"passed"`
	// Unresolved is true when it neither passed nor failed: the limit lies within Interval, or Reason says why.
	Unresolved bool `json:"unresolved,omitempty"`
	// NotReached is true when it neither passed nor failed because the run ended before what it is of.
	NotReached bool `json:"not_reached,omitempty"`
	// Unsteady says how the stage that it is of moved while it should have been steady. It may have passed all the same.
	Unsteady string    `json:"unsteady,omitempty"`
	Interval *Interval `json:"interval,omitempty"` // of a quantile of response or service time
	Window   *Window   `json:"window,omitempty"`   // of a threshold "for" a time: the worst, which Actual and Samples are of
	Reason   string    `json:"reason,omitempty"`   // why it failed, where the numbers do not say it
}

// HasMargin is false where a share of what may be lost has no meaning: without data, not reached, of an equality, of a limit of 0, and where
// nothing may be lost.
func (g *Gate) HasMargin() bool {
	switch g.Op {
	case "<", "<=", ">", ">=":
		return g.Samples > 0 && !g.NotReached && g.Target != 0 && (g.Best == nil || *g.Best != g.Target)
	}
	return false
}

func newGate(m *Measurements, t scenarios.Threshold) Gate {
	return Gate{Metric: t.Name(), Expression: t.Source, Op: t.Op, Target: t.Limit, Best: best(m, t)}
}

// evaluate judges a threshold; one with a window, in the windows that begin at the second since or later.
func evaluate(m *Measurements, t scenarios.Threshold, since int) (Gate, error) {
	if t.Window > 0 {
		return worstWindow(m, t, since)
	}
	g := newGate(m, t)
	a, err := aggregate(m, t)
	if err != nil {
		return g, err
	}
	if g.hold(a); a.samples == 0 {
		g.Reason = "no data: a threshold over no data fails"
	}
	return g, nil
}

// hold holds what was measured against the target.
func (g *Gate) hold(a aggregated) {
	g.Actual, g.Unit, g.Samples = a.value, a.unit, a.samples
	if a.samples > 0 {
		g.Passed = holds(g.Actual, g.Op, g.Target)
		g.Margin = g.margin()
	}
}

func holds(actual float64, op string, limit float64) bool {
	switch op {
	case "<":
		return actual < limit
	case "<=":
		return actual <= limit
	case ">":
		return actual > limit
	case ">=":
		return actual >= limit
	case "==", "===":
		return actual == limit
	case "!=":
		return actual != limit
	}
	return false
}

// margin is [Gate.Margin] of what was measured.
func (g *Gate) margin() float64 {
	if !g.HasMargin() {
		return 0
	}
	whole := -math.Abs(g.Target) // from the target to the best value
	switch {
	case g.Best != nil:
		whole = *g.Best - g.Target
	case g.Op == ">" || g.Op == ">=":
		whole = math.Abs(g.Target)
	}
	share := (g.Actual - g.Target) / whole
	if math.IsInf(share, 0) {
		return 0 // as of a limit of 0: this one is hardly more, and JSON has no infinity, so that the run could not be saved
	}
	return share
}

// best is [Gate.Best] of a threshold.
func best(m *Measurements, t scenarios.Threshold) *float64 {
	if t.Op != ">" && t.Op != ">=" {
		return nil
	}
	if isShare(t.Metric) {
		return new(1.0)
	}
	if asked := askedRate(m, t.Selector); t.Metric == "http_reqs" && t.Aggregation.Name == "rate" && asked > t.Limit {
		return &asked
	}
	return nil
}

// isShare says whether a metric is a share of 1.
func isShare(metric string) bool {
	return slices.ContainsFunc(scenarios.Metrics, func(m scenarios.Metric) bool { return m.Name == metric && m.Kind == scenarios.Rate })
}

// askedRate is the requests a second that the schedules meant to send of what a selector picks; 0 where they do not say:
// of users who wait for answers, of flows, and of a part of a scenario.
func askedRate(m *Measurements, selector map[string]string) float64 {
	var asked int64
	var windows []window
	for _, l := range m.Loads {
		picked, all := 0, 0
		for _, s := range m.Series {
			if s.Scenario != l.Scenario {
				continue
			}
			all++
			if s.Matches(selector) {
				picked++
			}
			if s.Tags["flow"] != "" && picked > 0 {
				return 0
			}
		}
		if picked == 0 {
			continue
		}
		if picked < all || !l.Open {
			return 0
		}
		asked += l.MeasuredPlanned
		windows = append(windows, window{l.MeasuredFrom, l.MeasuredTo})
	}
	if seconds := covered(windows); seconds > 0 {
		return float64(asked) / seconds
	}
	return 0
}

// renewMargins gives the gates of shares in runs that were saved before margins were shares of what may be lost that margin.
func (v *Verdict) renewMargins() {
	for i := range v.Gates {
		g := &v.Gates[i]
		metric, _, _ := strings.Cut(g.Metric, "{")
		if g.Best == nil && isShare(metric) && strings.HasPrefix(g.Op, ">") {
			g.Best = new(1.0)
			g.Margin = g.margin()
		}
	}
}

package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// Comparison is what changed from one run to another of the same load.
type Comparison struct {
	Old, New *results.Run
	Gates    []GateChange   // in the order of the new run; those that only the old one has go last
	Figures  []FigureChange // of each request, in the order of the new run
	Warnings []string
	Invalid  string // why nothing can be compared: a run's measurement is not valid; empty where both are
}

// GateChange is what became of a threshold; Old or New is nil where a run does not have it.
type GateChange struct {
	Old, New *results.Gate
	Difference
}

// FigureChange is what became of a figure of a request.
type FigureChange struct {
	Scenario, Request string
	Figure            string // P50 and P95 of the response time, rate, failed
	Unit              string // ms, /s, or empty for a share
	Difference
}

// Difference is a figure of two runs.
type Difference struct {
	Old, New Estimate
	// Comparable is true where both have an interval that takes account of how much neighbouring requests depend on
	// each other.
	Comparable   bool
	Incomparable string // why they cannot be compared; empty where they can
	Better       bool   // their intervals do not overlap, and the new one is on the better side
	Worse        bool   // likewise, on the worse side
	Share        bool   // the figure is a share of 1
}

// By is how much greater the new figure is, as a share of the old one; of a share, in shares of 1. ok is false where
// the old one is 0.
func (c Difference) By() (by float64, ok bool) {
	switch {
	case c.Share:
		return c.New.Value - c.Old.Value, true
	case c.Old.Value == 0:
		return 0, false
	}
	return (c.New.Value - c.Old.Value) / c.Old.Value, true
}

// newDifference holds two estimates beside each other; a greater figure is a worse one unless more is set. Two figures
// differ when their 95 % intervals do not overlap, which is stricter than a test of their difference at that level.
// Intervals that suppose that requests are independent tell nothing: of one unchanged server they seldom overlap.
func newDifference(old, new Estimate, more bool) Difference {
	c := Difference{Old: old, New: new}
	a, b := old.Interval, new.Interval
	switch {
	case old.Samples == 0 || new.Samples == 0:
		c.Incomparable = "no data"
	case min(old.Seconds, new.Seconds) < stats.MinBlocks:
		c.Incomparable = tooShort(old.Seconds, new.Seconds)
	case !a.Ends() || !b.Ends():
		c.Incomparable = "the figure has no confidence interval"
	case !a.Corrected || !b.Corrected:
		c.Incomparable = fmt.Sprintf("too few seconds have responses: each run needs at least %d", stats.MinBlocks)
	}
	if c.Incomparable != "" {
		return c
	}
	c.Comparable = true
	rose := a.High != nil && b.Low != nil && *b.Low > *a.High
	fell := b.High != nil && a.Low != nil && *b.High < *a.Low
	c.Worse, c.Better = rose, fell
	if more {
		c.Worse, c.Better = fell, rose
	}
	return c
}

// tooShort says why two figures of so many measured seconds cannot be compared.
func tooShort(old, new int) string {
	measured := fmt.Sprintf("%d s and %d s", old, new)
	if old == new {
		measured = fmt.Sprintf("%d s", old)
	}
	return fmt.Sprintf("the runs are too short (%s measured, each needs at least %d s)", measured, stats.MinBlocks)
}

// Compare says what changed between two runs. It refuses, with a *NotAlikeError, runs that did not ask the same load.
func Compare(old, new *results.Run) (*Comparison, error) {
	oldPlan, err := planOf(old)
	if err != nil {
		return nil, err
	}
	newPlan, err := planOf(new)
	if err != nil {
		return nil, err
	}
	if what := alike(old, new, oldPlan, newPlan); what != "" {
		return nil, &NotAlikeError{what}
	}
	c := &Comparison{Old: old, New: new, Warnings: comparisonWarnings(old, new)}
	c.Figures, err = figureChanges(&old.Measurements, &new.Measurements)
	if err != nil {
		return nil, err
	}
	before, err := gatesOf(old)
	if err != nil {
		return nil, err
	}
	after, err := gatesOf(new)
	if err != nil {
		return nil, err
	}
	c.Gates = gateChanges(before, after)
	c.distrust()
	return c, nil
}

// distrust makes all figures of invalid measurements incomparable, and times that cannot be trusted.
func (c *Comparison) distrust() {
	var why []string
	untimed := false
	for _, side := range []struct {
		word string
		v    results.Verdict
	}{{"old", c.Old.Verdict}, {"new", c.New.Verdict}} {
		if side.v.Outcome == results.Invalid {
			why = append(why, strings.TrimSuffix(fmt.Sprintf("the %s run is INVALID: %s", side.word,
				strings.Join(side.v.Invalid, "; ")), ": "))
		}
		untimed = untimed || len(side.v.Untimed) > 0
	}
	c.Invalid = strings.Join(why, "; ")
	for i := range c.Gates {
		g := cmp.Or(c.Gates[i].New, c.Gates[i].Old)
		c.Gates[i].distrust(c.Invalid != "", untimed && !ofFailures(g.Threshold.Metric))
	}
	for i := range c.Figures {
		c.Figures[i].distrust(c.Invalid != "", untimed && c.Figures[i].Figure != "failed")
	}
}

// distrust makes two figures incomparable.
func (c *Difference) distrust(invalid, untimed bool) {
	reason := "the response times of a run cannot be trusted"
	if invalid {
		reason = "a run is INVALID"
	}
	if invalid || untimed {
		c.Comparable, c.Better, c.Worse, c.Incomparable = false, false, false, reason
	}
}

// judged is a gate with its figure as an estimate.
type judged struct {
	*results.Gate
	estimate Estimate
}

// gatesOf gives the gates of a run the intervals that they have not been judged by.
func gatesOf(r *results.Run) ([]judged, error) {
	m := &r.Measurements
	var out []judged
	for i := range r.Verdict.Gates {
		g := &r.Verdict.Gates[i]
		t := g.Threshold
		blocks := blocksOf(m, m.Select(requestTags(t.Selector)))
		j := judged{Gate: g, estimate: Estimate{g.Actual, g.Samples, g.Interval, fullSeconds(blocks)}}
		sum, err := m.Summarize(t.Selector)
		if err != nil {
			return nil, err
		}
		if percentile, ok := percentileOfThreshold(t); ok && results.NeedsTimeBlocks(t) &&
			t.Metric == scenarios.HTTPReqDuration {
			j.estimate.Interval = widened(g.Interval, g.Actual, blocks, percentile)
		}
		switch {
		case t.Window > 0 || g.Samples == 0: // the worst of many windows is not a figure with an interval
		case t.Metric == scenarios.HTTPReqFailed:
			j.estimate.Interval = estimateFailedShare(sum, blocks).Interval
		case t.Metric == scenarios.HTTPReqs && t.Aggregation.Name == "rate":
			j.estimate.Interval = estimateRate(sum, blocks).Interval
		}
		out = append(out, j)
	}
	return out, nil
}

func gateChanges(before, after []judged) []GateChange {
	var out []GateChange
	same := func(a judged) func(judged) bool {
		return func(b judged) bool { return a.Metric == b.Metric && a.Expression == b.Expression }
	}
	for _, g := range after {
		change := GateChange{New: g.Gate, Difference: Difference{New: g.estimate, Share: g.Threshold.Metric.IsShare()}}
		if i := slices.IndexFunc(before, same(g)); i >= 0 {
			change.Old = before[i].Gate
			change.Difference = newDifference(before[i].estimate, g.estimate, g.Op.IsLower())
			change.Share = g.Threshold.Metric.IsShare()
		}
		out = append(out, change)
	}
	for _, g := range before {
		if !slices.ContainsFunc(after, same(g)) {
			out = append(out, GateChange{
				Old:        g.Gate,
				Difference: Difference{Old: g.estimate, Share: g.Threshold.Metric.IsShare()},
			})
		}
	}
	return out
}

// figureChanges compares P50, P95, throughput and failures of every request.
func figureChanges(old, new *results.Measurements) ([]FigureChange, error) {
	requests, err := new.ByRequest()
	if err != nil {
		return nil, err
	}
	var out []FigureChange
	for _, s := range requests {
		selector := map[string]string{"scenario": s.Scenario, "name": s.Name}
		before, err := old.Summarize(selector)
		if err != nil {
			return nil, err
		}
		after, err := new.Summarize(selector)
		if err != nil {
			return nil, err
		}
		if before.Requests == 0 && after.Requests == 0 {
			continue
		}
		then, now := blocksOf(old, old.Select(selector)), blocksOf(new, new.Select(selector))
		times := map[float64]Difference{}
		for _, percentile := range []float64{50, 95} {
			a, err := estimatePercentile(old, selector, before.Response, then, percentile)
			if err != nil {
				return nil, err
			}
			b, err := estimatePercentile(new, selector, after.Response, now, percentile)
			if err != nil {
				return nil, err
			}
			times[percentile] = newDifference(a, b, false)
		}
		rate := newDifference(estimateRate(before, then), estimateRate(after, now), true)
		failed := newDifference(estimateFailedShare(before, then), estimateFailedShare(after, now), false)
		failed.Share = true
		out = append(
			out,
			FigureChange{s.Scenario, s.Name, "P50", "ms", times[50]},
			FigureChange{s.Scenario, s.Name, "P95", "ms", times[95]},
			FigureChange{s.Scenario, s.Name, "rate", "/s", rate},
			FigureChange{s.Scenario, s.Name, "failed", "", failed},
		)
	}
	return out, nil
}

// comparisonWarnings say what a reader of a comparison should know: what differs besides the service, and what the runs
// themselves warn of.
func comparisonWarnings(old, new *results.Run) []string {
	var out []string
	if new.Measurements.Started.Before(old.Measurements.Started) {
		out = append(out, "the new run was made before the old one: are they in the right order?")
	}
	for _, part := range []struct{ what, old, new string }{
		{"version of headroom", old.Tool.Version + " " + old.Tool.Commit, new.Tool.Version + " " + new.Tool.Commit},
		{"machine", machineText(old), machineText(new)},
		{
			"engine", old.Measurements.Engine + ", pacing " + old.Measurements.Pacing,
			new.Measurements.Engine + ", pacing " + new.Measurements.Pacing,
		},
		{"environment", environmentText(old, new), environmentText(new, old)},
	} {
		if part.old != part.new {
			out = append(out, fmt.Sprintf("the %s differs: %s, then %s", part.what, known(part.old), known(part.new)))
		}
	}
	out = append(out, settingWarnings("reference server", old.Environment.ServerSettings,
		new.Environment.ServerSettings)...)
	if len(old.Shards) > 0 == (len(new.Shards) > 0) {
		out = append(out, settingWarnings("load generator", generatorSettings(old), generatorSettings(new))...)
	}
	before, after := runWarnings(old), runWarnings(new)
	for _, w := range before {
		if slices.Contains(after, w) {
			out = append(out, "both: "+w)
		} else {
			out = append(out, "old: "+w)
		}
	}
	for _, w := range after {
		if !slices.Contains(before, w) {
			out = append(out, "new: "+w)
		}
	}
	return out
}

// settingWarnings name the settings in which two runs differ. Where one of them did not record them, they say that
// only.
func settingWarnings(of string, old, new map[string]string) []string {
	if old == nil && new == nil {
		return nil
	}
	if old == nil || new == nil {
		return []string{fmt.Sprintf("the %s run did not record the settings of the %s: they may differ",
			map[bool]string{true: "old", false: "new"}[old == nil], of)}
	}
	both := maps.Clone(old)
	maps.Copy(both, new)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if old[name] != new[name] {
			out = append(out, fmt.Sprintf("the %s's %s differs: %s, then %s", of, name, orNotSet(old[name]),
				orNotSet(new[name])))
		}
	}
	return out
}

func orNotSet(value string) string {
	if value == "" {
		return "not set"
	}
	return value
}

// generatorSettings are those of a run's generator; of a merged run those of all shards.
func generatorSettings(r *results.Run) map[string]string {
	if len(r.Shards) == 0 {
		return r.Environment.GeneratorSettings
	}
	var all map[string]string
	for _, s := range r.Shards {
		for name, value := range s.Settings {
			if all == nil {
				all = map[string]string{}
			}
			all[fmt.Sprintf("%s of shard %v", name, s.Shard)] = value
		}
	}
	return all
}

// known says so where a text says nothing.
func known(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return "unknown"
	}
	return text
}

// runWarnings are what a comparison should say of one of its runs.
func runWarnings(r *results.Run) []string {
	var out []string
	if !long(r) {
		out = append(out, fmt.Sprintf("fewer than %d full seconds of a scenario were measured: too few to "+
			"show a change", stats.MinBlocks))
	}
	for _, reason := range r.Verdict.Invalid {
		out = append(out, "INVALID: "+reason)
	}
	if aborted := r.Measurements.Aborted; aborted != "" {
		out = append(out, fmt.Sprintf("ended early, because a threshold was crossed: %s", aborted))
	}
	return append(out, r.Verdict.Warnings...)
}

// long reports whether every scenario was measured for long enough to tell how much alike neighbouring seconds are.
func long(r *results.Run) bool {
	m := &r.Measurements
	for _, l := range m.Loads {
		if len(blocksOf(m, m.Select(map[string]string{"scenario": l.Scenario}))) < stats.MinBlocks {
			return false
		}
	}
	return true
}

func machineText(r *results.Run) string {
	if len(r.Shards) > 0 {
		return fmt.Sprintf("%d shards", len(r.Shards))
	}
	m := r.Environment.Machine
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s, %d CPUs %s, kernel %s", m.Host, m.OS, m.Arch, m.CPUs, m.CPUModel,
		m.Kernel))
}

// environmentText describes the environment of a run that is compared with other.
func environmentText(r, other *results.Run) string {
	e := r.Environment
	parts := []string{"reference server"}
	if e.Own {
		parts[0] = "own service"
	}
	if e.Proxy != "" {
		parts = append(parts, "proxy "+e.Proxy)
	}
	if e.Provider != "" {
		parts = append(parts, "provider "+e.Provider)
	}
	for _, s := range e.Servers {
		parts = append(parts, strings.TrimSpace(s.Role+" "+s.Name+" "+s.Version))
	}
	if e.Fixture != "" {
		parts = append(parts, e.Fixture)
	}
	for _, s := range e.Settings {
		// else see settingWarnings
		if !strings.HasPrefix(s, "server ") || e.ServerSettings == nil || other.Environment.ServerSettings == nil {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

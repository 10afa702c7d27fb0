package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// The rules of a trial of a capacity search beside its objectives.
const (
	// mostFailed is the share of requests that may fail where no objective is about failures.
	mostFailed = 0.001
	// Requests pile up when the median response time grows by so many ms a second, as it does when the service answers
	// less than 99 % of what it is asked, and its pieces rise more clearly than chance makes them with pileP.
	pileSlope = 10
	pileP     = 0.01
	// leastSent is the share of what was planned that must have been sent.
	leastSent = 0.99
	// The generator was late when its own lag at P99 is above leastTrialLag, in ms, and above trialLagShare of the
	// tightest limit of a time; where no objective limits one, above timelessLag.
	leastTrialLag = 1
	trialLagShare = 0.1
	timelessLag   = 10
	// busyGenerator is the share of the CPUs that the generator may use from which on it is the limit.
	busyGenerator = 0.8
)

// ObjectivesOf are the thresholds of a plan that can be objectives of a capacity search, and why the others cannot.
func ObjectivesOf(thresholds []scenarios.Threshold) (objectives []scenarios.Threshold, refused []string) {
	for _, t := range thresholds {
		why := ""
		switch {
		case t.Metric == scenarios.HTTPReqs, t.Metric == scenarios.DataReceived, t.Metric == scenarios.DataSent:
			why = "the search decides how much is sent"
		case t.Metric == scenarios.ScheduleLag, t.Metric == scenarios.DroppedIterations:
			why = "it is of the generator, which every trial is checked for"
		case t.Window > 0:
			why = "a trial is judged as a whole"
		}
		if why == "" {
			objectives = append(objectives, t)
			continue
		}
		refused = append(refused, fmt.Sprintf("%s: %s is no objective: %s", t.Name(), t.Source, why))
	}
	return objectives, refused
}

// CapacityTrial holds what a stretch of open load measured against the objectives. It is bad when one of them does not
// hold, when 0.1 % of the requests or more failed where no objective is about failures, or when requests pile up. The
// values themselves decide and not their intervals: the search weighs that a trial may be wrong. An objective about
// requests of which none was sent says nothing of the trial, and it has no value then.
func CapacityTrial(m *results.Measurements, objectives []scenarios.Threshold) (results.CapacityTrial, error) {
	t, err := Stretch(m)
	if err != nil {
		return t, err
	}
	t.Values, t.Crossed, err = hold(m, objectives)
	if err != nil {
		return t, err
	}
	if slices.ContainsFunc(m.Loads, func(l *results.Load) bool { return pilesUp(m, l) }) {
		t.Crossed = append(t.Crossed, Backlog)
	}
	t.Bad = len(t.Crossed) > 0
	t.Excess, t.MayMiss, err = trialExcess(m, t, objectives)
	if err != nil {
		return t, err
	}
	t.AtLimits, err = excessAtLimits(m, t, objectives)
	if err != nil {
		return t, err
	}
	t.Veto, t.Limit = vetoTrial(m)
	if t.Veto == "" {
		t.Veto, t.Limit, err = spoiltByLag(m, t, objectives)
		if err != nil {
			return t, err
		}
	}
	if t.Veto == "" && len(t.Values) == 0 {
		t.Veto = "no objective has data: none of the requests that they are about was sent"
	}
	return t, nil
}

// trialExcess is the highest excess of the objectives or, where none is about failures, of the limit on those, and how
// many requests may miss it.
func trialExcess(m *results.Measurements, t results.CapacityTrial, objectives []scenarios.Threshold) (highest *float64,
	may float64, err error,
) {
	highest, may, err = highestExcess(m, objectives)
	if err != nil || highest == nil || slices.ContainsFunc(objectives, aboutFailures) {
		return highest, may, err
	}
	mayFail := mostFailed * float64(t.Requests)
	if own := float64(t.Failed) / max(mayFail, mostFailed); own > *highest {
		return &own, mayFail, nil
	}
	return highest, may, nil
}

// hold holds the objectives that have data against what was measured, and returns what was crossed of them and of the
// limit on failures where none is about failures.
func hold(m *results.Measurements, objectives []scenarios.Threshold) (values []results.Value, crossed []string,
	err error,
) {
	for _, o := range objectives {
		g, err := evaluate(m, o, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("objective %s: %s: %w", o.Name(), o.Source, err)
		}
		if g.Samples == 0 && !wereSent(m, o) {
			continue
		}
		name := nameOfObjective(o)
		values = append(values, results.Value{
			Objective: name, Actual: g.Actual, Unit: g.Unit, Samples: g.Samples, Holds: g.Passed,
		})
		if !g.Passed {
			crossed = append(crossed, name)
		}
	}
	sent, failed := countFailed(m.Series)
	if !slices.ContainsFunc(objectives, aboutFailures) && sent > 0 && float64(failed) >= mostFailed*float64(sent) {
		crossed = append(crossed, Failures)
	}
	return values, crossed, nil
}

func nameOfObjective(o scenarios.Threshold) string { return o.Name() + ": " + o.Source }

func aboutFailures(o scenarios.Threshold) bool { return ofFailures(o.Metric) }

// wereSent says whether requests were sent that an objective is about: it has failed then, though none was answered.
// What the server itself counts may have had nothing to do with any.
func wereSent(m *results.Measurements, o scenarios.Threshold) bool {
	metric, _ := o.Metric.Metric()
	if metric.From == scenarios.FromServer || metric.From == scenarios.FromMetrics {
		return false
	}
	sent, _ := countFailed(m.Select(requestTags(o.Selector)))
	return sent > 0
}

// What makes a trial bad beside the objectives.
const (
	Failures = "0.1 % of the requests or more failed"
	Backlog  = "requests piled up: less than 99 % of the rate was answered"
)

// pilesUp says whether the service did not keep up with a load. How many answers came in a few seconds scatters too
// much to tell that at low rates; the time that they take, counted from when they were due, does not. It is compared
// between the pieces of the measured time.
func pilesUp(m *results.Measurements, l *results.Load) bool {
	if float64(l.Sent) < leastSent*float64(l.Planned) {
		return true
	}
	var medians []float64
	length := 0.0
	for _, piece := range l.Stages {
		h := results.NewHistogram()
		for _, s := range m.Series {
			if s.Scenario == l.Scenario && s.Stage == piece.Name && h.Merge(s.Response) != nil {
				return false // times that cannot be compared, which Stretch has reported
			}
		}
		if h.Count() > 0 {
			medians = append(medians, h.Percentile(50))
		}
		length = max(length, piece.To-piece.From)
	}
	slope, p := stats.Rising(medians)
	return slope >= pileSlope*length && p <= pileP
}

// Stretch is what a stretch of load came to, judged by nothing.
func Stretch(m *results.Measurements) (results.CapacityTrial, error) {
	var t results.CapacityTrial
	sum, err := m.Summarize(nil)
	if err != nil {
		return t, err
	}
	t.Requests, t.Failed, t.Seconds = sum.Requests, sum.Failed, sum.Seconds
	for _, s := range m.Series {
		t.Refused += Refused(s)
		t.Unanswered += s.Errors[results.ErrorUnanswered]
	}
	for _, l := range m.Loads {
		t.Achieved += m.AchievedRate(l)
	}
	t.P50, t.P95, t.P99 = sum.Response.Percentile(50), sum.Response.Percentile(95), sum.Response.Percentile(99)
	t.InFlight = sum.Rate() * sum.Response.Mean() / 1000
	t.Use = use(m)
	return t, nil
}

// vetoTrial says why a trial says nothing: the machine was in the way, or the generator had no means to send. It does
// not look at the answers. limit says that the generator cannot send more.
func vetoTrial(m *results.Measurements) (veto string, limit bool) {
	for _, l := range m.Loads {
		if l.OutOfFiles > 0 || l.OutOfPorts > 0 {
			return exhausted(m, l)[0], true
		}
	}
	return strings.Join(disturbances(m), "; "), false
}

// use is what was used while a stretch of load was measured.
func use(m *results.Measurements) results.Use {
	u := results.Use{CPUs: m.Generator.CPUs, Generator: m.Generator.CPUCores()}
	if m.Health != nil {
		t := m.Health.Totals()
		u.System, u.Others, u.Stolen, u.Waited = t.System, t.Others, t.Stolen, t.SysWaited
		u.Service, u.Process = t.Service, t.Process
	}
	v := m.View("")
	if v == nil || v.Seconds == 0 || !v.IsAccount() {
		return u
	}
	u.Server, u.GC, u.GCPaused = new(v.CPUSeconds/v.Seconds), new(v.GCSeconds/v.Seconds), new(v.GCPauses/v.Seconds)
	var acquires, waits int64
	waited := 0.0
	for _, p := range v.Pools {
		acquires, waits, waited = acquires+p.Acquires, waits+p.Waits, waited+p.Waited
	}
	if acquires > 0 {
		u.PoolWaits = new(float64(waits) / float64(acquires))
	}
	if waits > 0 {
		u.PoolWait = new(waited / float64(waits))
	}
	if h, err := v.Database(""); err == nil && h.Count() > 0 {
		u.Database = new(h.Percentile(95))
	}
	if all, known := v.Tiers["overall"]; known && all.Hits+all.Misses > 0 {
		u.HitRatio = new(all.Ratio())
	}
	return u
}

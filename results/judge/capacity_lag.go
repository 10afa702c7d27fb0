package judge

import (
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// spoiltByLag says why a trial says nothing though nothing but the generator was late: it was bad, and might have been
// good had every request been sent when it was due. A trial that was good was so in spite of requests that were late,
// because response times count from when they were due. limit says that the generator cannot send more.
func spoiltByLag(m *results.Measurements, t results.CapacityTrial, objectives []scenarios.Threshold) (veto string,
	limit bool, err error,
) {
	if !t.Bad {
		return "", false, nil
	}
	veto, limit = lateTrial(m, objectives)
	if veto == "" {
		return "", false, nil
	}
	if slices.Contains(t.Crossed, Backlog) && pilesUpAnyway(m) {
		return "", false, nil
	}
	crossed := slices.DeleteFunc(slices.Clone(objectives), func(o scenarios.Threshold) bool {
		return !slices.Contains(t.Crossed, nameOfObjective(o))
	})
	if slices.Contains(t.Crossed, Failures) {
		crossed = append(crossed, failuresLimit)
	}
	for _, o := range crossed {
		anyway, err := crossedAnyway(m, o)
		if anyway || err != nil {
			return "", false, err
		}
	}
	return veto, limit, nil
}

// lateTrial says that the generator itself was late in a trial. limit says that it can send no more.
func lateTrial(m *results.Measurements, objectives []scenarios.Threshold) (late string, limit bool) {
	most := trialLag(objectives)
	for _, l := range m.Loads {
		if own := l.OwnLag.Percentile(99); own > most {
			busy := m.Generator.CPUCores() >= busyGenerator*float64(max(1, m.Generator.GoMaxProcs))
			return fmt.Sprintf("the generator itself was late: 1 %% of the requests by %.1f ms or more (the limit "+
				"is %.1f ms)",
				own, most), busy
		}
	}
	return "", false
}

// trialLag is how late the generator may be at P99, in ms.
func trialLag(objectives []scenarios.Threshold) float64 {
	tightest := timelessLag / trialLagShare
	for _, o := range objectives {
		if limitsTime(o) {
			tightest = min(tightest, o.Limit)
		}
	}
	return max(leastTrialLag, trialLagShare*tightest)
}

// failuresLimit is the limit on failures where no objective is about them.
var failuresLimit = scenarios.Threshold{
	Metric: scenarios.HTTPReqFailed, Aggregation: scenarios.Aggregation{Name: "rate"},
	Op: scenarios.Less, Limit: mostFailed,
}

// crossedAnyway says that an objective would have been crossed had the generator never been late. A request that took d
// longer than the limit missed it by itself, unless the generator was late by more than d. So at least as many missed
// it by themselves as took d longer than the limit, less all that were late by more than d, for every d. Failures
// are judged as those of a run whose generator was late. Of what else does not count from when requests were due,
// lateness changes nothing.
func crossedAnyway(m *results.Measurements, o scenarios.Threshold) (bool, error) {
	switch o.Metric {
	case scenarios.HTTPReqDuration, scenarios.HTTPReqFirstEvent, scenarios.HTTPReqFirstToken:
	case scenarios.HTTPReqFailed, scenarios.Checks:
		g, err := evaluate(m, o, 0)
		return err == nil && beyondLateness(m, &g, false), err
	case scenarios.HTTPReqGood, scenarios.HTTPReqGoodput: // whose first tokens count from when requests were due
		return false, nil
	default:
		return true, nil
	}
	p, ok := percentileOfThreshold(o)
	if !ok || !o.Op.IsUpper() {
		return false, nil
	}
	h, err := timesOf(m, o)
	if h == nil || err != nil {
		return false, err
	}
	may := float64(h.Count()) * (1 - p/100)
	for _, share := range []float64{50, 75, 90, 95, 99, 99.9, 100} {
		d, late := 0.0, int64(0)
		for _, l := range m.Loads {
			d = max(d, l.OwnLag.Percentile(share))
		}
		for _, l := range m.Loads {
			late += above(l.OwnLag, d)
		}
		if float64(above(h, o.Limit+d)-late) >= may {
			return true, nil
		}
	}
	return false, nil
}

// pilesUpAnyway says that the generator was not late enough to make requests seem to pile up: that is a rise of the
// medians by pileSlope over all of the measured time.
func pilesUpAnyway(m *results.Measurements) bool {
	for _, l := range m.Loads {
		length := 0.0
		for _, piece := range l.Stages {
			length += piece.To - piece.From
		}
		if float64(l.Sent) < leastSent*float64(l.Planned) || l.OwnLag.Percentile(99) > pileSlope*length/2 {
			return false
		}
	}
	return true
}

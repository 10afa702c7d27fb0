package judge

import (
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// CourseThresholds are what a plan must have for [Course]: thresholds that nobody judges, for each request of each
// scenario, so that its times and failures are kept second by second.
func CourseThresholds(plan *scenarios.Plan) (all []scenarios.Threshold) {
	for _, s := range plan.Scenarios {
		for _, r := range s.Requests {
			for _, metric := range []scenarios.MetricName{scenarios.HTTPReqDuration, scenarios.HTTPReqFailed} {
				all = append(all, scenarios.Threshold{
					Metric: metric, Window: time.Second,
					Selector: map[string]string{"scenario": s.Name, "name": r.Name},
				})
			}
		}
	}
	return all
}

// Course is what was answered well in each second of a plan with [CourseThresholds], as [Goodput] has it.
func Course(m *results.Measurements, objectives []scenarios.Threshold) ([]results.BeyondSecond, error) {
	end := 0
	for _, s := range m.Seconds {
		end = max(end, s.To)
	}
	course, times := make([]results.BeyondSecond, end), make([]*results.Histogram, end)
	for i := range times {
		times[i] = results.NewHistogram()
	}
	h := results.NewHistogram()
	for _, s := range m.Seconds {
		of := m.Select(s.Selector)
		if s.Metric != scenarios.HTTPReqDuration || len(of) == 0 {
			continue
		}
		failed := failedSeconds(m, s.Selector)
		for i := range min(len(s.Requests), s.To-s.From) {
			h.Reset()
			if err := s.Counts[i].AddTo(h); err != nil {
				return nil, err
			}
			if err := times[s.From+i].Merge(h); err != nil {
				return nil, err
			}
			bad := lateOf(h, of[0], objectives)
			if i < len(failed) {
				bad = max(bad, failed[i])
			}
			course[s.From+i].Goodput += float64(s.Requests[i] - bad)
		}
	}
	for i, h := range times {
		if h.Count() > 0 {
			course[i].P95 = h.Percentile(95)
		}
	}
	return course, nil
}

// failedSeconds is how many of the requests of a selector failed in each second.
func failedSeconds(m *results.Measurements, selector map[string]string) []int64 {
	for _, s := range m.Seconds {
		if s.Metric == scenarios.HTTPReqFailed && scenarios.Selects(selector, s.Selector) {
			return s.Failed
		}
	}
	return nil
}

// lateOf is how many times of a request are above the limit of an objective: of the one that most are above.
func lateOf(h *results.Histogram, of *results.Series, objectives []scenarios.Threshold) (late int64) {
	for _, o := range objectives {
		if limitsTime(o) && of.Matches(o.Selector) {
			late = max(late, above(h, o.Limit))
		}
	}
	return late
}

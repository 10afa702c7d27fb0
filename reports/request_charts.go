package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
)

// mostDrawnRequests is how many requests have charts of their own; of more, those that were sent most often.
const mostDrawnRequests = 100

// requestCharts draw each request second by second: its percentiles, and how many were answered and failed. There are
// none where the charts of scenarios say as much, nor in runs saved before the seconds of requests were recorded.
func requestCharts(d digest) []chart {
	drawn := drawnRequests(d)
	if len(drawn) == 0 || len(drawn) == 1 && len(d.Scenarios) == 1 {
		return nil
	}
	step := stepOf(d.length, (len(quantiles)+2)*len(drawn))
	which := ""
	if all := requestsOf(d); all > len(drawn) {
		which = fmt.Sprintf(" These are the %d requests of %d that were sent most often.", len(drawn), all)
	}
	response := chart{
		ID: "request-response-chart", Kind: "milliseconds", Title: "Response time of a request",
		Note: "Percentiles of its responses of each second. A line is broken where a second had none." + which +
			highest.note(step),
	}
	answered := chart{
		ID: "request-count-chart", Kind: "count", Title: "Responses to the request", Follows: response.ID,
		Note: "Responses per second, and those of them that count as failed." + averaged.note(step),
	}
	over := overTimeOf(d, pointsByScenario(d))
	for _, r := range drawn {
		of, label := pointsOf(d, r.key()), r.Name // of one at a time: of all of them it would be a copy of the run's
		if len(d.Scenarios) > 1 {
			label = r.Scenario + ": " + label
		}
		response.Choices = append(response.Choices,
			timesPicture(d, response.ID, label, step, quantileLines(of), over))
		whole := wholeSeconds([][]results.Point{of})[0]
		lines := []line{{
			"answered", 0, "solid", overTime(whole, countDot(func(p results.Point) int64 { return p.Requests })),
		}}
		if r.Failed > 0 {
			lines = append(lines, line{
				"failed", 1, "dashed", overTime(whole, countDot(func(p results.Point) int64 { return p.Failed })),
			})
		}
		answered.Choices = append(answered.Choices,
			countPicture(d, answered.ID, label, requestsPerSecond, step, lines, over))
	}
	return onClock(&d.Measurements, []chart{response, answered})
}

// requestKey is a request of a scenario.
type requestKey struct{ scenario, request string }

func (r request) key() requestKey { return requestKey{r.Scenario, r.Name} }

// pointsOf are the points of a request in the order of time.
func pointsOf(d digest, k requestKey) (of []results.Point) {
	for _, p := range d.Measurements.Points {
		if p.Request == k.request && p.Scenario == k.scenario {
			of = append(of, p)
		}
	}
	slices.SortStableFunc(of, func(a, b results.Point) int { return cmp.Compare(a.Second, b.Second) })
	return of
}

// drawnRequests are those that have charts, in the order of the tables.
func drawnRequests(d digest) (drawn []request) {
	has := map[requestKey]bool{}
	for _, p := range d.Measurements.Points {
		if p.Request != "" {
			has[requestKey{p.Scenario, p.Request}] = true
		}
	}
	for _, s := range d.Scenarios {
		for _, r := range s.Requests {
			if has[r.key()] {
				drawn = append(drawn, r)
			}
		}
	}
	if len(drawn) <= mostDrawnRequests {
		return drawn
	}
	often := slices.Clone(drawn)
	slices.SortStableFunc(often, func(a, b request) int { return cmp.Compare(b.Requests, a.Requests) })
	chosen := map[requestKey]bool{}
	for _, r := range often[:mostDrawnRequests] {
		chosen[r.key()] = true
	}
	return slices.DeleteFunc(drawn, func(r request) bool { return !chosen[r.key()] })
}

// requestsOf is how many requests the run has.
func requestsOf(d digest) (n int) {
	for _, s := range d.Scenarios {
		n += len(s.Requests)
	}
	return n
}

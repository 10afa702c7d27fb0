package judge

import (
	"fmt"
	"maps"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// aggregated is a threshold's left-hand side.
type aggregated struct {
	value   float64
	unit    string
	samples int64
}

func aggregate(m *results.Measurements, t scenarios.Threshold) (aggregated, error) {
	switch t.Metric {
	case "http_req_duration", "http_req_service_duration":
		sum, err := m.Summarize(t.Selector)
		if t.Metric == "http_req_duration" {
			return trend(sum.Response, t.Aggregation), err
		}
		return trend(sum.Service, t.Aggregation), err
	case "http_reqs", "data_sent", "data_received", "http_req_failed", "http_req_cache_hit":
		return requests(m, t), nil
	case "checks":
		return checks(m, t.Selector), nil
	case "dropped_iterations", "schedule_lag":
		return schedule(m, t)
	case "db_query_duration":
		v := m.View(t.Selector["scenario"])
		if v == nil {
			return aggregated{unit: "ms"}, nil
		}
		h, err := v.Database(t.Selector["query"])
		if err != nil {
			return aggregated{}, err
		}
		return trend(h, t.Aggregation), nil
	case "cache_hit_ratio":
		return hitRatio(m.View(t.Selector["scenario"]), t.Selector["tier"]), nil
	}
	return aggregated{}, fmt.Errorf("unknown metric %q", t.Metric)
}

func trend(h *results.Histogram, a scenarios.Aggregation) aggregated {
	out := aggregated{unit: "ms", samples: h.Count()}
	switch a.Name {
	case "avg":
		out.value = h.Mean()
	case "min":
		out.value = h.Min()
	case "max":
		out.value = h.Max()
	case "med":
		out.value = h.Percentile(50)
	case "p":
		out.value = h.Percentile(a.Percentile)
	}
	return out
}

// requests aggregates the metrics that are counted a request.
func requests(m *results.Measurements, t scenarios.Threshold) aggregated {
	var total, failed, answers, hits, sent, received int64
	selected := m.Select(t.Selector)
	for _, s := range selected {
		total += s.Requests
		failed += s.Failed
		answers += s.CacheAnswers
		hits += s.CacheHits
		sent += s.BytesSent
		received += s.BytesReceived
	}
	perSecond := t.Aggregation.Name == "rate"
	switch t.Metric {
	case "http_req_failed":
		return share(failed, total)
	case "http_req_cache_hit":
		return share(hits, answers)
	case "data_sent":
		return counter(sent, total, "B", perSecond, m.MeasuredSeconds(selected))
	case "data_received":
		return counter(received, total, "B", perSecond, m.MeasuredSeconds(selected))
	}
	return counter(total, total, "", perSecond, m.MeasuredSeconds(selected))
}

// checks aggregates the checks that a selector picks: by the tags of their requests, and by the tag check.
func checks(m *results.Measurements, selector map[string]string) aggregated {
	requests := maps.Clone(selector)
	delete(requests, "check")
	name, one := selector["check"]
	var passed, all int64
	for _, s := range m.Select(requests) {
		for _, c := range s.Checks {
			if !one || c.Name == name {
				passed += c.Passed
				all += c.Passed + c.Failed
			}
		}
	}
	return share(passed, all)
}

func share(part, whole int64) aggregated {
	if whole == 0 {
		return aggregated{}
	}
	return aggregated{value: float64(part) / float64(whole), samples: whole}
}

func counter(n, samples int64, unit string, perSecond bool, seconds float64) aggregated {
	if !perSecond {
		return aggregated{float64(n), unit, samples}
	}
	if seconds == 0 {
		return aggregated{unit: unit + "/s"}
	}
	return aggregated{float64(n) / seconds, unit + "/s", samples}
}

// schedule aggregates the metrics of how the schedules went.
func schedule(m *results.Measurements, t scenarios.Threshold) (aggregated, error) {
	lag := results.NewHistogram()
	var dropped, planned int64
	var spans []results.Span
	for _, l := range m.Loads {
		if name, chosen := t.Selector["scenario"]; !l.Open || chosen && name != l.Scenario {
			continue
		}
		spans = append(spans, results.Span{From: l.MeasuredFrom, To: max(l.MeasuredTo, l.LastAnswer)})
		dropped += l.Dropped
		planned += l.Planned
		if err := lag.Merge(l.Lag); err != nil {
			return aggregated{}, err
		}
	}
	if t.Metric == "schedule_lag" {
		return trend(lag, t.Aggregation), nil
	}
	return counter(dropped, planned, "", t.Aggregation.Name == "rate", results.Covered(spans)), nil
}

func hitRatio(v *results.ServerView, tier string) aggregated {
	if tier == "" {
		tier = "overall"
	}
	if v == nil {
		return aggregated{}
	}
	s := v.Tiers[tier]
	return share(s.Hits, s.Hits+s.Misses)
}

package judge

import (
	"errors"
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

	// reason is why there is nothing to judge, where that is not for want of data.
	reason string
	// bounds are what the value lies between for certain, where it is not known exactly; nil where it is.
	bounds *[2]float64
}

func aggregate(m *results.Measurements, t scenarios.Threshold) (aggregated, error) {
	switch t.Metric {
	case scenarios.HTTPReqDuration, scenarios.HTTPReqServiceDuration:
		sum, err := m.Summarize(t.Selector)
		if t.Metric == scenarios.HTTPReqDuration {
			return trend(sum.Response, t.Aggregation), err
		}
		return trend(sum.Service, t.Aggregation), err
	case scenarios.HTTPReqWaiting:
		return optionalTimes(m, t, func(s *results.Series) *results.Histogram { return s.Waiting })
	case scenarios.HTTPReqTLSHandshaking:
		return optionalTimes(m, t, func(s *results.Series) *results.Histogram { return s.Handshakes })
	case scenarios.HTTPReqFirstEvent, scenarios.HTTPReqEventGap, scenarios.HTTPReqEvents, scenarios.HTTPReqFirstToken,
		scenarios.HTTPReqTokenGap, scenarios.HTTPReqTokens:
		return streamedAnswers(m, t)
	case scenarios.HTTPReqGoodput, scenarios.HTTPReqGood:
		return goodput(m, t), nil
	case scenarios.HTTPReqs, scenarios.DataSent, scenarios.DataReceived, scenarios.HTTPReqFailed,
		scenarios.HTTPReqCacheHit:
		return requests(m, t), nil
	case scenarios.Checks:
		return checks(m, t.Selector), nil
	case scenarios.DroppedIterations, scenarios.ScheduleLag:
		return schedule(m, t)
	case scenarios.IterationDuration:
		sum, err := m.IterationsOf(t.Selector["scenario"], t.Selector["flow"])
		return trend(sum.Duration, t.Aggregation), err
	case scenarios.DBQueryDuration:
		v := m.View(t.Selector["scenario"])
		if v == nil {
			return aggregated{unit: "ms"}, nil
		}
		h, err := v.Database(t.Selector["query"])
		if err != nil {
			return aggregated{}, err
		}
		return trend(h, t.Aggregation), nil
	case scenarios.StreamDelivery, scenarios.StreamFirstByte, scenarios.StreamFirstEvent, scenarios.StreamGap,
		scenarios.StreamEvents, scenarios.StreamBreaks, scenarios.StreamConnected, scenarios.StreamRepeated,
		scenarios.StreamMissed:
		return streams(m, t)
	case scenarios.BrowserFCP, scenarios.BrowserLCP, scenarios.BrowserCLS, scenarios.BrowserINP,
		scenarios.BrowserTTFB, scenarios.BrowserLoad, scenarios.BrowserBytes, scenarios.BrowserRequests:
		return pages(m, t), nil
	case scenarios.GeneratorMemory, scenarios.GeneratorFiles, scenarios.GeneratorGoroutines, scenarios.ServerMemory,
		scenarios.ServerFiles, scenarios.ServerGoroutines:
		return footprint(m, t), nil
	case scenarios.GeneratorMemoryGrowth, scenarios.ServerMemoryGrowth:
		a, _ := memoryGrowth(m, t)
		return a, nil
	case scenarios.P95Drift:
		return p95Drift(m, t), nil
	case scenarios.CacheHitRatio:
		return hitRatio(m.View(t.Selector["scenario"]), t.Selector["tier"]), nil
	case scenarios.ServerMetric:
		return figure(m, t), nil
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
	metric, _ := t.Metric.Metric()
	asked := total // that could have been of the kind that is counted: none of it is data too
	if scenarios.SelectsOutcome(t.Selector) {
		asked = 0
		for _, s := range m.Select(scenarios.WithoutOutcome(t.Selector)) {
			asked += s.Requests
		}
	}
	count := func(n int64) aggregated {
		return counter(n, asked, metric.Unit, t.Aggregation.Name == "rate", m.MeasuredSeconds(selected))
	}
	switch t.Metric {
	case scenarios.HTTPReqFailed:
		return share(failed, total)
	case scenarios.HTTPReqCacheHit:
		return share(hits, answers)
	case scenarios.DataSent:
		return count(sent)
	case scenarios.DataReceived:
		return count(received)
	}
	return count(total)
}

// optionalTimes aggregates times that not all series have.
func optionalTimes(m *results.Measurements, t scenarios.Threshold, of func(*results.Series) *results.Histogram,
) (aggregated, error) {
	sum := results.NewHistogram()
	for _, s := range m.Select(t.Selector) {
		times := of(s)
		if times == nil {
			continue
		}
		if err := sum.Merge(times); err != nil {
			return aggregated{}, err
		}
	}
	return trend(sum, t.Aggregation), nil
}

// streamedAnswers aggregates the metrics of answers that are streamed as the metric has it.
func streamedAnswers(m *results.Measurements, t scenarios.Threshold) (aggregated, error) {
	var of []*results.Series
	var events, tokens int64
	first, gap := results.NewHistogram(), results.NewHistogram()
	for _, s := range m.Select(t.Selector) {
		if s.Streamed == nil || !s.Streamed.Kind.Has(t.Metric) {
			continue
		}
		of = append(of, s)
		events, tokens = events+s.Streamed.Events, tokens+s.Streamed.Tokens
		if err := errors.Join(first.Merge(s.Streamed.First), gap.Merge(s.Streamed.Gap)); err != nil {
			return aggregated{}, err
		}
	}
	switch t.Metric {
	case scenarios.HTTPReqFirstEvent, scenarios.HTTPReqFirstToken:
		return trend(first, t.Aggregation), nil
	case scenarios.HTTPReqEventGap, scenarios.HTTPReqTokenGap:
		return trend(gap, t.Aggregation), nil
	case scenarios.HTTPReqTokens:
		events = tokens
	}
	return counter(events, events, "", t.Aggregation.Name == "rate", m.MeasuredSeconds(of)), nil
}

// goodput aggregates the requests with limits: those that were answered within both, of all.
func goodput(m *results.Measurements, t scenarios.Threshold) aggregated {
	var of []*results.Series
	var good, all int64
	for _, s := range m.Select(t.Selector) {
		if s.Streamed == nil || s.Streamed.Goodput == nil {
			continue
		}
		of = append(of, s)
		good, all = good+s.Streamed.Good, all+s.Requests
	}
	if t.Metric == scenarios.HTTPReqGood {
		return share(good, all)
	}
	return counter(good, all, "", t.Aggregation.Name == "rate", m.MeasuredSeconds(of))
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
		return aggregated{value: float64(n), unit: unit, samples: samples}
	}
	if seconds == 0 {
		return aggregated{unit: unit + "/s"}
	}
	return aggregated{value: float64(n) / seconds, unit: unit + "/s", samples: samples}
}

// schedule aggregates the metrics of how the schedules went.
func schedule(m *results.Measurements, t scenarios.Threshold) (aggregated, error) {
	lag := results.NewHistogram()
	var dropped, planned int64
	var spans []results.Span
	for _, l := range m.Loads {
		has := l.Open || l.Counted && t.Metric == scenarios.DroppedIterations
		if name, chosen := t.Selector["scenario"]; !has || chosen && name != l.Scenario {
			continue
		}
		spans = append(spans, results.Span{From: l.MeasuredFrom, To: max(l.MeasuredTo, l.LastAnswer)})
		dropped += l.Dropped
		planned += l.Planned
		if err := lag.Merge(l.Lag); err != nil {
			return aggregated{}, err
		}
	}
	if t.Metric == scenarios.ScheduleLag {
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

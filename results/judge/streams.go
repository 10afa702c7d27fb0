package judge

import (
	"fmt"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// streams aggregates the metrics of subscribers' streams.
func streams(m *results.Measurements, t scenarios.Threshold) (aggregated, error) {
	of := m.StreamsOf(t.Selector["scenario"])
	var sum results.StreamCounts
	times := results.NewHistogram()
	var spans []results.Span
	for _, s := range of {
		sum.Add(&s.StreamCounts)
		from := map[scenarios.MetricName]*results.Histogram{
			scenarios.StreamDelivery: s.Delivery, scenarios.StreamFirstByte: s.FirstByte,
			scenarios.StreamFirstEvent: s.FirstEvent, scenarios.StreamGap: s.Gap,
		}[t.Metric]
		if from != nil {
			if err := times.Merge(from); err != nil {
				return aggregated{}, err
			}
		}
		for _, l := range m.Loads {
			if l.Scenario == s.Scenario {
				spans = append(spans, results.Span{From: l.MeasuredFrom, To: l.MeasuredTo})
			}
		}
	}
	count := func(n, samples int64) aggregated {
		return counter(n, samples, "", t.Aggregation.Name == "rate", results.Covered(spans))
	}
	switch t.Metric {
	case scenarios.StreamEvents:
		return count(sum.Events, sum.Events), nil
	case scenarios.StreamBreaks:
		return count(sum.Breaks, sum.Opened), nil
	case scenarios.StreamRepeated:
		return count(sum.Repeated, sum.Numbered), nil
	case scenarios.StreamMissed:
		return count(sum.Missed, sum.Numbered), nil
	case scenarios.StreamConnected:
		if sum.ExpectedSeconds == 0 {
			return aggregated{}, nil
		}
		return aggregated{value: sum.ConnectedShare(), samples: subscribers(of)}, nil
	}
	return trend(times, t.Aggregation), nil
}

func subscribers(of []*results.Stream) (n int64) {
	for _, s := range of {
		n += int64(s.Subscribers)
	}
	return n
}

// unopened fails scenarios of which no subscriber ever had a stream, whatever the thresholds look at.
func unopened(m *results.Measurements) (failed []string) {
	for _, s := range m.Streams {
		if s.Attempts > 0 && s.Opened == 0 && s.ConnectedSeconds == 0 {
			failed = append(failed, fmt.Sprintf("nothing succeeded in scenario %s: %s to open a stream failed",
				s.Scenario,
				allAttempts(s.Attempts)))
		}
	}
	return failed
}

func allAttempts(n int64) string {
	if n == 1 {
		return "the only attempt"
	}
	return fmt.Sprintf("all %d attempts", n)
}

// distrustStreams lists why the streams may not be judged at all, why their times may not, and what else there is to
// say.
func distrustStreams(m *results.Measurements, thresholds []scenarios.Threshold) (reasons, late, warnings []string) {
	for _, s := range m.Streams {
		if s.FromFuture > 0 {
			text := fmt.Sprintf("%s: %d of %d events were received before the time that stands in them: the clocks of "+
				"generator and service differ, so that no time of delivery can be trusted. Synchronise them, or run "+
				"both on one machine", s.Scenario, s.FromFuture, s.Events)
			if judgesStream(thresholds, s, scenarios.StreamDelivery) {
				reasons = append(reasons, text)
			} else {
				warnings = append(warnings, text)
			}
		}
		if s.Untimed > 0 {
			warnings = append(warnings,
				fmt.Sprintf("%s: %d of %d events have no time that can be read where event.time "+
					"says: they are not in stream_delivery", s.Scenario, s.Untimed, s.Events))
		}
		if reason := slowReader(m, s, thresholds); reason != "" {
			late = append(late, reason)
		}
		warnings = append(warnings, unwatchedStream(s, thresholds)...)
	}
	return reasons, late, warnings
}

// judgesStream says whether a threshold on any of the metrics selects a stream.
func judgesStream(thresholds []scenarios.Threshold, s *results.Stream, metrics ...scenarios.MetricName) bool {
	for _, t := range thresholds {
		name, chosen := t.Selector["scenario"]
		if chosen && name != s.Scenario {
			continue
		}
		for _, metric := range metrics {
			if t.Metric == metric {
				return true
			}
		}
	}
	return false
}

// slowReader says where what came waited too long for the generator to read it: it is held against the time of
// delivery as the lag of requests is against the response time.
func slowReader(m *results.Measurements, s *results.Stream, thresholds []scenarios.Threshold) string {
	percentiles := []float64{95}
	for _, t := range thresholds {
		name, chosen := t.Selector["scenario"]
		if t.Metric != scenarios.StreamDelivery || chosen && name != s.Scenario {
			continue
		}
		if p, ok := percentileOfThreshold(t); ok {
			percentiles = append(percentiles, p)
		}
	}
	for _, l := range m.Loads {
		if l.Scenario != s.Scenario || l.OwnLag.Count() == 0 || s.Delivery.Count() == 0 {
			continue
		}
		for _, p := range percentiles {
			own, delivery := l.OwnLag.Percentile(p), s.Delivery.Percentile(p)
			if own > maxOwnLag && own > maxOwnLagShare*delivery {
				return fmt.Sprintf("%s: the generator was starved: %.4g %% of what it read had waited for it for "+
					"more than %.1f ms (delivery at P%v: %.1f ms): use fewer subscribers or give it more CPU",
					s.Scenario, 100-p, own, p, delivery)
			}
		}
	}
	return ""
}

// unwatchedStream warns of failures and breaks that no threshold looks at.
func unwatchedStream(s *results.Stream, thresholds []scenarios.Threshold) (warnings []string) {
	judged := judgesStream(thresholds, s, scenarios.StreamConnected)
	if failed := s.Attempts - s.Opened; failed > 0 && !judged {
		warnings = append(warnings, fmt.Sprintf("%s: %d of %d attempts to open a stream failed, and no threshold on "+
			"stream_connected judges them", s.Scenario, failed, s.Attempts))
	}
	if s.Breaks > 0 && !judged && !judgesStream(thresholds, s, scenarios.StreamBreaks) {
		warnings = append(warnings, fmt.Sprintf("%s: %d streams broke, and no threshold on stream_breaks or "+
			"stream_connected judges them", s.Scenario, s.Breaks))
	}
	return warnings
}

package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
)

// streams are those of the subscribers of one scenario.
type streams struct {
	*results.Stream
	Load   *results.Load // nil when the run has no record of it
	Points []results.StreamPoint
}

func newStreams(m *results.Measurements) (all []streams) {
	for _, s := range m.Streams {
		of := streams{Stream: s}
		for _, l := range m.Loads {
			if l.Scenario == s.Scenario {
				of.Load = l
			}
		}
		for _, p := range m.StreamPoints {
			if p.Scenario == s.Scenario {
				of.Points = append(of.Points, p)
			}
		}
		all = append(all, of)
	}
	return all
}

// isOfStreams reports whether a load is one of subscribers, which the tables of requests leave out.
func isOfStreams(m *results.Measurements, l *results.Load) bool {
	return slices.ContainsFunc(m.Streams, func(s *results.Stream) bool { return s.Scenario == l.Scenario })
}

// Rate is the events per second of the measured window.
func (s streams) Rate() float64 {
	if s.Load == nil || s.Load.MeasuredTo <= s.Load.MeasuredFrom {
		return 0
	}
	return float64(s.Events) / (s.Load.MeasuredTo - s.Load.MeasuredFrom)
}

// Connected is the share of their time for which subscribers had a stream.
func (s streams) Connected() string {
	if s.ExpectedSeconds == 0 {
		return none
	}
	return percent(s.ConnectedShare())
}

// Failed is how many attempts opened no stream.
func (s streams) Failed() int64 { return s.Attempts - s.Opened }

// SubscriberCount is how many subscribers there were to be.
func (s streams) SubscriberCount() int64 { return int64(s.Subscribers) }

// Numbers is what became of the ids: "3 / 0", or a dash where no event had one that is a whole number.
func (s streams) Numbers() string {
	if s.Numbered == 0 {
		return none
	}
	return count(s.Repeated) + " / " + count(s.Missed)
}

// OwnWait is how long what came had waited while the generator was busy, of 99 % of what it read, in milliseconds.
func (s streams) OwnWait() string {
	if s.Load == nil {
		return none
	}
	return percentileOf(s.Load.OwnLag, 99)
}

// streamTime is one of the times of a scenario's streams.
type streamTime struct {
	Name      string
	Histogram *results.Histogram
}

// Times are the times that were recorded.
func (s streams) Times() (all []streamTime) {
	delivery := "delivery"
	if s.FromFuture > 0 {
		delivery = "delivery, not valid: the clocks differ"
	}
	if s.Timed {
		all = append(all, streamTime{delivery, s.Delivery})
	}
	return append(all, streamTime{"first byte", s.FirstByte}, streamTime{"first event", s.FirstEvent},
		streamTime{"gap between events", s.Gap})
}

// Whys are why attempts opened no stream, and why streams broke.
func (s streams) Whys() (lines []string) {
	for _, class := range slices.Sorted(maps.Keys(s.Errors)) {
		line := fmt.Sprintf("%s × %s", class, count(s.Errors[class]))
		if first := s.ErrorSamples[class]; first != "" && first != class {
			line += "; first: " + shortened(first)
		}
		lines = append(lines, line)
	}
	return lines
}

// streamsText lists the streams, then their times.
func streamsText(all []streams) string {
	t := textTable{left: 1, rows: [][]string{{
		"scenario", "subscribers", "connected", "attempts", "failed", "breaks", "resumed", "events", "rate",
		"repeated / missed ids", "own P99",
	}}}
	times := textTable{left: 2, rows: [][]string{{"scenario", "time", "count", "P50", "P95", "P99", "P99.9", "max"}}}
	var whys strings.Builder
	for _, s := range all {
		t.add(s.Scenario, count(s.SubscriberCount()), s.Connected(), count(s.Attempts), count(s.Failed()),
			count(s.Breaks), count(s.Resumed), count(s.Events), rate(s.Rate()), s.Numbers(), s.OwnWait())
		for _, of := range s.Times() {
			h := of.Histogram
			times.add(s.Scenario, of.Name, count(h.Count()), percentileOf(h, 50), percentileOf(h, 95),
				percentileOf(h, 99), percentileOf(h, 99.9), maxOf(h))
		}
		for _, why := range s.Whys() {
			fmt.Fprintf(&whys, "  %s: %s\n", onOneLine(s.Scenario), onOneLine(why))
		}
	}
	return t.String() + whys.String() + "\n" + times.String()
}

// streamsMarkdown lists the streams for the summary of a CI job.
func streamsMarkdown(all []streams) string {
	t := markdownTable{left: 1, heading: []string{
		"scenario", "subscribers", "connected", "breaks", "events", "rate", "delivery P50, ms", "P95, ms", "P99, ms",
	}}
	for _, s := range all {
		delivery := s.Delivery
		if s.FromFuture > 0 { // it is not valid
			delivery = nil
		}
		t.add(s.Scenario, count(s.SubscriberCount()), s.Connected(), count(s.Breaks), count(s.Events), rate(s.Rate()),
			percentileOf(delivery, 50), percentileOf(delivery, 95), percentileOf(delivery, 99))
	}
	return t.String()
}

// streamFigures are the figures of streams that other tools can follow: with the tag scenario where there are several.
// Delivery is left out where the clocks differ.
func streamFigures(m *results.Measurements) (all []export.Figure) {
	for _, s := range newStreams(m) {
		var tags map[string]string
		if len(m.Streams) > 1 {
			tags = map[string]string{"scenario": s.Scenario}
		}
		if s.Delivery.Count() > 0 && s.FromFuture == 0 {
			for _, of := range []struct {
				statistic  string
				percentile float64
			}{{"med", 50}, {"p(95)", 95}, {"p(99)", 99}} {
				all = append(all, export.Figure{
					Metric: "stream_delivery", Tags: tags, Statistic: of.statistic,
					Value: s.Delivery.Percentile(of.percentile), Unit: "ms", Samples: s.Delivery.Count(),
				})
			}
		}
		if s.Events > 0 {
			all = append(all, export.Figure{
				Metric: "stream_events", Tags: tags, Statistic: "rate", Value: s.Rate(), Unit: "1/s",
				MoreIsBetter: true,
				Samples:      s.Events,
			})
		}
		if s.ExpectedSeconds > 0 {
			all = append(all, export.Figure{
				Metric: "stream_connected", Tags: tags, Statistic: "rate", Value: s.ConnectedShare(),
				MoreIsBetter: true,
				Samples:      int64(s.Subscribers),
			})
		}
	}
	return all
}

// streamCharts draw the streams second by second.
func streamCharts(d digest) []chart {
	some, timed, broken := false, false, false
	for _, s := range d.Streams {
		for _, p := range s.Points {
			some, timed, broken = true, timed || p.Max > 0, broken || p.Breaks > 0
		}
	}
	if !some {
		return nil
	}
	all := []chart{
		streamCount(d, "stream-events-chart", "Events", "Events per second of all subscribers.", "events per second",
			func(p results.StreamPoint) dot {
				return dot{x: float64(p.Second), y: float64(p.Events), gap: p.Partial}
			}),
		streamCount(d, "stream-connected-chart", "Open streams", "Streams that were open at the end of each second.",
			"streams",
			func(p results.StreamPoint) dot { return dot{x: float64(p.Second), y: float64(p.Connected)} }),
	}
	if broken {
		all = append(all, streamCount(d, "stream-breaks-chart", "Breaks", "Streams that ended before the load did.",
			"breaks per second",
			func(p results.StreamPoint) dot { return dot{x: float64(p.Second), y: float64(p.Breaks)} }))
	}
	if timed {
		all = append(all, deliveryChart(d))
	}
	return onClock(&d.Measurements, all)
}

// streamCount draws a line of counts for each scenario.
func streamCount(d digest, id, title, note, unit string, value func(results.StreamPoint) dot) chart {
	var lines []line
	for i, s := range d.Streams {
		l := line{name: s.Scenario, tone: i, dash: dashes[i%len(dashes)]}
		for _, p := range s.Points {
			l.dots = append(l.dots, value(p))
		}
		lines = append(lines, l)
	}
	step := stepOf(d.length, len(lines))
	y := opts.YAxis{Name: unit, Type: "value", Min: 0}
	return chart{
		ID: id, Kind: "count", Title: title, Note: note + averaged.note(step),
		Choices: []picture{newPicture("all scenarios", id, timeAxis(d), y, averaged.everyLine(step, 0, lines),
			streamOverlay(d, d.Streams))},
	}
}

// deliveryChart draws the percentiles of each scenario's delivery.
func deliveryChart(d digest) chart {
	c := chart{
		ID: "stream-delivery-chart", Kind: "milliseconds", Title: "Delivery",
		Note: "Receipt of an event minus the time that stands in it: percentiles of the events of each second. " +
			"A line is broken where a second had none.",
	}
	step := stepOf(d.length, len(d.Streams))
	c.Note += highest.note(step)
	for i, s := range d.Streams {
		var lines []line
		for k, q := range []struct {
			name string
			of   func(results.StreamPoint) float64
		}{
			{"P99", func(p results.StreamPoint) float64 { return p.P99 }},
			{"P95", func(p results.StreamPoint) float64 { return p.P95 }},
			{"P50", func(p results.StreamPoint) float64 { return p.P50 }},
		} {
			l := line{name: q.name, tone: k, dash: dashes[k]}
			for _, p := range s.Points {
				l.dots = append(l.dots, dot{x: float64(p.Second), y: max(q.of(p), smallestMillis), gap: p.Max == 0})
			}
			lines = append(lines, l)
		}
		c.Choices = append(c.Choices, timesPicture(d, c.ID, s.Scenario, step, lines,
			streamOverlay(d, d.Streams[i:i+1])))
	}
	return c
}

// streamOverlay marks faults, and shades the warm-ups of scenarios of subscribers.
func streamOverlay(d digest, of []streams) overlay {
	over := overlay{marks: labelled(d.Measurements.Marks, float64(d.length))}
	for _, s := range of {
		if s.Load == nil || len(s.Points) == 0 || !s.Points[0].Warmup {
			continue
		}
		label := "warm-up"
		if len(of) > 1 {
			label += " of " + s.Scenario
		}
		over.shades = append(over.shades, shade{label, float64(s.Points[0].Second), s.Load.MeasuredFrom})
	}
	return over
}

// summaryStream is what summary.json says of the streams of a scenario.
type summaryStream struct {
	Scenario       string  `json:"scenario"`
	Name           string  `json:"name"`
	Subscribers    int     `json:"subscribers"`
	ConnectedShare float64 `json:"connected_share"`
	EventsRate     float64 `json:"events_rate"`
	results.StreamCounts
	Delivery   *distribution `json:"delivery_ms"`
	FirstByte  *distribution `json:"first_byte_ms"`
	FirstEvent *distribution `json:"first_event_ms"`
	Gap        *distribution `json:"gap_ms"`
	OwnWait    *distribution `json:"own_wait_ms"`
}

func newSummaryStreams(all []streams) (out []summaryStream) {
	for _, s := range all {
		one := summaryStream{
			Scenario: s.Scenario, Name: s.Name, Subscribers: s.Subscribers, ConnectedShare: s.ConnectedShare(),
			EventsRate: s.Rate(), StreamCounts: s.StreamCounts,
			Delivery: newDistribution(s.Delivery), FirstByte: newDistribution(s.FirstByte),
			FirstEvent: newDistribution(s.FirstEvent), Gap: newDistribution(s.Gap),
		}
		if s.Load != nil {
			one.OwnWait = newDistribution(s.Load.OwnLag)
		}
		out = append(out, one)
	}
	return out
}

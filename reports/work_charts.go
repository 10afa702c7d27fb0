package reports

import (
	"fmt"
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// workLine is a line of a chart of the server's work.
type workLine struct {
	name string
	of   func(*results.ServerWork) float64
}

// workCharts draw L1, the cache's work, garbage collection and memory of the reference server over time, as far as it
// told.
func workCharts(d digest) (all []chart) {
	samples := d.Measurements.Samples
	if slices.ContainsFunc(samples, func(s results.Sample) bool { return s.Work != nil }) {
		all = append(all,
			workChart(d, chart{
				ID: "l1-chart", Kind: "figure", Title: "Size of L1",
				Note: "Bytes in the L1 caches of all instances, and how many these may have.",
			}, "bytes", []workLine{
				{"in use", func(w *results.ServerWork) float64 { return float64(w.L1Bytes) }},
				{"allowed", func(w *results.ServerWork) float64 { return float64(w.L1MaxBytes) }},
			}),
			workChart(d, chart{
				ID: "ttl-chart", Kind: "figure", Title: "Lifetime in L1",
				Note: "How long an entry lives in L1; of several instances the longest.",
			}, "s", []workLine{{"lifetime", func(w *results.ServerWork) float64 { return w.L1TTL }}}),
			workChart(d, chart{
				ID: "cache-work-chart", Kind: "count", Title: "Work of the caches",
				Note: "Entries of L1 that were evicted and that expired, scopes that were invalidated, values that " +
					"were prefetched, and those of them that were asked for, in each second.",
			}, "per second", []workLine{
				{"evictions", func(w *results.ServerWork) float64 { return float64(w.Evictions) }},
				{"expirations", func(w *results.ServerWork) float64 { return float64(w.Expirations) }},
				{"invalidations", func(w *results.ServerWork) float64 { return float64(w.Invalidations) }},
				{"prefetched", func(w *results.ServerWork) float64 { return float64(w.Prefetched) }},
				{"prefetched and used", func(w *results.ServerWork) float64 { return float64(w.PrefetchUsed) }},
			}),
			workChart(d, chart{
				ID: "gc-chart", Kind: "milliseconds", Title: "Server's garbage collection",
				Note: "How long it stopped the server in each second, and the CPU time that it took, by the estimate " +
					"of Go's runtime.",
			}, "ms", []workLine{
				{"stopped", func(w *results.ServerWork) float64 { return w.GCPauses }},
				{"CPU time", func(w *results.ServerWork) float64 { return 1000 * w.GC }},
			}))
	}
	if slices.ContainsFunc(samples, func(s results.Sample) bool { return s.Footprint != nil }) {
		all = append(all, memoryChart(d))
	}
	return onClock(&d.Measurements, all)
}

func workChart(d digest, c chart, unit string, of []workLine) chart {
	var lines []line
	for i, l := range of {
		lines = append(lines, line{l.name, i, dashes[i%len(dashes)], overSamples(d, func(s results.Sample) dot {
			if s.Work == nil {
				return dot{x: s.At, gap: true}
			}
			return dot{x: s.At, y: fourDecimals(l.of(s.Work))}
		})})
	}
	return overSeconds(d, c, unit, lines)
}

// memoryChart draws the resident memory of the server.
func memoryChart(d digest) chart {
	lines := []line{{"resident", 0, "solid", overSamples(d, func(s results.Sample) dot {
		if s.Footprint == nil {
			return dot{x: s.At, gap: true}
		}
		return dot{x: s.At, y: float64(s.Footprint.Memory) / 1e6}
	})}}
	return overSeconds(d, chart{
		ID: "server-memory-chart", Kind: "figure", Title: "Server's memory",
		Note: "Resident memory of all instances together.",
	}, "MB", lines)
}

// overSeconds draws lines that have a dot a sample.
func overSeconds(d digest, c chart, unit string, lines []line) chart {
	step := stepOf(d.length, len(lines))
	c.Note += averaged.note(step)
	y := opts.YAxis{Name: unit, Type: "value", Min: 0}
	c.Choices = []picture{newPicture(c.Title, c.ID, timeAxis(d), y, averaged.everyLine(step, 1, lines),
		overlay{marks: labelled(d.Measurements.Marks, float64(d.length))})}
	return c
}

// workFacts are what the caches did in a span.
func (d digest) workFacts(span results.Span) []circumstance {
	w, before := d.Measurements.WorkIn(span)
	if w == nil {
		return nil
	}
	return []circumstance{{
		Text: fmt.Sprintf("L1 went from %s to %s of %s, lifetime %s at the end; %s, %s, %s; %s prefetched, %s used",
			bytesText(before), bytesText(w.L1Bytes), bytesText(w.L1MaxBytes), seconds(w.L1TTL),
			Plural(int(w.Evictions), "eviction"), Plural(int(w.Expirations), "expiration"),
			Plural(int(w.Invalidations), "invalidation"), count(w.Prefetched), count(w.PrefetchUsed)),
		Link: "#l1-chart-figure",
	}}
}

package reports

import (
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// levels are the cache levels that serve requests, the fastest first.
var levels = []string{"l1", "l2", "l3"}

// serverCharts draw the samples that the server reported each second; none for a run without them.
func serverCharts(d digest) []chart {
	samples := d.Measurements.Samples
	if len(samples) == 0 {
		return nil
	}
	var all []chart
	if len(samples[0].Tiers) > 0 {
		all = append(all, levelsChart(d))
	}
	if slices.ContainsFunc(samples, func(s results.Sample) bool { return s.Replica != nil }) {
		all = append(all, lagChart(d))
	}
	return onClock(&d.Measurements, all)
}

// levelsChart draws the share of the requests that each cache level served.
func levelsChart(d digest) chart {
	c := chart{
		ID: "levels-chart", Kind: "share", Title: "Cache levels",
		Note: "Share of the cacheable requests that each level served in each second. The rest went to the database.",
	}
	var lines []line
	for _, level := range levels {
		if _, has := d.Measurements.Samples[0].Tiers[level]; !has {
			continue
		}
		lines = append(lines, line{
			level, len(lines), dashes[len(lines)%len(dashes)],
			overSamples(d, func(s results.Sample) dot {
				share, known := s.LevelShare(level)
				return dot{x: s.At, y: fourDecimals(share), gap: !known}
			}),
		})
	}
	y := opts.YAxis{Name: "share of requests", Type: "value", Min: 0, Max: 1}
	step := stepOf(d.length, len(lines))
	c.Note += averaged.note(step)
	c.Choices = []picture{newPicture("levels", c.ID, timeAxis(d), y, averaged.everyLine(step, 1, lines),
		overlay{marks: labelled(d.Measurements.Marks, float64(d.length))})}
	return c
}

// lagChart draws the replication lag while the replica was in use.
func lagChart(d digest) chart {
	c := chart{
		ID: "lag-chart", Kind: "milliseconds", Title: "Replica lag",
		Note: "Replication lag as the server measured it. The line is broken while the server did not read from " +
			"the replica.",
	}
	lines := []line{{"lag", 0, "solid", overSamples(d, func(s results.Sample) dot {
		if s.Replica == nil || !s.Replica.Healthy {
			return dot{x: s.At, gap: true}
		}
		return dot{x: s.At, y: fourDecimals(s.Replica.Lag)}
	})}}
	y := opts.YAxis{Name: "ms", Type: "value", Min: 0}
	step := stepOf(d.length, len(lines))
	c.Note += highest.note(step)
	c.Choices = []picture{newPicture("lag", c.ID, timeAxis(d), y, highest.everyLine(step, 1, lines),
		overlay{marks: labelled(d.Measurements.Marks, float64(d.length))})}
	return c
}

func overSamples(d digest, value func(results.Sample) dot) []dot {
	dots := make([]dot, len(d.Measurements.Samples))
	for i, s := range d.Measurements.Samples {
		dots[i] = value(s)
		dots[i].x = fourDecimals(dots[i].x)
	}
	return dots
}

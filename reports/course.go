package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// The most dots that a line over time has, and that the lines of all choices of a chart have together: the page of an
// hour's run must stay small enough for a browser. However many lines there are, each has fewestDots.
const (
	mostDots      = 900
	mostOfChart   = 150_000
	fewestDots    = 120
	secondsOfHour = 3600
)

// steps are the seconds that a dot of a line over time may stand for.
var steps = []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, secondsOfHour}

// stepOf is how many seconds each dot of so many lines stands for, of a run of so many seconds.
func stepOf(seconds, lines int) int {
	most := min(mostDots, max(fewestDots, mostOfChart/max(1, lines)))
	for _, step := range steps {
		if seconds <= step*most {
			return step
		}
	}
	hours := (seconds + secondsOfHour*most - 1) / (secondsOfHour * most)
	return hours * secondsOfHour
}

// fold makes one value of those of several seconds.
type fold struct {
	what string
	of   func([]float64) float64
}

// Counts and shares of time may be averaged. Percentiles may not: of several seconds the highest is shown, which is at
// least the percentile of all their requests.
var (
	averaged = fold{"the mean of its seconds", meanOfAll}
	highest  = fold{"the highest of its seconds", slices.Max[[]float64]}
)

func meanOfAll(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return fourDecimals(sum / float64(len(values)))
}

// note says what a dot stands for, where that is more than a second.
func (f fold) note(step int) string {
	if step == 1 {
		return ""
	}
	return fmt.Sprintf(" Each value stands for %s: %s.", durationText(step), f.what)
}

// durationText is a number of seconds in the largest unit that divides it.
func durationText(seconds int) string {
	switch {
	case seconds%secondsOfHour == 0:
		return fmt.Sprintf("%d h", seconds/secondsOfHour)
	case seconds%60 == 0:
		return fmt.Sprintf("%d min", seconds/60)
	}
	return fmt.Sprintf("%d s", seconds)
}

// every takes the dots of each stretch of step seconds together; offset is what the dots' x are after the start of
// their seconds. A stretch is a gap when all of it is.
func (f fold) every(step int, offset float64, dots []dot) []dot {
	if step == 1 {
		return dots
	}
	var taken []dot
	for from := 0; from < len(dots); {
		stretch := stretchOf(dots[from], step, offset)
		var values []float64
		to := from
		for ; to < len(dots) && stretchOf(dots[to], step, offset) == stretch; to++ {
			if !dots[to].gap {
				values = append(values, dots[to].y)
			}
		}
		one := dot{x: stretch*float64(step) + offset, gap: len(values) == 0}
		if !one.gap {
			one.y = f.of(values)
		}
		taken = append(taken, one)
		from = to
	}
	return taken
}

func stretchOf(d dot, step int, offset float64) float64 {
	return math.Floor((d.x - offset + 1e-6) / float64(step))
}

// everyLine is every of lines.
func (f fold) everyLine(step int, offset float64, lines []line) []line {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].dots = f.every(step, offset, lines[i].dots)
	}
	return lines
}

// lengthOf is how many seconds the charts over time show.
func lengthOf(m *results.Measurements) int {
	end := 1
	for _, p := range m.Points {
		end = max(end, p.Second+1)
	}
	for _, p := range m.StreamPoints {
		end = max(end, p.Second+1)
	}
	return end
}

// timeAxis is the axis that all charts over time have in common.
func timeAxis(d digest) opts.XAxis {
	return opts.XAxis{Name: "seconds since the start of the run", Min: 0, Max: d.length}
}

// onClock says of charts over time when the run started, so that the page can show the time of day.
func onClock(m *results.Measurements, charts []chart) []chart {
	for i := range charts {
		charts[i].Started = m.Started.UnixMilli()
	}
	return charts
}

package reports

import (
	"math"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// chart is one chart of the page. The page's script adds colours and number formats.
type chart struct {
	ID    string `json:"id"`
	Title string `json:"-"`
	Note  string `json:"-"`
	// Kind says how the script labels axes and values: nines, ratio, change, milliseconds, cores, count, share, rate,
	// use, density, users.
	Kind    string `json:"kind"`
	Follows string `json:"follows,omitempty"` // the chart whose choice this one shows as well
	// Marks is where the names of marks stand: above the chart, where there is only one, or if empty along their lines.
	Marks string `json:"marks,omitempty"`
	// Started is the instant at which the seconds of a chart over time begin, in milliseconds of Unix time; 0 for other
	// charts.
	Started int64     `json:"started,omitempty"`
	Choices []picture `json:"choices"`
}

// aboveChart is a value of [chart.Marks], as ECharts calls it.
const aboveChart = "end"

// picture is one view of a chart. Tones holds the index of each series in the page's palette.
type picture struct {
	Label  string         `json:"label"`
	Tones  []int          `json:"tones"`
	Option map[string]any `json:"option"`
}

// line is one series of a picture.
type line struct {
	name string
	tone int
	dash string // or pointsAlone, knotted, or faint
	dots []dot
}

// dot is a point of a line; with gap set, the line is broken there.
type dot struct {
	x, y float64
	gap  bool
}

// shade is a period that was not measured, such as a warm-up.
type shade struct {
	label    string
	from, to float64
}

// overlay holds what is drawn over the lines of a time chart: periods that were not measured, and injected faults.
type overlay struct {
	shades []shade
	marks  []results.Mark
}

// dashes tell lines apart where colours cannot.
var dashes = []string{"solid", "dashed", "dotted"}

// What else than a dash a line may have: dots and no line, a small dot wherever there is a value, or less ink than the
// line that it is to be compared with.
const (
	pointsAlone = "points"
	knotted     = "knots"
	faint       = "faint"
)

// newPicture draws lines over two value axes. Only options that ECharts 4.1 knows are used.
func newPicture(label, id string, x opts.XAxis, y opts.YAxis, lines []line, over overlay) picture {
	c := charts.NewLine()
	p := picture{Label: label}
	for _, l := range lines {
		p.Tones = append(p.Tones, l.tone)
		c.AddSeries(l.name, nil, withDots(l.dots), charts.WithLineChartOpts(l.symbols()),
			charts.WithLineStyleOpts(l.style()))
	}
	if len(over.shades)+len(over.marks) > 0 {
		p.Tones = append(p.Tones, 0)
		c.AddSeries("", []opts.LineData{}, withShades(over.shades), withMarks(over.marks))
	}
	x.Type, x.NameLocation, x.NameGap = "value", "center", 28
	y.NameLocation = "center"
	if y.NameGap == 0 {
		y.NameGap = 48
	}
	c.SetGlobalOptions(
		charts.WithInitializationOpts(opts.Initialization{ChartID: id}),
		charts.WithAnimation(false),
		charts.WithTooltipOpts(opts.Tooltip{Show: opts.Bool(true), Trigger: "axis"}),
		charts.WithLegendOpts(opts.Legend{Show: opts.Bool(true), Type: "scroll", Top: "0", Left: "center"}),
		charts.WithGridOpts(opts.Grid{Top: "48", Left: "64", Right: "30", Bottom: "48"}),
		charts.WithXAxisOpts(x), charts.WithYAxisOpts(y))
	c.Validate()
	p.Option = c.JSON()
	return p
}

// symbols are what is drawn at the dots of a line.
func (l line) symbols() opts.LineChart {
	const large, small = 7, 4
	c := opts.LineChart{Symbol: "none", ShowSymbol: opts.Bool(false), ConnectNulls: opts.Bool(false)}
	switch l.dash {
	case pointsAlone:
		c.Symbol, c.ShowSymbol, c.SymbolSize = "circle", opts.Bool(true), large
	case knotted:
		c.Symbol, c.ShowSymbol, c.SymbolSize = "diamond", opts.Bool(true), small
	default:
		hasLone := false
		for i := range l.dots {
			hasLone = hasLone || alone(l.dots, i)
		}
		c.ShowSymbol = opts.Bool(hasLone) // the lone dots have symbols of their own
	}
	return c
}

func (l line) style() opts.LineStyle {
	switch l.dash {
	case pointsAlone:
		return opts.LineStyle{Type: "solid", Opacity: opts.Float(0)}
	case knotted:
		return opts.LineStyle{Type: "dotted", Width: 2}
	case faint:
		return opts.LineStyle{Type: "dotted", Width: 1}
	}
	return opts.LineStyle{Type: l.dash, Width: 2}
}

// loneDot is a dot between gaps, which no line would show.
type loneDot struct {
	Value      [2]float64 `json:"value"`
	Symbol     string     `json:"symbol"`
	SymbolSize int        `json:"symbolSize"`
}

// alone reports whether the dot at i has nothing beside it that a line could be drawn to.
func alone(dots []dot, i int) bool {
	return !dots[i].gap && (i == 0 || dots[i-1].gap) && (i == len(dots)-1 || dots[i+1].gap)
}

// withDots gives a series its dots as pairs of numbers, which take less than half the bytes of go-echarts' items.
func withDots(dots []dot) charts.SeriesOpts {
	const size = 5
	data := make([]any, len(dots))
	for i, d := range dots {
		switch {
		case d.gap:
			data[i] = []any{d.x, nil}
		case alone(dots, i):
			data[i] = loneDot{[2]float64{d.x, d.y}, "circle", size}
		default:
			data[i] = [2]float64{d.x, d.y}
		}
	}
	return charts.WithSeriesOpts(func(s *charts.SingleSeries) { s.Data = data })
}

func withMarks(marks []results.Mark) charts.SeriesOpts {
	var data []any
	for _, m := range marks {
		data = append(data, opts.MarkLineNameXAxisItem{Name: m.Text, XAxis: m.Begun})
	}
	return charts.WithSeriesOpts(func(s *charts.SingleSeries) {
		if len(data) > 0 {
			s.MarkLines = &opts.MarkLines{Data: data}
		}
	})
}

func withShades(shades []shade) charts.SeriesOpts {
	var data []any
	for _, s := range shades {
		data = append(data, []opts.MarkAreaNameXAxisItem{{Name: s.label, XAxis: s.from}, {XAxis: s.to}})
	}
	return charts.WithSeriesOpts(func(s *charts.SingleSeries) {
		if len(data) > 0 {
			s.MarkAreas = &opts.MarkAreas{Data: data}
		}
	})
}

// smallestMillis replaces 0 on a logarithmic axis: it is the resolution of the histograms, one microsecond.
const smallestMillis = 0.001

// logMillis is a logarithmic axis that reaches just beyond the lines, to the next 1, 2 or 5 of a decade.
func logMillis(lines []line) opts.YAxis {
	low, high := math.Inf(1), smallestMillis
	for _, l := range lines {
		for _, d := range l.dots {
			if !d.gap {
				low, high = min(low, d.y), max(high, d.y)
			}
		}
	}
	if low > high {
		low = high / 10 // no line has a point
	}
	return opts.YAxis{Name: "ms (log scale)", Type: "log", Min: roundMark(low, true), Max: roundMark(high, false)}
}

// roundMark is the nearest 1, 2 or 5 of a decade that is below v, or else above it.
func roundMark(v float64, below bool) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	marks := []float64{decade, 2 * decade, 5 * decade, 10 * decade}
	if below {
		for i := len(marks) - 1; i >= 0; i-- {
			if marks[i] < v {
				return significant(marks[i])
			}
		}
		return significant(decade / 2)
	}
	for _, mark := range marks {
		if mark > v {
			return significant(mark)
		}
	}
	return significant(20 * decade)
}

// significant drops the digits that binary fractions add.
func significant(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// fourDecimals keeps the page small; the sum turns a negative zero into zero.
func fourDecimals(v float64) float64 { return math.Round(v*1e4)/1e4 + 0 }

package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// courseCharts draw what was known of each gate block by block. A gate of which all blocks say that nothing changed,
// which the share of requests that succeed mostly is, has no chart.
func (t trial) courseCharts() (all []chart) {
	for i, g := range t.Gates {
		moved := slices.ContainsFunc(g.Course, func(p results.GatePoint) bool { return p.Value != 0 })
		if !moved {
			continue
		}
		c := chart{ID: "course-" + strconv.Itoa(i), Kind: "change", Title: gateName(g) + ", gate " + g.Source}
		x := opts.XAxis{Name: "blocks", Min: 0, Max: lastBlock(g), MinInterval: 1}
		y := changeAxis(t.courseRange(g))
		c.Choices = []picture{newPicture(g.Metric, c.ID, x, y, t.courseLines(g), overlay{})}
		all = append(all, c)
	}
	return all
}

// courseLines are the series of a gate's chart.
func (t trial) courseLines(g results.ExperimentGate) []line {
	var estimate, low, high, fails, passes []dot
	dots := t.firstBlock(g)
	for i, p := range g.Course {
		x := float64(p.Blocks)
		dots = append(dots, dot{x: x, y: fourDecimals(p.Value)})
		estimate = append(estimate, dot{x: x, y: fourDecimals(p.Change)})
		low, high = append(low, dot{x: x, y: fourDecimals(p.Low)}), append(high, dot{x: x, y: fourDecimals(p.High)})
		from, below := p.FailsFrom, p.PassesBelow
		if i == len(g.Course)-1 {
			from, below = g.FailsFrom, g.PassesBelow // the end was a look, whatever was planned
		} else if !slices.Contains(t.Design.Looks, p.Blocks) {
			continue
		}
		fails = append(fails, dot{x: x, y: fourDecimals(from)})
		passes = append(passes, dot{x: x, y: fourDecimals(below)})
	}
	tolerance := g.Tolerance
	if g.MoreIsBetter {
		tolerance = -tolerance
	}
	end := float64(lastBlock(g))
	return []line{
		{"block", 0, pointsAlone, dots},
		{"estimate", 0, "solid", estimate},
		{"95 % interval", 0, "dashed", low},
		{"95 % interval", 0, "dashed", high},
		{"tolerance", 4, "solid", []dot{{y: tolerance}, {x: end, y: tolerance}}},
		{"fails from", 5, knotted, fails},
		{"passes below", 2, knotted, passes},
	}
}

// firstBlock is the value of the first block, from which alone nothing is estimated: the course begins with the second.
func (t trial) firstBlock(g results.ExperimentGate) []dot {
	if len(g.Course) == 0 || g.Course[0].Blocks != 2 {
		return nil
	}
	for _, b := range t.Blocks {
		if v, ok := b.Value(g.Figure); ok {
			return []dot{{x: 1, y: fourDecimals(math.Expm1(v))}}
		}
	}
	return nil
}

func lastBlock(g results.ExperimentGate) int {
	last := 1
	for _, p := range g.Course {
		last = max(last, p.Blocks)
	}
	return last
}

// courseRange is what of the changes the chart of a gate shows: all blocks, 0, and twice the tolerance.
func (t trial) courseRange(g results.ExperimentGate) (low, high float64) {
	low, high = -g.Tolerance, 2*g.Tolerance
	if g.MoreIsBetter {
		low, high = -2*g.Tolerance, g.Tolerance
	}
	for _, d := range t.firstBlock(g) {
		low, high = min(low, d.y), max(high, d.y)
	}
	for _, p := range g.Course {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	return low, high
}

// changeAxis is an axis of changes from the tick below low to the one above high.
func changeAxis(low, high float64) opts.YAxis {
	step := tickStep(high - low)
	return opts.YAxis{
		Name: "change from base to head", Min: fourDecimals(step * math.Floor(low/step)),
		Max: fourDecimals(step * math.Ceil(high/step)), MinInterval: step, MaxInterval: step,
		NameGap: 54, // labels are as wide as "+10 %"
	}
}

// tickStep is 1, 2 or 5 of a decade, of which about five make the range.
func tickStep(size float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(size/5)))
	for _, step := range []float64{decade, 2 * decade, 5 * decade} {
		if size/step <= 6 {
			return step
		}
	}
	return 10 * decade
}

// percentileCharts draw the response times of both arms, and below how much larger those of the head are.
func (t trial) percentileCharts() ([]chart, error) {
	curves := chart{
		ID: "arms-chart", Kind: "nines", Title: "Response time of both arms, by percentile",
		Note: "All slices that count, taken together. Each step to the right leaves the slowest tenth of the " +
			"requests: P90, P99, P99.9.",
	}
	ratios := chart{
		ID: "ratio-chart", Kind: "ratio", Title: "Head compared with base, by percentile", Follows: curves.ID,
		Note: "Where the line is above 0, the head is slower. It ends where fewer than ten requests of an arm are " +
			"slower. It has no interval, and decides nothing: a drift of the machine is in it.",
	}
	add := func(label string, base, head *results.Histogram) {
		if base == nil || head == nil || base.Count() == 0 || head.Count() == 0 {
			return
		}
		lines := []line{{"base", 0, "solid", curve(base)}, {"head", 1, "dashed", curve(head)}}
		x := opts.XAxis{Name: "percentile", Min: 0, Max: lastX(lines), MinInterval: 1, MaxInterval: 1}
		curves.Choices = append(curves.Choices, newPicture(label, curves.ID, x, logMillis(lines), lines, overlay{}))
		ratio := []line{{"head compared with base", 1, "solid", ratioCurve(base, head)}}
		y := changeAxis(ratioRange(ratio[0].dots))
		ratios.Choices = append(ratios.Choices, newPicture(label, ratios.ID, x, y, ratio, overlay{}))
	}
	base, err := t.overall(experiment.Base)
	if err != nil {
		return nil, err
	}
	head, err := t.overall(experiment.Head)
	if err != nil {
		return nil, err
	}
	requests := t.requests()
	if len(requests) != 1 {
		add("all requests", base.Response, head.Response)
	}
	for _, r := range requests {
		add(r.label(requests), r.Base.Response, r.Head.Response)
	}
	if len(curves.Choices) == 0 {
		return nil, nil
	}
	return []chart{curves, ratios}, nil
}

// label is the name of the requests, with that of the scenario where another one has requests of that name.
func (r armRequests) label(all []armRequests) string {
	for _, o := range all {
		if o.Name == r.Name && o.Scenario != r.Scenario {
			return fmt.Sprintf("%s, %s", r.Scenario, r.Name)
		}
	}
	return r.Name
}

// ratioCurve is head / base - 1 over an axis of nines, as far as ten requests of each arm lie beyond.
func ratioCurve(base, head *results.Histogram) (dots []dot) {
	const step, beyond = 0.05, 10
	n := float64(min(base.Count(), head.Count()))
	for i := 0; ; i++ {
		nines := float64(i) * step
		tail := math.Pow(10, -nines)
		if tail*n < beyond {
			return dots
		}
		p := 100 * (1 - tail)
		b, h := base.Percentile(p), head.Percentile(p)
		if b > 0 {
			dots = append(dots, dot{x: fourDecimals(nines), y: fourDecimals(h/b - 1)})
		}
	}
}

// ratioRange is a range around 0 that holds the curve, and 5 % to each side at least.
func ratioRange(dots []dot) (low, high float64) {
	const least = 0.05
	low, high = -least, least
	for _, d := range dots {
		low, high = min(low, d.y), max(high, d.y)
	}
	return low, high
}

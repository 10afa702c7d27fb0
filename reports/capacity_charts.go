package reports

import (
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

const machineTone = 0

// resources are what a service can run out of, as shares of what there is.
var resources = []struct {
	name string
	tone int
	of   func(u results.Use) *float64
}{
	{"CPU of the machine", machineTone, results.Use.MachineShare},
	{"CPU of the server", 1, results.Use.ServerShare},
	{"one CPU, by the service's busiest process", 2, results.Use.OneCPUShare},
	{"garbage collection", 5, results.Use.GCShare},
	{"waiting for a CPU", 3, func(u results.Use) *float64 { return u.Waited }},
	{"waiting for a database connection", 4, func(u results.Use) *float64 { return u.PoolWaits }},
}

// resourceChart draws what each trial used over its rate; nil where nothing is known of it.
func (c ceiling) resourceChart() *chart {
	var lines []line
	last, most := 0.0, 0.0
	for _, r := range resources {
		l := line{name: r.name, tone: r.tone, dash: pointsAlone}
		if r.tone == machineTone && c.Processes == results.ProcessesElsewhere {
			l.name = "CPU of the generator's machine"
		}
		for _, t := range c.Trials {
			if share := r.of(t.Use); share != nil && t.Veto == "" {
				l.dots = append(l.dots, dot{x: fourDecimals(t.Rate), y: fourDecimals(*share)})
				last, most = max(last, t.Rate), max(most, *share)
			}
		}
		if len(l.dots) > 0 {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	out := chart{
		ID: "resources-chart", Kind: "use", Title: "Resources over the rate",
		Note: "Each dot is a trial: the share of the CPU time that was in use, of the time in which threads of the " +
			"system could have run that they waited for a CPU, and of the requests for a database connection that " +
			"waited for one.",
	}
	x := opts.XAxis{Name: "requests or flows per second", Min: 0, Max: roundUp(last)}
	y := opts.YAxis{Name: "share", Min: 0, Max: roundUp(most)}
	out.Choices = []picture{newPicture("shares", out.ID, x, y, lines, c.marks())}
	return &out
}

// beyondCharts draw the seconds at more than the capacity, and those after it.
func (c ceiling) beyondCharts() []chart {
	b := c.Beyond
	if b == nil || len(b.Course) == 0 || c.Rate == nil {
		return nil
	}
	end := float64(len(b.Course))
	var good, times []dot
	most := 0.0
	for i, s := range b.Course {
		good = append(good, dot{x: float64(i), y: fourDecimals(s.Goodput)})
		times = append(times, dot{
			x: float64(i), y: max(fourDecimals(s.P95), smallestMillis), gap: s.P95 == 0,
		})
		most = max(most, s.Goodput)
	}
	level := func(from, to, rate float64) []dot {
		requests := fourDecimals(rate * max(1, c.RequestsPerIteration))
		most = max(most, requests)
		return []dot{{x: from, y: requests}, {x: to, y: requests}}
	}
	asked := slices.Concat(level(0, b.Seconds, b.Rate), level(b.Seconds, end, b.After))
	lines := []line{{"goodput", 2, "solid", good}, {"capacity", 0, "dashed", level(0, end, c.Rate.Middle)}, {
		"asked for", 1, "dotted", asked,
	}}
	over := overlay{shades: []shade{{"overload", 0, b.Seconds}}}
	if b.Recovered != nil && b.NotJudged == "" {
		over.marks = []results.Mark{{Text: "recovered", Begun: b.Seconds + *b.Recovered}}
	}
	x := opts.XAxis{Name: "seconds", Min: 0, Max: end}
	goodput := chart{
		ID: "goodput-chart", Kind: "count", Title: "Goodput beyond the capacity", Marks: aboveChart,
		Note: "Requests that were answered well in each second: without a failure, and within the limit of an " +
			"objective on their time. A service that holds stays at its capacity; one that collapses falls far below.",
	}
	goodput.Choices = []picture{newPicture("goodput", goodput.ID, x,
		opts.YAxis{Name: "per second", Min: 0, Max: roundUp(most)}, lines, over)}
	lines = []line{{"P95", 3, "solid", times}}
	if limit, ok := c.timeLimit(); ok {
		lines = append(lines, line{"objective", 4, "dashed", []dot{{x: 0, y: limit}, {x: end, y: limit}}})
	}
	response := chart{
		ID: "beyond-chart", Kind: "milliseconds", Title: "Response time beyond the capacity", Marks: aboveChart,
		Note: "P95 of the answers of each second, counted from the instant at which the requests were due. The line " +
			"is broken where nothing was answered.",
	}
	response.Choices = []picture{newPicture("P95", response.ID, x, logMillis(lines), lines, over)}
	return []chart{goodput, response}
}

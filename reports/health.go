package reports

import (
	"fmt"
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// unavailable replaces a figure that the machine does not report.
const unavailable = "not available"

// healthLine is one line of a health chart. of returns nil for a second without the figure.
type healthLine struct {
	name string
	of   func(results.HealthSecond) *float64
}

var cpuLines = []healthLine{
	{"generator", func(s results.HealthSecond) *float64 { return &s.Generator }},
	{"system under test", func(s results.HealthSecond) *float64 { return s.System }},
	{"service", func(s results.HealthSecond) *float64 { return s.Service }},
	{"others", func(s results.HealthSecond) *float64 { return s.Others }},
	{"stolen", func(s results.HealthSecond) *float64 { return s.Stolen }},
}

var waitLines = []healthLine{
	{"generator", func(s results.HealthSecond) *float64 { return s.Waited }},
	{"system under test", func(s results.HealthSecond) *float64 { return s.SysWaited }},
}

// healthCharts draw who used the CPUs and who waited for them. Runs without such a record have none.
func healthCharts(d digest) []chart {
	h := d.Measurements.Health
	if h == nil || len(h.Seconds) == 0 {
		return nil
	}
	charts := []chart{
		healthChart(d, chart{
			ID: "cpu-chart", Kind: "cores", Title: "CPU",
			Note: "Busy cores in each second. " + processesNote(h.Processes),
		}, opts.YAxis{Name: "cores", Type: "value", Min: 0}, cpuLines),
		healthChart(d, chart{
			ID: "wait-chart", Kind: "share", Title: "Waiting for a CPU",
			Note: "Share of the runnable time of the threads in which they waited for a CPU.",
		}, opts.YAxis{Name: "share of time", Type: "value", Min: 0}, waitLines),
	}
	nothing := func(c chart) bool { return len(c.Choices) == 0 }
	return onClock(&d.Measurements, slices.DeleteFunc(charts, nothing))
}

func processesNote(p results.Processes) string {
	switch p {
	case results.ProcessesChildren:
		return "Others are all processes except the generator and the system under test."
	case results.ProcessesElsewhere:
		return "The system under test is on another machine: others are all processes except the generator."
	}
	return "Not all processes of the system under test are known: if they run on this machine, they count as " +
		"others, also " +
		"those that listen at its address, which are the service."
}

// healthChart draws the quantities that are known; it has no choices when none is.
func healthChart(d digest, c chart, y opts.YAxis, quantities []healthLine) chart {
	var lines []line
	for _, q := range quantities {
		var dots []dot
		known := false
		for _, s := range d.Measurements.Health.Seconds {
			v := q.of(s)
			known = known || v != nil
			if v == nil {
				dots = append(dots, dot{x: fourDecimals(s.At), gap: true})
				continue
			}
			dots = append(dots, dot{x: fourDecimals(s.At), y: fourDecimals(*v)})
		}
		if known {
			lines = append(lines, line{q.name, len(lines), dashes[len(lines)%len(dashes)], dots})
		}
	}
	if len(lines) == 0 {
		return c
	}
	step := stepOf(d.length, len(lines))
	c.Note += averaged.note(step)
	c.Choices = []picture{newPicture(c.Title, c.ID, timeAxis(d), y, averaged.everyLine(step, 1, lines),
		overlay{marks: labelled(d.Measurements.Marks, float64(d.length))})}
	return c
}

// healthMeasures are the rows about the machine in the table of the generator.
func healthMeasures(h *results.Health) []measure {
	if h == nil {
		return nil
	}
	t := h.Totals()
	cores := func(v *float64) string { return known(v, threeDigits) }
	share := func(v *float64) string { return known(v, percent) }
	of := func(v *int64, limit int64) string {
		text := known(v, count)
		if v != nil && limit > 0 {
			text += " of " + count(limit)
		}
		return text
	}
	return []measure{
		{
			"System's CPU", "Average number of cores that the system under test kept busy, if its processes are known.",
			[]string{cores(t.System)},
		},
		{"Others' CPU", processesNote(h.Processes), []string{cores(t.Others)}},
		{"Waited for a CPU", "Share of the runnable time in which threads waited for a CPU: generator / system " +
			"under test.", []string{share(t.Waited) + " / " + share(t.SysWaited)}},
		{"TCP retransmissions", "Segments that the whole machine sent again.", []string{known(t.Resent, count)}},
		{"File descriptors", "Most that the generator had open in any second.", []string{of(t.Files, h.FileLimit)}},
		{"TCP sockets", "Most on the whole machine in any second, in use or in TIME_WAIT, and the number of " +
			"ephemeral ports for one destination.", []string{of(t.Ports, h.PortRange)}},
	}
}

func known[V any](v *V, show func(V) string) string {
	if v == nil {
		return unavailable
	}
	return show(*v)
}

// healthText is one line about the use of the machine.
func healthText(h *results.Health) string {
	if h == nil {
		return ""
	}
	t := h.Totals()
	cores := func(v *float64) string { return known(v, threeDigits) }
	return fmt.Sprintf("  machine: busy cores: system %s, others %s, stolen %s; waited for a CPU: generator %s, "+
		"system %s\n",
		cores(t.System), cores(t.Others), cores(t.Stolen), known(t.Waited, percent), known(t.SysWaited, percent))
}

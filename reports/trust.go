package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
)

// measure is one row of the tables about the quality of a measurement: one cell per scenario, and an explanation.
type measure struct {
	Name    string
	Meaning string
	Cells   []string
}

// trustMeasures show for each scenario how closely the load followed the schedule.
func trustMeasures(d digest) []measure {
	row := func(name, meaning string, needsSchedule bool, cell func(scenario) string) measure {
		m := measure{Name: name, Meaning: meaning}
		for _, s := range d.Scenarios {
			if s.Load == nil || needsSchedule && !s.Load.Open {
				m.Cells = append(m.Cells, none)
				continue
			}
			m.Cells = append(m.Cells, cell(s))
		}
		return m
	}
	rows := []measure{
		row("Executor", "Arrival-rate executors send on schedule, however slow the service is. Virtual users wait "+
			"for each response, so a slow service gets fewer requests and there is no schedule to be late for.",
			false, func(s scenario) string { return s.Load.Executor }),
		row("Target rate", "Requests (or flows) per second that the schedule planned in the measured window.",
			true, func(s scenario) string { return iterationRate(d, s, s.Load.AskedRate()) }),
		row("Achieved rate", "Requests (or flows) per second that were sent, counted up to the last response. If it "+
			"is well below the target rate, the service or the generator did not keep up.",
			false, func(s scenario) string {
				return iterationRate(d, s, d.Measurements.AchievedRate(s.Load))
			}),
		row("Planned", "Requests (or flows) in the schedule, including the warm-up.",
			true, func(s scenario) string { return count(s.Load.Planned) }),
		row("Sent", "Requests (or flows) that were sent.",
			false, func(s scenario) string { return count(s.Load.Sent) }),
		row("Dropped", "Requests (or flows) that were never sent: the limit of requests in flight was reached, or "+
			"the generator ran out of ports or file descriptors.",
			true, func(s scenario) string { return count(s.Load.Dropped) }),
		row("Lag P50 / P99 / max, ms",
			"How late requests were sent, compared with the schedule. Response time includes this lag, service "+
				"time does not.",
			true, func(s scenario) string {
				return percentileOf(s.Load.Lag, 50) + " / " + percentileOf(s.Load.Lag, 99) + " / " + maxOf(s.Load.Lag)
			}),
		row("Generator's own lag P99, ms",
			"The part of the lag that the generator caused: it was late although a connection was free. If it is not "+
				"small compared with the response times, they describe the generator more than the service.",
			true, func(s scenario) string { return percentileOf(s.Load.OwnLag, 99) }),
	}
	if d.severalEngines() {
		rows = slices.Insert(rows, 1, row("Engine", "What sent the requests. Two engines are independent clients: "+
			"where they send the same requests at the same rate and time, their times should agree.",
			false, func(s scenario) string { return cmp.Or(s.Load.Engine, none) }))
	}
	if slices.ContainsFunc(d.Scenarios, func(s scenario) bool { return s.Load != nil && s.Load.Warmup != nil }) {
		rows = append(rows, row("Automatic warm-up", "How long the warm-up lasted and why it ended: throughput, P95 "+
			"and hit ratio were steady, or the time limit was reached.",
			false, func(s scenario) string { return warmupText(s.Load.Warmup) }))
	}
	return rows
}

// iterationRate is a rate of requests, or of flows where the schedule of a scenario counts flows.
func iterationRate(d digest, s scenario, perSecond float64) string {
	if _, flows := d.Measurements.Beginnings(s.Name); flows {
		return perSecondText(perSecond) + " flows/s"
	}
	return rate(perSecond)
}

// severalEngines reports whether not all scenarios were sent by the same engine.
func (d *digest) severalEngines() bool {
	return slices.ContainsFunc(d.Scenarios, func(s scenario) bool { return s.Load != nil && s.Load.Engine != "" })
}

// warmupText describes the end of an automatic warm-up.
func warmupText(w *results.Warmup) string {
	if w == nil {
		return none
	}
	switch seconds := threeDigits(w.Seconds) + " s"; {
	case w.Ended == results.WarmupSteady:
		return seconds + ", steady"
	case w.Ended == results.WarmupRunOver:
		return seconds + ", ended with the run"
	case len(w.Unsteady) > 0:
		return seconds + " (the limit), not steady"
	default:
		return seconds + " (the limit), steady at the end"
	}
}

// generatorMeasures show the resources that the load generator used.
func generatorMeasures(m results.Measurements) []measure {
	g := m.Generator
	return append([]measure{
		{
			"CPU", "Average number of busy cores. If it is close to the number of cores, the generator competes with " +
				"itself and with a service on the same machine.",
			[]string{fmt.Sprintf("%s of %s", threeDigits(g.CPUCores()), Plural(g.CPUs, "core"))},
		},
		{
			"GC pauses", "Time in which the garbage collector stopped the generator: it sent nothing and " +
				"timed nothing.",
			[]string{fmt.Sprintf("%s ms in %s", millis(1000*g.GCPauses), Plural(int(g.NumGC), "collection"))},
		},
		{"Peak memory", "Largest resident memory of the process.", []string{bytesText(g.MaxRSSBytes)}},
		{
			"Stolen CPU time", "Share of the machine's CPU time that other virtual machines took while this one was " +
				"ready to run.",
			[]string{stolenText(m)},
		},
		{
			"Engine", "The client that sent the requests.",
			[]string{fmt.Sprintf("%s, %s, GOMAXPROCS %d", engineText(m), g.GoVersion, g.GoMaxProcs)},
		},
	}, healthMeasures(m.Health)...)
}

func engineText(m results.Measurements) string {
	if m.Pacing == "" {
		return m.Engine
	}
	return m.Engine + ", " + m.Pacing + " pacing"
}

// stolenText is the stolen share, or a note where the machine does not report it.
func stolenText(m results.Measurements) string {
	if m.Health != nil && m.Health.Totals().Stolen == nil {
		return unavailable
	}
	return percent(m.Generator.StolenShare)
}

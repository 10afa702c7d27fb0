package reports

import (
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
)

// measure is one row of the tables that say how far a measurement can be trusted: a cell a scenario, and in plain words
// what the figure means.
type measure struct {
	Name    string
	Meaning string
	Cells   []string
}

// trustMeasures tell of each scenario whether the load was sent as the schedule meant it.
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
		row("Executor", "Arrival rates send on schedule whatever the service does. Constant VUs wait for each answer, so a slow service is asked less often, and there is no schedule to be late for.",
			false, func(s scenario) string { return s.Load.Executor }),
		row("Asked rate", "Requests a second that the schedule meant to send in the measured window; flows, where it has flows.",
			true, func(s scenario) string { return rate(s.Load.AskedRate()) }),
		row("Achieved rate", "Those that were sent, up to the last answer. Well below the asked rate, the service or the generator did not keep up.",
			false, func(s scenario) string { return rate(d.Measurements.AchievedRate(s.Load)) }),
		row("Planned", "Requests or flows in the schedule, warm-up included.",
			true, func(s scenario) string { return count(s.Load.Planned) }),
		row("Sent", "Those that went out.",
			false, func(s scenario) string { return count(s.Load.Sent) }),
		row("Dropped", "Those that never did: until the end as many as allowed were waiting for their answers, or the generator had no port or file left.",
			true, func(s scenario) string { return count(s.Load.Dropped) }),
		row("Lag P50 / P99 / max, ms", "How late requests left against their schedule. Response time includes it, service time does not.",
			true, func(s scenario) string {
				return percentileOf(s.Load.Lag, 50) + " / " + percentileOf(s.Load.Lag, 99) + " / " + maxOf(s.Load.Lag)
			}),
		row("Generator's own lag P99, ms", "The part of that lag which is the generator's fault: it was late with connections to spare. Where it is not small beside the response times, they say more about the generator than about the service.",
			true, func(s scenario) string { return percentileOf(s.Load.OwnLag, 99) }),
	}
	if slices.ContainsFunc(d.Scenarios, func(s scenario) bool { return s.Load != nil && s.Load.Warmup != nil }) {
		rows = append(rows, row("Automatic warm-up", "How long requests were sent before any was measured, and why that ended: throughput, P95 and hit ratio had stopped moving, or the limit was reached.",
			false, func(s scenario) string { return warmupText(s.Load.Warmup) }))
	}
	return rows
}

// warmupText says how an automatic warm-up went.
func warmupText(w *results.Warmup) string {
	if w == nil {
		return none
	}
	switch seconds := threeDigits(w.Seconds) + " s"; {
	case w.Ended == results.WarmupSteady:
		return seconds + ", steady"
	case w.Ended == results.WarmupRunOver:
		return seconds + ", ended by the run's end"
	case len(w.Unsteady) > 0:
		return seconds + ", the limit: not steady"
	default:
		return seconds + ", the limit: steady by then"
	}
}

// generatorMeasures tell what the load generator itself used.
func generatorMeasures(m results.Measurements) []measure {
	g := m.Generator
	return append([]measure{
		{
			"CPU", "Cores that it kept busy on average. Near all of them, it competes with itself, and with a service on the same machine.",
			[]string{fmt.Sprintf("%s of %s", threeDigits(g.CPUCores()), Plural(g.CPUs, "core"))},
		},
		{
			"GC pauses", "Time in which its garbage collector stopped it: nothing is sent and nothing is timed.",
			[]string{fmt.Sprintf("%s ms in %s", millis(1000*g.GCPauses), Plural(int(g.NumGC), "collection"))},
		},
		{"Largest memory", "The most that its process held.", []string{bytesText(g.MaxRSSBytes)}},
		{
			"Stolen CPU time", "The part of the machine's CPU time that other virtual machines took while this one wanted to run.",
			[]string{stolenText(m)},
		},
		{"Engine", "What sent the requests.", []string{fmt.Sprintf("%s, %s, GOMAXPROCS %d", engineText(m), g.GoVersion, g.GoMaxProcs)}},
	}, healthMeasures(m.Health)...)
}

func engineText(m results.Measurements) string {
	if m.Pacing == "" {
		return m.Engine
	}
	return m.Engine + ", " + m.Pacing + " pacing"
}

// stolenText is unavailable where the machine does not tell what was stolen.
func stolenText(m results.Measurements) string {
	if m.Health != nil && m.Health.Totals().Stolen == nil {
		return unavailable
	}
	return percent(m.Generator.StolenShare)
}

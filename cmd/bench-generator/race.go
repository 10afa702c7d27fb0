package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// servers are those that the race is run against.
func (o options) servers() []string {
	switch {
	case o.http2 && o.tls:
		return []string{"nginx-http2-tls"}
	case o.http2:
		return []string{"light-http2", "nginx-http2"}
	case o.tls:
		return []string{"light-tls"}
	}
	return []string{"light", "nginx"}
}

// racer is a generator against one server, with its turns: one a round, and none for a round that went wrong.
type racer struct {
	*generator
	server string
	turns  map[int]turn
	fault  error
	absent bool
}

// race lets every generator take its turn in every round.
func (b *bench) race(ctx context.Context, w io.Writer) (int, error) {
	var all []*racer
	for _, server := range b.servers() {
		racers, err := b.raceAgainst(ctx, server)
		if err != nil {
			return 0, err
		}
		all = append(all, racers...)
	}
	if err := sidebyside.Output(w, raceHeading(b.baseline()), raceRows(all, b.baseline()), b.markdown); err != nil {
		return 0, err
	}
	switch {
	case b.http2 && b.tls:
		return judgeRace(w, all, "nginx-http2-tls", secureHTTP2Aims), nil
	case b.http2:
		return judgeRace(w, all, "light-http2", http2Aims), nil
	case b.tls:
		return judgeRace(w, all, "light-tls", tlsAims), nil
	}
	return judgeRace(w, all, "light", aims), nil
}

func (b *bench) raceAgainst(ctx context.Context, server string) ([]*racer, error) {
	child, url, err := b.server(ctx, server)
	if err != nil {
		return nil, err
	}
	defer child.Stop(context.WithoutCancel(ctx))
	racers := b.racers(server)
	for round := range b.rounds {
		for i := range racers {
			r := racers[(i+round)%len(racers)] // another one begins each round
			if r.absent {
				continue
			}
			t, err := b.measure(ctx, r.generator, load{url: url, dir: b.dir, seconds: b.seconds, http2: b.http2})
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				r.fault = err
				b.say(fmt.Sprintf("round %d: %-6s %-20s %v", round+1, server, r.name, err))
				continue
			}
			r.turns[round] = t
			b.say(fmt.Sprintf("round %d: %-6s %-20s %9.0f requests/s", round+1, server, r.name, t.rate))
		}
	}
	return racers, nil
}

func (b *bench) racers(server string) []*racer {
	var racers []*racer
	for _, g := range b.generators() {
		if !g.closed || g.name != b.baseline() && !b.wants(g.name) {
			continue
		}
		_, err := b.find(g)
		racers = append(racers, &racer{generator: g, server: server, turns: map[int]turn{}, absent: err != nil})
	}
	return racers
}

// values of all turns.
func (r *racer) values(value func(turn) float64) []float64 {
	var all []float64
	for _, t := range r.turns {
		all = append(all, value(t))
	}
	return all
}

func (r *racer) median(value func(turn) float64) float64 { return sidebyside.Median(r.values(value)) }

func rate(t turn) float64 { return t.rate }

// cpuSeconds is the CPU time of a million requests.
func cpuSeconds(t turn) float64 { return t.cpu.Seconds() / float64(t.requests) * 1e6 }

// cores is how much of its CPU the generator used: much less than one means that the server was the limit.
func cores(t turn) float64 { return float64(t.cpu) / float64(t.wall) }

// against is the median of the ratios to another generator's figure in the same round, for the machine drifts; NaN when
// there is no such round.
func (r *racer) against(other *racer, value func(turn) float64) float64 {
	var ratios []float64
	if other != nil {
		for round, t := range r.turns {
			if o, ok := other.turns[round]; ok {
				ratios = append(ratios, value(t)/value(o))
			}
		}
	}
	return sidebyside.Median(ratios)
}

// named finds a generator's row.
func named(racers []*racer, server, name string) *racer {
	i := slices.IndexFunc(racers, func(r *racer) bool { return r.server == server && r.name == name })
	if i < 0 {
		return nil
	}
	return racers[i]
}

func raceHeading(baseline string) []string {
	return []string{
		"server", "generator", "requests/s", "least–most", "× " + baseline, "CPU s/million", "× " + baseline + "'s CPU",
		"cores", "peak MiB", "others' CPU",
	}
}

func raceRows(racers []*racer, baseline string) [][]string {
	var rows [][]string
	for _, r := range racers {
		row := make([]string, len(raceHeading(baseline)))
		row[0], row[1] = r.server, r.name
		switch {
		case r.absent:
			row[2] = r.missing()
		case len(r.turns) == 0:
			row[2] = "not valid"
		default:
			copy(row[2:], r.cells(named(racers, r.server, baseline)))
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *racer) cells(baseline *racer) []string {
	rates := r.values(rate)
	disturbed := r.disturbance()
	mark := ""
	if disturbed > sidebyside.MaxDisturbance {
		mark = " DISTURBED"
	}
	return []string{
		fmt.Sprintf("%.0f", r.median(rate)), fmt.Sprintf("%.0f–%.0f", slices.Min(rates), slices.Max(rates)),
		ratioText(r.against(baseline, rate)), fmt.Sprintf("%.1f", r.median(cpuSeconds)),
		ratioText(r.against(baseline, cpuSeconds)),
		fmt.Sprintf("%.2f", r.median(cores)),
		fmt.Sprintf("%.0f", r.median(func(t turn) float64 { return float64(t.memory) })/(1<<20)),
		fmt.Sprintf("%.1f %%%s", 100*disturbed, mark),
	}
}

func (r *racer) disturbance() float64 { return r.median(func(t turn) float64 { return t.disturbed }) }

func ratioText(ratio float64) string {
	if math.IsNaN(ratio) {
		return ""
	}
	return fmt.Sprintf("%.2f", ratio)
}

// aim is a ratio that is to be reached against the light server, or, by HTTP/2 over TLS, nginx.
type aim struct {
	what         string
	ours, theirs string
	value        func(turn) float64
	limit        float64
	atMost       bool
}

var aims = []aim{
	{what: "rate", ours: ringName, theirs: wrkName, value: rate, limit: 1.4},
	{what: "rate", ours: epollName, theirs: wrkName, value: rate, limit: 1.2},
	{what: "CPU time a request", ours: ringName, theirs: wrkName, value: cpuSeconds, limit: 0.75, atMost: true},
	{what: "rate", ours: ringName, theirs: vegeta, value: rate, limit: 5},
	{what: "rate", ours: ringName, theirs: k6, value: rate, limit: 10},
}

// http2Aims are those of HTTP/2.
var http2Aims = []aim{
	{what: "rate", ours: ringName, theirs: h2load, value: rate, limit: 0.8},
	{what: "rate", ours: epollName, theirs: h2load, value: rate, limit: 0.8},
}

// secureHTTP2Aims are those of HTTP/2 over TLS.
var secureHTTP2Aims = append(slices.Clone(http2Aims),
	aim{what: "rate", ours: ringName, theirs: k6, value: rate, limit: 3},
	aim{what: "rate", ours: epollName, theirs: k6, value: rate, limit: 3})

// tlsAims are those of HTTPS.
var tlsAims = []aim{
	{what: "rate", ours: ringName, theirs: wrkName, value: rate, limit: 1},
	{what: "rate", ours: epollName, theirs: wrkName, value: rate, limit: 1},
	{what: "rate", ours: ringName, theirs: vegeta, value: rate, limit: 2.5},
	{what: "rate", ours: epollName, theirs: vegeta, value: rate, limit: 2.5},
}

// judgeRace says which aims hold. Measurements that others disturbed judge nothing.
func judgeRace(w io.Writer, racers []*racer, server string, aims []aim) int {
	result := sidebyside.ExitOK
	for _, r := range racers {
		switch {
		case r.fault != nil:
			fmt.Fprintf(w, "NOT VALID: %s, %s: %v\n", r.server, r.name, r.fault)
			result = sidebyside.ExitInvalid
		case r.disturbance() > sidebyside.MaxDisturbance:
			fmt.Fprintf(w, "DISTURBED: %s, %s: others took %.0f %% of the CPU time\n", r.server, r.name,
				100*r.disturbance())
			result = sidebyside.ExitInvalid
		}
	}
	for _, a := range aims {
		ours := named(racers, server, a.ours)
		if ours == nil {
			continue
		}
		ratio := ours.against(named(racers, server, a.theirs), a.value)
		if math.IsNaN(ratio) {
			fmt.Fprintf(w, "not measured: %s of %s beside %s's\n", a.what, a.ours, a.theirs)
			continue
		}
		verdict := "held"
		if a.atMost && ratio > a.limit || !a.atMost && ratio < a.limit {
			verdict = "MISSED"
			if result == sidebyside.ExitOK {
				result = sidebyside.ExitMissed
			}
		}
		fmt.Fprintf(w, "%s: %s of %s is %.2f of %s's, aim %s %.2f\n", verdict, a.what, a.ours, ratio, a.theirs,
			a.sign(), a.limit)
	}
	return result
}

func (a aim) sign() string {
	if a.atMost {
		return "≤"
	}
	return "≥"
}

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// freezeRates are requests per second.
var freezeRates = []int{2000, 5000, 10000}

// freezeTolerance is the relative error allowed for our P95 and P99.
const freezeTolerance = 0.02

// freezeResult is what one generator reported about the freezing server at one rate.
type freezeResult struct {
	*generator
	rate   int
	turn   turn
	fault  error
	absent bool
}

// freeze measures every generator that can send at a given rate once at each rate, with a new server each time.
func (b *bench) freeze(ctx context.Context, w io.Writer) (int, error) {
	var all []*freezeResult
	for _, rate := range freezeRates {
		for _, g := range b.generators() {
			if !g.open || !b.wants(g.name) {
				continue
			}
			t := &freezeResult{generator: g, rate: rate}
			all = append(all, t)
			if _, err := b.find(g); err != nil {
				t.absent = true
				continue
			}
			t.turn, t.fault = b.freezeOnce(ctx, g, rate)
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			b.say(fmt.Sprintf("%5d/s %-26s P95 %6.1f ms, P99 %6.1f ms", rate, g.name, t.turn.p95, t.turn.p99))
		}
	}
	if err := sidebyside.Output(w, freezeHeading, freezeRows(all), b.markdown); err != nil {
		return 0, err
	}
	return judgeFreeze(w, all), nil
}

func (b *bench) freezeOnce(ctx context.Context, g *generator, rate int) (turn, error) {
	kind := "freezing"
	switch {
	case b.http2:
		kind = "freezing-http2"
	case b.tls:
		kind = "freezing-tls"
	}
	child, url, err := b.server(ctx, kind)
	if err != nil {
		return turn{}, err
	}
	defer child.Stop(context.WithoutCancel(ctx))
	return b.measure(ctx, g, load{
		url: url, dir: b.dir, seconds: b.seconds, rate: rate, unlimited: g.unlimited,
		http2: b.http2,
	})
}

var freezeHeading = []string{
	"rate", "generator", "connections", "sent", "P50 ms", "P95 ms", "P99 ms", "P95 / computed", "P99 / computed",
	"others' CPU",
}

// freezeRows are, for each rate, the computed response times and what the generators reported.
func freezeRows(all []*freezeResult) [][]string {
	var rows [][]string
	for i, r := range all {
		if i == 0 || all[i-1].rate != r.rate {
			rows = append(rows, computedRow(r.rate, connections, fmt.Sprint(connections)),
				computedRow(r.rate, 0, "unlimited"))
		}
		row := make([]string, len(freezeHeading))
		row[0], row[1], row[2] = fmt.Sprint(r.rate), r.name, r.limit()
		switch {
		case r.absent:
			row[3] = r.missing()
		case r.fault != nil:
			row[3] = "not valid"
		default:
			copy(row[3:], r.cells())
		}
		rows = append(rows, row)
	}
	return rows
}

// computedRow has the response times that the arithmetic gives; 0 connections is no limit.
func computedRow(rate, connections int, limit string) []string {
	p50, p95, p99 := computed(rate, connections)
	row := make([]string, len(freezeHeading))
	copy(row, []string{fmt.Sprint(rate), "computed", limit, "", msText(p50), msText(p95), msText(p99)})
	return row
}

// computed are the percentiles in milliseconds.
func computed(rate, connections int) (p50, p95, p99 float64) {
	times := truth(rate, connections)
	return ms(quantile(times, 0.5)), ms(quantile(times, 0.95)), ms(quantile(times, 0.99))
}

func (r *freezeResult) cells() []string {
	p95, p99 := r.ratios()
	return []string{
		percentText(r.sent()), msText(r.turn.p50), msText(r.turn.p95), msText(r.turn.p99),
		percentText(p95), percentText(p99), percentText(r.turn.disturbed),
	}
}

// sent is the share of the planned requests that were sent.
func (r *freezeResult) sent() float64 { return r.turn.rate / float64(r.rate) }

// ratios are the reported P95 and P99 over those computed for the generator's connections.
func (r *freezeResult) ratios() (p95, p99 float64) {
	_, wantP95, wantP99 := computed(r.rate, r.connections())
	return r.turn.p95 / wantP95, r.turn.p99 / wantP99
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func msText(v float64) string { return fmt.Sprintf("%.1f", v) }

func percentText(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// judgeFreeze prints whether our percentiles are within the tolerance, and returns the exit code.
func judgeFreeze(w io.Writer, all []*freezeResult) int {
	result := sidebyside.ExitOK
	for _, r := range all {
		if r.fault != nil {
			fmt.Fprintf(w, "NOT VALID: %s at %d/s: %v\n", r.name, r.rate, r.fault)
			result = sidebyside.ExitInvalid
			continue
		}
		if r.engine == "" || r.absent {
			continue
		}
		p95, p99 := r.ratios()
		verdict := "held"
		if math.Abs(p95-1) > freezeTolerance || math.Abs(p99-1) > freezeTolerance {
			verdict = "MISSED"
			if result == sidebyside.ExitOK {
				result = sidebyside.ExitMissed
			}
		}
		fmt.Fprintf(w, "%s: %s at %d/s reports %.1f and %.1f %% of the computed P95 and P99, goal 98 to 102\n", verdict,
			r.name, r.rate, 100*p95, 100*p99)
	}
	return result
}

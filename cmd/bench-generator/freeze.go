package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// freezeRates are the rates at which the freeze is measured.
var freezeRates = []int{2000, 5000, 10000}

// freezeTolerance is the share by which our P95 and P99 may differ from the computed ones.
const freezeTolerance = 0.02

// told is what a generator says about the server that freezes.
type told struct {
	*generator
	rate   int
	turn   turn
	fault  error
	absent bool
}

// freeze lets every generator that can send at a rate take one turn at each rate, against a new server each time.
func (b *bench) freeze(ctx context.Context, w io.Writer) (int, error) {
	var all []*told
	for _, rate := range freezeRates {
		for _, g := range generators {
			if !g.open || !b.wants(g.name) {
				continue
			}
			t := &told{generator: g, rate: rate}
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
	child, url, err := b.server(ctx, "freezing")
	if err != nil {
		return turn{}, err
	}
	defer child.Stop(context.WithoutCancel(ctx))
	return b.measure(ctx, g, load{url: url, dir: b.dir, seconds: b.seconds, rate: rate})
}

var freezeHeading = []string{"rate", "who", "sent of what was asked", "P50 ms", "P95 ms", "P99 ms", "P95 of the truth", "P99 of the truth", "others' CPU"}

// freezeRows are, for each rate, the computed truth and what was told.
func freezeRows(all []*told) [][]string {
	var rows [][]string
	for i, t := range all {
		if i == 0 || all[i-1].rate != t.rate {
			rows = append(rows, truthRow(t.rate, connections, fmt.Sprintf("the truth, %d connections", connections)),
				truthRow(t.rate, 0, "the truth, unlimited connections"))
		}
		row := make([]string, len(freezeHeading))
		row[0], row[1] = fmt.Sprint(t.rate), t.name
		switch {
		case t.absent:
			row[2] = t.missing()
		case t.fault != nil:
			row[2] = "not valid"
		default:
			copy(row[2:], t.cells())
		}
		rows = append(rows, row)
	}
	return rows
}

func truthRow(rate, connections int, name string) []string {
	times := truth(rate, connections)
	row := make([]string, len(freezeHeading))
	copy(row, []string{fmt.Sprint(rate), name, "", msText(ms(quantile(times, 0.5))), msText(ms(quantile(times, 0.95))), msText(ms(quantile(times, 0.99)))})
	return row
}

func (t *told) cells() []string {
	p95, p99 := t.shares()
	return []string{
		fmt.Sprintf("%.1f %%", 100*t.sent()), msText(t.turn.p50), msText(t.turn.p95), msText(t.turn.p99),
		fmt.Sprintf("%.1f %%", 100*p95), fmt.Sprintf("%.1f %%", 100*p99), fmt.Sprintf("%.1f %%", 100*t.turn.disturbed),
	}
}

// sent is the share of the requests asked for that were sent.
func (t *told) sent() float64 { return t.turn.rate / float64(t.rate) }

// shares are P95 and P99 as shares of the computed ones.
func (t *told) shares() (p95, p99 float64) {
	times := truth(t.rate, connections)
	return t.turn.p95 / ms(quantile(times, 0.95)), t.turn.p99 / ms(quantile(times, 0.99))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func msText(v float64) string { return fmt.Sprintf("%.1f", v) }

// judgeFreeze says where we differ from the truth by more than we may.
func judgeFreeze(w io.Writer, all []*told) int {
	result := sidebyside.ExitOK
	for _, t := range all {
		if t.fault != nil {
			fmt.Fprintf(w, "NOT VALID: %s at %d/s: %v\n", t.name, t.rate, t.fault)
			result = sidebyside.ExitInvalid
			continue
		}
		if t.engine == "" || t.absent {
			continue
		}
		p95, p99 := t.shares()
		verdict := "held"
		if math.Abs(p95-1) > freezeTolerance || math.Abs(p99-1) > freezeTolerance {
			verdict = "MISSED"
			if result == sidebyside.ExitOK {
				result = sidebyside.ExitMissed
			}
		}
		fmt.Fprintf(w, "%s: %s at %d/s says %.1f and %.1f %% of the true P95 and P99, aim 98 to 102\n", verdict, t.name, t.rate, 100*p95, 100*p99)
	}
	return result
}

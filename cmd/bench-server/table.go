package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// summary is a row of the table: medians, and the spread of the rate.
type summary struct {
	rate, least, most float64
	cpu, p50, p99     time.Duration
	memory            int64
	disturbed         float64
	share             float64
}

func (m *measured) summary() summary {
	rates := m.values(func(r result) float64 { return r.rate })
	median := func(value func(result) float64) float64 { return sidebyside.Median(m.values(value)) }
	return summary{
		rate: sidebyside.Median(rates), least: slices.Min(rates), most: slices.Max(rates),
		cpu:       time.Duration(median(func(r result) float64 { return float64(r.cpu) })),
		p50:       time.Duration(median(func(r result) float64 { return float64(r.p50) })),
		p99:       time.Duration(median(func(r result) float64 { return float64(r.p99) })),
		memory:    int64(median(func(r result) float64 { return float64(r.memory) })),
		disturbed: median(func(r result) float64 { return r.disturbed }),
		share:     slices.Min(m.values(func(r result) float64 { return r.levelShare })),
	}
}

func (m *measured) values(value func(result) float64) []float64 {
	var values []float64
	for _, r := range m.results {
		values = append(values, value(r))
	}
	return values
}

// ratios are a row's rate and its requests a CPU second against those of the first of its group; 0 when that one was
// not measured. The second is less sensitive to what else the machine does.
func ratios(rows []*measured, row *measured) (rate, cpu float64) {
	first := contenders[slices.IndexFunc(contenders, func(c *contender) bool { return c.group == row.group })]
	for _, r := range rows {
		if r.contender == first && r.results != nil && row.results != nil {
			theirs, ours := r.summary(), row.summary()
			return ours.rate / theirs.rate, float64(theirs.cpu) / float64(ours.cpu)
		}
	}
	return 0, 0
}

var heading = []string{
	"what", "server", "requests/s", "least–most", "ratio", "aim", "CPU µs/request", "CPU ratio", "P50 µs", "P99 µs",
	"memory MiB", "by level", "others' CPU",
}

// cells are a row's texts.
func cells(rows []*measured, row *measured) []string {
	if row.results == nil {
		return append([]string{row.group, row.name, "not valid"}, make([]string, len(heading)-3)...)
	}
	s := row.summary()
	var aim, level, byRate, byCPU string
	if row.aim > 0 {
		aim = fmt.Sprintf("≥ %.2f", row.aim)
	}
	if row.level != "" {
		level = fmt.Sprintf("%s %.1f %%", row.level, 100*s.share)
	}
	if rate, cpu := ratios(rows, row); rate > 0 {
		byRate, byCPU = fmt.Sprintf("%.2f", rate), fmt.Sprintf("%.2f", cpu)
	}
	disturbed := fmt.Sprintf("%.1f %%", 100*s.disturbed)
	if s.disturbed > sidebyside.MaxDisturbance {
		disturbed += " DISTURBED"
	}
	return []string{
		row.group, row.name, fmt.Sprintf("%.0f", s.rate), fmt.Sprintf("%.0f–%.0f", s.least, s.most), byRate, aim,
		fmt.Sprintf("%.1f", float64(s.cpu)/float64(time.Microsecond)), byCPU, fmt.Sprint(s.p50.Microseconds()),
		fmt.Sprint(s.p99.Microseconds()),
		fmt.Sprint(s.memory >> 20), level, disturbed,
	}
}

// table is the cells of all rows.
func table(rows []*measured) [][]string {
	var all [][]string
	for _, row := range rows {
		all = append(all, cells(rows, row))
	}
	return all
}

// verdict says which aims were missed. Measurements that others disturbed judge nothing.
func verdict(w io.Writer, rows []*measured) int {
	result := sidebyside.ExitOK
	for _, row := range rows {
		q, _ := ratios(rows, row)
		switch {
		case row.fault != nil:
			fmt.Fprintf(w, "NOT VALID: %s (%s): %v\n", row.name, row.group, row.fault)
			result = sidebyside.ExitInvalid
		case row.summary().disturbed > sidebyside.MaxDisturbance:
			fmt.Fprintf(w, "DISTURBED: %s (%s): others took %.0f %% of the CPU time\n", row.name, row.group,
				100*row.summary().disturbed)
			result = sidebyside.ExitInvalid
		case row.aim > 0 && q > 0 && q < row.aim:
			fmt.Fprintf(w, "MISSED: %s (%s): %.2f, aim %.2f\n", row.name, row.group, q, row.aim)
			if result == sidebyside.ExitOK {
				result = sidebyside.ExitMissed
			}
		}
	}
	return result
}

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// maxDisturbance is the share of the machine's CPU time that others may take before a row says nothing.
const maxDisturbance = 0.05

// summary is a row of the table: medians, and the spread of the rate.
type summary struct {
	rate, least, most float64
	cpu, p50, p99     time.Duration
	memory            int64
	disturbed         float64
	share             float64
}

func (m *measured) summary() summary {
	rates := sorted(m.results, func(r result) float64 { return r.rate })
	return summary{
		rate: middle(rates), least: rates[0], most: rates[len(rates)-1],
		cpu:       time.Duration(middle(sorted(m.results, func(r result) float64 { return float64(r.cpu) }))),
		p50:       time.Duration(middle(sorted(m.results, func(r result) float64 { return float64(r.p50) }))),
		p99:       time.Duration(middle(sorted(m.results, func(r result) float64 { return float64(r.p99) }))),
		memory:    int64(middle(sorted(m.results, func(r result) float64 { return float64(r.memory) }))),
		disturbed: middle(sorted(m.results, func(r result) float64 { return r.disturbed })),
		share:     sorted(m.results, func(r result) float64 { return r.levelShare })[0],
	}
}

func sorted(results []result, value func(result) float64) []float64 {
	var values []float64
	for _, r := range results {
		values = append(values, value(r))
	}
	slices.Sort(values)
	return values
}

// middle is the median of sorted values.
func middle(values []float64) float64 {
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
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
	"what", "server", "requests/s", "least–most", "ratio", "aim", "CPU µs/request", "CPU ratio", "P50 µs", "P99 µs", "memory MiB", "by level", "others' CPU",
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
	if s.disturbed > maxDisturbance {
		disturbed += " DISTURBED"
	}
	return []string{
		row.group, row.name, fmt.Sprintf("%.0f", s.rate), fmt.Sprintf("%.0f–%.0f", s.least, s.most), byRate, aim,
		fmt.Sprintf("%.1f", float64(s.cpu)/float64(time.Microsecond)), byCPU, fmt.Sprint(s.p50.Microseconds()), fmt.Sprint(s.p99.Microseconds()),
		fmt.Sprint(s.memory >> 20), level, disturbed,
	}
}

func printTable(w io.Writer, rows []*measured) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(heading, "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(cells(rows, row), "\t"))
	}
	t.Flush()
}

func writeMarkdown(path string, rows []*measured) error {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(heading)
	line(slices.Repeat([]string{"---"}, len(heading)))
	for _, row := range rows {
		line(cells(rows, row))
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// verdict says which aims were missed. Measurements that others disturbed judge nothing.
func verdict(w io.Writer, rows []*measured) int {
	result := exitOK
	for _, row := range rows {
		q, _ := ratios(rows, row)
		switch {
		case row.fault != nil:
			fmt.Fprintf(w, "NOT VALID: %s (%s): %v\n", row.name, row.group, row.fault)
			result = exitInvalid
		case row.summary().disturbed > maxDisturbance:
			fmt.Fprintf(w, "DISTURBED: %s (%s): others took %.0f %% of the CPU time\n", row.name, row.group, 100*row.summary().disturbed)
			result = exitInvalid
		case row.aim > 0 && q > 0 && q < row.aim:
			fmt.Fprintf(w, "MISSED: %s (%s): %.2f, aim %.2f\n", row.name, row.group, q, row.aim)
			if result == exitOK {
				result = exitMissed
			}
		}
	}
	return result
}

package sidebyside

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Median of values in any order; NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func printTable(w io.Writer, heading []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(heading, "\t"))
	for _, cells := range rows {
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush()
}

// Output writes rows for a terminal and, unless the path is empty, as Markdown into a file.
func Output(w io.Writer, heading []string, rows [][]string, path string) error {
	printTable(w, heading, rows)
	if path == "" {
		return nil
	}
	return writeMarkdown(path, heading, rows)
}

// Selected reports whether one of the names contains one of the words, which are separated by commas; no words select
// all.
func Selected(words string, names ...string) bool {
	if words == "" {
		return true
	}
	for word := range strings.SplitSeq(words, ",") {
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, word) }) {
			return true
		}
	}
	return false
}

// inCell keeps a text, such as the version that another program says, within its cell.
var inCell = strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "`", "\\`", "<", "&lt;", "\x1b", "")

func writeMarkdown(path string, heading []string, rows [][]string) error {
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			cells[i] = inCell.Replace(cell)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	line(slices.Clone(heading))
	line(slices.Repeat([]string{"---"}, len(heading)))
	for _, cells := range rows {
		line(slices.Clone(cells))
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

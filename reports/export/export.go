// Package export writes figures in the formats that other tools read: OpenMetrics, the Go benchmark format, Bencher's
// metric format, and the two files of github-action-benchmark. It also writes what GitHub Actions shows.
package export

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Figure is one measured value.
type Figure struct {
	// Metric is the name of the metric: http_req_duration.
	Metric string
	// Tags are the requests that it is of; empty is all.
	Tags map[string]string
	// Statistic is what of the metric: "p(95)", "rate", "value".
	Statistic string
	// Value is in Unit: "ms", "s", "bytes", "1/s", or "" for a share of 1 and for numbers.
	Value float64
	Unit  string
	// Low and High are the ends of the 95 % interval; nil where they are not known.
	Low, High *float64
	// MoreIsBetter says that a smaller value is worse.
	MoreIsBetter bool
	// Samples is how many requests the value is of; 0 where that says nothing.
	Samples int64
}

// digits are the significant digits that are written: a figure that did not change must not look as if it had.
const digits = 5

func number(v float64) string { return strconv.FormatFloat(v, 'g', digits, 64) }

// rounded is a value with the digits that are written.
func rounded(v float64) float64 {
	r, _ := strconv.ParseFloat(number(v), 64) // of what was just written
	return r
}

// subject is what a figure is of, as "name=get": the tags in alphabetical order.
func (f Figure) subject() string {
	var tags []string
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		tags = append(tags, name+"="+f.Tags[name])
	}
	return strings.Join(tags, ",")
}

// Name is the figure in the notation of thresholds: http_req_duration{name:get} p(95).
func (f Figure) Name() string {
	var tags []string
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		tags = append(tags, name+":"+f.Tags[name])
	}
	metric := f.Metric
	if len(tags) > 0 {
		metric += "{" + strings.Join(tags, ",") + "}"
	}
	if f.Statistic == "value" {
		return metric
	}
	return metric + " " + f.Statistic
}

// baseUnit is the unit's name in OpenMetrics, which knows base units alone, and the factor that leads to it.
func baseUnit(unit string) (name string, factor float64) {
	switch unit {
	case "ms":
		return "seconds", 1e-3
	case "s":
		return "seconds", 1
	case "bytes":
		return "bytes", 1
	case "1/s":
		return "per_second", 1
	}
	return "", 1
}

// OpenMetrics writes the figures as gauges in the text format of OpenMetrics 1.0, named headroom_<metric>_<unit>, with
// the tags and the statistic as labels. There are no timestamps: what did not change is written alike.
func OpenMetrics(w io.Writer, figures []Figure) error {
	families := map[string][]Figure{}
	var names []string
	for _, f := range figures {
		unit, _ := baseUnit(f.Unit)
		name := strings.TrimSuffix("headroom_"+identifier(f.Metric)+"_"+unit, "_")
		if families[name] == nil {
			names = append(names, name)
		}
		families[name] = append(families[name], f)
	}
	var out strings.Builder
	for _, name := range names {
		unit, factor := baseUnit(families[name][0].Unit)
		fmt.Fprintf(&out, "# TYPE %s gauge\n", name)
		if unit != "" {
			fmt.Fprintf(&out, "# UNIT %s %s\n", name, unit)
		}
		for _, f := range families[name] {
			fmt.Fprintf(&out, "%s{%s} %s\n", name, labels(f), number(f.Value*factor))
		}
	}
	out.WriteString("# EOF\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func labels(f Figure) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		all = append(all, identifier(name)+`="`+escapeLabel.Replace(f.Tags[name])+`"`)
	}
	return strings.Join(append(all, `statistic="`+escapeLabel.Replace(f.Statistic)+`"`), ",")
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// identifier is a text with an underscore for each character that a name of OpenMetrics cannot have.
func identifier(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '_'
	}, text)
}

// Benchstat writes runs in the Go benchmark format, for benchstat: a line for each subject and run, with a column for
// each figure. Units are those of the figures with the statistic before them, as p95-sec; which direction is better is
// written once for each of them.
func Benchstat(w io.Writer, config map[string]string, runs [][]Figure) error {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&out, "%s: %s\n", key, strings.Join(strings.Fields(config[key]), " "))
	}
	written := map[string]bool{}
	for _, figures := range runs {
		for _, f := range figures {
			if unit, _ := benchUnit(f); !written[unit] {
				written[unit] = true
				better := "lower"
				if f.MoreIsBetter {
					better = "higher"
				}
				fmt.Fprintf(&out, "Unit %s better=%s\n", unit, better)
			}
		}
	}
	for _, figures := range runs {
		lines, samples := map[string]string{}, map[string]int64{}
		var order []string
		for _, f := range figures {
			name := "Benchmark" + benchName(f)
			if lines[name] == "" {
				order = append(order, name)
			}
			unit, factor := benchUnit(f)
			lines[name] += " " + number(f.Value*factor) + " " + unit
			samples[name] = max(samples[name], f.Samples, 1)
		}
		for _, name := range order {
			fmt.Fprintf(&out, "%s %d%s\n", name, samples[name], lines[name])
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// benchName is a name of the Go benchmark format: All, or the tags as /key=value.
func benchName(f Figure) string {
	if len(f.Tags) == 0 {
		return "All"
	}
	name := "Requests"
	for _, tag := range slices.Sorted(maps.Keys(f.Tags)) {
		name += "/" + strings.Join(strings.Fields(tag+"="+f.Tags[tag]), "_")
	}
	return name
}

func benchUnit(f Figure) (unit string, factor float64) {
	statistic := strings.NewReplacer("(", "", ")", "").Replace(f.Statistic)
	of := ""
	if f.Metric != "http_req_duration" {
		of = "-" + f.Metric
	}
	switch f.Unit {
	case "ms":
		return statistic + of + "-sec", 1e-3
	case "s":
		return statistic + of + "-sec", 1
	case "bytes":
		return statistic + of + "-B", 1
	case "1/s":
		return statistic + of + "/s", 1
	}
	return statistic + of, 1
}

// Bencher writes the figures as Bencher's metric format: a benchmark for each subject, a measure for each metric and
// statistic, with the ends of its interval.
func Bencher(w io.Writer, figures []Figure) error {
	type metric struct {
		Value float64  `json:"value"`
		Low   *float64 `json:"lower_value,omitempty"`
		High  *float64 `json:"upper_value,omitempty"`
	}
	all := map[string]map[string]metric{}
	for _, f := range figures {
		subject := f.subject()
		if subject == "" {
			subject = "all"
		}
		if all[subject] == nil {
			all[subject] = map[string]metric{}
		}
		measure := strings.TrimSuffix(f.Metric+" "+f.Statistic, " value")
		all[subject][measure] = metric{rounded(f.Value), roundedEnd(f.Low), roundedEnd(f.High)}
	}
	return writeJSON(w, all)
}

func roundedEnd(v *float64) *float64 {
	if v == nil {
		return nil
	}
	r := rounded(*v)
	return &r
}

// ActionBenchmark writes the figures of one direction as github-action-benchmark reads them: with moreIsBetter for its
// tool customBiggerIsBetter, else for customSmallerIsBetter. Its files have one direction each.
func ActionBenchmark(w io.Writer, figures []Figure, moreIsBetter bool) error {
	type entry struct {
		Name  string  `json:"name"`
		Unit  string  `json:"unit"`
		Value float64 `json:"value"`
		Range string  `json:"range,omitempty"`
	}
	entries := []entry{}
	for _, f := range figures {
		if f.MoreIsBetter != moreIsBetter {
			continue
		}
		e := entry{Name: f.Name(), Unit: f.Unit, Value: rounded(f.Value)}
		if f.Low != nil && f.High != nil {
			e.Range = number(*f.Low) + " to " + number(*f.High)
		}
		entries = append(entries, e)
	}
	return writeJSON(w, entries)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

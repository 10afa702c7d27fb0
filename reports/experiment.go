package reports

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// trial is an experiment as every report of it needs it.
type trial struct {
	*results.Experiment
	byFigure map[string]*results.ExperimentFigure
}

func newTrial(e *results.Experiment) trial {
	t := trial{e, map[string]*results.ExperimentFigure{}}
	for i := range e.Figures {
		t.byFigure[e.Figures[i].Figure] = &e.Figures[i]
	}
	return t
}

// name is a gate's figure in words: p(95) of http_req_duration{name:get}, or cpu_per_request.
func gateName(g results.ExperimentGate) string {
	statistic := strings.TrimPrefix(strings.TrimPrefix(g.Figure, g.Metric), " ")
	if statistic == "" || statistic == "value" {
		return g.Metric
	}
	return statistic + " of " + g.Metric
}

// isShare reports whether a figure is a share of 1.
func isShare(f *results.ExperimentFigure) bool {
	metric := scenarios.MetricName(f.Metric)
	return f.Unit == "" && (metric == scenarios.HTTPReqSucceeded || metric.IsShare())
}

// quantity shows a value of a figure with its unit.
func quantity(f *results.ExperimentFigure, v float64) string {
	const shortest, microseconds = 0.1, 1000 // below it, milliseconds would lose digits
	switch {
	case !isFinite(v):
		return none
	case isShare(f):
		return percent(v)
	case f.Unit == "ms" && min(f.Base, f.Head) < shortest:
		return threeDigits(v*microseconds) + " µs"
	case f.Unit == "B":
		return bytesText(int64(math.Round(v)))
	case f.Unit == "B/s":
		return bytesText(int64(math.Round(v))) + "/s"
	case f.Unit == "/s":
		return rate(v)
	}
	return withUnit(threeDigits(v), f.Unit)
}

// quantities shows a figure of both arms: "2.10 -> 2.35 ms". It is empty for a figure that is not known.
func quantities(f *results.ExperimentFigure, arrow string) string {
	if f == nil {
		return ""
	}
	base, head := quantity(f, f.Base), quantity(f, f.Head)
	number, unit, _ := strings.Cut(base, " ")
	if _, other, _ := strings.Cut(head, " "); unit == other {
		base = number
	}
	return base + arrow + head
}

// Changes from which on one is not told any more how large it is: the intervals of two or three blocks reach there.
const largestChange = 10

// changeText shows a change with a sign: "+11.8 %".
func changeText(change float64, decimals int) string {
	switch {
	case !isFinite(change):
		return none
	case change >= largestChange:
		return ">+1,000 %"
	}
	text := strconv.FormatFloat(100*change, 'f', decimals, 64)
	switch {
	case strings.Trim(text, "-0.") == "":
		return strings.TrimPrefix(text, "-") + " %"
	case change > 0:
		text = "+" + text
	}
	return text + " %"
}

// decimalsOf are those of a change and its interval: one, or two where all of it lies within 1 %.
func decimalsOf(low, high float64) int {
	if math.Max(math.Abs(low), math.Abs(high)) < 0.01 {
		return 2
	}
	return 1
}

// intervalText shows the ends of an interval: "+9.7 to +14.0 %".
func intervalText(low, high float64) string {
	if !isFinite(low) || !isFinite(high) {
		return none
	}
	decimals := decimalsOf(low, high)
	return strings.TrimSuffix(changeText(low, decimals), " %") + " to " + changeText(high, decimals)
}

// changed shows a change with its interval: "+11.8 % (95 % interval +9.7 to +14.0 %)".
func changed95(change, low, high float64) string {
	return changeText(change, decimalsOf(low, high)) + " (95 % interval " + intervalText(low, high) + ")"
}

// described is a gate's figure with its change: p(95) of http_req_duration +11.8 % (95 % interval ...), 2.10 -> 2.35
// ms.
func (t trial) described(g results.ExperimentGate) string {
	text := gateName(g) + " " + changed95(g.Change, g.Low, g.High)
	if values := quantities(t.byFigure[g.Figure], " -> "); values != "" {
		text += ", " + values
	}
	return text
}

// shareText shows a tolerance or the size of a change: "5 %", "0.25 %".
func shareText(share float64) string {
	switch {
	case !isFinite(share):
		return none
	case share >= largestChange:
		return "more than 1,000 %"
	}
	return strconv.FormatFloat(significantTwo(100*share), 'f', -1, 64) + " %"
}

// significantTwo rounds to two decimals, and from 10 on to one.
func significantTwo(v float64) float64 {
	if v >= 10 {
		return math.Round(10*v) / 10
	}
	return math.Round(100*v) / 100
}

// gatesOf are the gates that came to a decision.
func (t trial) gatesOf(d experiment.Decision) (gates []results.ExperimentGate) {
	for _, g := range t.Gates {
		if g.Decision == d {
			gates = append(gates, g)
		}
	}
	return gates
}

// estimated reports whether there were enough blocks for estimates.
func estimated(g results.ExperimentGate) bool {
	return len(g.Course) > 0 || g.Low != g.High || g.Change != 0
}

// worsening is how much worse a gate's figure became, more being worse.
func worsening(g results.ExperimentGate) float64 {
	if g.MoreIsBetter {
		return -g.Change
	}
	return g.Change
}

// excludesZero reports whether the interval of a figure lies on one side of 0.
func excludesZero(f *results.ExperimentFigure) bool { return f.Low > 0 || f.High < 0 }

// worseSurely reports whether the interval of a figure lies on the side of what is worse.
func worseSurely(f *results.ExperimentFigure) bool {
	if f.MoreIsBetter {
		return f.High < 0
	}
	return f.Low > 0
}

// byName are the figures of each request, by its name alone, that are of the same kind.
func (t trial) byName(metric scenarios.MetricName, statistic string) (figures []*results.ExperimentFigure) {
	for i := range t.Figures {
		f := &t.Figures[i]
		if f.Metric == string(metric) && f.Statistic == statistic && len(f.Tags) == 1 && f.Tags["name"] != "" {
			figures = append(figures, f)
		}
	}
	return figures
}

// vetoCause is why slices do not count, with how many of them.
type vetoCause struct {
	Example string `json:"example"` // of the first of them
	Slices  int    `json:"slices"`
}

var numbers = regexp.MustCompile(`[0-9][0-9.,]*`)

// vetoCauses are the reasons of vetoes, the most frequent first. Those that differ in their numbers alone are one.
func (t trial) vetoCauses() []vetoCause {
	var causes []vetoCause
	at := map[string]int{}
	for _, b := range t.Blocks {
		for _, s := range b.Slices {
			if s.Veto == "" {
				continue
			}
			key := numbers.ReplaceAllString(s.Veto, "0")
			i, seen := at[key]
			if !seen {
				i = len(causes)
				at[key] = i
				causes = append(causes, vetoCause{Example: s.Veto})
			}
			causes[i].Slices++
		}
	}
	slices.SortStableFunc(causes, func(a, b vetoCause) int { return cmp.Compare(b.Slices, a.Slices) })
	return causes
}

// pairs are the pairs of slices that were left out because of a veto, and all.
func (t trial) pairs() (vetoed, all int) {
	blocks := make([]experiment.Block, len(t.Blocks))
	for i, b := range t.Blocks {
		blocks[i] = b.Block
	}
	return experiment.Vetoed(blocks)
}

// vetoedText is "3 of 96 pairs of slices do not count".
func (t trial) vetoedText() string {
	vetoed, all := t.pairs()
	return fmt.Sprintf("%s of %s of slices do not count", count(int64(vetoed)), Plural(all, "pair"))
}

// blockSeconds is how long a block took on average, with what came before it; 0 where there was none.
func (t trial) blockSeconds() float64 {
	if len(t.Blocks) == 0 {
		return 0
	}
	first, last := t.Blocks[0], t.Blocks[len(t.Blocks)-1]
	return (last.At + last.Seconds - first.At) / float64(len(t.Blocks))
}

// lasted shows a time of seconds to hours: "42 s", "4 min 52 s", "2 h 5 min".
func lasted(s float64) string {
	const minute, hour = 60, 3600
	whole := int64(math.Round(s))
	switch {
	case whole < 2*minute:
		return count(whole) + " s"
	case whole < 2*hour:
		return fmt.Sprintf("%d min %d s", whole/minute, whole%minute)
	}
	return fmt.Sprintf("%s h %d min", count(whole/hour), whole%hour/minute)
}

// roughly shows a time that was estimated: in minutes, from two of them on.
func roughly(s float64) string {
	const minute, hour = 60, 3600
	switch {
	case s < 2*minute:
		return lasted(s)
	case s < 2*hour:
		return fmt.Sprintf("%.0f min", math.Ceil(s/minute))
	}
	return count(int64(math.Ceil(s/hour))) + " h"
}

// progress is "12 of at most 24 blocks in 4 min 52 s".
func (t trial) progress() string {
	text := Plural(len(t.Blocks), "block")
	if most := t.Design.MaxBlocks; most > 0 {
		text = fmt.Sprintf("%d of at most %s", len(t.Blocks), Plural(most, "block"))
	}
	text += " in " + lasted(t.Elapsed)
	if t.Interrupted {
		text += ", interrupted"
	}
	return text
}

// shortRevision is the beginning of a hash, as git shows it.
func shortRevision(hash string) string { return hash[:min(len(hash), 12)] }

// armText says what an arm was: main (3f2a9c1d0b5e, get: read the cache first).
func armText(a results.ArmRecord) string {
	text := cmp.Or(a.Label, a.URL, a.Image, a.Command, a.Kind)
	var more []string
	const shortest = 7 // of the hashes that git shows
	if r := shortRevision(a.Revision); r != "" && !strings.Contains(text, r[:min(len(r), shortest)]) {
		more = append(more, r)
	}
	if a.Dirty {
		more = append(more, "with changes that are not committed")
	}
	if a.Subject != "" {
		more = append(more, a.Subject)
	}
	for _, what := range []string{a.URL, a.Image, a.Command} {
		if what != "" && what != text {
			more = append(more, what)
		}
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, "; ") + ")"
	}
	return text
}

// repeat is the command that carries out the experiment again: as typed, with its seed, and with the revisions that the
// names of branches stood for.
func (t trial) repeat() []string {
	args := again(t.Command)
	if len(args) == 0 {
		return nil
	}
	for _, arm := range []struct {
		flag string
		results.ArmRecord
	}{{"--base", t.Base}, {"--head", t.Head}} {
		if arm.Kind == "revision" && arm.Revision != "" {
			args = withFlag(args, arm.flag, arm.Revision)
		}
	}
	return withFlag(args, "--seed", strconv.FormatUint(t.Design.Seed, 10))
}

// withFlag is a command with another value of a flag.
func withFlag(args []string, flag, value string) []string {
	for i, arg := range args {
		switch {
		case arg == flag && i+1 < len(args):
			args[i+1] = value
			return args
		case strings.HasPrefix(arg, flag+"="):
			args[i] = flag + "=" + value
			return args
		}
	}
	return append(args, flag, value)
}

package reports

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// none replaces a figure that would have no meaning.
const none = "–"

// percentiles are the columns of the latency table.
var percentiles = []float64{50, 75, 90, 95, 99, 99.9}

// threeDigits shows three significant digits: see [scenarios.ThreeDigits].
func threeDigits(v float64) string { return scenarios.ThreeDigits(v) }

// millis shows a duration in milliseconds without its unit.
func millis(ms float64) string { return threeDigits(ms) }

// timeOf shows a figure of a histogram; none if the histogram is empty.
func timeOf(h *results.Histogram, figure func(*results.Histogram) float64) string {
	if h == nil || h.Count() == 0 {
		return none
	}
	return millis(figure(h))
}

func percentileOf(h *results.Histogram, p float64) string {
	return timeOf(h, func(h *results.Histogram) float64 { return h.Percentile(p) })
}

func millisOf(h *results.Histogram, p float64) string { return withUnit(percentileOf(h, p), "ms") }

// millisIfAny shows a duration in milliseconds without its unit; none if it is nil.
func millisIfAny(ms *float64) string {
	if ms == nil {
		return none
	}
	return millis(*ms)
}

// shareIfAny shows a share in percent; none if it is nil.
func shareIfAny(share *float64) string {
	if share == nil {
		return none
	}
	return shareText(*share)
}

func maxOf(h *results.Histogram) string  { return timeOf(h, (*results.Histogram).Max) }
func meanOf(h *results.Histogram) string { return timeOf(h, (*results.Histogram).Mean) }

// percentileName is P50, P99.9.
func percentileName(p float64) string { return "P" + strconv.FormatFloat(p, 'f', -1, 64) }

// count shows a whole number with thousands separated.
func count(n int64) string { return scenarios.GroupDigits(strconv.FormatInt(n, 10)) }

// Plural returns a number with its noun: "1 gate", "2 gates", "1,200 gates".
func Plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(int64(n)) + " " + thing + "s"
}

// percent shows a share of 1 in percent. Values close to 0 % or 100 % are not rounded to them.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0:
		return "0 %"
	case p > 0 && p < 0.01:
		return "<0.01 %"
	case p < 0 && p > -0.01:
		return "-<0.01 %"
	case p > 99.99 && p < 100:
		return ">99.99 %"
	case math.Abs(p) >= 99.995:
		return scenarios.GroupDigits(strconv.FormatFloat(p, 'f', 0, 64)) + " %"
	default:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	}
}

// failedPercent, metPercent and hitPercent are none if the whole is 0.
func failedPercent(s results.Summary) string { return shareOf(s.Requests, s.FailedShare()) }
func metPercent(c results.Check) string      { return shareOf(c.Passed+c.Failed, c.Share()) }
func hitPercent(t results.TierStats) string  { return shareOf(t.Hits+t.Misses, t.Ratio()) }

func shareOf(whole int64, share float64) string {
	if whole == 0 {
		return none
	}
	return percent(share)
}

func rate(perSecond float64) string { return scenarios.PerSecond(perSecond) }

// perSecondText shows a rate without its unit. Unlike times, small rates keep three significant digits.
func perSecondText(v float64) string { return scenarios.RateDigits(v) }

func seconds(s float64) string { return threeDigits(s) + " s" }

// instant shows an offset in seconds with two decimals.
func instant(offset float64) string {
	return scenarios.GroupDigits(strconv.FormatFloat(offset, 'f', 2, 64))
}

// bytesText shows a size in decimal units.
func bytesText(n int64) string {
	const step = 1000
	if n < step {
		return count(n) + " B"
	}
	v, units := float64(n)/step, []string{"kB", "MB", "GB", "TB", "PB"}
	for len(units) > 1 && v >= step {
		v, units = v/step, units[1:]
	}
	return threeDigits(v) + " " + units[0]
}

// gateTarget shows a gate's target with its unit, as it is written in the scenario.
func gateTarget(g results.Gate) string {
	return withUnit(scenarios.GroupDigits(strconv.FormatFloat(g.Target, 'f', -1, 64)), g.Unit)
}

// gateWindow shows the worst window of a gate with windows: "34 s to 44 s, the worst of 21".
func gateWindow(g results.Gate) string {
	return fmt.Sprintf("%d s to %d s, the worst of %s", g.Window.From, g.Window.From+g.Window.Seconds,
		count(int64(g.Window.Of)))
}

// within is gateWindow after an introduction; empty for a gate without windows.
func within(introduction string, g results.Gate) string {
	if g.Window == nil {
		return ""
	}
	return introduction + gateWindow(g)
}

// gateActual shows the measured value of a gate, with enough decimals to differ from the target if it does.
func gateActual(g results.Gate) string {
	if g.Samples == 0 {
		return "no data"
	}
	if g.Actual == math.Trunc(g.Actual) {
		return withUnit(scenarios.GroupDigits(strconv.FormatFloat(g.Actual, 'f', 0, 64)), g.Unit)
	}
	size := math.Abs(g.Actual)
	if size >= 1 {
		return withUnit(apart(g.Actual, g.Target, 2), g.Unit)
	}
	const fewest = 4
	text := apart(g.Actual, g.Target, max(fewest, scenarios.SignificantDecimals(size)))
	for len(text)-strings.IndexByte(text, '.')-1 > fewest && strings.HasSuffix(text, "0") {
		text = strings.TrimSuffix(text, "0")
	}
	return withUnit(text, g.Unit)
}

// apart shows a number with at least the given decimals, and more if it would otherwise look like the target or like 0.
func apart(v, target float64, decimals int) string {
	at := func(v float64) string { return strconv.FormatFloat(v, 'f', decimals, 64) }
	for decimals < 12 && (v != target && at(v) == at(target) || v != 0 && at(math.Abs(v)) == at(0)) {
		decimals++
	}
	return scenarios.GroupDigits(at(v))
}

// gateInterval shows the confidence interval of a percentile: "4.71 to 5.03". An end is "?" if there are too few
// samples.
func gateInterval(g results.Gate) string {
	if g.Interval == nil {
		return none
	}
	end := func(v *float64) string {
		if v == nil {
			return "?"
		}
		if text := millis(*v); *v == g.Target || text != millis(g.Target) {
			return text
		}
		return apart(*v, g.Target, 0) // a limit within the interval must not look like its end
	}
	return end(g.Interval.Low) + " to " + end(g.Interval.High)
}

func withUnit(number, unit string) string {
	switch {
	case unit == "", number == none:
		return number
	case strings.HasPrefix(unit, "/"):
		return number + unit
	}
	return number + " " + unit
}

func gateMargin(g results.Gate) string {
	switch {
	case !g.HasMargin():
		return none
	case g.Margin < farBeyond:
		return threeDigits(1-g.Margin) + " × allowed"
	}
	return signedPercent(g.Margin)
}

// signedPercent shows a signed share of 1 in percent. Unlike in percent, values close to 100 % are rounded.
func signedPercent(share float64) string {
	if share > 0.9999 && share < 1 {
		share = 1
	}
	if share > 0 {
		return "+" + percent(share)
	}
	return percent(share)
}

func gateWord(g results.Gate) string {
	switch {
	case g.NotReached:
		return "not reached"
	case g.Passed && g.Unsteady != "":
		return "not steady"
	case g.Passed:
		return "held"
	case g.Unresolved:
		return "unresolved"
	case g.Samples == 0:
		return "no data"
	}
	return "crossed"
}

// countsText shows how often each key occurred, sorted by key: "reset × 2,990, timeout × 10". Lines break only between
// items.
func countsText(counts map[string]int64) string {
	parts := make([]string, 0, len(counts))
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s\u00a0×\u00a0%s", k, count(counts[k])))
	}
	return strings.Join(parts, ", ")
}

// statusesText shows how often each status occurred, likewise: "200 × 2,990, 503 × 10", "OK × 2,990".
func statusesText(counts map[int]int64) string {
	parts := make([]string, 0, len(counts))
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s\u00a0×\u00a0%s", scenarios.StatusName(status), count(counts[status])))
	}
	return strings.Join(parts, ", ")
}

// again is the command that repeats a run: with another --out directory, since the first one exists, and without
// --start-at, which is in the past.
func again(command []string) []string {
	var out []string
	for i := 0; i < len(command); i++ {
		dir, isOut := strings.CutPrefix(command[i], "--out=")
		switch {
		case isOut:
			out = append(out, "--out="+another(dir))
		case command[i] == "--out" && i+1 < len(command):
			i++
			out = append(out, "--out", another(command[i]))
		case command[i] == "--start-at":
			i++
		case !strings.HasPrefix(command[i], "--start-at="):
			out = append(out, command[i])
		}
	}
	return out
}

func another(dir string) string { return strings.TrimRight(dir, "/") + "-again" }

// shellLine quotes and joins the arguments of a command for a POSIX shell.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsFunc(a, needsQuotes) {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

func needsQuotes(c rune) bool {
	return c >= unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) &&
		!strings.ContainsRune("-_./:=,@%+", c)
}

// onOneLine makes text of unknown origin safe for a terminal by replacing characters that are not printable.
func onOneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || unicode.IsPrint(c) {
			return c
		}
		return '�'
	}, s)
}

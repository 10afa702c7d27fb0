package reports

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/go-echarts/statsview/statics"

	"github.com/policycortex/headroom/results"
)

//go:embed report.html.tmpl
var pageTemplate string

//go:embed experiment.html.tmpl
var experimentTemplate string

//go:embed report.css
var pageStyle string

//go:embed report.js
var pageScript string

// policy forbids the page all requests and all scripts except its own two, so that text from the run cannot execute
// even if it were not escaped. Styles cannot be restricted like this: ECharts' tooltips have inline styles.
var policy = fmt.Sprintf("default-src 'none'; script-src %s %s; style-src 'unsafe-inline'; img-src data: blob:",
	contentHash(statics.EchartJS), contentHash(pageScript))

func contentHash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var parsedPage = template.Must(template.New(HTMLFile).Funcs(template.FuncMap{
	"breakable": breakable, "bytes": bytesText, "cores": coresOf, "count": count, "environment": environmentLine,
	"gateActual": gateActual, "gateInterval": gateInterval, "gateWindow": gateWindow, "gateMargin": gateMargin,
	"gateClass": gateClass, "gateSign": gateSign, "gateRemark": gateRemark, "gateTarget": gateTarget,
	"gateWord": gateWord, "headline": headline, "host": hostOf, "instant": instant, "lower": strings.ToLower,
	"max": maxOf, "mean": meanOf, "millis": millisOf, "millisIfAny": millisIfAny,
	"failedPercent": failedPercent, "hitPercent": hitPercent, "metPercent": metPercent, "percentile": percentileOf,
	"percentileName": percentileName, "plural": Plural,
	"again": again, "rate": rate, "reasons": reasons, "remarks": remarks, "seconds": seconds, "shellLine": shellLine,
	"startOf": startOf, "countedErrors": countsText,
	"countedStatuses": statusesText, "times": newTimes, "clock": clockText,
	"waited": func(p results.PoolStats) string { return millis(p.Waited) }, "width": barWidth, "mark": barMark,
	"digits": threeDigits, "digitsIfAny": millisIfAny, "shareIfAny": shareIfAny, "foldedGates": foldedGates,
	"pageFigures": pageFigures, "pageTitles": pageTitles, "films": films,
	"standIn": standIn, "arm": armText, "failedShare": failedShare, "lasted": lasted, "share": shareText,
	"plan": planOf, "slowID": func(i int) string { return slowLink(i)[1:] },
	"plural64": func(n int64, thing string) string { return Plural(int(n), thing) },
}).Parse(pageTemplate + evidenceTemplate + slowestTemplate + waterfallTemplate + figuresTemplate +
	experimentTemplate + capacityTemplate + liveTemplate))

// page is the data of the template.
type page struct {
	digest
	Policy      string
	Style       template.CSS
	Library     template.JS
	Script      template.JS
	Percentiles []float64
	Trust       []measure
	Generator   []measure
	Health      []chart
	Latency     *chart // nil when nothing was recorded
	Timeline    []chart
	OverRate    []chart
	RequestTime []chart
	Server      []chart

	FigureCharts []chart
	StreamTime   []chart
	Charts       []chart // all of them, for the script
}

// HTML writes the run's report as one self-contained web page. It loads nothing. The verdict and the figures can be
// read without scripts and styles. All text from the run is escaped.
func HTML(w io.Writer, r *results.Run) error {
	d, err := newDigest(r)
	if err != nil {
		return fmt.Errorf("draw %s: %w", HTMLFile, err)
	}
	p := page{
		digest: d, Policy: policy, Style: template.CSS(pageStyle), Library: template.JS(statics.EchartJS),
		Script: template.JS(pageScript), Percentiles: percentiles, Trust: trustMeasures(d),
		Generator: generatorMeasures(r.Measurements), Charts: []chart{},
	}
	if d.Overall.Response.Count() > 0 {
		latency := latencyChart(d)
		p.Latency = &latency
		p.Charts = append(p.Charts, latency)
	}
	if len(r.Measurements.Points) > 0 {
		p.Timeline = timeCharts(d)
		p.Charts = append(p.Charts, p.Timeline...)
	}
	p.Health = healthCharts(d)
	p.Charts = append(p.Charts, p.Health...)
	p.StreamTime = streamCharts(d)
	p.Charts = append(p.Charts, p.StreamTime...)
	p.OverRate = rateCharts(d)
	p.Charts = append(p.Charts, p.OverRate...)
	p.RequestTime = requestCharts(d)
	p.Charts = append(p.Charts, p.RequestTime...)
	p.Server = append(serverCharts(d), workCharts(d)...)
	p.Charts = append(p.Charts, p.Server...)
	p.FigureCharts = figureCharts(d)
	p.Charts = append(p.Charts, p.FigureCharts...)
	if err := parsedPage.Execute(w, p); err != nil {
		return fmt.Errorf("draw %s: %w", HTMLFile, err)
	}
	return nil
}

// times is a row of the latency table.
type times struct {
	Histogram   *results.Histogram
	Percentiles []float64
}

func newTimes(h *results.Histogram) times { return times{h, percentiles} }

// breakable lets the lines of a metric with its selector break after punctuation, not within words.
func breakable(metric string) template.HTML {
	escaped := template.HTMLEscapeString(metric)
	return template.HTML(strings.NewReplacer("{", "{<wbr>", ",", ",<wbr>", "_", "_<wbr>").Replace(escaped))
}

// gateClass is the CSS class of a gate's state. A gate in a stage that was not steady counts as unresolved.
func gateClass(g results.Gate) string {
	switch {
	case g.NotReached:
		return "unreached"
	case g.Unresolved, g.Passed && g.Unsteady != "":
		return "unresolved"
	case g.Passed:
		return "held"
	}
	return "crossed"
}

func gateSign(g results.Gate) string {
	return map[string]string{"unreached": none, "unresolved": "?", "held": "✓", "crossed": "✗"}[gateClass(g)]
}

// gateRemark is the remark below the figures of a gate.
func gateRemark(g results.Gate) string {
	if g.Reason == "" {
		return g.Unsteady
	}
	return g.Reason
}

// barFull is the position of the larger of a gate's actual value and target on its bar, which is 120 pixels long.
const barFull = 104

// barWidth is the length of a gate's bar, its actual value.
func barWidth(g results.Gate) float64 { return onBar(g, g.Actual) }

// barMark is the position of the target on a gate's bar.
func barMark(g results.Gate) float64 { return onBar(g, g.Target) }

func onBar(g results.Gate, v float64) float64 {
	largest := max(g.Actual, g.Target)
	if largest <= 0 || v < 0 || g.Samples == 0 {
		return 0
	}
	return fourDecimals(barFull * v / largest)
}

// standIn reports whether the cache is another server than Dragonfly, for which the reference system is built.
func standIn(s results.Server) bool {
	return s.Role == "cache" && !strings.Contains(strings.ToLower(s.Name), "dragonfly")
}

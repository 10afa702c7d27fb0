package reports

import (
	_ "embed"
	"fmt"
	"math"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

//go:embed waterfall.html.tmpl
var waterfallTemplate string

// The most waterfalls that the page shows unfolded, and that the text has.
const (
	openWaterfalls = 3
	textWaterfalls = 2
)

// waterfall is a slow request with what the generator saw of it and what the server did for it, over the time since it
// was due.
type waterfall struct {
	results.SlowRequest
	Rows    []waterRow
	LeftOut int // spans
}

// waterRow is a stretch of the request's time, in milliseconds since it was due.
type waterRow struct {
	Name, Detail string
	Kind         string // client, server, cache or sql: its colour
	Indent       int
	From, Length float64
	X, Width     float64 // of its bar, of 100
}

// Waterfalls are those of the slowest sampled requests whose spans are known, the slowest first.
func (d digest) Waterfalls() (all []waterfall) {
	for _, s := range d.Measurements.SlowestFirst(true) {
		if trace := d.Measurements.TraceOf(s.Trace); trace != nil {
			all = append(all, newWaterfall(s, trace))
		}
	}
	return all
}

// OpenWaterfalls and FoldedWaterfalls are the parts that the page shows at once, and when the reader asks.
func (d digest) OpenWaterfalls() []waterfall {
	all := d.Waterfalls()
	return all[:min(len(all), openWaterfalls)]
}

// FoldedWaterfalls are the others.
func (d digest) FoldedWaterfalls() []waterfall {
	all := d.Waterfalls()
	return all[min(len(all), openWaterfalls):]
}

func newWaterfall(s results.SlowRequest, t *results.Trace) waterfall {
	w := waterfall{SlowRequest: s, LeftOut: t.LeftOut}
	w.add(waterRow{Name: "request, by the generator", Kind: "client", Length: s.Response})
	phase := func(name string, from, length float64) {
		if length > 0 {
			w.add(waterRow{Name: name, Kind: "client", Indent: 1, From: from, Length: length})
		}
	}
	phase("unsent", 0, s.Waited)
	phase("connect", s.Waited, s.Connect)
	phase("TLS", s.Waited+s.Connect, s.TLS)
	phase("sent, until the first byte", s.Waited, s.FirstByte)
	if s.FirstByte > 0 {
		phase("first byte, until the end", s.Waited+s.FirstByte, s.Response-s.Waited-s.FirstByte)
	}
	for _, span := range t.Spans {
		w.add(waterRow{
			Name: span.Name, Detail: spanDetail(span), Kind: spanKind(span.Name), Indent: span.Depth,
			From: (span.At - s.At) * 1000, Length: span.Length,
		})
	}
	end := s.Response // work of the server may go on after the answer
	for _, r := range w.Rows {
		end = max(end, r.From+r.Length)
	}
	for i := range w.Rows {
		w.Rows[i].place(end)
	}
	return w
}

func (w *waterfall) add(r waterRow) { w.Rows = append(w.Rows, r) }

// place puts the bar of a row into a width of 100 that stands for so many milliseconds. Each can be seen.
func (r *waterRow) place(whole float64) {
	const least = 0.4
	if whole <= 0 {
		return
	}
	r.X = math.Min(math.Max(0, fourDecimals(100*r.From/whole)), 100-least)
	r.Width = math.Min(math.Max(least, fourDecimals(100*r.Length/whole)), 100-r.X)
}

// spanKind is what a span is of, by its name.
func spanKind(name string) string {
	for _, kind := range []string{"cache", "sql"} {
		if strings.HasPrefix(name, kind+" ") {
			return kind
		}
	}
	return "server"
}

// spanDetail says what a span did: "instance 1, resource, miss".
func spanDetail(s results.TraceSpan) string {
	var parts []string
	add := func(attribute, format string) {
		if v := s.Attributes[attribute]; v != "" {
			parts = append(parts, fmt.Sprintf(format, v))
		}
	}
	if s.Depth == 0 && s.Instance != "" {
		parts = append(parts, "instance "+s.Instance)
	}
	add("http.response.status_code", "status %s")
	add("headroom.cache.kind", "%s")
	switch s.Attributes["headroom.cache.hit"] {
	case "true":
		parts = append(parts, "hit")
	case "false":
		parts = append(parts, "miss")
	}
	add("headroom.db.role", "%s")
	add("headroom.db.rows", "rows: %s")
	add("headroom.db.gets", "gets in one query: %s")
	if s.Error != "" {
		parts = append(parts, "failed: "+s.Error)
	}
	return strings.Join(parts, ", ")
}

func (w waterfall) anchor() string { return "trace-" + w.Trace }

// Title names the request of a waterfall.
func (w waterfall) Title() string {
	return fmt.Sprintf("%s of %s, %s at %s s", w.Request, w.Scenario, withUnit(millis(w.Response), "ms"), instant(w.At))
}

// waterfallText is an indented list of what took the time of the slowest traced requests.
func waterfallText(all []waterfall) string {
	var b strings.Builder
	for _, w := range all[:min(len(all), textWaterfalls)] {
		fmt.Fprintf(&b, "  %s, trace %s\n", onOneLine(w.Title()), onOneLine(w.Trace))
		for _, r := range w.Rows {
			detail := ""
			if r.Detail != "" {
				detail = " (" + r.Detail + ")"
			}
			fmt.Fprintf(&b, "    %9s %9s  %s%s%s\n", threeDigits(r.From), threeDigits(r.Length),
				strings.Repeat("  ", r.Indent), onOneLine(r.Name), onOneLine(detail))
		}
		if w.LeftOut > 0 {
			fmt.Fprintf(&b, "    %s left out\n", Plural(w.LeftOut, "more span"))
		}
	}
	return b.String()
}

// traceFacts are the slowest sampled request of those that a threshold selects, and what its spans took longest.
func (d digest) traceFacts(t scenarios.Threshold, span results.Span) []circumstance {
	for _, w := range d.Waterfalls() {
		scenario, name := t.Selector["scenario"], t.Selector["name"]
		if scenario != "" && scenario != w.Scenario || name != "" && name != w.Request || !span.Has(w.At) {
			continue
		}
		text := "of the sampled requests this was the slowest: " + w.Title()
		if spans := w.longest(); spans != "" {
			text += "; the server's longest spans: " + spans
		}
		return []circumstance{{Text: text, Link: "#" + w.anchor()}}
	}
	return nil
}

// longest are the longest spans of cache and database.
func (w waterfall) longest() string {
	var parts []string
	for range maxFactsOfKind {
		var longest *waterRow
		for i := range w.Rows {
			r := &w.Rows[i]
			known := strings.Contains(strings.Join(parts, ", "), r.Name+" ")
			if (r.Kind == "cache" || r.Kind == "sql") && !known && (longest == nil || r.Length > longest.Length) {
				longest = r
			}
		}
		if longest == nil {
			break
		}
		parts = append(parts, longest.Name+" "+withUnit(millis(longest.Length), "ms"))
	}
	return strings.Join(parts, ", ")
}

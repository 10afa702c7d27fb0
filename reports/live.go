package reports

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"

	"github.com/go-echarts/statsview/statics"

	"github.com/policycortex/headroom/results"
)

//go:embed live.html.tmpl
var liveTemplate string

// livePolicy lets the page of a run that goes on ask its own server for events, and nothing else.
var livePolicy = policy + "; connect-src 'self'"

// Live is a run that goes on, as its page shows it.
type Live struct {
	Name           string
	State          string  // what it does: "starting", "running"
	Elapsed, Total float64 // seconds since the load began, and that it takes; 0 before
	Scenarios      []LiveScenario
	// Measurements have the loads, without their histograms, the points of scenarios and of the requests with which
	// flows begin, and the health, all of them so far.
	Measurements *results.Measurements
	Gates        []results.Gate
	// GatesFrom and GatesTo are when the gates were judged first and last, in seconds since the load began; 0: not yet.
	GatesFrom, GatesTo float64
	Ended              string // what it came to; empty while it goes on
}

// LiveScenario is the state of a scenario.
type LiveScenario struct {
	Name, State            string
	Last                   results.Point // the last full second
	Sent, Failed, InFlight int64
	Open                   bool // it has a schedule
}

// Asked is the rate that the schedule asks for; a dash where there is none.
func (s LiveScenario) Asked() string {
	if !s.Open {
		return none
	}
	return rate(float64(s.Last.Asked))
}

// Answered is the rate of the responses.
func (s LiveScenario) Answered() string { return rate(float64(s.Last.Requests)) }

// Time is a time of the last second; a dash where nothing was answered in it.
func (s LiveScenario) Time(ms float64) string {
	if s.Last.Max == 0 {
		return none
	}
	return millis(ms)
}

// Title is the title of the page.
func (l Live) Title() string {
	state := l.State
	if l.Ended != "" {
		state = "ended"
	}
	return state + " · " + l.Name + " · Headroom"
}

// Health are the rows about the last second of the generator and its machine.
func (l Live) Health() []measure {
	h := l.Measurements.Health
	if h == nil || len(h.Seconds) == 0 {
		return nil
	}
	s := h.Seconds[len(h.Seconds)-1]
	cores := func(v *float64) string { return known(v, func(c float64) string { return threeDigits(c) + " cores" }) }
	one := func(name, cell string) measure { return measure{Name: name, Cells: []string{cell}} }
	return []measure{
		one("Generator's CPU", threeDigits(s.Generator)+" cores"),
		one("System's CPU", cores(s.System)),
		one("Others' CPU", cores(s.Others)),
		one("Taken by other virtual machines", cores(s.Stolen)),
		one("Generator waited for a CPU", known(s.Waited, percent)),
		one("System waited for a CPU", known(s.SysWaited, percent)),
		one("Garbage collection paused the generator for", threeDigits(s.GCPause)+" ms"),
		one("TCP segments sent again", known(s.Resent, count)),
		one("File descriptors", known(s.Files, count)),
	}
}

// clockText is a time in hours, minutes and seconds.
func clockText(seconds float64) string {
	s := int(math.Round(seconds))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// LivePage writes the page of a run that goes on. It follows the run by the server-sent events at the address "events"
// beside it, whose data is what [LiveEvent] makes.
func LivePage(w io.Writer, l Live) error {
	return parsedPage.ExecuteTemplate(w, "live", struct {
		Live
		Policy          string
		Style           template.CSS
		Library, Script template.JS
	}{l, livePolicy, template.CSS(pageStyle), template.JS(statics.EchartJS), template.JS(pageScript)})
}

// liveChart is a chart with what the report's template says of it.
type liveChart struct {
	chart
	Title   string `json:"title"`
	Note    string `json:"note"`
	Section string `json:"section"` // the id of the element that it belongs to
}

// LiveEvent is the state of a run that goes on, as JSON: the page's title, the HTML of its parts by their ids, and its
// charts.
func LiveEvent(l Live) ([]byte, error) {
	event := struct {
		Title  string            `json:"title"`
		HTML   map[string]string `json:"html"`
		Charts []liveChart       `json:"charts"`
	}{l.Title(), map[string]string{}, liveCharts(l)}
	for id, part := range map[string]struct {
		name string
		data any
	}{
		"live-state": {"live state", l}, "live-headline": {"live headline", l}, "live-judged": {"live judged", l},
		"live-scenarios": {"live scenarios", l}, "live-health": {"live health", l}, "live-gates": {"gates", l.Gates},
	} {
		var html bytes.Buffer
		if err := parsedPage.ExecuteTemplate(&html, part.name, part.data); err != nil {
			return nil, fmt.Errorf("draw %s: %w", part.name, err)
		}
		event.HTML[id] = html.String()
	}
	if len(l.Gates) == 0 {
		event.HTML["live-gates"] = ""
	}
	return json.Marshal(event)
}

// liveCharts are the report's charts over time, as far as the run has come.
func liveCharts(l Live) []liveChart {
	m := l.Measurements
	d := digest{Run: &results.Run{Name: l.Name, Measurements: *m}, Streams: newStreams(m), length: lengthOf(m)}
	for _, load := range m.Loads {
		if isOfStreams(m, load) {
			continue
		}
		s := scenario{Name: load.Scenario, Load: load}
		for _, st := range load.Stages {
			if st.From <= l.Elapsed {
				s.Stages = append(s.Stages, stage{Stage: st})
			}
		}
		d.Scenarios = append(d.Scenarios, s)
	}
	charts := []liveChart{}
	add := func(section string, more []chart) {
		for _, c := range more {
			charts = append(charts, liveChart{c, c.Title, c.Note, section})
		}
	}
	if len(m.Points) > 0 && len(d.Scenarios) > 0 {
		add("time", timeCharts(d))
	}
	add("time", streamCharts(d))
	add("health", healthCharts(d))
	return charts
}

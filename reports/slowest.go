package reports

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/policycortex/headroom/results"
)

//go:embed slowest.html.tmpl
var slowestTemplate string

// The most rows of slow requests that are shown at once, and in the terminal.
const (
	slowRows     = 10
	slowTextRows = 5
)

// slowRow is a slow request in a table. What is not known, or took no time, is a dash.
type slowRow struct {
	results.SlowRequest
	Connecting, Shaking, First string
	Answer                     string // its status, or why none came whole
	HasSpans                   bool   // its waterfall is in the report
}

func (d digest) newSlowRow(s results.SlowRequest) slowRow {
	ifAny := func(ms float64) string {
		if ms == 0 {
			return none
		}
		return millis(ms)
	}
	r := slowRow{
		SlowRequest: s, Connecting: ifAny(s.Connect), Shaking: ifAny(s.TLS), First: ifAny(s.FirstByte),
		Answer: s.Status, HasSpans: d.Measurements.TraceOf(s.Trace) != nil,
	}
	if s.Error != "" {
		r.Answer = s.Error
	}
	return r
}

// slowTable is a table of slow requests. Those of Folded are shown when the reader asks.
type slowTable struct {
	ID, Caption  string
	Rows, Folded []slowRow
}

// SlowTables are the slowest requests of all and, where some were sampled, the slowest of these.
func (d digest) SlowTables() (all []slowTable) {
	for _, of := range []struct {
		id, caption string
		sampled     bool
	}{
		{"slowest", "The slowest requests", false},
		{"slowest-sampled", "The slowest of the sampled requests, which have a trace", true},
	} {
		t := slowTable{ID: of.id, Caption: of.caption}
		for i, s := range d.Measurements.SlowestFirst(of.sampled) {
			if i < slowRows {
				t.Rows = append(t.Rows, d.newSlowRow(s))
			} else {
				t.Folded = append(t.Folded, d.newSlowRow(s))
			}
		}
		if len(t.Rows) > 0 {
			all = append(all, t)
		}
	}
	return all
}

func slowText(tables []slowTable) string {
	var b strings.Builder
	for i, table := range tables {
		if i > 0 {
			fmt.Fprintf(&b, "%s\n", table.Caption)
		}
		t := textTable{left: 2, rows: [][]string{{
			"scenario", "request", "due at, s", "response", "unsent", "connect", "TLS", "first byte", "answer",
			"connection", "trace",
		}}}
		for _, r := range table.Rows[:min(len(table.Rows), slowTextRows)] {
			trace, connection := r.Trace, r.Connection
			if trace == "" {
				trace = none
			}
			if connection == "" {
				connection = none
			}
			t.add(r.Scenario, r.Request, instant(r.At), millis(r.Response), millis(r.Waited), r.Connecting, r.Shaking,
				r.First, r.Answer, connection, trace)
		}
		b.WriteString(t.String())
	}
	return b.String()
}

package reports

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/policycortex/headroom/results"
)

// Text writes the run's summary for a terminal or a CI log: the verdict and its reasons, the gates, how the load was
// sent, and the requests. It is plain text without colour codes. Times are milliseconds. Text that comes from the
// service or the scenario file cannot control the terminal.
func Text(w io.Writer, r *results.Run) error {
	d, err := newDigest(r)
	if err != nil {
		return fmt.Errorf("draw the text summary: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s  %s: %s\n", r.Verdict.Outcome, onOneLine(r.Name), onOneLine(headline(r.Verdict)))
	for _, why := range reasons(r.Verdict) {
		fmt.Fprintf(&b, "  - %s\n", onOneLine(why))
	}
	for _, why := range d.Causes() {
		fmt.Fprintf(&b, "  failed: %s\n", onOneLine(why))
	}
	for _, note := range d.Notes() {
		fmt.Fprintf(&b, "  warning: %s\n", onOneLine(note))
	}
	if len(r.Verdict.Gates) > 0 {
		title := "Gates"
		if r.Verdict.Outcome == results.Invalid {
			title = "Gates (for information only: the measurement is not valid)"
		}
		fmt.Fprintf(&b, "\n%s\n%s", title, gatesText(r.Verdict.Gates))
	}
	if all := d.Besides(); len(all) > 0 {
		fmt.Fprintf(&b, "\nAt the same time (which does not show that it was the cause)\n%s", besidesText(all))
	}
	if d.OnlyStreams() {
		fmt.Fprintf(&b, "\nLoad\n")
	} else {
		fmt.Fprintf(&b, "\nLoad as sent (lag behind the schedule in ms)\n%s", loadsText(d))
	}
	g := r.Measurements.Generator
	fmt.Fprintf(&b, "  generator: %s, %s of %s cores busy, GC pauses %s ms in %s, peak memory %s\n",
		engineText(r.Measurements), threeDigits(g.CPUCores()), count(int64(g.CPUs)), millis(1000*g.GCPauses),
		Plural(int(g.NumGC), "collection"), bytesText(g.MaxRSSBytes))
	b.WriteString(healthText(r.Measurements.Health))
	if len(r.Shards) > 0 {
		fmt.Fprintf(&b, "\nShards (times in ms)\n%s", shardsText(r.Shards))
	}
	if len(r.Measurements.Marks) > 0 {
		fmt.Fprintf(&b, "\nFaults (seconds since the start of the run)\n%s", marksText(r.Measurements))
	}
	if d.Staged() {
		fmt.Fprintf(&b, "\nStages (response time in ms)\n%s", stagesText(d))
	}
	if d.ByInstance() {
		fmt.Fprintf(&b, "\nInstances (response time in ms)\n%s", instancesText(d))
	}
	if len(d.Streams) > 0 {
		fmt.Fprintf(&b, "\nStreams (times in ms)\n%s", streamsText(d.Streams))
	}
	if !d.OnlyStreams() {
		fmt.Fprintf(&b, "\nRequests (response time in ms)\n%s", requestsText(d))
	}
	if rows := d.Handshakes(); len(rows) > 0 {
		fmt.Fprintf(&b, "\nTLS handshakes (of the requests that a connection was made for, in ms)\n%s",
			handshakesText(rows))
	}
	if flows := d.Flows(); len(flows) > 0 {
		fmt.Fprintf(&b, "\nWhole flows, with their pauses (times of those that were completed, in ms)\n%s",
			flowsText(flows))
	}
	if rows := d.StreamedAnswers(); len(rows) > 0 {
		fmt.Fprintf(&b,
			"\nStreamed answers (from when the request was due to the first event, and between events, in ms)\n%s",
			streamedText(rows))
	}
	if pages := r.Measurements.Pages; len(pages) > 0 {
		fmt.Fprintf(&b, "\nPages in the browser (P75; times in ms; bytes and requests are medians)\n%s",
			pagesText(pages))
	}
	if tables := d.SlowTables(); len(tables) > 0 && r.Verdict.Outcome != results.Pass {
		fmt.Fprintf(&b, "\n%s (times in ms; unsent: from when they were due until they were sent)\n%s",
			tables[0].Caption, slowText(tables))
	}
	if all := d.Waterfalls(); len(all) > 0 && r.Verdict.Outcome != results.Pass {
		fmt.Fprintf(&b, "\nWhere the slowest sampled requests spent their time (ms since they were due, ms that it "+
			"took)\n%s", waterfallText(all))
	}
	if rows := d.Checks(); len(rows) > 0 {
		fmt.Fprintf(&b, "\nChecks (share of the responses that passed)\n%s", checksText(rows))
	}
	if actions := d.Tuning(); len(actions) > 0 {
		fmt.Fprintf(&b, "\nTuning (%s; times of requests in ms)\n%s", tuningCount(actions), tuningText(actions))
	}
	if noticed := evidenceText(d); noticed != "" {
		fmt.Fprintf(&b, "\nWhat the server noticed (seconds since the start of the run)\n%s", noticed)
	}
	if r.Environment.Target != "" {
		fmt.Fprintf(&b, "\nMeasured against %s\n", onOneLine(environmentLine(r.Environment)))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw the text summary: %w", err)
	}
	return nil
}

func gatesText(gates []results.Gate) string {
	t := textTable{left: 3, rows: [][]string{{
		"verdict", "metric", "gate", "actual", "95 % interval", "margin",
		"samples",
	}}}
	for _, g := range gates {
		t.add(strings.ToUpper(gateWord(g)), g.Metric, g.Expression+within(": ", g), gateActual(g), gateInterval(g),
			gateMargin(g), count(g.Samples))
	}
	text := t.String()
	for _, g := range gates {
		remark := g.Unsteady
		if g.NotReached {
			remark = g.Reason
		}
		if remark != "" {
			text += fmt.Sprintf("  %s %s: %s\n", onOneLine(g.Metric), onOneLine(g.Expression), onOneLine(remark))
		}
	}
	return text
}

func loadsText(d digest) string {
	t := textTable{left: 2, rows: [][]string{{
		"scenario", "executor", "target", "achieved", "planned", "sent",
		"dropped", "lag P50", "lag P99", "own P99",
	}}}
	for _, s := range d.Scenarios {
		l := s.Load
		switch {
		case l == nil:
			t.add(s.Name, none, none, rate(s.Summary.Rate()), none, none, none, none, none, none)
		case l.Counted:
			t.add(s.Name, l.Executor, none, rate(d.Measurements.AchievedRate(l)), count(l.Planned), count(l.Sent),
				count(l.Dropped), none, none, none)
		case !l.Open:
			t.add(s.Name, l.Executor, none, rate(d.Measurements.AchievedRate(l)), none, count(l.Sent), none, none,
				none, none)
		default:
			t.add(s.Name, l.Executor, rate(l.AskedRate()), rate(d.Measurements.AchievedRate(l)), count(l.Planned),
				count(l.Sent), count(l.Dropped),
				percentileOf(l.Lag, 50), percentileOf(l.Lag, 99), percentileOf(l.OwnLag, 99))
		}
	}
	text := t.String() + enginesText(d)
	for _, s := range d.Scenarios {
		if s.Load != nil && s.Load.Warmup != nil {
			text += fmt.Sprintf("  automatic warm-up of %s: %s\n", onOneLine(s.Name), warmupText(s.Load.Warmup))
		}
	}
	return text
}

// enginesText lists the scenarios that each engine sent; it is empty for a run with one engine.
func enginesText(d digest) string {
	var engines []string
	sent := map[string][]string{}
	for _, s := range d.Scenarios {
		if s.Load == nil || s.Load.Engine == "" {
			continue
		}
		if sent[s.Load.Engine] == nil {
			engines = append(engines, s.Load.Engine)
		}
		sent[s.Load.Engine] = append(sent[s.Load.Engine], s.Name)
	}
	var b strings.Builder
	for _, engine := range engines {
		fmt.Fprintf(&b, "  sent by %s: %s\n", onOneLine(engine), onOneLine(strings.Join(sent[engine], ", ")))
	}
	return b.String()
}

// marksText lists the injected faults, and then what the reference server noticed, in order of time.
func marksText(m results.Measurements) string {
	t := textTable{left: 1, rows: [][]string{{"fault", "due", "begun", "done"}}}
	for _, mark := range m.Marks {
		t.add(mark.Text, instant(mark.Due), instant(mark.Begun), instant(mark.Done))
	}
	text := t.String()
	for _, c := range m.Changes() {
		text += fmt.Sprintf("  %s s: %s\n", instant(c.At), onOneLine(c.Text))
	}
	return text
}

func requestsText(d digest) string {
	t := textTable{left: 3, rows: [][]string{{
		"scenario", "request", "method", "requests", "rate", "failed", "P50",
		"P95", "P99", "P99.9", "max",
	}}}
	add := func(scenario, name, method string, s results.Summary) {
		t.add(scenario, name, method, count(s.Requests), rate(s.Rate()), failedPercent(s), percentileOf(s.Response, 50),
			percentileOf(s.Response, 95), percentileOf(s.Response, 99), percentileOf(s.Response, 99.9),
			maxOf(s.Response))
	}
	for _, s := range d.Scenarios {
		for _, q := range s.Requests {
			add(s.Name, q.Name, q.Method, q.Summary)
		}
	}
	if o := d.Overall; len(d.Scenarios) > 1 { // a rate or a percentile over several scenarios describes none of them
		t.add("all", "", "", count(o.Requests), none, failedPercent(o), none, none, none, none, none)
	} else {
		add("all", "", "", o)
	}
	return t.String()
}

// stagesText lists the named stages. Their bounds are seconds since the start of the run.
func stagesText(d digest) string {
	t := textTable{left: 2, rows: [][]string{{
		"scenario", "stage", "from", "to", "requests", "rate", "failed", "P50",
		"P95", "P99", "max",
	}}}
	for _, s := range d.Scenarios {
		for _, st := range s.Stages {
			sum, from, to := st.Summary, none, none
			if st.Begun() {
				from, to = instant(st.From), instant(st.To)
			}
			t.add(s.Name, st.Name, from, to, count(sum.Requests), rate(sum.Rate()), failedPercent(sum),
				percentileOf(sum.Response, 50), percentileOf(sum.Response, 95), percentileOf(sum.Response, 99),
				maxOf(sum.Response))
		}
	}
	return t.String()
}

// shardsText lists the shards of a merged run, followed by the remarks on each.
func shardsText(shards []results.ShardRun) string {
	t := textTable{left: 3, rows: [][]string{{
		"shard", "machine", "start (UTC)", "sent", "dropped", "P95", "lag P99",
		"cores busy",
	}}}
	for _, s := range shards {
		t.add(s.String(), hostOf(s.Machine), startOf(s), count(s.Sent), count(s.Dropped), millisIfAny(s.P95),
			millisIfAny(s.LagP99), coresOf(s.Generator))
	}
	text := t.String()
	for _, s := range shards {
		for _, remark := range remarks(s) {
			text += fmt.Sprintf("  %v: %s\n", s.Shard, onOneLine(remark))
		}
	}
	return text
}

// environmentLine names the service and the servers behind it, with the versions that they reported.
func environmentLine(e results.Environment) string {
	line := e.Targets()
	if e.Proxy != "" {
		line += " through the proxy " + e.Proxy
	}
	if e.Own {
		return line + " (your service)"
	}
	for i, s := range e.Servers {
		separator := ", "
		if i == 0 {
			separator = " on "
		}
		if s.Role == "replica" {
			separator += "replica "
		}
		line += separator + s.Name + " " + s.Version
	}
	if e.Provider != "" {
		line += " (" + e.Provider + ")"
	}
	return line
}

// textTable is a table whose first columns (left is their number) hold words and whose other columns hold numbers.
type textTable struct {
	left int
	rows [][]string
}

func (t *textTable) add(cells ...string) {
	for i := range cells {
		cells[i] = onOneLine(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// String aligns words to the left and numbers to the right, which text/tabwriter cannot do in one table.
func (t *textTable) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			line.WriteString("  ")
			if i < t.left {
				line.WriteString(cell + gap)
			} else {
				line.WriteString(gap + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

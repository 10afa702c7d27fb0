package reports

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

//go:embed evidence.html.tmpl
var evidenceTemplate string

// beside is what was measured while a gate did not hold.
type beside struct {
	Gate  string         `json:"gate"`
	From  float64        `json:"from_seconds"` // since the start of the run
	To    float64        `json:"to_seconds"`
	Facts []circumstance `json:"facts"`
}

// circumstance is one thing that was so at that time. It is no claim that it was the cause.
type circumstance struct {
	Text string
	Link string // to where the page has more; may be empty
}

// MarshalText is its text.
func (c circumstance) MarshalText() ([]byte, error) { return []byte(c.Text), nil }

// The most gates that have something beside them, and the most that stands beside one, of all and of one kind.
const (
	maxBesides     = 8 // gates
	maxFacts       = 14
	maxFactsOfKind = 3
)

// Besides has what was measured beside each gate that did not hold and over which the run was judged.
func (d digest) Besides() (all []beside) {
	for i, g := range d.Verdict.Gates {
		if class := gateClass(g); g.Samples == 0 || class != "crossed" && (class != "unresolved" || g.Passed) {
			continue
		}
		t, err := scenarios.ParseThreshold(g.Metric, g.Expression)
		if err != nil {
			continue // of a version that knew it
		}
		span := d.Measurements.SpanOf(t, d.Verdict.Gates[i].Window)
		b := beside{Gate: g.Metric + " " + g.Expression, From: span.From, To: span.To}
		b.Facts = d.meanwhile(t, span)
		b.Facts = b.Facts[:min(len(b.Facts), maxFacts)]
		if len(b.Facts) > 0 && len(all) < maxBesides {
			all = append(all, b)
		}
	}
	return all
}

// meanwhile are the facts that belong beside a threshold, those of its own kind first.
func (d digest) meanwhile(t scenarios.Threshold, span results.Span) (facts []circumstance) {
	happened := append(d.eventFacts(span), d.logFacts(span)...)
	view := d.Measurements.View(t.Selector["scenario"])
	if view == nil {
		view = d.Measurements.View("")
	}
	switch t.Metric {
	case scenarios.DBQueryDuration:
		facts = append(d.slowFacts(t.Selector["query"], span), poolFacts(view)...)
		facts = append(facts, d.cpuFacts(span)...)
	case scenarios.CacheHitRatio, scenarios.HTTPReqCacheHit:
		facts = append(append(levelFacts(view), d.workFacts(span)...), d.cacheFacts()...)
	case scenarios.ServerMemory, scenarios.ServerMemoryGrowth:
		facts = append(append(d.workFacts(span), d.cacheFacts()...), gcFacts(view)...)
	case scenarios.GeneratorMemory, scenarios.GeneratorMemoryGrowth, scenarios.GeneratorFiles,
		scenarios.GeneratorGoroutines, scenarios.ServerFiles, scenarios.ServerGoroutines:
		facts = d.cpuFacts(span)
	case scenarios.HTTPReqFailed, scenarios.Checks, scenarios.StreamBreaks, scenarios.StreamConnected:
		return append(happened, d.cpuFacts(span)...)
	default:
		facts = append(d.cpuFacts(span), gcFacts(view)...)
		facts = append(facts, poolFacts(view)...)
		facts = append(facts, d.traceFacts(t, span)...)
		facts = append(facts, d.slowFacts("", span)...)
	}
	return append(facts, happened...)
}

// slowFacts are the slow statements of a query; of all for an empty name.
func (d digest) slowFacts(query string, span results.Span) (facts []circumstance) {
	if d.Evidence == nil {
		return nil
	}
	for i, s := range d.Evidence.Slow {
		if query != "" && s.Query != query || s.Last < span.From || len(facts) == maxFactsOfKind {
			continue
		}
		facts = append(facts, circumstance{
			Text: fmt.Sprintf("slow statement %s: %s took too long by the server's HEADROOM_SLOW_QUERY, the slowest "+
				"%s, the last at %s s", s.Query, Plural(int(s.Count), "execution"), withUnit(millis(s.Max), "ms"),
				instant(s.Last)),
			Link: slowLink(i),
		})
	}
	if of := cmp.Or(query, "any query"); len(facts) == 0 && len(d.Evidence.Missing) == 0 {
		facts = append(facts, circumstance{
			Text: "no execution of " + of + " that took longer than the server's HEADROOM_SLOW_QUERY ended in this " +
				"time",
		})
	}
	return facts
}

func slowLink(i int) string { return fmt.Sprintf("#slow-%d", i+1) }

func poolFacts(v *results.ServerView) (facts []circumstance) {
	if v == nil {
		return nil
	}
	for _, role := range sortedKeys(v.Pools) {
		p := v.Pools[role]
		if p.Acquires == 0 {
			continue
		}
		facts = append(facts, circumstance{Text: fmt.Sprintf("pool of the %s, %s: %s of %s uses waited for a "+
			"connection, %s in all", role, Plural(p.MaxConns, "connection"), count(p.Waits), count(p.Acquires),
			withUnit(millis(p.Waited), "ms"))})
	}
	return facts
}

func gcFacts(v *results.ServerView) []circumstance {
	if v == nil || v.GCSeconds == 0 || v.CPUSeconds == 0 {
		return nil
	}
	return []circumstance{{Text: fmt.Sprintf("the server's garbage collection took %s of its CPU time (%s of %s) and "+
		"stopped it for %s in all", percent(v.GCSeconds/v.CPUSeconds), seconds(v.GCSeconds), seconds(v.CPUSeconds),
		withUnit(millis(1000*v.GCPauses), "ms"))}}
}

func (d digest) cpuFacts(span results.Span) []circumstance {
	h := d.Measurements.Health.Within(span)
	if h == nil || len(h.Seconds) == 0 {
		return nil
	}
	t := h.Totals()
	if t.System == nil {
		return nil
	}
	text := fmt.Sprintf("busy cores of %d: system under test %s, generator %s, others %s",
		d.Measurements.Generator.CPUs, threeDigits(*t.System), threeDigits(t.Generator), known(t.Others, threeDigits))
	if t.SysWaited != nil {
		text += fmt.Sprintf("; the system's threads waited for a CPU in %s of the time in which they could have run",
			percent(*t.SysWaited))
	}
	return []circumstance{{Text: text}}
}

func levelFacts(v *results.ServerView) (facts []circumstance) {
	if v == nil {
		return nil
	}
	var levels []string
	for _, tier := range sortedKeys(v.Tiers) {
		s := v.Tiers[tier]
		levels = append(levels, fmt.Sprintf("%s %s of %s", tier, hitPercent(s), count(s.Hits+s.Misses)))
	}
	return []circumstance{{Text: "hits of the look-ups in each level: " + strings.Join(levels, ", ")}}
}

// cacheFacts are how the caches were at the end, and what they recommend.
func (d digest) cacheFacts() (facts []circumstance) {
	if d.Evidence == nil {
		return nil
	}
	for i, c := range d.Evidence.Caches {
		if i == maxFactsOfKind {
			break
		}
		facts = append(facts, circumstance{
			Text: fmt.Sprintf("L1 of instance %s at the end: %s of %s, lifetime %s; since its start %s, %s and %s",
				c.Instance, bytesText(c.L1.Bytes), bytesText(c.L1.MaxBytes), seconds(c.L1.TTL),
				Plural(int(c.Evictions), "eviction"), Plural(int(c.Expirations), "expiration"),
				Plural(int(c.Invalidations), "invalidation")),
			Link: "#caches",
		})
	}
	for _, a := range d.Advice() {
		facts = append(facts, circumstance{
			Text: "the cache recommends: " + a.Text + " (" + a.Figures() + ")", Link: "#advice",
		})
	}
	return facts
}

// eventFacts are what happened to the system in a span, in the order of time: faults, incidents, and what the server
// noticed.
func (d digest) eventFacts(span results.Span) (facts []circumstance) {
	var events []results.Change
	for _, mark := range d.Measurements.Marks {
		if span.Touches(mark.Begun, max(mark.Begun, mark.Done)) {
			events = append(events, results.Change{At: mark.Begun, Text: "the fault " + mark.Text})
		}
	}
	for _, i := range d.Measurements.Incidents {
		events = append(events, results.Change(i))
	}
	events = append(events, d.Measurements.Changes()...)
	slices.SortStableFunc(events, func(a, b results.Change) int { return cmp.Compare(a.At, b.At) })
	for _, e := range events {
		if span.Has(e.At) && len(facts) < 2*maxFactsOfKind {
			facts = append(facts, circumstance{Text: fmt.Sprintf("at %s s: %s", instant(e.At), e.Text)})
		}
	}
	return facts
}

func (d digest) logFacts(span results.Span) (facts []circumstance) {
	if d.Evidence == nil {
		return nil
	}
	for _, m := range d.Evidence.Log.Messages {
		if span.Touches(m.First, m.Last) && len(facts) < maxFactsOfKind {
			facts = append(facts, circumstance{Text: "server.log, " + logText(m), Link: "#server-log"})
		}
	}
	return facts
}

// logText is "WARN × 12 from 20.10 to 33.40 s: the replica lags".
func logText(m results.LogMessage) string {
	when := fmt.Sprintf("from %s to %s s", instant(m.First), instant(m.Last))
	if m.First == m.Last {
		when = fmt.Sprintf("at %s s", instant(m.First))
	}
	return fmt.Sprintf("%s × %s %s: %s", m.Level, count(m.Count), when, m.Text)
}

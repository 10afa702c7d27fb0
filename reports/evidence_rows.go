package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// advice is a recommendation of the cache, with the instances that give it.
type advice struct {
	results.Recommendation
	Instances []string
}

// Advice is what the caches recommend, each once, with the figures of the first instance that gives it.
func (d digest) Advice() (all []advice) {
	if d.Evidence == nil {
		return nil
	}
	for _, c := range d.Evidence.Caches {
		for _, r := range c.Recommendations {
			i := slices.IndexFunc(all, func(a advice) bool { return a.Code == r.Code })
			if i < 0 {
				i = len(all)
				all = append(all, advice{Recommendation: r})
			}
			all[i].Instances = append(all[i].Instances, c.Instance)
		}
	}
	return all
}

// Figures are those that the advice rests on: "l1_hit_rate 0.7, …".
func (a advice) Figures() string {
	var parts []string
	for _, name := range sortedKeys(a.Numbers) {
		v := strconv.FormatFloat(a.Numbers[name], 'f', -1, 64)
		parts = append(parts, name+" "+scenarios.GroupDigits(v))
	}
	return strings.Join(parts, ", ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// evidenceText is what the reference server noticed, for the terminal: without plans, which the page has.
func evidenceText(d digest) string {
	e := d.Evidence
	if e == nil {
		return ""
	}
	var b strings.Builder
	for _, s := range e.Slow[:min(len(e.Slow), maxCauses)] {
		fmt.Fprintf(&b, "  slow statement %s: %s × above the limit, slowest %s ms, last at %s s\n", onOneLine(s.Query),
			count(s.Count), millis(s.Max), instant(s.Last))
	}
	for _, a := range d.Advice() {
		fmt.Fprintf(&b, "  cache: %s (%s)\n", onOneLine(a.Text), onOneLine(a.Figures()))
	}
	for _, m := range e.Log.Messages[:min(len(e.Log.Messages), maxCauses)] {
		fmt.Fprintf(&b, "  server.log: %s\n", onOneLine(logText(m)))
	}
	for _, why := range e.Missing {
		fmt.Fprintf(&b, "  not known: %s\n", onOneLine(why))
	}
	return b.String()
}

// besidesText are the facts beside the gates that did not hold.
func besidesText(all []beside) string {
	var b strings.Builder
	for _, one := range all {
		fmt.Fprintf(&b, "  %s, from %s to %s s:\n", onOneLine(one.Gate), instant(one.From), instant(one.To))
		for _, f := range one.Facts {
			fmt.Fprintf(&b, "    - %s\n", onOneLine(f.Text))
		}
	}
	return b.String()
}

// planOf is a statement's plan, or why there is none.
func planOf(s results.SlowStatement) string {
	return cmp.Or(s.Plan, "no plan: "+cmp.Or(s.PlanFault, "the server gave none"))
}

package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
)

// Of more than manyGates gates, those that held are folded, but for the tightestShown of them.
const (
	manyGates     = 12
	tightestShown = 3
)

// OpenGates are the gates that the page shows at once: those that did not simply hold, and the tightest.
func (d digest) OpenGates() []results.Gate {
	open, _ := foldGates(d.Verdict.Gates)
	return open
}

// FoldedGates are the others, which the reader opens.
func (d digest) FoldedGates() []results.Gate {
	_, folded := foldGates(d.Verdict.Gates)
	return folded
}

func foldGates(gates []results.Gate) (open, folded []results.Gate) {
	if len(gates) <= manyGates {
		return gates, nil
	}
	var margins []float64
	for _, g := range gates {
		if gateClass(g) == "held" && g.HasMargin() {
			margins = append(margins, g.Margin)
		}
	}
	slices.Sort(margins)
	left := tightestShown
	for _, g := range gates {
		switch {
		case gateClass(g) != "held":
			open = append(open, g)
		case left > 0 && g.HasMargin() && g.Margin <= margins[min(tightestShown, len(margins))-1]:
			open = append(open, g)
			left--
		default:
			folded = append(folded, g)
		}
	}
	return open, folded
}

// foldedGates says what is folded.
func foldedGates(gates []results.Gate) string {
	text := fmt.Sprintf("✓ %s held", Plural(len(gates), "more gate"))
	least := math.Inf(1)
	for _, g := range gates {
		if !g.HasMargin() {
			return text
		}
		least = min(least, g.Margin)
	}
	return text + fmt.Sprintf(", each with at least %s to spare", percent(least))
}

// TrustInShort is one line on how the load was sent, where there is nothing to be said against it; else empty.
func (d digest) TrustInShort() string {
	if len(d.Verdict.Invalid)+len(d.Verdict.Untimed)+len(d.Verdict.Warnings)+len(d.Measurements.Warnings) > 0 ||
		len(d.Shards) > 0 || len(d.Scenarios) == 0 || d.Shard != nil {
		return ""
	}
	open, own := true, 0.0
	for _, s := range d.Scenarios {
		l := s.Load
		if l == nil || l.Dropped+l.OutOfFiles+l.OutOfPorts > 0 || l.Cut {
			return ""
		}
		open = open && l.Open
		if l.OwnLag != nil {
			own = max(own, l.OwnLag.Percentile(99))
		}
	}
	var told []string
	if open {
		told = append(told, "All requests of the schedule were sent", "generator's own lag P99 at most "+
			withUnit(threeDigits(own), "ms"))
	} else {
		told = append(told, "No request was dropped")
	}
	g := d.Measurements.Generator
	told = append(told, fmt.Sprintf("generator's CPU %s of %s", threeDigits(g.CPUCores()), Plural(g.CPUs, "core")))
	return strings.Join(told, "; ") + ". No warnings."
}

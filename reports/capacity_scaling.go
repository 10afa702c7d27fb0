package reports

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// scalingPart is what the page says of the throughput over users, or over instances.
type scalingPart struct {
	ID, Title, Caption, Missing string
	OverInstances               bool
	Steps                       []trialRow
	Law                         *results.LawRecord
	Text                        string // of the law
}

// scalingParts are those over users and, where the service has several, over instances.
func (c ceiling) scalingParts() []scalingPart {
	parts := []scalingPart{{
		ID: "users", Title: "Throughput over users",
		Caption: "Users who send their next request as soon as the last one is answered.",
		Missing: "Too few numbers of users were measured for the scalability law.",
		Steps:   trialRows(c.Bracket), Law: c.Law, Text: lawText(c.Law),
	}}
	if len(c.Instances) == 0 {
		return parts
	}
	return append(parts, scalingPart{
		ID: "instances", Title: "Throughput over instances",
		Caption: "As many users for each instance, in the order in which it was measured. The other " +
			"instances are idle.",
		Missing: "Too few numbers of instances were measured for the scalability law.", OverInstances: true,
		Steps: trialRows(c.Instances), Law: c.InstanceLaw, Text: lawText(c.InstanceLaw),
	})
}

// instancesText says of how many instances the capacity is, and what each of several does compared with one alone.
func (c ceiling) instancesText() string {
	text := fmt.Sprintf("the capacity is that of %d together", c.Plan.Measured)
	var each []string
	for _, e := range c.Efficiency {
		each = append(each, fmt.Sprintf("of %d does %.1f %% (%.1f to %.1f %%)", e.Instances, 100*e.Middle, 100*e.Low,
			100*e.High))
	}
	if len(each) > 0 {
		text += "; of what one alone does, each " + strings.Join(each, ", each ")
	}
	return text
}

func lawText(l *results.LawRecord) string {
	if l == nil {
		return ""
	}
	text := fmt.Sprintf("contention %s (%s to %s), coherence %s (%s to %s) of the work of a request",
		shareText(l.Alpha[1]),
		shareText(l.Alpha[0]), shareText(l.Alpha[2]), shareText(l.Beta[1]), shareText(l.Beta[0]), shareText(l.Beta[2]))
	if l.Peak > 0 {
		text += fmt.Sprintf("; the peak is %s at %s %s (95 %% interval %s)", rate(l.Most), threeDigits(l.Peak), l.Over,
			peakInterval(l))
	}
	if best := modelTexts[l.Model]; best != "" {
		text += "; of the models, " + best + " explains the samples best by AICc"
	}
	if l.Refusal != "" {
		text += "; no word on more " + l.Over + " than were measured: " + l.Refusal
	}
	return text
}

func peakInterval(l *results.LawRecord) string {
	if l.PeakHigh == 0 {
		return "from " + threeDigits(l.PeakLow) + " on"
	}
	return threeDigits(l.PeakLow) + " to " + threeDigits(l.PeakHigh)
}

// modelTexts name the models of a law.
var modelTexts = map[capacity.Model]string{
	capacity.Full: "the one with both", capacity.Linear: "the one with neither",
	capacity.Contention: "the one with contention alone",
	capacity.Coherence:  "the one with coherence alone",
}

// planText says what a forecast assumes.
func (c ceiling) planText() string {
	p := c.Plan
	assumed := fmt.Sprintf("from the least to the most, instances share none, %s, and %s of their work",
		shareText(p.Shared[0]), shareText(p.Shared[1]))
	text := fmt.Sprintf("Each instance is loaded with %s of its capacity, and %s may be missing.", shareText(p.Use),
		Plural(p.Spare, "instance"))
	switch {
	case !p.Assumed:
		text += fmt.Sprintf(" How they scale follows from the law that was measured with up to %d of them.", p.Measured)
	case p.Measured > 1:
		text += fmt.Sprintf(" The %d that were measured do not tell how more of them scale. Assumed is: %s.",
			p.Measured,
			assumed)
	default:
		text += " One instance was measured: " + assumed + "."
	}
	for _, f := range c.Forecast {
		if f.Refusal != "" {
			text += fmt.Sprintf(" For %s, %s. Assumed is: %s.", rate(f.Rate), f.Refusal, assumed)
		}
	}
	return text
}

// lawChart draws the good throughput of users who do not pause, over all users or all instances, with the law.
func (c ceiling) lawChart(p scalingPart) chart {
	var measured, law, low, high []dot
	last, most := 1.0, 0.0
	for _, sample := range p.samples() {
		last = max(last, sample.N)
		measured = append(measured, dot{x: sample.N, y: fourDecimals(sample.X)})
		most = max(most, sample.X)
	}
	out := chart{ID: "law-chart", Kind: "users", Title: "Throughput over concurrency", Note: p.Caption}
	if p.OverInstances {
		out.ID, out.Kind, out.Title = "instances-chart", p.ID, p.Title
	}
	out.Note += " Each dot is a stretch that counts: what was answered without a failure."
	lines := []line{{"measured", 0, pointsAlone, measured}}
	if p.Law != nil {
		for _, at := range p.Law.Band {
			if at.N > last && p.Law.Refusal != "" {
				break // it is not entitled to say more
			}
			law = append(law, dot{x: fourDecimals(at.N), y: fourDecimals(at.X)})
			low, high = append(low, dot{x: fourDecimals(at.N), y: fourDecimals(max(0, at.Low))}),
				append(high, dot{x: fourDecimals(at.N), y: fourDecimals(at.High)})
			most = max(most, at.High)
		}
		lines = append(lines, line{"scalability law", 1, "solid", law}, line{"95 % interval", 1, "dashed", low},
			line{"95 % interval", 1, "dashed", high})
		last = max(last, lastX(lines))
		out.Note += " The law is Gunther's; its interval is too narrow where the law does not hold."
	}
	x := opts.XAxis{Name: p.ID, Min: 0, Max: math.Ceil(last)}
	y := opts.YAxis{Name: "per second", Min: 0, Max: roundUp(most)}
	out.Choices = []picture{newPicture(p.ID, out.ID, x, y, lines, overlay{})}
	return out
}

// samples are the good throughputs of the stretches that count, which the law is fitted to.
func (p scalingPart) samples() (all []capacity.Sample) {
	if p.Law != nil && len(p.Law.Samples) > 0 {
		return p.Law.Samples
	}
	for _, t := range p.Steps {
		n := t.Users
		if p.OverInstances {
			n = t.Instances
		}
		if t.Veto == "" {
			all = append(all, capacity.Sample{N: float64(n), X: t.GoodRate()})
		}
	}
	return all
}

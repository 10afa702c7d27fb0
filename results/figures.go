package results

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/policycortex/headroom/results/stats"
)

// Figure is one series of what a service says of itself in the format of Prometheus: at an instant, or what was added
// between two.
type Figure struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Kind   FigureKind        `json:"kind"`
	// Value is in the metric's own unit; of histograms and summaries the sum of what was observed.
	Value   float64        `json:"value"`
	Count   float64        `json:"count,omitempty"`   // observations of histograms and summaries
	Buckets []FigureBucket `json:"buckets,omitempty"` // of histograms, by their upper bound; without that of all
}

// FigureBucket is how many observations were at most the upper bound.
type FigureBucket struct {
	Upper float64 `json:"le"`
	Count float64 `json:"count"`
}

// FigureKind is the type of a metric as Prometheus has it.
type FigureKind string

// The kinds of figures.
const (
	FigureCounter   FigureKind = "counter"
	FigureGauge     FigureKind = "gauge"
	FigureHistogram FigureKind = "histogram"
	FigureSummary   FigureKind = "summary"
	FigureUntyped   FigureKind = "untyped"
)

// Adds reports whether what a figure counts is added up from the start of the service, so that differences mean
// something. One of an unknown type is taken for a gauge.
func (k FigureKind) Adds() bool { return k != FigureGauge && k != FigureUntyped }

// Key names a figure among all others: name{label="value"}, the labels in alphabetical order.
func (f Figure) Key() string {
	var b strings.Builder
	b.WriteString(f.Name)
	sign := "{"
	for _, label := range slices.Sorted(maps.Keys(f.Labels)) {
		b.WriteString(sign + label + "=" + strconv.Quote(f.Labels[label]))
		sign = ","
	}
	if len(f.Labels) > 0 {
		b.WriteString("}")
	}
	return b.String()
}

// ParseKey is the name and the labels of the figure with that key; ok is false for what is no key.
func ParseKey(key string) (name string, labels map[string]string, ok bool) {
	name, rest, labelled := strings.Cut(key, "{")
	labels = map[string]string{}
	for labelled && rest != "}" {
		label, after, found := strings.Cut(strings.TrimPrefix(rest, ","), "=")
		quoted, err := strconv.QuotedPrefix(after)
		if !found || err != nil {
			return "", nil, false
		}
		labels[label], err = strconv.Unquote(quoted)
		if err != nil {
			return "", nil, false
		}
		rest = after[len(quoted):]
	}
	return name, labels, true
}

// Figures are those of a service by their key.
type Figures map[string]Figure

// ParseFigures reads the text format of Prometheus, as far as wanted says, and adds labels where there are none of
// their names. Figures that are no numbers are left out.
func ParseFigures(text []byte, added map[string]string, wanted func(name string, labels map[string]string) bool,
) (Figures, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("metrics in the format of Prometheus: %w", err)
	}
	all := Figures{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			maps.Copy(labels, added)
			for _, label := range m.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			f, ok := newFigure(family.GetType(), m)
			if !ok || !wanted(name, labels) {
				continue
			}
			f.Name, f.Labels = name, labels
			all[f.Key()] = f
		}
	}
	return all, nil
}

func newFigure(kind dto.MetricType, m *dto.Metric) (f Figure, ok bool) {
	switch kind {
	case dto.MetricType_COUNTER:
		f.Kind, f.Value = FigureCounter, m.GetCounter().GetValue()
	case dto.MetricType_GAUGE:
		f.Kind, f.Value = FigureGauge, withoutInfinity(m.GetGauge().GetValue())
	case dto.MetricType_SUMMARY:
		f.Kind, f.Value = FigureSummary, m.GetSummary().GetSampleSum()
		f.Count = float64(m.GetSummary().GetSampleCount())
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		f.Kind, f.Value, f.Count = FigureHistogram, h.GetSampleSum(), float64(h.GetSampleCount())
		for _, b := range h.GetBucket() {
			if upper := b.GetUpperBound(); !math.IsInf(upper, 0) && !math.IsNaN(upper) {
				f.Buckets = append(f.Buckets, FigureBucket{upper, float64(b.GetCumulativeCount())})
			}
		}
		slices.SortFunc(f.Buckets, func(a, b FigureBucket) int { return compareFloats(a.Upper, b.Upper) })
	default:
		f.Kind, f.Value = FigureUntyped, withoutInfinity(m.GetUntyped().GetValue())
	}
	return f, !math.IsNaN(f.Value) && !math.IsInf(f.Value, 0)
}

// withoutInfinity makes an infinite value one that JSON has, and beyond any limit. Left out, it would pass for a good
// one.
func withoutInfinity(v float64) float64 {
	const beyond = 1e300
	if math.IsInf(v, 0) {
		return math.Copysign(beyond, v)
	}
	return v
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Quantile is the percentile of what a histogram observed, interpolated as Prometheus does it, and the bounds of the
// bucket that it lies in, of which the last one is infinite. known is false where nothing was observed, and for other
// kinds.
func (f Figure) Quantile(percentile float64) (value, low, high float64, known bool) {
	if f.Kind != FigureHistogram || f.Count <= 0 || len(f.Buckets) == 0 {
		return 0, 0, 0, false
	}
	// Not beyond the rank of whole observations: 99.9 % of 1,000 are 999, whatever binary fractions say.
	rank, below := min(percentile/100*f.Count, float64(stats.Rank(percentile, int64(math.Round(f.Count))))), 0.0
	low = math.Inf(-1)
	if f.Buckets[0].Upper > 0 {
		low = 0 // as Prometheus supposes
	}
	for _, b := range f.Buckets {
		if b.Count < rank || b.Count <= below {
			low, below = b.Upper, b.Count
			continue
		}
		value = b.Upper
		if !math.IsInf(low, 0) {
			value = low + (b.Upper-low)*(rank-below)/(b.Count-below)
		}
		return value, low, b.Upper, true
	}
	return low, low, math.Inf(1), true
}

// SumOf adds up two series of one kind. Of histograms with different buckets it has those bounds that both have.
func SumOf(f, o Figure) Figure {
	sum := f.plus(o)
	switch {
	case f.Kind != FigureHistogram || o.Count == 0: // one that observed nothing takes no bound away
	case f.Count == 0:
		sum.Buckets = slices.Clone(o.Buckets)
	default:
		sum.Buckets = slices.DeleteFunc(sum.Buckets, func(b FigureBucket) bool { return o.bucket(b.Upper) < 0 })
	}
	return sum
}

// bucket is the place of the bucket with that bound; -1 without one.
func (f Figure) bucket(upper float64) int {
	return slices.IndexFunc(f.Buckets, func(b FigureBucket) bool { return b.Upper == upper })
}

// plus and minus are for figures of one series. Buckets that only one of them has count as they are.
func (f Figure) plus(o Figure) Figure  { return f.with(o, 1) }
func (f Figure) minus(o Figure) Figure { return f.with(o, -1) }

func (f Figure) with(o Figure, sign float64) Figure {
	f.Value += sign * o.Value
	f.Count += sign * o.Count
	f.Buckets = slices.Clone(f.Buckets)
	for i, b := range f.Buckets {
		at := o.bucket(b.Upper)
		if at >= 0 {
			f.Buckets[i].Count += sign * o.Buckets[at].Count
		}
	}
	return f
}

// Lasting makes figures that only grow of those of a service that may be started again, when it counts anew.
type Lasting struct {
	last, before Figures // as they were told; what the processes before this one had counted
}

// Continue is what the service has counted in all its processes, where now is what it says.
func (l *Lasting) Continue(now Figures) Figures {
	all := maps.Clone(now)
	if l.before == nil {
		l.last, l.before = Figures{}, Figures{}
	}
	for key, last := range l.last {
		f, known := now[key]
		if !last.Kind.Adds() {
			continue
		}
		if !known || f.Count < last.Count || f.Kind == FigureCounter && f.Value < last.Value {
			l.before[key] = l.sum(key, last)
		}
		if !known { // not yet counted anew
			gone := last
			gone.Value, gone.Count, gone.Buckets = 0, 0, nil
			l.last[key] = gone
			all[key] = l.before[key]
		}
	}
	for key, f := range now {
		l.last[key] = f
		if f.Kind.Adds() {
			all[key] = l.sum(key, f)
		}
	}
	return all
}

// sum is a figure with what the processes before had counted of it.
func (l *Lasting) sum(key string, f Figure) Figure {
	before, known := l.before[key]
	if !known {
		return f
	}
	if len(f.Buckets) == 0 {
		f.Buckets = slices.Clone(before.Buckets)
		for i := range f.Buckets {
			f.Buckets[i].Count = 0
		}
	}
	return f.plus(before)
}

// Since are the figures with what was added to them after others were taken; gauges are as they are.
func (now Figures) Since(before Figures) Figures {
	all := Figures{}
	for key, f := range now {
		if f.Kind.Adds() {
			f = f.minus(before[key])
		}
		all[key] = f
	}
	return all
}

// IsAccount reports whether the server told more of itself than its endpoint of metrics.
func (v *ServerView) IsAccount() bool {
	return len(v.Queries) > 0 || len(v.Tiers) > 0 || len(v.Pools) > 0 || v.CPUSeconds > 0
}

// addFigures adds what was added between two instants. Gauges stay as they were at the last.
func (v *ServerView) addFigures(from, to Snapshot) {
	v.noFigures = v.noFigures || from.NoFigures != nil || to.NoFigures != nil
	if v.noFigures { // those of the other windows would pass for those of all
		v.Figures = nil
		return
	}
	if v.Figures == nil && to.Figures != nil {
		v.Figures = Figures{} // asked for, if there are none
	}
	for key, f := range to.Figures.Since(from.Figures) {
		if sum, known := v.Figures[key]; known && f.Kind.Adds() {
			f = f.plus(sum)
		}
		v.Figures[key] = f
	}
}

// sampledFigures are one number each: the value of a gauge, how much a counter grew, how many observations there were.
func sampledFigures(before, now Figures) map[string]float64 {
	if len(now) == 0 {
		return nil
	}
	all := map[string]float64{}
	for key, f := range now.Since(before) {
		switch f.Kind {
		case FigureHistogram, FigureSummary:
			all[key] = f.Count
		default:
			all[key] = f.Value
		}
	}
	return all
}

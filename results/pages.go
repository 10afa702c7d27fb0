package results

import (
	"math"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Pages are the loads of one page of a scenario in a browser, in the measured window, in the order in which they ended.
type Pages struct {
	Scenario string            `json:"scenario"`
	Name     string            `json:"name"`
	Tags     map[string]string `json:"tags"` // what selectors match
	Loads    []PageLoad        `json:"loads"`
	// Pictures are of one more load, whose vitals are not among those of Loads: taking them slows a page down.
	Pictures []Picture `json:"pictures,omitempty"`
}

// Picture is what a page looked like at a time of its load.
type Picture struct {
	At   float64 `json:"at_ms"` // since the navigation began
	JPEG []byte  `json:"jpeg"`
}

// PageLoad is what a browser measured of one load. Times are in ms since the navigation began; those that are nil did
// not happen, as the contentful paints of an empty page.
type PageLoad struct {
	At       float64  `json:"at_seconds"` // offset at which it began
	TTFB     float64  `json:"ttfb_ms"`    // first byte of the document
	Load     float64  `json:"load_ms"`    // end of the load event
	FCP      *float64 `json:"fcp_ms"`     // first contentful paint
	LCP      *float64 `json:"lcp_ms"`     // largest contentful paint
	CLS      float64  `json:"cls"`        // cumulative layout shift, without unit
	INP      *float64 `json:"inp_ms"`     // interaction to next paint; nil where there was no interaction
	Bytes    int64    `json:"bytes"`      // received, with headers, as they were on the way
	Requests int64    `json:"requests"`
}

// Value is that of a metric; ok is false where the load has none.
func (l *PageLoad) Value(metric scenarios.MetricName) (value float64, ok bool) {
	optional := func(v *float64) (float64, bool) {
		if v == nil {
			return 0, false
		}
		return *v, true
	}
	switch metric {
	case scenarios.BrowserTTFB:
		return l.TTFB, true
	case scenarios.BrowserLoad:
		return l.Load, true
	case scenarios.BrowserFCP:
		return optional(l.FCP)
	case scenarios.BrowserLCP:
		return optional(l.LCP)
	case scenarios.BrowserCLS:
		return l.CLS, true
	case scenarios.BrowserINP:
		return optional(l.INP)
	case scenarios.BrowserBytes:
		return float64(l.Bytes), true
	case scenarios.BrowserRequests:
		return float64(l.Requests), true
	}
	return 0, false
}

// PageValues are the values of a metric of the loads that a selector picks, in ascending order.
func (m *Measurements) PageValues(metric scenarios.MetricName, selector map[string]string) []float64 {
	var values []float64
	for _, p := range m.Pages {
		if !scenarios.Selects(selector, p.Tags) {
			continue
		}
		for i := range p.Loads {
			if v, ok := p.Loads[i].Value(metric); ok {
				values = append(values, v)
			}
		}
	}
	slices.Sort(values)
	return values
}

// Percentile is that of a metric of the page's loads; ok is false where no load has a value.
func (p *Pages) Percentile(metric scenarios.MetricName, percentile float64) (value float64, ok bool) {
	values := (&Measurements{Pages: []*Pages{p}}).PageValues(metric, nil)
	return NearestRank(values, percentile), len(values) > 0
}

// NearestRank is the percentile, 0 to 100, of ascending values: the smallest that at least that share of them does not
// exceed; 0 without values.
func NearestRank(ascending []float64, percentile float64) float64 {
	if len(ascending) == 0 {
		return 0
	}
	const rounding = 1e-9 // 75 % of 4 are 3, not a little more
	rank := int(math.Ceil(percentile/100*float64(len(ascending)) - rounding))
	return ascending[min(max(rank, 1), len(ascending))-1]
}

// mergePages puts the loads of the shards' pages together.
func (m *Measurements) mergePages(parts []*Measurements) {
	for _, part := range parts {
		for _, p := range part.Pages {
			i := slices.IndexFunc(m.Pages, func(o *Pages) bool { return o.Scenario == p.Scenario && o.Name == p.Name })
			if i < 0 {
				whole := *p
				whole.Loads = slices.Clone(p.Loads)
				m.Pages = append(m.Pages, &whole)
				continue
			}
			m.Pages[i].Loads = append(m.Pages[i].Loads, p.Loads...)
		}
	}
}

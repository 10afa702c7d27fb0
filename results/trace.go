package results

import (
	"cmp"
	"slices"
)

// Trace has the spans that the reference server made of a sampled request.
type Trace struct {
	ID    string      `json:"trace_id"`
	Spans []TraceSpan `json:"spans"` // each after the one that it is within, those of one span in the order of time
	// LeftOut counts further spans.
	LeftOut int `json:"left_out,omitempty"`
}

// TraceSpan is what an instance of the reference server did in a stretch of time, by its own clock, which is the
// generator's machine's.
type TraceSpan struct {
	Name       string            `json:"name"`
	Instance   string            `json:"instance,omitempty"` // its number from 1, or its region
	Depth      int               `json:"depth"`              // how many of the spans it is within; 0 is the whole request
	At         float64           `json:"at_seconds"`         // since the start of the run
	Length     float64           `json:"length_ms"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Error      string            `json:"error,omitempty"`
}

// The most traces of a run and spans of a trace that are saved.
const (
	MostTraces = 30
	MostSpans  = 60
)

// SpanNode is a span as it was received.
type SpanNode struct {
	TraceSpan
	ID, Parent [8]byte
}

// NewTrace puts the spans of a trace in their order. Those whose parent is not among them, as it is the generator, or
// was lost, stand for themselves.
func NewTrace(id string, nodes []SpanNode) Trace {
	t := Trace{ID: id}
	nodes = slices.Clone(nodes)
	slices.SortStableFunc(nodes, func(a, b SpanNode) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(b.Length, a.Length))
	})
	has := map[[8]byte]bool{}
	within := map[[8]byte][]int{}
	for i, n := range nodes {
		has[n.ID] = true
		within[n.Parent] = append(within[n.Parent], i)
	}
	taken := make([]bool, len(nodes)) // ids that repeat must not lead in circles
	var take func(i, depth int)
	take = func(i, depth int) {
		if taken[i] {
			return
		}
		taken[i] = true
		if len(t.Spans) == MostSpans {
			t.LeftOut++
		} else {
			span := nodes[i].TraceSpan
			span.Depth = depth
			t.Spans = append(t.Spans, span)
		}
		for _, child := range within[nodes[i].ID] {
			take(child, depth+1)
		}
	}
	for i, n := range nodes {
		if !has[n.Parent] || n.Parent == n.ID {
			take(i, 0)
		}
	}
	for i := range nodes {
		take(i, 0)
	}
	return t
}

// TraceOf is the trace with an id; nil where the run has none.
func (m *Measurements) TraceOf(id string) *Trace {
	i := slices.IndexFunc(m.Traces, func(t Trace) bool { return t.ID == id })
	if id == "" || i < 0 {
		return nil
	}
	return &m.Traces[i]
}

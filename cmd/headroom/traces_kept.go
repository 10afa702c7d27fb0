package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
)

// valueText is the value of an attribute as text.
func valueText(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return shortValue(v.StringValue)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	}
	return ""
}

// watching is a function for each second of a run that first lets go of the traces which are no longer wanted. next may
// be nil.
func (t *traceReceiver) watching(next func(loadgen.Second)) func(loadgen.Second) {
	if t == nil {
		return next
	}
	return func(s loadgen.Second) {
		t.letGo(s.Measurements.Slowest, time.Now())
		if next != nil {
			next(s)
		}
	}
}

// letGo lets go of the traces that are not those of the slowest requests so far, and of which nothing has come for a
// while: requests that were slower have ended meanwhile.
func (t *traceReceiver) letGo(slowest []results.SlowRequest, now time.Time) {
	wanted := map[string]bool{}
	for _, s := range slowest {
		wanted[s.Trace] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, trace := range t.traces {
		if !wanted[id] && now.Sub(trace.last) > spansPatience {
			t.spans -= len(trace.spans)
			delete(t.traces, id)
		}
	}
}

// keep puts the traces of the slowest sampled requests into m. It waits a moment for those that have not come.
func (t *traceReceiver) keep(ctx context.Context, m *results.Measurements) {
	if t == nil {
		return
	}
	var wanted []string
	for _, s := range m.SlowestFirst(true) {
		if len(wanted) < results.MostTraces {
			wanted = append(wanted, s.Trace)
		}
	}
	for end := time.Now().Add(lastSpans); time.Now().Before(end) && ctx.Err() == nil && !m.Interrupted; {
		if t.hasAll(wanted) {
			break
		}
		time.Sleep(lastSpans / 25)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range wanted {
		if trace := t.traces[id]; trace != nil {
			m.Traces = append(m.Traces, trace.result(id, m.Started))
		}
	}
	if t.dropped > 0 {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%d spans of the server were dropped, because too many came: "+
			"sample fewer requests by trace.ratio", t.dropped))
	}
}

// hasAll reports whether the spans of whole requests have come of all traces.
func (t *traceReceiver) hasAll(ids []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(ids, func(id string) bool {
		trace := t.traces[id]
		return trace == nil || !trace.isWhole()
	})
}

// isWhole reports whether the span of the request itself has come, within which the others are: it ends last.
func (h *heldTrace) isWhole() bool {
	return slices.ContainsFunc(h.spans, func(root heldSpan) bool {
		return !slices.ContainsFunc(h.spans, func(s heldSpan) bool { return s.ID == root.Parent }) &&
			root.Attributes["http.response.status_code"] != ""
	})
}

// result are the spans with times since the start of the run.
func (h *heldTrace) result(id string, started time.Time) results.Trace {
	nodes := make([]results.SpanNode, len(h.spans))
	for i, s := range h.spans {
		nodes[i] = s.SpanNode
		nodes[i].At = float64(int64(s.began)-started.UnixNano()) / 1e9
		nodes[i].Length = float64(int64(s.ended-s.began)) / 1e6
	}
	return results.NewTrace(id, nodes)
}

// close stops receiving.
func (t *traceReceiver) close() error {
	if t == nil {
		return nil
	}
	return t.server.Close()
}

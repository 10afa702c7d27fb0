package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func traceID(n int) string { return fmt.Sprintf("%032x", n) }

// spansOf are as many traces of one span each, from a number on.
func spansOf(from, n int) *collector.ExportTraceServiceRequest {
	scope := &otlp.ScopeSpans{}
	for i := range n {
		id, err := hex.DecodeString(traceID(from + i))
		if err != nil {
			panic(err) // the number has 32 digits
		}
		scope.Spans = append(scope.Spans, &otlp.Span{TraceId: id, SpanId: id[8:], Name: "s"})
	}
	return &collector.ExportTraceServiceRequest{
		ResourceSpans: []*otlp.ResourceSpans{{ScopeSpans: []*otlp.ScopeSpans{scope}}},
	}
}

// TestTracesAreBounded: of more spans than are held those that come last are dropped, and what is not of a slow request
// is let go. Whoever does not know the address cannot send any.
func TestTracesAreBounded(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	plan := &scenarios.Plan{TraceRatio: new(0.5)}
	r, err := listenForTraces(plan, none)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	send := func(url string, spans *collector.ExportTraceServiceRequest) int {
		t.Helper()
		body, err := proto.Marshal(spans)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(url, "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	_, endpoint, _ := strings.Cut(r.traceVariables(1)[0], "=")
	if status := send(endpoint, spansOf(0, mostHeldSpans+10)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	guessed := strings.Replace(endpoint, r.url, r.url[:len(r.url)-2], 1)
	if status := send(guessed, spansOf(0, 1)); status == http.StatusOK {
		t.Error("somebody else can send spans")
	}
	if len(r.traces) != mostHeldSpans || r.spans != mostHeldSpans || r.dropped != 10 {
		t.Errorf("%d traces, %d spans, %d dropped", len(r.traces), r.spans, r.dropped)
	}
	wanted := traceID(7)
	slow := []results.SlowRequest{{Trace: wanted}}
	r.letGo(slow, time.Now())
	if len(r.traces) != mostHeldSpans {
		t.Errorf("%d traces are left of those whose requests may go on", len(r.traces))
	}
	r.letGo(slow, time.Now().Add(2*spansPatience))
	if trace := r.traces[wanted]; len(r.traces) != 1 || r.spans != 1 || trace == nil || trace.spans[0].Instance != "2" {
		t.Errorf("%d traces are left", len(r.traces))
	}
	elsewhere := func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}[name]
	}
	if own, err := listenForTraces(plan, elsewhere); own != nil || err != nil || own.traceVariables(0) != nil {
		t.Errorf("beside a collector of the environment: %v, error %v", own, err)
	}
	if off, err := listenForTraces(&scenarios.Plan{}, none); off != nil || err != nil {
		t.Errorf("without sampling: %v, error %v", off, err)
	}
}

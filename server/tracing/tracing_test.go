package tracing

import (
	"context"
	"errors"
	"net/http"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"

func TestChooses(t *testing.T) {
	never, always := New(0, tracetest.NewSpanRecorder(), nil), New(1, tracetest.NewSpanRecorder(), nil)
	for _, c := range []struct {
		tracer *Tracer
		parent string
		want   bool
	}{
		{nil, parent + "01", false},
		{never, "", false},
		{always, "", true},
		{never, parent + "01", true},
		{always, parent + "00", false},
		{never, parent + "03", true},
		{never, "cc" + parent[2:] + "01-what-comes", true},
		{never, "ff" + parent[2:] + "01", false},
		{never, parent + "0", false},
		{never, parent + "xx", false},
		{always, "nonsense", true},
	} {
		header := http.Header{}
		if c.parent != "" {
			header.Set("Traceparent", c.parent)
		}
		if got := c.tracer.Chooses(header); got != c.want {
			t.Errorf("%q: %t, want %t", c.parent, got, c.want)
		}
	}
	chosen, some := 0, New(0.25, tracetest.NewSpanRecorder(), nil)
	for range 100_000 {
		if some.Chooses(http.Header{}) {
			chosen++
		}
	}
	if chosen < 24_000 || chosen > 26_000 { // 7 standard deviations
		t.Errorf("%d of 100,000 were chosen, want a quarter", chosen)
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add(parent + "01")
	f.Fuzz(func(_ *testing.T, s string) { parseSampled(s) })
}

func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := New(1, recorder, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/things/7", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", parent+"01")
	ctx, span := tracer.Start(r, "/things/:id")
	_, child := Child(ctx, "below")
	Fail(child, errors.New("it broke"))
	End(span, http.StatusBadGateway, "id-1")
	spans := recorder.Ended()
	if len(spans) != 2 || spans[0].Name() != "below" || spans[1].Name() != "GET /things/:id" {
		t.Fatalf("spans are %v", spans)
	}
	outer := spans[1].SpanContext()
	if outer.TraceID().String() != parent[3:35] || spans[1].Parent().SpanID().String() != parent[36:52] ||
		spans[0].Parent().SpanID() != outer.SpanID() {
		t.Errorf("trace %s, parents %s and %s", outer.TraceID(), spans[1].Parent().SpanID(), spans[0].Parent().SpanID())
	}
	if spans[0].Status().Description != "it broke" || spans[1].Status().Code.String() != "Error" {
		t.Errorf("states are %v and %v", spans[0].Status(), spans[1].Status())
	}
	if ctx, none := Child(context.Background(), "nothing"); ctx != context.Background() || none.IsRecording() {
		t.Error("a span without a parent")
	}
	if err := tracer.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkChooses(b *testing.B) {
	header := http.Header{"X-Tenant-Id": {"x"}, "Accept-Encoding": {"gzip"}}
	for name, tracer := range map[string]*Tracer{
		"off":         nil,
		"one percent": New(0.01, sdktrace.NewSimpleSpanProcessor(tracetest.NewNoopExporter()), nil),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tracer.Chooses(header)
			}
		})
	}
}

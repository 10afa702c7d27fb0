package request

import (
	"fmt"
	"net/url"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/scenarios"
)

// tracedSet is one of requests to an item, of which a share is sampled.
func tracedSet(t testing.TB, ratio float64, headers ...scenarios.Header) *Set {
	t.Helper()
	s := blockScenario()
	s.Requests = s.Requests[:1]
	s.Requests[0].Headers = append(s.Requests[0].Headers, headers...)
	set, err := New(7, s, Sources{TraceRatio: ratio})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestSampledRequests: the same requests are sampled in each run with a seed, as many as asked for, with ids of their
// own that OpenTelemetry understands.
func TestSampledRequests(t *testing.T) {
	const n = 100_000
	first, again := tracedSet(t, 0.01), tracedSet(t, 0.01)
	seen := map[string]bool{}
	sampled := 0
	for i := range int64(n) {
		a, b := first.Draw(i), again.Draw(i)
		if a.Trace.Sampled() != b.Trace.Sampled() {
			t.Fatalf("request %d is sampled in one run alone", i)
		}
		if !a.Trace.Sampled() {
			if first.Header(&a)["Traceparent"] != nil || a.Trace.String() != "" {
				t.Fatalf("request %d has a trace without being sampled", i)
			}
			continue
		}
		sampled++
		header := first.Header(&a)["Traceparent"]
		carrier := propagation.MapCarrier{TraceHeader: header[0]}
		ctx := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(), carrier))
		id := ctx.TraceID().String()
		if !ctx.IsSampled() || id != a.Trace.String() || id == b.Trace.String() || seen[id] {
			t.Fatalf("request %d: header %q, trace %s, in the other run %s", i, header, a.Trace, b.Trace)
		}
		seen[id] = true
	}
	if sampled < 800 || sampled > 1200 { // 6 standard deviations
		t.Errorf("%d of %d requests are sampled, want a hundredth", sampled, n)
	}
	for ratio, want := range map[float64]bool{0: false, 1: true} {
		set := tracedSet(t, ratio)
		for i := range int64(100) {
			if d := set.Draw(i); d.Trace.Sampled() != want {
				t.Fatalf("with ratio %v request %d is sampled: %t", ratio, i, !want)
			}
		}
	}
}

// TestTraceOfEachTry: a step that is repeated and one that is sent again by its poll do not have the same trace.
func TestTraceOfEachTry(t *testing.T) {
	set := tracedSet(t, 1)
	set.sampler.salt = Trace{}
	seen := map[Trace]string{}
	for times := range 20 {
		for tries := range 20 {
			d := set.Draw(3)
			d.times, d.tries = times, tries
			set.sample(&d)
			here := fmt.Sprintf("time %d, try %d", times, tries)
			if before, known := seen[d.Trace]; known {
				t.Fatalf("%s and %s have the trace %s", before, here, d.Trace)
			}
			seen[d.Trace] = here
		}
	}
}

// TestOwnTraceparent: that of the scenario goes before ours.
func TestOwnTraceparent(t *testing.T) {
	set := tracedSet(t, 1, scenarios.Header{Name: "TraceParent", Value: scenarios.Template{{Literal: "theirs"}}})
	d := set.Draw(1)
	if d.Trace.Sampled() || set.Header(&d).Get(TraceHeader) != "theirs" {
		t.Errorf("the header is %q", set.Header(&d).Get(TraceHeader))
	}
}

// BenchmarkSampled is the cost of choosing and rendering a request of which a share is sampled.
func BenchmarkSampled(b *testing.B) {
	target, err := url.Parse("http://127.0.0.1:8080")
	if err != nil {
		b.Fatal(err)
	}
	for _, ratio := range []float64{0, 0.01, 1} {
		b.Run(fmt.Sprint(ratio), func(b *testing.B) {
			set := tracedSet(b, ratio)
			render := NewRenderer(set, target)
			var memory []byte
			var texts Texts
			b.ReportAllocs()
			for n := int64(0); b.Loop(); n++ {
				d := set.Draw(n)
				d.Begin(&texts)
				memory, _ = render.Append(memory[:0], &d)
			}
		})
	}
}

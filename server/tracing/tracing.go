// Package tracing records sampled requests as OpenTelemetry spans. Sampling is decided from the headers before anything
// is built, so an unsampled request costs one header lookup and one random number.
package tracing

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of the spans.
const scope = "github.com/policycortex/headroom/server"

// Tracer makes the spans of requests. A nil Tracer makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	below    uint64 // a request with a random number below this is sampled
	all      bool
}

// Open makes a tracer that sends its spans by OTLP over HTTP to where OTEL_EXPORTER_OTLP_ENDPOINT (or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) says, or none when that is not set. The exporter reads the other variables of
// OpenTelemetry by itself (headers, certificates, OTEL_SERVICE_NAME). A request whose traceparent says sampled is
// recorded, one whose traceparent says not is not; of those that have none, ratio (0 to 1) are.
func Open(ctx context.Context, ratio float64) (*Tracer, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export traces to OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "headroom")),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe this service in traces (see OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	return New(ratio, sdktrace.NewBatchSpanProcessor(exporter), about), nil
}

// New makes a tracer that passes its spans to a processor. about describes this service; nil means the SDK's default.
func New(ratio float64, processor sdktrace.SpanProcessor, about *resource.Resource) *Tracer {
	options := []sdktrace.TracerProviderOption{
		// Sampling was decided before a span begins.
		sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(processor),
	}
	if about != nil {
		options = append(options, sdktrace.WithResource(about))
	}
	provider := sdktrace.NewTracerProvider(options...)
	return &Tracer{
		provider: provider, tracer: provider.Tracer(scope), below: uint64(ratio * (1 << 63)),
		all: ratio >= 1,
	}
}

// closeTimeout bounds the sending of the last spans.
const closeTimeout = 2 * time.Second

// Close sends the remaining spans.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Chooses reports whether a request with these headers is sampled.
func (t *Tracer) Chooses(header http.Header) bool {
	if t == nil {
		return false
	}
	if parent := header["Traceparent"]; len(parent) == 1 {
		if sampled, ok := parseSampled(parent[0]); ok {
			return sampled
		}
	}
	return t.all || rand.Uint64()>>1 < t.below
}

// parseSampled reads the flag of a traceparent, 00-<32 hex>-<16 hex>-<2 hex> (W3C Trace Context, 3.2); versions to come
// may have more after it.
func parseSampled(parent string) (sampled, ok bool) {
	const flagsAt = 2 + 1 + 32 + 1 + 16 + 1
	if len(parent) < flagsAt+2 || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' || parent[:2] == "ff" {
		return false, false
	}
	var flags [1]byte
	if _, err := hex.Decode(flags[:], []byte(parent[flagsAt:flagsAt+2])); err != nil {
		return false, false
	}
	return flags[0]&1 == 1, true
}

// Start begins the span of a sampled request, within the trace of its headers. The returned context contains the span.
func (t *Tracer) Start(r *http.Request, route string) (context.Context, trace.Span) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	return t.tracer.Start(ctx, r.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("http.route", route),
		attribute.String("url.path", r.URL.Path),
		attribute.String("url.scheme", "http"),
		attribute.String("client.address", r.RemoteAddr),
	))
}

// End ends the span of a request.
func End(span trace.Span, status int, requestID string) {
	span.SetAttributes(attribute.Int("http.response.status_code", status),
		attribute.String("http.request.id", requestID))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	span.End()
}

// Records reports whether ctx has a recording span. It does not allocate, so call it before building anything for a
// span.
func Records(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Past records an operation of another server that began at a given time and has just ended: a client span within the
// span of ctx, linked to others that took part. err may be nil.
func Past(ctx context.Context, name string, began time.Time, err error, links []trace.Link,
	attributes ...attribute.KeyValue,
) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithTimestamp(began),
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithLinks(links...), trace.WithAttributes(attributes...))
	Fail(span, err)
}

// Child begins a span within the span of ctx. Without one, it returns ctx and a span that does nothing.
func Child(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, parent // ending it again is harmless because it does not record
	}
	return parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithAttributes(attributes...))
}

// Fail ends a span of Child; err may be nil.
func Fail(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// defaultTraceRatio is the share of the requests to the reference server that are sampled, where the scenario does not
// say. docs/evidence/generator.md has what it costs.
const defaultTraceRatio = 0.01

// The bounds of the spans that are held.
const (
	// spansPatience is how long spans are held of a trace that is not known to be slow: its request may go on.
	spansPatience = 20 * time.Second
	mostHeldSpans = 20_000
	// mostSpansOfTrace bounds what one request may hold; a run saves fewer of it.
	mostSpansOfTrace = 500
	mostSpansBody    = 16 << 20 // bytes
	mostValue        = 120      // of an attribute, in bytes
	// lastSpans bounds the wait for spans at the end. Instances send them once a second.
	lastSpans = 2500 * time.Millisecond
)

// traceReceiver receives the spans of the reference servers by OTLP over HTTP. It holds those of the last seconds, and
// those of the slowest sampled requests.
type traceReceiver struct {
	url    string // ends with a secret, so that nobody else on the machine sends spans
	server *http.Server
	names  func(place int) string // of the instances

	mu      sync.Mutex
	traces  map[string]*heldTrace // by id, 32 hexadecimal digits
	spans   int                   // of all of them
	dropped int64
}

// heldTrace are the spans of a trace that have come.
type heldTrace struct {
	spans []heldSpan
	last  time.Time // when something of it came
}

// heldSpan is a span whose times are those of the clock, in nanoseconds.
type heldSpan struct {
	results.SpanNode
	began, ended uint64
}

// listenForTraces receives the spans of a plan's requests; nil where none of them is sampled, or where the environment
// says that they go elsewhere.
func listenForTraces(plan *scenarios.Plan, getenv func(string) string) (*traceReceiver, error) {
	if plan.SampledRatio() == 0 || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" || getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the server's spans: %w", err)
	}
	secret := rand.Text()
	t := &traceReceiver{
		url:    "http://" + listener.Addr().String() + "/" + secret,
		traces: map[string]*heldTrace{}, names: instanceName(plan),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /"+secret+"/{place}/v1/traces", t.receive)
	t.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	go func() { _ = t.server.Serve(listener) }() // until it is closed
	return t, nil
}

// instanceName is what the instances of a plan are called: by their numbers, or their regions.
func instanceName(plan *scenarios.Plan) func(place int) string {
	return func(place int) string {
		if regions := plan.Environment.Regions; place < len(regions) {
			return regions[place].Name
		}
		return fmt.Sprint(place + 1)
	}
}

// traceVariables are those of an instance that have it send its spans, once a second, of requests that say so. What the
// scenario says of them comes after them and holds.
func (t *traceReceiver) traceVariables(place int) []string {
	if t == nil {
		return nil
	}
	return []string{
		fmt.Sprintf("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=%s/%d/v1/traces", t.url, place),
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=none",
		"OTEL_BSP_SCHEDULE_DELAY=1000", "HEADROOM_TRACE_RATIO=0",
	}
}

// ofThisRun are the variables that were chosen for this run alone.
var ofThisRun = []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}

func (t *traceReceiver) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostSpansBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var sent collector.ExportTraceServiceRequest
	err = proto.Unmarshal(body, &sent)
	place := 0
	if err == nil {
		_, err = fmt.Sscan(r.PathValue("place"), &place)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, of := range sent.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				t.hold(span, t.names(place), time.Now())
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // of the empty answer
}

// hold holds a span; t.mu is held.
func (t *traceReceiver) hold(span *otlp.Span, instance string, now time.Time) {
	id := hex.EncodeToString(span.GetTraceId())
	trace := t.traces[id]
	if trace == nil && t.spans >= mostHeldSpans || len(span.GetSpanId()) != 8 {
		t.dropped++
		return
	}
	if trace == nil {
		trace = &heldTrace{}
		t.traces[id] = trace
	}
	if len(trace.spans) == mostSpansOfTrace {
		t.dropped++
		return
	}
	held := heldSpan{began: span.GetStartTimeUnixNano(), ended: span.GetEndTimeUnixNano()}
	held.Name, held.Instance, held.Attributes = shortValue(span.GetName()), instance, attributesOf(span)
	held.ID = [8]byte(span.GetSpanId())
	copy(held.Parent[:], span.GetParentSpanId())
	if status := span.GetStatus(); status.GetCode() == otlp.Status_STATUS_CODE_ERROR {
		held.Error = shortValue(status.GetMessage())
		if held.Error == "" {
			held.Error = "failed"
		}
	}
	trace.spans, trace.last = append(trace.spans, held), now
	t.spans++
}

// attributesOf are those of a span that say what it did. The others repeat what is known of the request.
func attributesOf(span *otlp.Span) map[string]string {
	kept := map[string]string{}
	for _, a := range span.GetAttributes() {
		switch a.GetKey() {
		case "headroom.cache.hit", "headroom.cache.kind", "headroom.db.role", "headroom.db.rows", "headroom.db.gets",
			"http.response.status_code", "url.path":
			kept[a.GetKey()] = valueText(a.GetValue())
		}
	}
	return kept
}

func shortValue(text string) string {
	if len(text) > mostValue {
		return strings.ToValidUTF8(text[:mostValue], "") + "…"
	}
	return text
}

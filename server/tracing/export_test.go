package tracing

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What Open makes sends its spans to a collector by OTLP over HTTP; without an endpoint it makes nothing.
func TestExportByOTLP(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if tracer, err := Open(t.Context(), 1); tracer != nil || err != nil {
		t.Errorf("without an endpoint: %v, error %v", tracer, err)
	}
	received := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("got %s with %s, error %v", r.URL.Path, r.Header.Get("Content-Type"), err)
		}
		received <- body
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	tracer, err := Open(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Start(httptest.NewRequest(http.MethodGet, "/things/7", nil), "/things/:id")
	End(span, http.StatusOK, "id-1")
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	for body, want := <-received, []string{"GET /things/:id", "headroom", "id-1"}; len(want) > 0; want = want[1:] {
		if !bytes.Contains(body, []byte(want[0])) {
			t.Errorf("what was sent does not contain %q", want[0])
		}
	}
}

package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/tracing"
)

// serveWith serves an API with the middleware of o over HTTP.
func serveWith(t *testing.T, s *service, o api.Options) *httptest.Server {
	t.Helper()
	o.Store, o.Cache, o.Logger = s.store, s.cache, slog.New(slog.DiscardHandler)
	if o.Hub == nil {
		o.Hub = s.hub
	}
	server := httptest.NewServer(api.New(o))
	t.Cleanup(server.Close)
	return server
}

// over sends a request over HTTP, with headers given as name and value in turn, and returns the answer and its body.
func over(t *testing.T, method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestRequestIDOverHTTP(t *testing.T) {
	server := serveWith(t, newService(t), api.Options{})
	for sent, kept := range map[string]bool{"abc-1": true, "": false, "a b": false, strings.Repeat("x", 200): false} {
		response, _ := over(t, http.MethodGet, server.URL+"/healthz", nil, "X-Request-ID", sent)
		got := response.Header.Get("X-Request-ID")
		if (got == sent) != kept || len(got) < 5 {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

func TestRateLimitOverHTTP(t *testing.T) {
	s := newService(t)
	server := serveWith(t, s, api.Options{Rate: middleware.Rate{PerSecond: 1, Burst: 20}})
	tenant, list := newTenant(), server.URL+resourcesPath
	refused := 0
	for range 200 { // far sooner than 180 seconds
		response, body := over(t, http.MethodGet, list, nil, "X-Tenant-ID", tenant)
		if response.Header.Get("X-RateLimit-Remaining") == "" || response.Header.Get("X-RateLimit-Reset") == "" {
			t.Fatalf("headers are %v", response.Header)
		}
		if response.StatusCode != http.StatusTooManyRequests {
			continue
		}
		refused++
		if response.Header.Get("Retry-After") != "1" || response.Header.Get("X-RateLimit-Remaining") != "0" ||
			response.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, "Retry-After") {
			t.Fatalf("refused with %v: %s", response.Header, body)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if response, _ := over(t, http.MethodGet, list, nil, "X-Tenant-ID",
		newTenant()); response.StatusCode != http.StatusOK {
		t.Errorf("another tenant gets status %d", response.StatusCode)
	}
	if response, _ := over(t, http.MethodGet, server.URL+"/readyz", nil); response.StatusCode != http.StatusOK ||
		response.Header.Get("X-RateLimit-Remaining") != "" {
		t.Errorf("/readyz has status %d, headers %v", response.StatusCode, response.Header)
	}
}

// While one request keeps the only place, others are refused, but not those that ask how the server is.
func TestLoadSheddingOverHTTP(t *testing.T) {
	s := newService(t)
	server := serveWith(t, s, api.Options{MaxUnderWay: 1})
	read, write := io.Pipe()
	tenant, answered := newTenant(), make(chan int)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+batchPath, read)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		r.Header.Set("X-Tenant-ID", tenant)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		response.Body.Close()
		answered <- response.StatusCode
	}()
	write.Write([]byte("{")) // returns once the client sends its body
	for range 1000 {         // until it is in
		if _, text := over(t, http.MethodGet, server.URL+"/metrics", nil); strings.Contains(text,
			"\nheadroom_http_requests_under_way 1\n") {
			break
		}
	}
	if response, body := over(t, http.MethodGet, server.URL+resourcesPath, nil, "X-Tenant-ID",
		tenant); response.StatusCode != http.StatusServiceUnavailable ||
		response.Header.Get("Retry-After") != "1" || !strings.Contains(body, "overloaded") {
		t.Errorf("status %d, headers %v: %s", response.StatusCode, response.Header, body)
	}
	if response, _ := over(t, http.MethodGet, server.URL+"/healthz", nil); response.StatusCode != http.StatusOK {
		t.Errorf("/healthz has status %d", response.StatusCode)
	}
	write.Close()
	if status := <-answered; status != http.StatusBadRequest {
		t.Errorf("the request inside has status %d", status)
	}
	if response, _ := over(t, http.MethodGet, server.URL+resourcesPath, nil, "X-Tenant-ID",
		tenant); response.StatusCode != http.StatusOK {
		t.Errorf("with room again: status %d", response.StatusCode)
	}
}

// TestBodyLimitOverHTTP reads while it writes: the server answers and closes before it has read what is too much, which
// http.Client may report as a failed write.
func TestBodyLimitOverHTTP(t *testing.T) {
	server := serveWith(t, newService(t), api.Options{})
	tooMuch := strings.Repeat("x", 1<<20+1)
	for name, body := range map[string]string{
		"with its length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(tooMuch), tooMuch),
		"in chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(tooMuch),
			tooMuch),
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.WriteString(conn, "POST "+batchPath+" HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: "+newTenant()+"\r\n"+body)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", name, response.StatusCode)
		}
	}
}

func TestTimingsInHeaderAndBody(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 0, 3)
	header := regexp.MustCompile(`^cache;desc=(miss|l1);dur=\d+\.\d{3}, total;dur=\d+\.\d{3}$`)
	for _, request := range []struct{ query, level, timed string }{
		{"?limit=7", "miss", "miss"}, {"?limit=7", "l1", ""}, {"?limit=7&performance=true", "l1", "l1"},
	} {
		w, level := s.get(t, tenant, resourcesPath+request.query), ""
		if found := header.FindStringSubmatch(w.Header().Get("Server-Timing")); found != nil {
			level = found[1]
		}
		if level != request.timed || w.Header().Get("X-Cache") != request.level {
			t.Errorf("%s: headers %v, want the times of %q", request.query, w.Header(), request.timed)
		}
	}
	plain := s.get(t, tenant, resourcesPath+"?limit=7").Body.String()
	for _, w := range []*httptest.ResponseRecorder{
		s.get(t, tenant, resourcesPath+"?performance=true&limit=7"),
		s.get(t, tenant, resourcesPath+"?limit=7&performance=true"),
		s.ask(t, tenant, resourcesPath+"?limit=7", "Prefer", "respond-async, performance"),
	} {
		var both struct {
			Data        json.RawMessage
			Performance struct {
				TotalTimeMS float64 `json:"total_time_ms"`
				CacheHit    bool    `json:"cache_hit"`
				CacheLevel  string  `json:"cache_level"`
			}
		}
		decode(t, w, http.StatusOK, &both)
		if string(both.Data) != plain || !both.Performance.CacheHit || both.Performance.CacheLevel != "l1" ||
			both.Performance.TotalTimeMS <= 0 {
			t.Errorf("got %s", w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Preference-Applied") != "performance" {
			t.Errorf("headers are %v", w.Header())
		}
	}
}

// TestHitsHaveEightHeaders: as many as fit into a Go map that is not allocated anew while they are set. net/http adds
// Date itself.
func TestHitsHaveEightHeaders(t *testing.T) {
	s, tenant := newService(t), newTenant()
	server := serveWith(t, s, api.Options{Rate: middleware.Rate{PerSecond: 1000, Burst: 1000}})
	s.insert(t, tenant, 0, 3)
	var header http.Header
	for range 100 { // the insert's invalidation may come after the first answer is kept
		response, _ := over(t, http.MethodGet, server.URL+resourcesPath, nil, "X-Tenant-ID", tenant)
		header = response.Header
		if header.Get("X-Cache") == "l1" {
			break
		}
	}
	if header.Get("X-Cache") != "l1" || len(header) != 9 {
		t.Errorf("%d headers, with Date: %v", len(header), header)
	}
}

func TestTracesOfRequests(t *testing.T) {
	s, tenant := newService(t), newTenant()
	recorder := tracetest.NewSpanRecorder()
	server := serveWith(t, s, api.Options{Tracer: tracing.New(0, recorder, nil)})
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, flags := range []string{"00", "01"} {
		over(t, http.MethodGet, server.URL+resourcesPath+"?limit=1"+flags[1:], nil, "X-Tenant-ID", tenant,
			"Traceparent", "00-"+id+"-00f067aa0ba902b7-"+flags)
	}
	server.Close() // which waits for the handlers
	// Each span by its name, and the name of the one that it is in. The second request was not answered by any level.
	named, parents := map[trace.SpanID]string{}, map[string]string{}
	spans := recorder.Ended()
	for _, span := range spans {
		named[span.SpanContext().SpanID()] = span.Name()
		if span.SpanContext().TraceID().String() != id {
			t.Errorf("%s is in trace %s", span.Name(), span.SpanContext().TraceID())
		}
	}
	for _, span := range spans {
		parents[span.Name()] = named[span.Parent().SpanID()]
		for _, about := range span.Attributes() {
			if about.Key == "headroom.cache.hit" && about.Value.AsBool() {
				t.Errorf("%s was a hit", span.Name())
			}
		}
		if span.Name() == "GET "+resourcesPath {
			parents[span.Name()] = span.Parent().SpanID().String()
		}
	}
	want := map[string]string{
		"GET " + resourcesPath: "00f067aa0ba902b7",
		"cache get":            "GET " + resourcesPath,
		"cache l2":             "cache get",
		"cache l3":             "cache get",
		"sql read_cache_entry": "cache l3",
		"sql list_resources":   "cache get",
	}
	if !maps.Equal(parents, want) {
		t.Errorf("spans and what they are in: %v, want %v", parents, want)
	}
}

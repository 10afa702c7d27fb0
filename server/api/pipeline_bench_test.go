package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/tracing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// discard is a response writer that keeps nothing, to see what the handler itself costs.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkMiddleware shows what each part costs: bare Gin, the frame that all parts need, each part in the frame, and
// all together, for the same small answer.
func BenchmarkMiddleware(b *testing.B) {
	body := make([]byte, 1024)
	length := []string{"1024"}
	send := func(c *gin.Context) {
		header := c.Writer.Header()
		header["Content-Type"] = jsonContentType
		header["Content-Length"] = length
		c.Writer.WriteHeader(http.StatusOK)
		c.Writer.Write(body)
	}
	rate := middleware.Rate{PerSecond: 1_000_000, Burst: 1_000_000}
	tracer := func(ratio float64) *tracing.Tracer {
		return tracing.New(ratio, sdktrace.NewBatchSpanProcessor(tracetest.NewNoopExporter()), nil)
	}
	verifier, err := auth.New(auth.Options{SharedKey: benchmarkKey, TenantClaim: "tenant_id"})
	if err != nil {
		b.Fatal(err)
	}
	parts := []struct {
		name string
		add  func(*pipeline)
	}{
		{"frame: recovery, metrics, Server-Timing", func(*pipeline) {}},
		{"request id", func(p *pipeline) { p.ids = middleware.NewRequestIDs() }},
		{"traces, not chosen (1 percent)", func(p *pipeline) { p.tracer = tracer(0.01) }},
		{"traces, chosen", func(p *pipeline) { p.tracer = tracer(1) }},
		{"load shedding", func(p *pipeline) { p.gate = middleware.NewGate(1000) }},
		{"rate limit", func(p *pipeline) { p.limiter = middleware.NewLimiter(rate) }},
		{"a bearer token, known", func(p *pipeline) { p.verifier = verifier }},
		{"all, as served", func(p *pipeline) {
			p.ids, p.tracer, p.gate = middleware.NewRequestIDs(), tracer(0.01), middleware.NewGate(1000)
			p.limiter = middleware.NewLimiter(rate)
		}},
	}
	benchmarkHandler(b, "bare Gin", http.MethodGet, send)
	for _, part := range parts {
		p := benchmarkedPipeline()
		part.add(p)
		benchmarkHandler(b, part.name, http.MethodGet, p.wrap("/api/things/:id", false, send))
	}
}

// BenchmarkMiddlewareAtWork shows what the parts cost that act where the work is, each beside the same without it: the
// limit of a body while it is read, the time limit of a request that has work, and compression on the way.
func BenchmarkMiddlewareAtWork(b *testing.B) {
	p := benchmarkedPipeline()
	empty := func(c *gin.Context) { c.Writer.WriteHeader(http.StatusNoContent) }
	read := func(c *gin.Context) {
		if _, ok := readBody(c); ok {
			empty(c)
		}
	}
	identity := []string{"identity"}
	text := bytes.Repeat([]byte(`{"name":"vm-1","type":"Microsoft.Compute/virtualMachines","location":"westeurope"},`),
		100)
	for _, part := range []struct {
		name, method string
		handler      gin.HandlerFunc
	}{
		{"a body of 8 kB, read", http.MethodPost, func(c *gin.Context) {
			c.Writer = &exchange{ResponseWriter: c.Writer, began: now()}
			read(c)
		}},
		{"a body of 8 kB, read within its limit and the frame", http.MethodPost, p.wrap("/things/:id", false, read)},
		{"no work", http.MethodGet, p.wrap("/things/:id", false, empty)},
		{"work with its time limit", http.MethodGet, p.wrap("/things/:id", false, func(c *gin.Context) {
			ctx, cancel := context.WithTimeout(c.Request.Context(), defaultTimeout)
			defer cancel()
			if ctx.Err() == nil {
				empty(c)
			}
		})},
		{"8 kB, as they are", http.MethodGet, p.wrap("/things/:id", false, func(c *gin.Context) {
			c.Request.Header["Accept-Encoding"] = identity
			sendAsIs(c, http.StatusOK, text)
		})},
		{"8 kB, compressed on the way", http.MethodGet, p.wrap("/things/:id", false, func(c *gin.Context) {
			sendAsIs(c, http.StatusOK, text)
		})},
	} {
		benchmarkHandler(b, part.name, part.method, part.handler)
	}
}

var benchmarkKey = []byte("a shared key of more than 32 characters")

func benchmarkedPipeline() *pipeline {
	return &pipeline{logger: slog.New(slog.DiscardHandler), metrics: newMetrics(nil, nil, nil)}
}

// benchmarkHandler asks a handler behind Gin's router; with POST a body of 8 kB is sent.
func benchmarkHandler(b *testing.B, name, method string, handler gin.HandlerFunc) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Handle(method, "/things/:id", handler)
	r := httptest.NewRequest(method, "/things/7", nil)
	tenant := uuid.NewString()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256,
		jwt.MapClaims{"tenant_id": tenant, "exp": time.Now().Add(time.Hour).Unix()})
	signed, err := token.SignedString(benchmarkKey)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", tenant)
	r.Header.Set("Authorization", "Bearer "+signed)
	r.Header.Set("Accept-Encoding", "gzip")
	sent := bytes.NewReader(bytes.Repeat([]byte("x"), 8192))
	body := io.NopCloser(sent)
	b.Run(name, func(b *testing.B) {
		w := &discard{}
		b.ReportAllocs()
		for b.Loop() {
			w.header = make(http.Header) // as net/http does
			if method == http.MethodPost {
				sent.Seek(0, io.SeekStart)
				r.Body, r.ContentLength = body, sent.Size()
			}
			e.ServeHTTP(w, r)
		}
	})
}

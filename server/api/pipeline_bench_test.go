package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

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
		{"all, as served", func(p *pipeline) {
			p.ids, p.tracer, p.gate = middleware.NewRequestIDs(), tracer(0.01), middleware.NewGate(1000)
			p.limiter = middleware.NewLimiter(rate)
		}},
	}
	run := func(name string, handler gin.HandlerFunc) {
		gin.SetMode(gin.ReleaseMode)
		e := gin.New()
		e.GET("/things/:id", handler)
		r := httptest.NewRequest(http.MethodGet, "/things/7", nil)
		r.Header.Set("X-Tenant-ID", uuid.NewString())
		r.Header.Set("Accept-Encoding", "gzip")
		b.Run(name, func(b *testing.B) {
			w := &discard{}
			b.ReportAllocs()
			for b.Loop() {
				w.header = make(http.Header) // as net/http does
				e.ServeHTTP(w, r)
			}
		})
	}
	run("bare Gin", send)
	for _, part := range parts {
		p := &pipeline{logger: slog.New(slog.DiscardHandler), metrics: newMetrics(nil, nil)}
		part.add(p)
		run(part.name, p.wrap("/things/:id", false, send))
	}
}

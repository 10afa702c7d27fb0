package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/tracing"
)

// logged has a pipeline that traces all of them answer n requests with a status, and returns the lines of its log.
func logged(t *testing.T, share float64, n, status int) []string {
	t.Helper()
	var log bytes.Buffer
	p := benchmarkedPipeline()
	p.logger, p.logShare = slog.New(slog.NewJSONHandler(&log, nil)), share
	p.tracer = tracing.New(1, sdktrace.NewBatchSpanProcessor(tracetest.NewNoopExporter()), nil)
	e := gin.New()
	e.GET("/things/:id", p.wrap("/things/:id", false, func(c *gin.Context) {
		c.Writer.WriteHeader(status)
		c.Writer.Write([]byte("twelve bytes"))
	}))
	for range n {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/things/7", nil)
		r.Header.Set("X-Tenant-ID", "6B1F0C52-8d3a-4e7b-9f64-2a5c7e9d1b30")
		e.ServeHTTP(httptest.NewRecorder(), r)
	}
	return strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")[:strings.Count(log.String(), "\n")]
}

// TestRequestsAreLogged: about the share of them, all that fail, and none without a share.
func TestRequestsAreLogged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		share       float64
		status      int
		least, most int
	}{
		{0, 200, 0, 0},
		{0, 500, 0, 0},
		{1, 200, 1000, 1000},
		{0.1, 200, 40, 180}, // six standard deviations to either side
		{0.000001, 500, 1000, 1000},
		{0.000001, 404, 0, 3},
	} {
		if n := len(logged(t, test.share, 1000, test.status)); n < test.least || n > test.most {
			t.Errorf("a share of %v of 1,000 with status %d: %d lines", test.share, test.status, n)
		}
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(logged(t, 1, 1, 200)[0]), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "/things/:id",
		"path": "/things/7", "status": 200.0,
		"bytes": 12.0, "tenant": "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if trace, _ := line["trace"].(string); len(trace) != 32 {
		t.Errorf("trace is %v, want the id of the request's trace", line["trace"])
	}
}

// TestLoggedTenantIsProved: where tokens are asked for, the log does not name the tenant that a refused request claims
// to be.
func TestLoggedTenantIsProved(t *testing.T) {
	t.Parallel()
	const tenant, other = "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30", "0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51"
	verifier, err := auth.New(auth.Options{SharedKey: benchmarkKey, TenantClaim: "tenant_id"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256,
		jwt.MapClaims{"tenant_id": tenant, "exp": time.Now().Add(time.Hour).Unix()}).SignedString(benchmarkKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		token, claimed string
		status         int
		logged         any
	}{
		"no token":              {"", tenant, 401, nil},
		"no valid token":        {"Bearer x" + token, tenant, 401, nil},
		"the token of another":  {"Bearer " + token, other, 403, nil},
		"its own":               {"Bearer " + token, tenant, 200, tenant},
		"its own, not repeated": {"Bearer " + token, "", 200, tenant},
	} {
		var log bytes.Buffer
		p := benchmarkedPipeline()
		p.logger, p.logShare, p.verifier = slog.New(slog.NewJSONHandler(&log, nil)), 1, verifier
		e := gin.New()
		e.GET("/api/v1/things", p.wrap("/api/v1/things", false, func(c *gin.Context) {
			c.Writer.WriteHeader(http.StatusOK)
		}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/things", nil)
		if test.token != "" {
			r.Header.Set("Authorization", test.token)
		}
		if test.claimed != "" {
			r.Header.Set("X-Tenant-ID", test.claimed)
		}
		e.ServeHTTP(httptest.NewRecorder(), r)
		var line map[string]any
		err := json.Unmarshal(log.Bytes(), &line)
		if err != nil || line["status"] != float64(test.status) || line["tenant"] != test.logged {
			t.Errorf("%s: the log has %s (error %v), want status %d and tenant %v", name, log.Bytes(), err, test.status,
				test.logged)
		}
	}
}

// BenchmarkRequestLog is what it costs not to log a request, which allocates nothing, and to log it.
func BenchmarkRequestLog(b *testing.B) {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/things/7", nil)
	for name, share := range map[string]float64{"off": 0, "not chosen": 1e-12, "chosen": 1} {
		b.Run(name, func(b *testing.B) {
			p := benchmarkedPipeline()
			p.logShare = share
			x := &exchange{ResponseWriter: c.Writer, route: p.metrics.route("/things/:id")}
			b.ReportAllocs()
			for b.Loop() {
				x.measured = false
				p.measure(c, x)
			}
		})
	}
}

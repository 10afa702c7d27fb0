package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/policycortex/headroom/server/api"
)

func TestHealthAndReadiness(t *testing.T) {
	s := newService(t)
	var health struct{ Status, Postgres, Cache string }
	decode(t, s.get(t, "", "/healthz"), http.StatusOK, &health)
	if health.Status != "alive" {
		t.Errorf("health is %+v", health)
	}
	decode(t, s.get(t, "", "/readyz"), http.StatusOK, &health)
	if health.Status != "ready" || health.Postgres != "ok" || health.Cache != "ok" {
		t.Errorf("readiness is %+v", health)
	}
	s.Drain()
	if w := s.get(t, "", "/readyz"); w.Code != http.StatusServiceUnavailable ||
		!strings.Contains(w.Body.String(), "draining") {
		t.Errorf("while draining: status %d, %s", w.Code, w.Body)
	}
	decode(t, s.get(t, newTenant(), resourcesPath), http.StatusOK, &list{}) // is still answered

	broken := newOwnService(t)
	broken.store.Close()
	if w := broken.get(t, "", "/readyz"); w.Code != http.StatusServiceUnavailable ||
		!strings.Contains(w.Body.String(), `"postgres":"unreachable"`) {
		t.Errorf("without Postgres: status %d, %s", w.Code, w.Body)
	}
	decode(t, broken.get(t, "", "/healthz"), http.StatusOK, &health)
}

func TestFailuresAreProblemsAndTellNothing(t *testing.T) {
	s := newOwnService(t)
	s.store.Close()
	for _, target := range []string{resourcesPath, resourcesPath + "/" + newTenant()} {
		p := expectProblem(t, s.get(t, newTenant(), target), http.StatusServiceUnavailable)
		if log := s.log.String(); strings.Contains(p.Detail, "pool") || !strings.Contains(log, "failed a moment ago") &&
			!strings.Contains(log, "closed pool") {
			t.Errorf("the answer says %q; the log says %s", p.Detail, s.log)
		}
	}
}

func TestDatabaseThatTakesTooLong(t *testing.T) {
	s, tenant := newService(t), newTenant()
	tx, err := connect(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "LOCK TABLE resources"); err != nil {
		t.Fatal(err)
	}
	// lock_timeout: 1 s
	expectProblem(t, s.get(t, tenant, resourcesPath+"/"+uuid.NewString()), http.StatusGatewayTimeout)
}

func TestPanicBecomesAnAnswer(t *testing.T) {
	s := newService(t)
	// A body that panics when it is read does so inside the handler.
	w := s.call(t, http.MethodPost, newTenant(), batchPath, panicking{})
	expectProblem(t, w, http.StatusInternalServerError)
	if !strings.Contains(s.log.String(), "a handler panicked") {
		t.Errorf("the log says %s", s.log)
	}
}

// TestSlowRequestsAreLogged also that others are not.
func TestSlowRequestsAreLogged(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for slow, logged := range map[time.Duration]bool{0: false, time.Nanosecond: true, time.Hour: false} {
		var log bytes.Buffer
		a := api.New(api.Options{
			Store: s.store, Cache: s.cache, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
			SlowRequest: slow,
		})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, resourcesPath+"?limit=3", nil)
		r.Header.Set("X-Tenant-ID", tenant)
		r.Header.Set("X-Request-ID", "the-slow-one")
		a.ServeHTTP(httptest.NewRecorder(), r)
		if !logged {
			if log.Len() > 0 {
				t.Errorf("slow from %s on: the log says %s", slow, &log)
			}
			continue
		}
		var line struct {
			Level, Msg, ID, Method, Path string
			Status                       int
			Took                         time.Duration
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, &log)
		}
		if line.Took <= 0 {
			t.Errorf("it took %s", line.Took)
		}
		line.Took = 0
		want := line
		want.Level, want.Msg, want.ID, want.Method, want.Path, want.Status = "WARN", "slow request", "the-slow-one",
			"GET", resourcesPath, 200
		if line != want {
			t.Errorf("the log says %s", &log)
		}
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("unreadable") }

func TestMetrics(t *testing.T) {
	s, tenant := newOwnService(t), newTenant()
	id := s.insert(t, tenant, 0, 1)[0].String()
	for range 3 {
		s.get(t, tenant, resourcesPath+"/"+id)
	}
	s.get(t, tenant, resourcesPath+"/nonsense")
	s.get(t, tenant, "/nowhere")
	w := s.get(t, "", "/metrics")
	for _, line := range []string{
		`headroom_http_request_duration_seconds_count{route="/api/v1/resources/:id",status="2xx"} 3`,
		`headroom_http_request_duration_seconds_count{route="/api/v1/resources/:id",status="4xx"} 1`,
		`headroom_http_request_duration_seconds_count{route="/api/v1/resources/batch",status="2xx"} 1`,
		`headroom_http_request_duration_seconds_count{route="unknown",status="4xx"} 1`,
		`headroom_cache_hits_total{level="l1"} 2`,
		`headroom_cache_hits_total{level="l2"} 0`,
		`headroom_cache_misses_total{level="l1"} 1`,
		`headroom_cache_misses_total{level="l2"} 1`,
		`headroom_cache_errors_total{level="l2"} 0`,
		`headroom_db_pool_max_connections{server="primary"} 4`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total"} {
		if !strings.Contains(w.Body.String(), "\n"+name+" ") {
			t.Errorf("missing: %s", name)
		}
	}
}

// A request whose client leaves is not answered, and what it asked for is still loaded for the next.
func TestClientLeaves(t *testing.T) {
	s, tenant := newOwnService(t), newTenant()
	id := s.insert(t, tenant, 0, 1)[0].String()
	tx, err := connect(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "LOCK TABLE resources"); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan int)
	go func() { answered <- s.getUntil(ctx, tenant, resourcesPath+"/"+id).Code }()
	for s.store.PoolStats().InUse == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if status := <-answered; status != 499 {
		t.Errorf("status %d, want 499", status)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for s.store.PoolStats().InUse > 0 {
		time.Sleep(time.Millisecond)
	}
	decode(t, s.get(t, tenant, resourcesPath+"/"+id), http.StatusOK, &resource{})
	if n := s.store.QueryStats()["get_resource"].Durations.TotalCount(); n != 1 {
		t.Errorf("it was read %d times, want once", n)
	}
}

// TestNativeHistograms asks for the form in which Prometheus is given native histograms.
func TestNativeHistograms(t *testing.T) {
	s := newService(t)
	s.get(t, newTenant(), resourcesPath)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	r.Header.Set("Accept", string(format))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	families := expfmt.NewDecoder(w.Body, format)
	for {
		var family dto.MetricFamily
		if err := families.Decode(&family); err != nil {
			t.Fatalf("no family headroom_http_request_duration_seconds: %v", err)
		}
		if family.GetName() != "headroom_http_request_duration_seconds" {
			continue
		}
		for _, m := range family.Metric {
			if h := m.GetHistogram(); h.GetSampleCount() > 0 && (h.Schema == nil || len(h.GetPositiveSpan()) == 0) {
				t.Errorf("a histogram with %d samples is not native: %v", h.GetSampleCount(), m)
			}
		}
		return
	}
}

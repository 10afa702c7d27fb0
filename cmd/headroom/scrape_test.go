package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/policycortex/headroom/results"
)

// TestServiceMetrics judges what a service says of itself in the format of Prometheus.
func TestServiceMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	served := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "served_total"}, []string{"kind"})
	queue := prometheus.NewGauge(prometheus.GaugeOpts{Name: "queue"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Buckets: []float64{.1, .2, .4}})
	registry.MustRegister(served, queue, took)
	queue.Set(7)
	served.WithLabelValues("page").Add(1e9) // before the run: it must not count
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {
		served.WithLabelValues("page").Inc()
		took.Observe(.15)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	path := scenario(t, server.URL, closed, `http_req_failed: rate<0.01
  server_metric{name:served_total,kind:page}: [count>10, count<1000000]
  server_metric{name:queue}: [last==7, max<=7]
  server_metric{name:took_seconds}: [p(95)<=0.2, avg<0.16]
  server_metric{name:served_totl}: count==0`)
	p := headroom(t, "run", path, "--out", "out", "--set", "target.metrics="+server.URL+"/metrics")
	p.exits(t, exitCrossed)
	says(t, p.stderr.String(), `the service has no metric served_totl yet; did you mean "served_total"?`)
	run, err := results.Read(filepath.Join(p.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range run.Verdict.Gates {
		missing := strings.Contains(g.Metric, "totl")
		if g.Passed == missing || (g.Samples == 0) != missing {
			t.Errorf("%s %s: %+v", g.Metric, g.Expression, g)
		}
	}
	sampled := 0.0
	for _, s := range run.Measurements.Samples {
		sampled += s.Figures[`served_total{kind="page"}`]
	}
	if sampled == 0 {
		t.Errorf("the samples have none of the counter: %+v", run.Measurements.Samples)
	}
	says(t, text(t, filepath.Join(p.Dir, "out", "report.html")), `<code>took_seconds</code>`, "0.1 to 0.2",
		"figure-chart-0", "The service reported no figures of its own.")

	server.Close()
	p = headroom(t, "run", path, "--out", "other", "--set", "target.metrics="+server.URL+"/metrics", "--set",
		"target.url="+service(t))
	p.exits(t, exitError)
	says(t, p.stderr.String(), "target.metrics", "connection refused")
}

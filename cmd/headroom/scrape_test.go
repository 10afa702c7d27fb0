package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
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
  server_metric{name:queue}: [last==7, max<=7, max<=7 for 2s]
  server_metric{name:took_seconds}: [p(95)<=0.2, avg<0.16]
  server_metric{name:served_totl}: count==0
  server_metric{name:queue,of:totl}: count==0`)
	p := headroom(t, "run", path, "--out", "out", "--set", "target.metrics="+server.URL+"/metrics")
	p.exits(t, exitCrossed)
	says(t, p.stderr.String(), `the service has no metric served_totl yet; did you mean "served_total"?`,
		"queue is a gauge, which has avg, min, med, max, p(N), last and no count")
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

// TestServiceMetricsBeforeAFault: what an instance counts until it goes stays, and an account goes without the metrics
// that could not be read.
func TestServiceMetricsBeforeAFault(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	served := prometheus.NewCounter(prometheus.CounterOpts{Name: "served_total"})
	registry.MustRegister(served)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(server.Close)
	threshold, err := scenarios.ParseThreshold("server_metric{name:served_total}", "count<5")
	if err != nil {
		t.Fatal(err)
	}
	instance := &referenceServer{}
	all := newScrapers(&scenarios.Plan{Thresholds: []scenarios.Threshold{threshold}}, []string{server.URL})
	all[0].isDown, instance.figures = instance.isDown, all[0]
	take := all.with(func(context.Context) (results.Snapshot, error) { return results.Snapshot{CPU: 7}, nil })
	counts := func(want float64) {
		t.Helper()
		s, err := take(t.Context())
		if err != nil || s.NoFigures != nil || s.Figures["served_total"].Value != want || s.CPU != 7 {
			t.Errorf("%+v, %v, want %v", s, err, want)
		}
	}
	served.Inc()
	counts(1)
	served.Add(2)
	instance.figures.takeLast(t.Context())
	instance.keep(&results.Snapshot{CPU: 1, Footprint: results.Footprint{Memory: 5}})
	server.Close()
	counts(3)
	instance.holdNothing()
	frozen, err := instance.snapshot(t.Context())
	if err != nil || frozen.CPU != 1 || frozen.Footprint.Memory != 0 {
		t.Errorf("of a process that has ended: %+v, %v", frozen, err)
	}
	instance.keep(nil)
	s, err := take(t.Context())
	if err != nil || s.CPU != 7 || s.Figures != nil || s.NoFigures == nil {
		t.Errorf("of a service that does not answer: %+v, %v", s, err)
	}
	_, err = all.with(nil)(t.Context())
	if err == nil {
		t.Error("there is an account of nothing")
	}
}

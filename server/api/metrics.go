package api

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/edge"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/store"
)

// durationBuckets, in seconds, are finest near the targets: 10 ms for half of the requests, 50 ms for 95 %.
var durationBuckets = []float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
}

type metrics struct {
	registry  *prometheus.Registry
	durations *prometheus.HistogramVec
	routes    map[string]*routeMetrics // complete when the API is made
	streams   *streamMetrics           // nil without streams
	policies  *policyMetrics

	storedGzip atomic.Uint64 // responses in the form that is kept with their entry
}

func newMetrics(s *store.Store, c *cache.Cache, limit *middleware.SharedLimiter) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		routes:   map[string]*routeMetrics{},
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headroom_http_request_duration_seconds",
			Help:    "Time from the routed request to the written answer.",
			Buckets: durationBuckets,
			// A native histogram with buckets a tenth apart is kept as well, for a Prometheus that requests it.
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"route", "status"}),
	}
	m.registry.MustRegister(
		m.durations,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registry.MustRegister(
		&cacheCollector{cache: c, store: s, storedGzip: &m.storedGzip},
		&storeCollector{store: s},
		&breakerCollector{store: s, cache: c, limit: limit},
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// registerEdges exports what became of the bans that were sent to edges.
func (m *metrics) registerEdges(edges *edge.Edges) {
	for i, e := range edges.Stats() {
		labels := prometheus.Labels{"edge": e.URL}
		m.registry.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "headroom_edge_bans_total", Help: "Bans that an edge took.", ConstLabels: labels,
			}, func() float64 { return float64(edges.Stats()[i].Sent) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "headroom_edge_ban_failures_total", Help: "Bans that an edge did not take; they are repeated.",
				ConstLabels: labels,
			}, func() float64 { return float64(edges.Stats()[i].Failed) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "headroom_edge_pending_keys", Help: "Keys that an edge has yet to forget.", ConstLabels: labels,
			}, func() float64 { return float64(edges.Stats()[i].Pending) }),
		)
	}
}

// registerPipeline exports what the middleware refused.
func (m *metrics) registerPipeline(p *pipeline) {
	if p.gate != nil {
		m.registry.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "headroom_http_shed_total", Help: "Requests refused because too many were in progress.",
			}, func() float64 { return float64(p.gate.Shed()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "headroom_http_requests_under_way", Help: "Requests in progress.",
			}, func() float64 { return float64(p.gate.Inside()) }),
		)
	}
	if p.limiter != nil {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "headroom_http_rate_limited_total", Help: "Requests refused by the rate limit.",
		}, func() float64 { return float64(p.limiter.Refused()) }))
	}
}

// statusClasses are the labels by the first digit of the status.
var statusClasses = [...]string{1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

// routeMetrics are the metrics of one route. The observers are looked up once, not for each request.
type routeMetrics struct {
	observers [len(statusClasses)]prometheus.Observer
	requests  [len(statusClasses)]atomic.Int64
	durations middleware.Durations
	path      string
}

// route returns the metrics of a route, which all methods of a path share. Call it at the start only.
func (m *metrics) route(path string) *routeMetrics {
	if known, ok := m.routes[path]; ok {
		return known
	}
	r := &routeMetrics{path: path}
	for class, label := range statusClasses {
		if label != "" {
			r.observers[class] = m.durations.WithLabelValues(path, label)
		}
	}
	m.routes[path] = r
	return r
}

func (r *routeMetrics) record(status int, took time.Duration) {
	class := min(max(status/100, 1), 5)
	r.observers[class].Observe(took.Seconds())
	r.requests[class].Add(1)
	r.durations.Record(took)
}

// RouteStats are the measurements of a route since the start.
type RouteStats struct {
	// Requests counts the responses by class of status: "2xx" and so on.
	Requests map[string]int64
	// Durations is in microseconds, from 1 µs to 60 s with 3 significant digits. It covers the time from routing the
	// request to writing the response, for all classes. It is a copy.
	Durations *hdrhistogram.Histogram
}

// RouteStats returns the measurements by registered path. Routes without requests are omitted.
func (a *API) RouteStats() map[string]RouteStats {
	stats := map[string]RouteStats{}
	for path, r := range a.metrics.routes {
		durations := r.durations.Histogram()
		if durations == nil {
			continue
		}
		requests := map[string]int64{}
		for class, label := range statusClasses {
			if n := r.requests[class].Load(); n > 0 {
				requests[label] = n
			}
		}
		stats[path] = RouteStats{Requests: requests, Durations: durations}
	}
	return stats
}

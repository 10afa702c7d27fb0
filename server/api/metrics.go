package api

import (
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// durationBuckets, in seconds, are finest where the targets are: 10 ms for half of the requests, 50 ms for 95 %.
var durationBuckets = []float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
}

type metrics struct {
	registry  *prometheus.Registry
	durations *prometheus.HistogramVec
}

func newMetrics(s *store.Store, c *cache.Cache) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headroom_http_request_duration_seconds",
			Help:    "Time from the routed request to the written answer.",
			Buckets: durationBuckets,
		}, []string{"route", "status"}),
	}
	m.registry.MustRegister(
		m.durations,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registerCache(c)
	m.registerPool(s)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) registerCache(c *cache.Cache) {
	const hits, misses, failures = "headroom_cache_hits_total", "headroom_cache_misses_total", "headroom_cache_errors_total"
	counter := func(name, help, level string, value func(cache.Stats) uint64) {
		opts := prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{"level": level}}
		m.registry.MustRegister(prometheus.NewCounterFunc(opts, func() float64 { return float64(value(c.Stats())) }))
	}
	counter(hits, "Requests that a level served.", "l1", func(s cache.Stats) uint64 { return s.L1.Hits })
	counter(hits, "Requests that a level served.", "l2", func(s cache.Stats) uint64 { return s.L2.Hits })
	counter(hits, "Requests that a level served.", "l3", func(s cache.Stats) uint64 { return s.L3.Hits })
	counter(misses, "Requests that reached a level and went on.", "l1", func(s cache.Stats) uint64 { return s.L1.Misses })
	counter(misses, "Requests that reached a level and went on.", "l2", func(s cache.Stats) uint64 { return s.L2.Misses })
	counter(misses, "Requests that reached a level and went on.", "l3", func(s cache.Stats) uint64 { return s.L3.Misses })
	counter(failures, "Cache operations that failed or were dropped.", "l2", func(s cache.Stats) uint64 { return s.L2.Errors })
	counter(failures, "Cache operations that failed or were dropped.", "l3", func(s cache.Stats) uint64 { return s.L3.Errors })
}

func (m *metrics) registerPool(s *store.Store) {
	counter := func(name, help string, value func(store.PoolStats) float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return value(s.PoolStats()) }))
	}
	gauge := func(name, help string, value func(store.PoolStats) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(s.PoolStats()) }))
	}
	counter("headroom_db_pool_acquires_total", "Connections taken from the pool.",
		func(p store.PoolStats) float64 { return float64(p.Acquires) })
	counter("headroom_db_pool_waits_total", "Connections that had to be waited for.",
		func(p store.PoolStats) float64 { return float64(p.Waits) })
	counter("headroom_db_pool_wait_seconds_total", "Time spent waiting for a connection.",
		func(p store.PoolStats) float64 { return p.Waited.Seconds() })
	gauge("headroom_db_pool_max_connections", "Size of the pool.",
		func(p store.PoolStats) float64 { return float64(p.MaxConns) })
	gauge("headroom_db_pool_in_use_connections", "Connections in use.",
		func(p store.PoolStats) float64 { return float64(p.InUse) })
}

// statusClasses are the labels by the first digit of the status.
var statusClasses = [...]string{1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

// observe is the one middleware: it measures the requests of a route and turns a panic into an answer. The observers
// are looked up here, once, and not for every request.
func (a *API) observe(m *metrics, route string) gin.HandlerFunc {
	var observers [len(statusClasses)]prometheus.Observer
	for class, label := range statusClasses {
		if label != "" {
			observers[class] = m.durations.WithLabelValues(route, label)
		}
	}
	return func(c *gin.Context) {
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				a.recovered(c, p)
			}
			class := min(max(c.Writer.Status()/100, 1), 5)
			observers[class].Observe(time.Since(start).Seconds())
		}()
		c.Next()
	}
}

func (a *API) recovered(c *gin.Context, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http's own way to drop a connection
	}
	a.logger.Error("a handler panicked", "method", c.Request.Method, "path", c.Request.URL.Path, "panic", p, "stack", string(debug.Stack()))
	c.Abort()
	if !c.Writer.Written() {
		refuse(c, http.StatusInternalServerError, "The server could not do this. Its log says why.")
	}
}

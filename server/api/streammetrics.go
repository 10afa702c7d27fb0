package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/realtime"
)

// streamMetrics are the metrics of all streams together.
type streamMetrics struct {
	events, dropped prometheus.Counter
	lag             prometheus.Histogram
}

func newStreamMetrics(registry *prometheus.Registry, hub *realtime.Hub) *streamMetrics {
	m := &streamMetrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headroom_stream_events_total", Help: "Events written to streams, counted for each subscriber.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headroom_stream_dropped_total",
			Help: "Streams that were ended because their subscriber was too slow.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "headroom_stream_lag_seconds",
			Help: "Time from the start of the transaction that made an event, by the database's clock, until it was " +
				"written to a subscriber who had all before it, by this server's clock.",
			Buckets:                     durationBuckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
			NativeHistogramMinResetDuration: time.Hour,
		}),
	}
	registry.MustRegister(m.events, m.dropped, m.lag, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "headroom_stream_subscribers", Help: "Open streams.",
	}, func() float64 { return float64(hub.Subscribers()) }))
	return m
}

// delivered counts events that were written; live ones are those of a subscriber who had all before them.
func (m *streamMetrics) delivered(events []*realtime.Event, live bool) {
	m.events.Add(float64(len(events)))
	if !live || len(events) == 0 {
		return
	}
	now := time.Now().UnixMicro()
	for _, e := range events {
		m.lag.Observe(float64(max(now-e.OccurredAt, 0)) / 1e6)
	}
}

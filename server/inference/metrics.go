package inference

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of all questions together.
type metrics struct {
	batches                 prometheus.Histogram
	explanations, fallbacks *prometheus.CounterVec
	tokens                  *prometheus.CounterVec
	firstToken              *prometheus.HistogramVec
}

func newMetrics(e *Engine, registry prometheus.Registerer) *metrics {
	m := &metrics{
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "headroom_inference_batch_size",
			Help:    "Cost histories that one statement read.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}),
		explanations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_inference_explanations_total",
			Help: "Explanations that were begun, by source, and by outcome: whole, broken off by the model, or " +
				"left by the client.",
		}, []string{"source", "outcome"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_inference_model_failures_total",
			Help: "Requests to the model server that failed before the first token, by reason.",
		}, []string{"reason"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_inference_tokens_total", Help: "Tokens of explanations, by source.",
		}, []string{"source"}),
		firstToken: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                        "headroom_inference_first_token_seconds",
			Help:                        "Time from the request for an explanation to its first token, by source.",
			Buckets:                     []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"source"}),
	}
	registry.MustRegister(m.batches, m.explanations, m.fallbacks, m.tokens, m.firstToken,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "headroom_inference_running", Help: "Explanations that are being generated.",
		}, func() float64 { return e.places.counts().running }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "headroom_inference_waiting", Help: "Explanations that wait to be generated.",
		}, func() float64 { return e.places.counts().waiting }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "headroom_inference_refused_total", Help: "Explanations that were refused because too many waited.",
		}, func() float64 { return e.places.counts().refused }),
	)
	return m
}

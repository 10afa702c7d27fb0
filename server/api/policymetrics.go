package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/policy"
)

// policyMetrics are those of evaluations by policies.
type policyMetrics struct {
	evaluations *prometheus.CounterVec
	durations   *prometheus.HistogramVec
}

// ruleBuckets, in seconds, are finest near the target of 20 us.
var ruleBuckets = []float64{
	.000005, .00001, .00002, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5,
}

func newPolicyMetrics(registry *prometheus.Registry, e *policy.Evaluator) *policyMetrics {
	m := &policyMetrics{
		evaluations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_policy_evaluations_total", Help: "Evaluations by rules of policies.",
		}, []string{"rule", "result"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headroom_policy_evaluation_duration_seconds",
			Help:    "Time of an evaluation by a rule, with the wait for a processor and, at first, compiling.",
			Buckets: ruleBuckets,
		}, []string{"rule"}),
	}
	registry.MustRegister(m.evaluations, m.durations)
	gauge := func(name, help string, value func(policy.Stats) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(e.Stats()) }))
	}
	counter := func(name, help string, value func(policy.Stats) int64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(e.Stats())) }))
	}
	gauge("headroom_policy_modules", "Compiled modules that are kept.",
		func(s policy.Stats) float64 { return float64(s.Modules) })
	gauge("headroom_policy_expressions", "Compiled expressions that are kept.",
		func(s policy.Stats) float64 { return float64(s.Programs) })
	gauge("headroom_policy_instances_idle", "Instances of modules that wait for an evaluation.",
		func(s policy.Stats) float64 { return float64(s.IdleInstances) })
	gauge("headroom_policy_modules_bytes", "What modules with their idle instances take, estimated.",
		func(s policy.Stats) float64 { return float64(s.Bytes) })
	counter("headroom_policy_modules_compiled_total", "Modules that were compiled.",
		func(s policy.Stats) int64 { return s.Compiled })
	counter("headroom_policy_modules_evicted_total", "Compiled modules that were given up for others.",
		func(s policy.Stats) int64 { return s.Evicted })
	counter("headroom_policy_instances_discarded_total",
		"Instances that were stopped or whose memory grew, so that no further evaluation got them.",
		func(s policy.Stats) int64 { return s.Discarded })
	return m
}

func (m *policyMetrics) observe(rule, result string, took time.Duration) {
	m.evaluations.WithLabelValues(rule, result).Inc()
	m.durations.WithLabelValues(rule).Observe(took.Seconds())
}

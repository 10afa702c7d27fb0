package graphql

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those that the route does not have. Names of operations are not among them: clients choose these.
type metrics struct {
	operations *prometheus.CounterVec
	refused    *prometheus.CounterVec
	errors     *prometheus.CounterVec

	planned, subscriptions prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_graphql_operations_total",
			Help: "Operations by type and by what answered them: a plan over a cached value, or gqlgen's resolvers.",
		}, []string{"type", "by"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_graphql_refused_total",
			Help: "Operations that were refused before they were executed, by why.",
		}, []string{"why"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headroom_graphql_errors_total", Help: "Errors in answers, by code.",
		}, []string{"code"}),
	}
	m.planned = m.operations.WithLabelValues("query", "plan")
	m.subscriptions = m.operations.WithLabelValues("subscription", "plan")
	for _, why := range []string{"depth", "cost", "invalid", "not_persisted", "not_registered"} {
		m.refused.WithLabelValues(why)
	}
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.operations, m.refused, m.errors}
}

func (m *metrics) failed(code string) { m.errors.WithLabelValues(cmp.Or(code, "GRAPHQL")).Inc() }

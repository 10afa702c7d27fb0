package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/store"
)

// breakerCollector reads the states of all circuit breakers when it is scraped.
type breakerCollector struct {
	store *store.Store
	cache *cache.Cache
	limit *middleware.SharedLimiter // nil without one
}

// breakerStates are the values of the label state. Of each breaker one of them is 1.
var breakerStates = [...]string{"closed", "half-open", "open"}

var breakerState = gauges("headroom_breaker_state", "1 for the state in which a circuit breaker is, 0 for the others.",
	"breaker", "state")

// Describe implements prometheus.Collector.
func (b *breakerCollector) Describe(to chan<- *prometheus.Desc) { describe(to, breakerState) }

// Collect implements prometheus.Collector.
func (b *breakerCollector) Collect(to chan<- prometheus.Metric) {
	sendBreaker(to, store.RolePrimary, b.store.PoolStats().Breaker)
	if r := b.store.ReplicaStats(); r.Configured {
		sendBreaker(to, store.RoleReplica, r.Pool.Breaker)
	}
	l2, l3 := b.cache.BreakerStates()
	sendBreaker(to, "l2", l2)
	if l3 != "" {
		sendBreaker(to, "l3", l3)
	}
	if b.limit != nil {
		sendBreaker(to, "rate_limit", b.limit.BreakerState())
	}
}

func sendBreaker(to chan<- prometheus.Metric, name, state string) {
	for _, s := range breakerStates {
		value := 0
		if s == state {
			value = 1
		}
		send(to, breakerState, value, name, s)
	}
}

package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/store"
)

// storeCollector reads the database's measurements when it is scraped. Those of servers have the label server: primary
// or replica.
type storeCollector struct{ store *store.Store }

var (
	queryDurations = prometheus.NewDesc("headroom_db_query_duration_seconds",
		"Time from sending a query to reading its last row, without the wait for a connection.",
		[]string{"query"}, nil)
	queryErrors = counts("headroom_db_query_errors_total", "Queries that failed.", "query")
	queryByRole = counts("headroom_db_queries_total", "Queries by the server that they ran on.", "query", "server")

	poolAcquires = counts("headroom_db_pool_acquires_total", "Connections taken from the pool.", "server")
	poolWaits    = counts("headroom_db_pool_waits_total", "Connections that had to be waited for.", "server")
	poolWaited   = counts("headroom_db_pool_wait_seconds_total", "Time spent waiting for a connection.", "server")
	poolMax      = gauges("headroom_db_pool_max_connections", "Size of the pool.", "server")
	poolInUse    = gauges("headroom_db_pool_in_use_connections", "Connections in use.", "server")
	poolIdle     = gauges("headroom_db_pool_idle_connections", "Connections at rest.", "server")
	acquireTimes = prometheus.NewDesc("headroom_db_pool_acquire_duration_seconds",
		"How long queries took to get a connection.", []string{"server"}, nil)

	replicaHealthy   = gauges("headroom_replica_healthy", "1 while reads go to the replica, otherwise 0.")
	replicaLag       = gauges("headroom_replica_lag_seconds", "Age of the oldest change that the replica lacks.")
	replicaLagBytes  = gauges("headroom_replica_lag_bytes", "How much of the primary's log the replica lacks.")
	replicaFallbacks = counts("headroom_replica_fallbacks_total",
		"Reads that failed on the replica and were repeated on the primary.")
)

// Describe implements prometheus.Collector.
func (s *storeCollector) Describe(to chan<- *prometheus.Desc) {
	to <- queryDurations
	to <- acquireTimes
	describe(to, queryErrors, queryByRole, poolAcquires, poolWaits, poolWaited, poolMax, poolInUse, poolIdle,
		replicaHealthy, replicaLag, replicaLagBytes, replicaFallbacks)
}

// Collect implements prometheus.Collector.
func (s *storeCollector) Collect(to chan<- prometheus.Metric) {
	for name, q := range s.store.QueryDurations() {
		to <- durationHistogram(queryDurations, q.Durations, name)
		send(to, queryErrors, q.Errors, name)
		send(to, queryByRole, q.Count-q.Replica, name, store.RolePrimary)
		send(to, queryByRole, q.Replica, name, store.RoleReplica)
	}
	for role, d := range s.store.AcquireDurations() {
		to <- durationHistogram(acquireTimes, d, role)
	}
	sendPool(to, store.RolePrimary, s.store.PoolStats())
	r := s.store.ReplicaStats()
	if !r.Configured {
		return
	}
	sendPool(to, store.RoleReplica, r.Pool)
	healthy := 0
	if r.Healthy {
		healthy = 1
	}
	send(to, replicaHealthy, healthy)
	send(to, replicaLag, r.Lag.Seconds())
	send(to, replicaLagBytes, r.LagBytes)
	send(to, replicaFallbacks, r.Fallbacks)
}

func sendPool(to chan<- prometheus.Metric, role string, p store.PoolStats) {
	send(to, poolAcquires, p.Acquires, role)
	send(to, poolWaits, p.Waits, role)
	send(to, poolWaited, p.Waited.Seconds(), role)
	send(to, poolMax, p.MaxConns, role)
	send(to, poolInUse, p.InUse, role)
	send(to, poolIdle, p.Idle, role)
}

func durationHistogram(desc *prometheus.Desc, d store.Durations, label string) prometheus.Metric {
	upTo := make(map[float64]uint64, len(d.UpTo))
	for i, bound := range store.DurationBounds() {
		upTo[bound.Seconds()] = d.UpTo[i]
	}
	return prometheus.MustNewConstHistogram(desc, uint64(d.Count), d.Sum.Seconds(), upTo, label)
}

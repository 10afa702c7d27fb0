package api

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// cacheCollector reads the cache's measurements when it is scraped.
type cacheCollector struct {
	cache      *cache.Cache
	store      *store.Store // has L3
	storedGzip *atomic.Uint64
}

// removalsTimeout bounds the one question that a scrape asks the cache server.
const removalsTimeout = 50 * time.Millisecond

var (
	cacheHits      = counts("headroom_cache_hits_total", "Requests that a level served.", "level")
	cacheMisses    = counts("headroom_cache_misses_total", "Requests that reached a level and went on.", "level")
	cacheErrors    = counts("headroom_cache_errors_total", "Cache operations that failed or were dropped.", "level")
	cacheStale     = counts("headroom_cache_stale_total", "Hits in L1 on expired entries.")
	cacheRefreshes = counts("headroom_cache_refreshes_total", "Loads that hits on expired entries began.")
	cacheEvictions = counts("headroom_cache_evictions_total", "Entries that left a level, by cause. "+
		"Those of l2 are counted by the cache server for all its clients.", "level", "cause")
	cacheInvalidations = counts("headroom_cache_invalidations_total", "Scopes that this server invalidated.")

	prefetched      = counts("headroom_cache_prefetched_total", "Values that were prefetched.", "relation")
	prefetchUsed    = counts("headroom_cache_prefetch_used_total", "Prefetched values that were requested.", "relation")
	prefetchWasted  = counts("headroom_cache_prefetch_wasted_total", "Prefetched values that nobody used.", "relation")
	prefetchFailed  = counts("headroom_cache_prefetch_failed_total", "Values that could not be prefetched.", "relation")
	prefetchDropped = counts("headroom_cache_prefetch_dropped_total",
		"Values that were not prefetched because the queue was full or requests kept the database busy.")

	compressionIn = counts("headroom_cache_compression_in_bytes_total",
		"Bytes that were compressed: s2 for shared levels, gzip for responses.", "format")
	compressionOut = counts("headroom_cache_compression_out_bytes_total", "What these bytes became.", "format")
	storedSent     = counts("headroom_cache_stored_gzip_total",
		"Responses sent in the gzip form that is kept with their entry.")

	l1Bytes    = gauges("headroom_cache_l1_bytes", "Size of what L1 holds, with an estimate of the overhead.")
	l1MaxBytes = gauges("headroom_cache_l1_max_bytes", "Present size of L1, which adapts between its bounds.")
	l1Bound    = gauges("headroom_cache_l1_bound_bytes", "Bounds of the size of L1.", "bound")
	l1Entries  = gauges("headroom_cache_l1_entries", "Entries in L1.")
	l1TTL      = gauges("headroom_cache_l1_ttl_seconds", "Present lifetime in L1.", "kind")
)

// Describe implements prometheus.Collector.
func (c *cacheCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, cacheHits, cacheMisses, cacheErrors, cacheStale, cacheRefreshes, cacheEvictions, cacheInvalidations,
		prefetched, prefetchUsed, prefetchWasted, prefetchFailed, prefetchDropped, compressionIn, compressionOut,
		storedSent, l1Bytes, l1MaxBytes, l1Bound, l1Entries, l1TTL)
}

// Collect implements prometheus.Collector.
func (c *cacheCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.cache.Stats()
	for level, s := range map[string]cache.LevelStats{"l1": stats.L1, "l2": stats.L2, "l3": stats.L3} {
		send(to, cacheHits, s.Hits, level)
		send(to, cacheMisses, s.Misses, level)
		if level != "l1" { // which cannot fail
			send(to, cacheErrors, s.Errors, level)
		}
	}
	send(to, cacheStale, stats.Stale)
	send(to, cacheRefreshes, stats.Refreshes)
	send(to, compressionIn, stats.BytesBefore, "s2")
	send(to, compressionOut, stats.BytesAfter, "s2")
	send(to, compressionIn, stats.GzipBefore, "gzip")
	send(to, compressionOut, stats.GzipAfter, "gzip")
	send(to, storedSent, c.storedGzip.Load())
	c.collectActivity(to)
	c.collectRemovals(to)
}

func (c *cacheCollector) collectActivity(to chan<- prometheus.Metric) {
	activity := c.cache.Activity()
	send(to, cacheInvalidations, activity.Invalidations)
	for relation, r := range activity.Prefetch.ByRelation {
		send(to, prefetched, r.Prefetched, relation)
		send(to, prefetchUsed, r.Used, relation)
		send(to, prefetchWasted, r.Lost, relation)
		send(to, prefetchFailed, r.Failed, relation)
	}
	send(to, prefetchDropped, activity.Prefetch.Dropped)
	send(to, l1Bytes, activity.L1.Bytes)
	send(to, l1MaxBytes, activity.L1.MaxBytes)
	send(to, l1Bound, activity.L1.SmallestBytes, "smallest")
	send(to, l1Bound, activity.L1.LargestBytes, "largest")
	send(to, l1Entries, activity.L1.Entries)
	for _, class := range cache.Classes() {
		send(to, l1TTL, c.cache.L1TTL(class).Seconds(), class.String())
	}
}

func (c *cacheCollector) collectRemovals(to chan<- prometheus.Metric) {
	own := c.cache.Removals()
	send(to, cacheEvictions, own.Size, "l1", "size")
	send(to, cacheEvictions, own.Lifetime, "l1", "lifetime")
	send(to, cacheEvictions, own.Invalidation, "l1", "invalidation")
	send(to, cacheEvictions, c.store.ExpiredCacheEntries(), "l3", "lifetime")
	ctx, cancel := context.WithTimeout(context.Background(), removalsTimeout)
	defer cancel()
	if shared, ok := c.cache.SharedRemovals(ctx); ok {
		send(to, cacheEvictions, shared.Size, "l2", "size")
		send(to, cacheEvictions, shared.Lifetime, "l2", "lifetime")
	}
}

package server

import (
	"fmt"

	"github.com/policycortex/headroom/server/cache"
)

// Bounds of the sizes from which bodies are compressed, in bytes. Smaller ones hardly become smaller still.
const (
	minCompressed = 256
	maxCompressed = 1 << 20
)

// checkCache checks what the cache keeps, and for how long.
func (o Options) checkCache() (faults []error) {
	_, err := cache.ParseTTLs(o.CacheTTL)
	if err != nil {
		faults = append(faults, fmt.Errorf("HEADROOM_CACHE_TTL: %w", err))
	}
	if t := o.PrefetchThreshold; t != 0 && !(t > 0 && t <= 1) { // nor is it NaN
		faults = append(faults, fmt.Errorf("HEADROOM_PREFETCH_THRESHOLD is %v; set it to a hit rate above 0 and at "+
			"most 1, or not at all for %v", t, cache.DefaultPrefetchThreshold))
	}
	if t := o.CompressionThreshold; t != 0 && (t < minCompressed || t > maxCompressed) {
		faults = append(faults, fmt.Errorf("HEADROOM_COMPRESSION_THRESHOLD is %d; set it to %d to %d bytes, or not at "+
			"all for %d", t, minCompressed, maxCompressed, defaultCompressed))
	}
	return faults
}

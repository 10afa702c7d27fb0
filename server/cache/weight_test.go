package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// TestWeightIsWhatEntriesTake: the bytes by which L1 is bounded are about those that its entries take on the heap. The
// server's memory limit counts on it. Bodies come with spare room, as encoders leave it.
func TestWeightIsWhatEntriesTake(t *testing.T) { // not in parallel: it measures the heap
	for _, length := range []int{100, 1000, 10_000} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			c, err := cache.Open(cache.Options{
				L2URL: l2URL(t), L1Bytes: 256 << 20, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			joinCache(t, c)
			before, weight := settledHeap(), c.L1Weight()
			tenant := newID()
			for range 40_000_000 / (length + 1000) {
				load := func(context.Context, cache.Key, store.LSN) ([]byte, error) {
					return make([]byte, length, 2*length), nil
				}
				_, _, err := c.Get(t.Context(), itemKey(tenant, newID()), load)
				if err != nil {
					t.Fatal(err)
				}
			}
			taken, weighed := float64(settledHeap()-before), float64(c.L1Weight()-weight)
			if ratio := taken / weighed; ratio < 0.6 || ratio > 1.2 {
				t.Errorf("%.0f bytes on the heap, weighed as %.0f: %.2f", taken, weighed, ratio)
			}
			runtime.KeepAlive(c)
		})
	}
}

// settledHeap is what lives on the heap once the queues for L2 are empty.
func settledHeap() uint64 {
	var m runtime.MemStats
	for last := uint64(0); ; last = m.HeapAlloc {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
		runtime.ReadMemStats(&m)
		if last > 0 && m.HeapAlloc+1<<20 > last && last+1<<20 > m.HeapAlloc {
			return m.HeapAlloc
		}
	}
}

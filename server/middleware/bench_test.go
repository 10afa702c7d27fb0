package middleware_test

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/policycortex/headroom/server/middleware"
)

func BenchmarkRateLimit(b *testing.B) {
	clients := make([]string, 1000)
	for i := range clients {
		clients[i] = uuid.NewString()
	}
	began := time.Now()
	b.Run("ours", func(b *testing.B) {
		l := middleware.NewLimiter(middleware.Rate{PerSecond: 1000, Burst: 1000})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Allow(b.Context(), clients[i%len(clients)], time.Since(began))
		}
	})
	b.Run("x/time/rate in otter", func(b *testing.B) {
		buckets := otter.Must(&otter.Options[string, *rate.Limiter]{
			MaximumSize: 300_000, ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](time.Minute),
		})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			client := clients[i%len(clients)]
			bucket, ok := buckets.GetIfPresent(client)
			if !ok {
				bucket, _ = buckets.SetIfAbsent(client, rate.NewLimiter(1000, 1000))
			}
			now := time.Now()
			bucket.AllowN(now, 1)
			bucket.TokensAt(now)
		}
	})
}

func BenchmarkDurations(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		var d middleware.Durations
		b.ReportAllocs()
		for b.Loop() {
			d.Record(123 * time.Microsecond)
		}
	})
	b.Run("library without a lock", func(b *testing.B) {
		h := hdrhistogram.New(1, 60_000_000, 3)
		b.ReportAllocs()
		for b.Loop() {
			h.RecordValue(123)
		}
	})
}

func BenchmarkRequestID(b *testing.B) {
	ids := middleware.NewRequestIDs()
	var buffer [maxRequestIDBytes]byte
	b.ReportAllocs()
	for b.Loop() {
		ids.Append(buffer[:0])
	}
}

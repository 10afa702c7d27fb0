package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/tuning"
)

// nowhere is a response writer that keeps nothing but the status.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// BenchmarkTuning is a request that L1 serves, through the whole stack of handlers, in each mode: what watching costs
// beside it is in the mean of all. The windows are the shortest that there are, a sixtieth of the default.
func BenchmarkTuning(b *testing.B) {
	env := containerstest.Shared(b)
	for _, mode := range []tuning.Mode{tuning.Off, tuning.Advise, tuning.Act} {
		b.Run(string(mode), func(b *testing.B) {
			_, _, tuner := tunedParts(b, Options{
				PostgresURL: env.PostgresURL, CacheURL: env.CacheURL, PostgresMaxConns: 4, Tuning: string(mode),
				TuningWindow: minTuningWindow,
			})
			defer tuner.start(b.Context())()
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v1/policies", nil)
			request.Header.Set("X-Tenant-ID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
			to := nowhere{header: http.Header{}}
			send := func() {
				clear(to.header)
				tuner.handler.ServeHTTP(&to, request)
				if to.status != http.StatusOK {
					b.Fatalf("status %d", to.status)
				}
			}
			send()
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}

// BenchmarkWatching is what a window costs besides the path of requests: six readings of the counts, and the state.
func BenchmarkWatching(b *testing.B) {
	env := containerstest.Shared(b)
	_, _, tuner := tunedParts(b, Options{
		PostgresURL: env.PostgresURL, CacheURL: env.CacheURL, PostgresMaxConns: 4,
	})
	b.Run("reading", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tuner.read()
		}
	})
	b.Run("state", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tuner.state(b.Context())
		}
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(&tuningMetrics{tuner})
	b.Run("its metrics", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := registry.Gather()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
	b.Run("all metrics", func(b *testing.B) {
		b.ReportAllocs()
		to := nowhere{header: http.Header{}}
		for b.Loop() {
			tuner.handler.ServeHTTP(&to, request)
		}
	})
}

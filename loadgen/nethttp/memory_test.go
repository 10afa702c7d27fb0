package nethttp

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// light answers without a network and notes the live heap after 100,000 and after a million requests.
type light struct {
	requests   atomic.Int64
	early, end uint64
}

func (l *light) RoundTrip(*http.Request) (*http.Response, error) {
	switch l.requests.Add(1) {
	case 100_000:
		l.early = liveHeap()
	case 1_000_000:
		l.end = liveHeap()
	}
	return &http.Response{
		Status: "200 OK", StatusCode: 200, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader("x")),
	}, nil
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// millionRequests runs a million requests through the engine and its recorder, as fast as they go, and returns the live
// heap on the way and at the end, in bytes.
func millionRequests() (early, end uint64, err error) {
	plan := planOf(scenarios.Scenario{
		Load:         scenarios.ConstantRate{Rate: 1e6, Duration: time.Second, MaxVUs: 64},
		GracefulStop: 10 * time.Minute,
	})
	s := &plan.Scenarios[0]
	requests, err := request.New(1, s, request.Sources{})
	if err != nil {
		return 0, 0, err
	}
	e, _ := engineOf(plan, requests)
	l := &light{}
	e.transport = l
	e.Run(context.Background(), time.Now())
	return l.early, l.end, nil
}

// BenchmarkMemory shows that the generator's memory does not grow with the number of requests: one operation is a run
// of 1,000,000.
func BenchmarkMemory(b *testing.B) {
	for range b.N {
		early, end, err := millionRequests()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(early)/1e6, "MB-live-at-100k")
		b.ReportMetric(float64(end)/1e6, "MB-live-at-1M")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/request")
	}
}

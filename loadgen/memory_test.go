package loadgen

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
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
	return &http.Response{Status: "200 OK", StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x"))}, nil
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
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 1e6, Duration: time.Second, MaxVUs: 64}, GracefulStop: 10 * time.Minute})
	s := &plan.Scenarios[0]
	requests, err := request.New(1, s, request.Sources{})
	if err != nil {
		return 0, 0, err
	}
	sc := arrival.NewSchedule(s.Load, 1)
	a := newVegetaAttack(newAttack(s, requests, sc, newRecorder(plan, s, sc), "http://127.0.0.1", time.Now(), 1), "")
	l := &light{}
	a.transport = l
	a.run(context.Background())
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

// BenchmarkRecord is the cost of recording one answer.
func BenchmarkRecord(b *testing.B) {
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 1e6, Duration: time.Hour}})
	sc := arrival.NewSchedule(plan.Scenarios[0].Load, 1)
	r := newRecorder(plan, &plan.Scenarios[0], sc).newBook()
	b.ReportAllocs()
	for i := range b.N {
		at := time.Duration(i) * time.Microsecond
		r.record(&outcome{intended: at, sent: at, done: at + time.Millisecond, status: 200, cache: "l1"})
	}
}

// BenchmarkSettle is the cost of merging one second of two loops, 10,000 answers to 3 requests.
func BenchmarkSettle(b *testing.B) {
	r, loops := books(2, 100*time.Hour)
	for i := range b.N {
		b.StopTimer()
		for n := range 10_000 {
			at := time.Duration(i)*time.Second + time.Duration(n)*100*time.Microsecond
			loops[n%2].record(&outcome{request: n % 3, intended: at, sent: at, done: at + time.Duration(n)*time.Microsecond, status: 200})
		}
		b.StartTimer()
		r.settle()
	}
}

// BenchmarkHour records an hour at 10,000 requests/s, 36 million results of three requests by two loops, each second
// settled as in a run. One operation is an hour. It reports the most memory that the Go
// runtime held and the most that was alive.
func BenchmarkHour(b *testing.B) {
	const rate = 10_000
	for range b.N {
		r, loops := books(2, time.Hour)
		var held, live uint64
		for second := range 3600 {
			for n := range rate {
				at := time.Duration(second)*time.Second + time.Duration(n)*(time.Second/rate)
				took := time.Millisecond + time.Duration(n*n%7919)*time.Microsecond
				loops[n%2].record(&outcome{request: n % 3, intended: at, sent: at, done: at + took, status: 200, cache: "l1", receivedBytes: 1024})
				loops[n%2].late(time.Duration(n%50)*time.Microsecond, time.Microsecond)
			}
			r.settle()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			held = max(held, m.Sys-m.HeapReleased)
			if second%600 == 599 {
				live = max(live, liveHeap())
			}
		}
		for _, l := range loops {
			l.close()
		}
		r.finish(3600*rate, 3600*rate, time.Hour)
		if r.load.Sent != 3600*rate || r.load.Lag.Count() != 3600*rate {
			b.Fatalf("%d of %d results are in the account", r.load.Sent, 3600*rate)
		}
		b.ReportMetric(float64(held)/(1<<20), "MiB-held")
		b.ReportMetric(float64(live)/(1<<20), "MiB-live")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(3600*rate), "ns/result")
	}
}

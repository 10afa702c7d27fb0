package record

import (
	"runtime"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRecord is the cost of recording one answer.
func BenchmarkRecord(b *testing.B) {
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 1e6, Duration: time.Hour}})
	r := collectorOf(plan).NewRecorder()
	b.ReportAllocs()
	for i := range b.N {
		at := time.Duration(i) * time.Microsecond
		r.Record(&Outcome{
			Intended: at, Sent: at, First: at + time.Millisecond/2, Done: at + time.Millisecond, Status: 200,
			Cache: CacheHit,
		})
	}
}

// BenchmarkFlush is the cost of merging one second of two loops, 10,000 answers to 3 requests.
func BenchmarkFlush(b *testing.B) {
	c, loops := recorders(2, 100*time.Hour)
	for i := range b.N {
		b.StopTimer()
		for n := range 10_000 {
			at := time.Duration(i)*time.Second + time.Duration(n)*100*time.Microsecond
			loops[n%2].Record(&Outcome{
				Request: n % 3, Intended: at, Sent: at,
				Done: at + time.Duration(n)*time.Microsecond, Status: 200,
			})
		}
		b.StartTimer()
		c.Flush()
	}
}

// BenchmarkHour records an hour at 10,000 requests/s, 36 million results of three requests by two loops, each second
// flushed as in a run. One operation is an hour. It reports the most memory that the Go
// runtime held and the most that was alive.
func BenchmarkHour(b *testing.B) {
	const rate = 10_000
	for range b.N {
		c, loops := recorders(2, time.Hour)
		var held, live uint64
		for second := range 3600 {
			for n := range rate {
				at := time.Duration(second)*time.Second + time.Duration(n)*(time.Second/rate)
				took := time.Millisecond + time.Duration(n*n%7919)*time.Microsecond
				loops[n%2].Record(&Outcome{
					Request: n % 3, Intended: at, Sent: at, Done: at + took, Status: 200, Cache: CacheHit,
					ReceivedBytes: 1024,
				})
				loops[n%2].Late(time.Duration(n%50)*time.Microsecond, time.Microsecond)
			}
			c.Flush()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			held = max(held, m.Sys-m.HeapReleased)
			if second%600 == 599 {
				live = max(live, liveHeap())
			}
		}
		for _, l := range loops {
			l.Close()
		}
		c.Finish(3600*rate, 3600*rate, time.Hour)
		if c.load.Sent != 3600*rate || c.load.Lag.Count() != 3600*rate {
			b.Fatalf("%d of %d results are in the account", c.load.Sent, 3600*rate)
		}
		b.ReportMetric(float64(held)/(1<<20), "MiB-held")
		b.ReportMetric(float64(live)/(1<<20), "MiB-live")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(3600*rate), "ns/result")
	}
}

//go:build unix

package results

import (
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// BenchmarkHour collects, saves and reads the seconds of a run of an hour with thresholds for windows on 20 requests.
// Each has 200 response times a second, log-normal with a median of 5 ms and a P99 of 25 ms. It reports the memory that
// the seconds take, and the CPU time of the three steps.
func BenchmarkHour(b *testing.B) {
	const hour, requests, rate = 3600, 20, 200
	random := rand.New(rand.NewPCG(1, 2))
	ofSecond := make([]*Histogram, 50)
	for i := range ofSecond {
		ofSecond[i] = NewHistogram()
		for range rate {
			ofSecond[i].Record(time.Duration(5e6 * math.Exp(0.7*random.NormFloat64())))
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var collect, save, read time.Duration
	var held uint64
	for b.Loop() {
		load := &Load{Scenario: "s", Open: true, MeasuredTo: hour, Lag: NewHistogram(), OwnLag: NewHistogram()}
		r := &Run{Name: "hour", Measurements: Measurements{
			Started: time.Unix(0, 0), Elapsed: hour,
			Loads: []*Load{load},
		}}
		before, began := heap(), cpu()
		for range requests {
			seconds := NewSeconds(scenarios.Threshold{Metric: "http_req_duration"}, load)
			for second := range hour {
				if err := seconds.Add(second, rate, 0, ofSecond[second%len(ofSecond)]); err != nil {
					b.Fatal(err)
				}
			}
			r.Measurements.Seconds = append(r.Measurements.Seconds, seconds)
		}
		collect += cpu() - began
		held += heap() - before
		dir := b.TempDir()
		began = cpu()
		if err := Save(dir, r); err != nil {
			b.Fatal(err)
		}
		save += cpu() - began
		began = cpu()
		if _, err := Read(dir); err != nil {
			b.Fatal(err)
		}
		read += cpu() - began
	}
	n := float64(b.N)
	b.ReportMetric(float64(held)/n/1e6, "MB")
	b.ReportMetric(collect.Seconds()/n, "collect-CPU-s")
	b.ReportMetric(save.Seconds()/n, "save-CPU-s")
	b.ReportMetric(read.Seconds()/n, "read-CPU-s")
}

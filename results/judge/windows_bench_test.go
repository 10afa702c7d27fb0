package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// BenchmarkWindowsOfAnHour saves a run of an hour with one threshold for windows, reads it and judges it. It reports
// how large run.json is. The response times of each second are drawn from a log-normal distribution with a median of 5
// ms whose P99 is 5 times that, or for the wide one 16 times.
func BenchmarkWindowsOfAnHour(b *testing.B) {
	for _, rate := range []int{100, 1000, 10_000} {
		for name, sigma := range map[string]float64{"": 0.7, " wide": 1.2} {
			b.Run(fmt.Sprintf("%d per second%s", rate, name), func(b *testing.B) {
				r, gate := windowedHour(b, rate, sigma)
				dir := b.TempDir()
				for b.Loop() {
					if err := results.Save(dir, r); err != nil {
						b.Fatal(err)
					}
					saved, err := results.Read(dir)
					if err != nil {
						b.Fatal(err)
					}
					if v, err := Run(&saved.Measurements, []scenarios.Threshold{gate}); err != nil ||
						v.Gates[0].Window.Of != 3591 {
						b.Fatalf("%+v, error %v", v, err)
					}
				}
				file, err := os.Stat(filepath.Join(dir, "run.json"))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(file.Size())/1e6, "MB")
			})
		}
	}
}

func windowedHour(b *testing.B, rate int, sigma float64) (*results.Run, scenarios.Threshold) {
	b.Helper()
	const hour = 3600
	gate := scenarios.Threshold{
		Metric: "http_req_duration", Aggregation: scenarios.Aggregation{Name: "p", Percentile: 95}, Op: "<",
		Limit:  1000,
		Window: 10 * time.Second, Source: "p(95)<1000 for 10s",
	}
	load := &results.Load{
		Scenario: "s", Open: true, MeasuredTo: hour, Lag: results.NewHistogram(),
		OwnLag: results.NewHistogram(),
	}
	seconds := results.NewSeconds(gate, load)
	random, h := rand.New(rand.NewPCG(1, 2)), results.NewHistogram()
	for second := range hour {
		h.Reset()
		for range rate {
			h.Record(time.Duration(5e6 * math.Exp(sigma*random.NormFloat64())))
		}
		if err := seconds.Add(second, int64(rate), 0, h); err != nil {
			b.Fatal(err)
		}
	}
	return &results.Run{Name: "hour", Measurements: results.Measurements{
		Started: time.Unix(0, 0), Elapsed: hour,
		Loads: []*results.Load{load}, Seconds: []*results.Seconds{seconds},
	}}, gate
}

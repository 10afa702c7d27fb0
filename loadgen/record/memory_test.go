package record

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// longRun records so many seconds of a run of the named requests at 300/s, by two loops, with the thresholds. It
// returns how the live heap has grown in the last half of them, in bytes a second, and all that lives in the end.
func longRun(t testing.TB, names, seconds int, thresholds []scenarios.Threshold) (perSecond, lives float64) {
	random := rand.New(rand.NewPCG(13, 14))
	s := scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 300, Duration: time.Duration(seconds) * time.Second}}
	for i := range names {
		s.Requests = append(s.Requests, scenarios.Request{
			Name: fmt.Sprint("r", i), Weight: 1, Method: "GET", Timeout: time.Second,
		})
	}
	plan := planOf(s)
	plan.Thresholds = thresholds
	before := liveHeap()
	c := collectorOf(plan)
	loops := []*Recorder{c.NewRecorder(), c.NewRecorder()}
	var half uint64
	for second := range seconds {
		for n := range 300 {
			at := time.Duration(second)*time.Second + time.Duration(n)*time.Second/300
			took := time.Duration(2e6 * math.Exp(0.7*random.NormFloat64()))
			loops[n%2].Record(&Outcome{
				Request: n % names, Intended: at, Sent: at, First: at + took/2, Done: at + took, Status: 200,
			})
		}
		c.Flush()
		if second == seconds/2 {
			half = liveHeap()
		}
	}
	end := liveHeap()
	runtime.KeepAlive(c)
	runtime.KeepAlive(loops)
	return (float64(end) - float64(half)) / float64(seconds-seconds/2-1), float64(end) - float64(before)
}

// windowed are a threshold with a window, and one that is judged by time blocks.
var (
	windowed = scenarios.Threshold{
		Metric: scenarios.HTTPReqDuration, Aggregation: scenarios.Aggregation{Name: "p", Percentile: 95},
		Op: scenarios.Less, Limit: 50, Window: 10 * time.Second,
	}
	whole = scenarios.Threshold{
		Metric: scenarios.HTTPReqDuration, Aggregation: scenarios.Aggregation{Name: "p", Percentile: 95},
		Op: scenarios.Less, Limit: 50,
	}
)

// TestMemoryOfALongRun: what a run keeps grows by a few bytes a second for each name of a request, and what it keeps
// however short it is stays far below the 190 kB that a histogram of all buckets has.
func TestMemoryOfALongRun(t *testing.T) { // not in parallel: it measures the heap
	for _, c := range []struct {
		what             string
		names            int
		thresholds       []scenarios.Threshold
		perSecond, lives float64 // at most
	}{
		{"one request", 1, nil, 200, 1 << 20},
		{"30 requests", 30, nil, 2500, 8 << 20},
		{"30 requests, a threshold", 30, []scenarios.Threshold{whole}, 2600, 9 << 20},
		{"30 requests, a threshold with a window", 30, []scenarios.Threshold{windowed}, 4000, 10 << 20},
	} {
		perSecond, lives := longRun(t, c.names, 1200, c.thresholds)
		t.Logf("%s: %.0f bytes a second, %.2f MiB live", c.what, perSecond, lives/(1<<20))
		if perSecond > c.perSecond || lives > c.lives {
			t.Errorf("%s: %.0f bytes a second and %.0f in all, at most %.0f and %.0f", c.what, perSecond, lives,
				c.perSecond, c.lives)
		}
	}
}

// BenchmarkMemoryOfARun tells what a second of a run takes for each name of a request.
func BenchmarkMemoryOfARun(b *testing.B) {
	for _, names := range []int{1, 30} {
		b.Run(fmt.Sprint(names, " names"), func(b *testing.B) {
			for range b.N {
				perSecond, lives := longRun(b, names, 1200, nil)
				b.ReportMetric(perSecond/float64(names), "B/s/name")
				b.ReportMetric(lives/float64(names), "B/name")
			}
		})
	}
}

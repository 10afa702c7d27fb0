package results

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPointLog: what is taken out is what was put in, from every second on, and takes a fraction of it.
func TestPointLog(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("request ", i))
	}
	log := NewPointLog("s", names)
	h := NewHistogram()
	var want []Point
	const first, seconds = 7, 400
	for second := first; second < first+seconds; second++ {
		point := func(request string) Point {
			h.Reset()
			for range random.IntN(50) {
				h.Record(time.Duration(random.Int64N(int64(time.Second))))
			}
			p := Point{
				Scenario: "s", Request: request, Second: second, Warmup: second < 20, Partial: second == first,
				Requests: h.Count(), Failed: random.Int64N(3), P50: h.Percentile(50), P95: h.Percentile(95),
				P99: h.Percentile(99), Max: h.Max(),
			}
			if random.IntN(100) == 0 {
				p.P95 = random.Float64() // of another histogram
			}
			return p
		}
		all := point("")
		all.Asked = random.Int64N(1 << 40)
		want = append(want, all)
		of := map[int]Point{}
		for i, name := range names {
			if random.IntN(4) > 0 {
				of[i] = point(name)
				want = append(want, of[i])
			}
		}
		log.Add(all, of)
	}
	for _, since := range []int{0, first, first + 1, first + seconds/2, first + seconds - 1, first + seconds, 10_000} {
		from := slices.IndexFunc(want, func(p Point) bool { return p.Second >= since })
		if from < 0 {
			from = len(want)
		}
		if got := log.AppendSince(nil, since); !slices.Equal(got, want[from:]) {
			t.Fatalf("since %d: %d points, want %d", since, len(got), len(want)-from)
		}
	}
	if size := len(log.packed) + 8*len(log.starts); size > 20*len(want) {
		t.Errorf("%d points take %d bytes", len(want), size)
	}
}

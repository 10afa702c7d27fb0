package random

import (
	"fmt"
	"math"
	"testing"
)

func TestZipf(t *testing.T) {
	for _, s := range []float64{0.3, 0.99, 1, 1.1, 2.5} {
		for _, n := range []int{1, 2, 100} {
			t.Run(fmt.Sprintf("s=%v,n=%d", s, n), func(t *testing.T) {
				const draws = 200000
				z := NewZipf(n, s)
				counts := make([]float64, n+1)
				for i := range int64(draws) {
					r := ForIteration(7, i)
					counts[z.Rank(&r)]++
				}
				norm := 0.0
				for k := 1; k <= n; k++ {
					norm += math.Pow(float64(k), -s)
				}
				chi, free := 0.0, -1.0
				for k := 1; k <= n; k++ {
					want := draws * math.Pow(float64(k), -s) / norm
					if want >= 5 {
						chi += (counts[k] - want) * (counts[k] - want) / want
						free++
					}
				}
				// Five standard deviations of chi² above its mean.
				if chi > free+5*math.Sqrt(2*max(free, 1)) {
					t.Errorf("chi² = %.1f with %v degrees of freedom", chi, free)
				}
			})
		}
	}
}

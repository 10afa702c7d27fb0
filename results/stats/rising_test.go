package stats

import (
	"math"
	"testing"
)

// TestRising: the probabilities are those of Kendall's table (M. G. Kendall, Rank Correlation Methods, 1970, appendix
// 1) for S = pairs - 2 · inversions.
func TestRising(t *testing.T) {
	for name, c := range map[string]struct {
		y        []float64
		slope, p float64
	}{
		"nothing":       {nil, 0, 1},
		"one":           {[]float64{3}, 0, 1},
		"two":           {[]float64{1, 2}, 1, 0.5},
		"n=4, S=6":      {[]float64{1, 2, 3, 4}, 1, 0.042},
		"n=4, S=4":      {[]float64{2, 1, 3, 4}, 0.8333, 0.167},
		"n=5, S=8":      {[]float64{1, 2, 3, 5, 4}, 1, 0.042},
		"n=8, S=18":     {[]float64{3, 1, 2, 4, 7, 5, 8, 6}, 0.8333, 0.016},
		"n=9, S=36":     {[]float64{0, 10, 20, 30, 40, 50, 60, 70, 80}, 10, 0.000003},
		"falling":       {[]float64{4, 3, 2, 1}, -1, 1},
		"all the same":  {[]float64{5, 5, 5, 5}, 0, 1},
		"one hiccup up": {[]float64{1, 1, 1, 90, 1, 1, 1, 1}, 0, 0.999},
	} {
		t.Run(name, func(t *testing.T) {
			slope, p := Rising(c.y)
			if math.Abs(slope-c.slope) > 0.0001 || math.Abs(p-c.p) > 0.0006 {
				t.Errorf("slope %v, p %v; want %v, %v", slope, p, c.slope, c.p)
			}
		})
	}
}

package stats

import (
	"math"
	"slices"
)

// Trend is how a series of values moved over time.
type Trend struct {
	Slope  float64 // units a second: the median of the slopes between all pairs (Theil 1950, Sen 1968)
	Change float64 // Slope times the time covered, as a share of the median value
	End    float64 // where Sen's line, which goes through the medians of time and value, is at the last time
	// Low and High bound the slope with TrendConfidence: of n slopes in ascending order they are those at the
	// ranks n/2 -+ z sqrt(Var S)/2 (Sen 1968; R. O. Gilbert, Statistical Methods for Environmental Pollution
	// Monitoring, 1987, section 16.5).
	Low, High float64
	Values    int     // that were compared, after averaging
	P         float64 // probability of so clear an order without any trend (Mann 1945, Kendall 1975), two-sided
}

const (
	// MinTrend is the fewest values that can be tested for a trend: the normal approximation of the test needs about as
	// many.
	MinTrend = 10
	// maxTrend bounds the pairs; longer series are averaged in blocks, which also takes most of the dependence between
	// neighbours out of them: the test assumes that there is none.
	maxTrend = 200
	// TrendConfidence is that of the interval of a slope.
	TrendConfidence = 0.95
	trendZ          = 1.959964 // the quantile of the normal distribution that belongs to it
)

// NewTrend tests values y at ascending times, in seconds, for a trend. ok is false when there are too few.
//
// Mann and Kendall count the pairs in which the later value is larger, less those in which it is smaller: S. Without a
// trend its mean is 0 and its variance (n(n-1)(2n+5) - Σ t(t-1)(2t+5)) / 18 over groups of t equal values.
func NewTrend(at, y []float64) (trend Trend, ok bool) {
	if len(at) == 0 || len(at) != len(y) {
		return Trend{}, false
	}
	last, middleAt, middleY := at[len(at)-1], median(slices.Clone(at)), median(slices.Clone(y))
	at, y = inBlocks(at), inBlocks(y)
	n := len(y)
	if n < MinTrend {
		return Trend{}, false
	}
	s := 0
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		for j := i + 1; j < n; j++ {
			switch {
			case y[j] > y[i]:
				s++
			case y[j] < y[i]:
				s--
			}
			slopes = append(slopes, (y[j]-y[i])/(at[j]-at[i]))
		}
	}
	sorted := slices.Sorted(slices.Values(y))
	trend = Trend{Slope: median(slopes), Values: n, P: 1} // median has sorted the slopes
	trend.End = middleY + trend.Slope*(last-middleAt)
	if middle := median(sorted); middle != 0 {
		trend.Change = trend.Slope * (at[n-1] - at[0]) / math.Abs(middle)
	}
	variance := mannKendallVariance(sorted)
	aside := trendZ * math.Sqrt(max(0, variance)) / 2
	centre := float64(len(slopes)-1) / 2
	trend.Low = slopes[max(0, int(math.Floor(centre-aside)))]
	trend.High = slopes[min(len(slopes)-1, int(math.Ceil(centre+aside)))]
	if s != 0 && variance > 0 {
		z := (math.Abs(float64(s)) - 1) / math.Sqrt(variance) // less 1: S moves in steps of 2
		trend.P = math.Erfc(z / math.Sqrt2)
	}
	return trend, true
}

func mannKendallVariance(sorted []float64) float64 {
	term := func(k int) float64 { return float64(k) * float64(k-1) * float64(2*k+5) }
	sum := term(len(sorted))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		sum -= term(j - i)
		i = j
	}
	return sum / 18
}

// median sorts v, which must not be empty.
func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// inBlocks averages neighbours such that at most maxTrend values are left. A last block that is not full is dropped.
func inBlocks(v []float64) []float64 {
	size := (len(v) + maxTrend - 1) / maxTrend
	if size <= 1 {
		return v
	}
	var out []float64
	for block := range slices.Chunk(v, size) {
		if len(block) < size {
			break
		}
		sum := 0.0
		for _, x := range block {
			sum += x
		}
		out = append(out, sum/float64(size))
	}
	return out
}

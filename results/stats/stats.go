// Package stats is the mathematics behind the figures of a run: plain numbers in, plain numbers out. It knows nothing
// of runs, scenarios or thresholds.
package stats

import (
	"errors"
	"math"
)

const (
	// Confidence is that of every interval of this package.
	Confidence = 0.95
	normal975  = 1.959964 // the 97.5 % quantile of the standard normal distribution
)

// MinBlocks and MaxBlocks bound the number of equal blocks of time into which a caller divides what was measured: fewer
// say little about how far blocks scatter, and more are so short that neighbours may still depend on each other.
const (
	MinBlocks = 10
	MaxBlocks = 20
)

// ErrFewBlocks is the warning of a summary of fewer than [MinBlocks] blocks of time. Its interval takes the values for
// independent, and is too narrow where slow ones come in groups.
var ErrFewBlocks = errors.New("too few blocks of time to tell how much neighbouring values depend on each other")

// Summary is an estimate with its confidence interval.
type Summary struct {
	Center     float64
	Low, High  float64 // ends of the interval; -Inf and +Inf where there are too few values to tell
	Confidence float64 // that the interval holds the true value: [Confidence], or 0 of no values
	Effective  float64 // effective sample size: how many independent values would tell as much as those measured
	Warnings   []error // why the interval is not to be trusted
}

// Wilson is the interval of a share, 0 to 1, of n independent values, which may be an effective sample size (E. B.
// Wilson, Journal of the American Statistical Association 22 (1927), 209-212).
func Wilson(share, n float64) Summary {
	const z2 = normal975 * normal975
	middle := (share + z2/(2*n)) / (1 + z2/n)
	reach := normal975 / (1 + z2/n) * math.Sqrt(share*(1-share)/n+z2/(4*n*n))
	low, high := max(0, middle-reach), min(1, middle+reach)
	if share == 0 {
		low = 0
	}
	if share == 1 {
		high = 1
	}
	return Summary{Center: share, Low: low, High: high, Confidence: Confidence, Effective: n}
}

// BatchMeans is the mean of what consecutive blocks of equal length measured and how far its 95 % interval reaches to
// either side: Student's t times the standard error, in which the covariance of neighbours counts as in [Quantile]. ok
// is false for fewer than [MinBlocks].
func BatchMeans(blocks []float64) (mean, reach float64, ok bool) {
	if len(blocks) < MinBlocks {
		return 0, 0, false
	}
	b := float64(len(blocks))
	for _, x := range blocks {
		mean += x / b
	}
	deviations := make([]float64, len(blocks))
	for j, x := range blocks {
		deviations[j] = x - mean
	}
	return mean, student975(len(blocks)-1) * math.Sqrt(sumOfSquares(deviations)) / b, true
}

// EffectiveSize is the effective size of a sample of n values of which a share, 0 to 1, has some property: n where the
// counts of consecutive blocks scatter no more than those of independent values do, and less where they scatter more.
// deviations are, for each block, how many have the property less how many of its size were to be expected. See
// [Quantile] for the formula.
func EffectiveSize(n, share float64, deviations []float64) float64 {
	inflation := sumOfSquares(deviations) / n / (share * (1 - share))
	if inflation <= 1 {
		return n
	}
	t := student975(len(deviations)-1) / normal975
	return max(1, n/(inflation*t*t))
}

// sumOfSquares is B/(B-1) · (sum d_j² + 2·max(0, sum d_j·d_(j+1))) of the deviations of B blocks.
func sumOfSquares(deviations []float64) float64 {
	squares, neighbours := 0.0, 0.0
	for j, d := range deviations {
		squares += d * d
		if j > 0 {
			neighbours += d * deviations[j-1]
		}
	}
	b := float64(len(deviations))
	return b / (b - 1) * (squares + 2*max(0, neighbours))
}

// student975 is the 97.5 % quantile of Student's t with so many degrees of freedom, 9 or more, to three digits, by the
// expansion around the normal quantile (M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5).
func student975(freedom int) float64 {
	const z = normal975
	v := float64(freedom)
	return z + (z*z*z+z)/(4*v) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*v*v) +
		(3*math.Pow(z, 7)+19*math.Pow(z, 5)+17*z*z*z-15*z)/(384*v*v*v)
}

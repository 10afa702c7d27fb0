package results

import (
	"math"
	"slices"
)

// Interval is the confidence interval of a quantile, in milliseconds.
//
// It is that of the order statistics, which supposes nothing about the distribution: of n independent values the number
// that lie below the p-quantile is binomial with n and p, so that the l-th and the u-th smallest value enclose it with a
// probability of at least P(l <= B < u) (G. J. Hahn, W. Q. Meeker, Statistical Intervals, 1991, section 5.2; H. A. David,
// H. N. Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1).
//
// Response times are not independent: a slow moment makes neighbours slow together. Whether a value v is an end of the
// interval is therefore asked of as many independent values as the n are worth there. The run is divided into B equal
// stretches; stretch j has n_j values, x_j of them at most v, and with the share P = sum x / n the variance of P is
// estimated by
//
//	V = B/(B-1) · (sum d_j² + 2·max(0, sum d_j·d_(j+1))) / n²    with d_j = x_j - P·n_j
//
// where the second sum is for stretches that are still alike (batch means of the indicator; for quantiles of dependent
// sequences see P. Heidelberger, P. A. W. Lewis, Operations Research 32 (1984), 185-209). The n are worth n / f with f = V / (P·(1-P)/n), where that is above 1; f is then widened by
// the square of Student's t with B-1 degrees of freedom over the normal quantile, because V is itself an estimate. The ends are
// sought with at most the n / f of the quantile itself: the few values beyond an end are often of one slow moment, of which
// a V that is taken there sees too little. But where n alone would do, the interval does not reach beyond the
// extreme value that was met: that a limit far from all values holds is not left open.
type Interval struct {
	Confidence float64  `json:"confidence"` // 0.95
	Low        *float64 `json:"low"`        // null: too few values to tell
	High       *float64 `json:"high"`
	// Effective is how many independent values those that were measured are worth at the quantile.
	Effective float64 `json:"effective_samples"`
	// Corrected is false where the run is too short to tell how much alike neighbours are.
	Corrected bool `json:"corrected"`
}

const (
	confidence = 0.95
	normal975  = 1.959964 // the 97.5 % quantile of the standard normal distribution
)

// sample is a distribution with its stretches, laid out for counting: below[i] values are at most values[i].
type sample struct {
	values []float64 // ms, ascending
	below  []int64
	n      int64
	parts  []part
	groups int
	ranks  map[int64][2]int64
	p      float64
}

// part is one scenario's part of a stretch.
type part struct {
	group, stratum int
	total          float64
	below          func(i int) float64 // how many of it are at most values[i]
}

// quantileInterval is the interval of the percentile, 0 to 100, of what h counted; groups may be empty.
func quantileInterval(h *Histogram, groups []group, percentile float64) *Interval {
	if h.Count() == 0 {
		return &Interval{Confidence: confidence}
	}
	s := newSample(h, percentile/100)
	s.divide(groups)
	return s.interval(percentile)
}

func (s *sample) interval(percentile float64) *Interval {
	out := &Interval{Confidence: confidence}
	at, _ := slices.BinarySearch(s.below, percentileRank(percentile, s.n))
	out.Corrected = s.groups >= fewestGroups
	out.Effective = s.worth(at)
	out.Low, out.High = s.low(at, out.Effective), s.high(at, out.Effective)
	return out
}

// low is the lower end of the interval of a quantile that is values[at], and where the values are worth so many; nil where
// they are too few.
func (s *sample) low(at int, worth float64) *float64 {
	for i := at; i >= 0; i-- {
		less := int64(0)
		if i > 0 {
			less = s.below[i-1]
		}
		if less == 0 { // the smallest value
			worth = float64(s.n)
		}
		worth := min(worth, s.worth(max(i-1, 0)))
		if low := s.rank(worth)[0]; low > 0 && float64(less)/float64(s.n)*worth < float64(low) {
			return &s.values[i]
		}
	}
	return nil
}

// high is likewise the upper end.
func (s *sample) high(at int, worth float64) *float64 {
	for i := at; i < len(s.values); i++ {
		if s.below[i] == s.n { // the greatest value
			worth = float64(s.n)
		}
		worth := min(worth, s.worth(i))
		if high := s.rank(worth)[1]; high <= int64(worth) && float64(s.below[i])/float64(s.n)*worth >= float64(high) {
			return &s.values[i]
		}
	}
	return nil
}

func newSample(h *Histogram, p float64) *sample {
	s := &sample{n: h.Count(), p: p, ranks: map[int64][2]int64{}, below: below(h)}
	for _, bar := range h.counts.Distribution() {
		s.values = append(s.values, millis(bar.To))
	}
	return s
}

// divide tells the sample its stretches.
func (s *sample) divide(groups []group) {
	s.groups = len(groups)
	strata := map[string]int{}
	for j, g := range groups {
		for name, part1 := range g {
			if _, known := strata[name]; !known {
				strata[name] = len(strata)
			}
			counts := below(part1)
			last := len(counts) - 1
			s.parts = append(s.parts, part{j, strata[name], float64(counts[last]), func(i int) float64 { return float64(counts[min(i, last)]) }})
		}
	}
}

// below counts, for each bar of a histogram's distribution, the values up to its end.
func below(h *Histogram) []int64 {
	var sums []int64
	var sum int64
	for _, bar := range h.counts.Distribution() {
		sum += bar.Count
		sums = append(sums, sum)
	}
	return sums
}

// worth is how many independent values those of the sample are worth where it is asked which are at most values[i].
func (s *sample) worth(i int) float64 {
	n, at := float64(s.n), float64(s.below[i])/float64(s.n)
	if s.groups < fewestGroups || at <= 0 || at >= 1 {
		return n
	}
	var count, hits [maxStrata]float64
	for _, part := range s.parts {
		stratum := part.stratum % maxStrata
		count[stratum] += part.total
		hits[stratum] += part.below(i)
	}
	scatter := make([]float64, s.groups)
	for _, part := range s.parts {
		stratum := part.stratum % maxStrata
		scatter[part.group] += part.below(i) - hits[stratum]/count[stratum]*part.total
	}
	return effective(n, at, scatter)
}

// effective is how many independent values n are worth where the share at of them is counted, by the scatter of the counts
// of equal stretches: n where they scatter no more than those of independent values do.
func effective(n, at float64, scatter []float64) float64 {
	inflation := sumOfSquares(scatter) / n / (at * (1 - at))
	if inflation <= 1 {
		return n
	}
	t := student975(len(scatter)-1) / normal975
	return max(1, n/(inflation*t*t))
}

// sumOfSquares is B/(B-1) · (sum d_j² + 2·max(0, sum d_j·d_(j+1))) of the deviations of B stretches.
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

// maxStrata bounds how many scenarios of one threshold are told apart when their scatter is estimated.
const maxStrata = 64

// rank returns the ranks l and u of the order statistics that enclose the quantile of so many independent values: l is 0
// and u greater than the number of values where there is none.
func (s *sample) rank(worth float64) [2]int64 {
	n := int64(worth)
	r, known := s.ranks[n]
	if !known {
		r = orderRanks(n, s.p)
		s.ranks[n] = r
	}
	return r
}

// orderRanks are the largest l with P(B < l) <= 2.5 % and the smallest u with P(B < u) >= 97.5 %, of the binomial B with n
// and p. From a variance of 400 on it is taken for normal.
func orderRanks(n int64, p float64) [2]int64 {
	const tail = (1 - confidence) / 2
	mean, variance := float64(n)*p, float64(n)*p*(1-p)
	deviation := math.Sqrt(variance)
	if variance >= 400 {
		return [2]int64{int64(math.Floor(mean - normal975*deviation)), int64(math.Ceil(mean+normal975*deviation)) + 1}
	}
	reach := 10*deviation + 20 // what lies further out is less than any rounding error
	l, u, sum := int64(0), n+1, 0.0
	logN, _ := math.Lgamma(float64(n) + 1)
	for k := max(0, int64(mean-reach)); k <= min(n, int64(mean+reach)); k++ {
		a, _ := math.Lgamma(float64(k) + 1)
		b, _ := math.Lgamma(float64(n-k) + 1)
		sum += math.Exp(logN - a - b + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		if sum <= tail {
			l = k + 1
		}
		if sum >= 1-tail {
			u = k + 1
			break
		}
	}
	return [2]int64{l, u}
}

// student975 is the 97.5 % quantile of Student's t with so many degrees of freedom, 9 or more, to three digits, by the
// expansion around the normal quantile (M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5).
func student975(freedom int) float64 {
	const z = normal975
	v := float64(freedom)
	return z + (z*z*z+z)/(4*v) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*v*v) +
		(3*math.Pow(z, 7)+19*math.Pow(z, 5)+17*z*z*z-15*z)/(384*v*v*v)
}

package stats

import (
	"math"
	"slices"
)

// Sample is a distribution of counted values.
type Sample struct {
	Values []float64 // distinct, ascending
	AtMost []int64   // AtMost[i] of the sample are at most Values[i]; the last is the size of the sample
}

// Part is the part of a [Sample] that one source, a stratum, gave in one of several equal blocks of time.
type Part struct {
	Block, Stratum int // from 0, without gaps
	Count          float64
	AtMost         func(i int) float64 // how many of it are at most Values[i] of the sample
}

// maxStrata bounds the strata that are told apart; further ones share a number with one of them.
const maxStrata = 64

// Rank is how many of n values lie at or below their percentile, 0 to 100: the smallest number that is at least that
// percentage of n, but from 1 to n.
func Rank(percentile float64, n int64) int64 {
	const rounding = 1e-12 // relative: of 1,000 values 99.9 percent are 999, whatever binary fractions say
	rank := percentile / 100 * float64(n)
	return min(max(int64(math.Ceil(rank*(1-rounding))), 1), n)
}

// Quantile is the percentile, 0 to 100, of a sample: the smallest value that at least so many percent do not exceed,
// with the confidence interval of the order statistics. parts may be empty; of fewer than [MinBlocks] blocks the
// summary warns.
//
// The interval supposes nothing about the distribution: of n independent values the number that lie below the
// p-quantile is binomial with n and p, so that the l-th and the u-th smallest value enclose it with a probability of at
// least P(l <= B < u) (G. J. Hahn, W. Q. Meeker, Statistical Intervals, 1991, section 5.2; H. A. David, H. N. Nagaraja,
// Order Statistics, 3rd edition, 2003, section 7.1).
//
// Response times are not independent: a slow moment slows down neighbours together. Whether a value v is an end of the
// interval is therefore decided with the effective sample size there. Of B blocks of time, block j has n_j values, x_j
// of them at most v, and with the share P = sum x / n the variance of P is estimated by
//
//	V = B/(B-1) · (sum d_j² + 2·max(0, sum d_j·d_(j+1))) / n²    with d_j = x_j - P·n_j
//
// where the second sum is for blocks that still depend on each other (batch means of the indicator; for quantiles of
// dependent sequences see P. Heidelberger, P. A. W. Lewis, Operations Research 32 (1984), 185-209). With several strata
// d_j is summed over them. The effective size is n / f with f = V / (P·(1-P)/n), where that is above 1; f is then
// widened by the square of Student's t with B-1 degrees of freedom over the normal quantile, because V is itself an
// estimate.
//
// The ends are sought with at most the effective size at the quantile itself: the few values beyond an end often come
// from one slow moment, and a V that is taken there sees too little of it. But where n alone would suffice, the
// interval does not reach beyond the extreme value that was met: a limit far from all values is not left undecided.
func Quantile(s Sample, parts []Part, percentile float64) Summary {
	if len(s.AtMost) == 0 || s.AtMost[len(s.AtMost)-1] == 0 {
		return Summary{Low: math.Inf(-1), High: math.Inf(1), Confidence: Confidence, Warnings: []error{ErrFewBlocks}}
	}
	q := &quantile{
		Sample: s, n: s.AtMost[len(s.AtMost)-1], p: percentile / 100, parts: parts,
		ranks: map[int64][2]int64{},
	}
	for _, part := range parts {
		q.blocks = max(q.blocks, part.Block+1)
		q.count[part.Stratum%maxStrata] += part.Count
	}
	q.counted, q.deviations = make([]float64, len(parts)), make([]float64, q.blocks)
	at, _ := slices.BinarySearch(s.AtMost, Rank(percentile, q.n))
	size := q.effectiveSize(at)
	out := Summary{
		Center: s.Values[at], Low: q.low(at, size), High: q.high(at, size), Confidence: Confidence,
		Effective: size,
	}
	if q.blocks < MinBlocks {
		out.Warnings = []error{ErrFewBlocks}
	}
	return out
}

// quantile is a sample of n values whose p-quantile is estimated.
type quantile struct {
	Sample
	n      int64
	p      float64
	parts  []Part
	blocks int
	count  [maxStrata]float64 // of all parts of a stratum
	ranks  map[int64][2]int64 // by effective size

	counted, deviations []float64 // memory of effectiveSize, by part and by block
}

// low is the lower end of the interval of a quantile that is Values[at], where the effective size is size.
func (q *quantile) low(at int, size float64) float64 {
	for i := at; i >= 0; i-- {
		less := int64(0)
		if i > 0 {
			less = q.AtMost[i-1]
		}
		if less == 0 { // the smallest value
			size = float64(q.n)
		}
		here := min(size, q.effectiveSize(max(i-1, 0)))
		if l := q.rank(here)[0]; l > 0 && float64(less)/float64(q.n)*here < float64(l) {
			return q.Values[i]
		}
	}
	return math.Inf(-1)
}

// high is the upper end, likewise.
func (q *quantile) high(at int, size float64) float64 {
	for i := at; i < len(q.Values); i++ {
		if q.AtMost[i] == q.n { // the greatest value
			size = float64(q.n)
		}
		here := min(size, q.effectiveSize(i))
		if u := q.rank(here)[1]; u <= int64(here) && float64(q.AtMost[i])/float64(q.n)*here >= float64(u) {
			return q.Values[i]
		}
	}
	return math.Inf(1)
}

// effectiveSize is the effective sample size where it is asked which values are at most Values[i].
func (q *quantile) effectiveSize(i int) float64 {
	n, share := float64(q.n), float64(q.AtMost[i])/float64(q.n)
	if q.blocks < MinBlocks || share <= 0 || share >= 1 {
		return n
	}
	var atMost [maxStrata]float64
	for j, part := range q.parts {
		q.counted[j] = part.AtMost(i)
		atMost[part.Stratum%maxStrata] += q.counted[j]
	}
	clear(q.deviations)
	for j, part := range q.parts {
		stratum := part.Stratum % maxStrata
		q.deviations[part.Block] += q.counted[j] - atMost[stratum]/q.count[stratum]*part.Count
	}
	return EffectiveSize(n, share, q.deviations)
}

// rank returns the ranks l and u of the order statistics that enclose the quantile of so many independent values: l is
// 0 and u greater than the number of values where there is none.
func (q *quantile) rank(size float64) [2]int64 {
	n := int64(size)
	r, known := q.ranks[n]
	if !known {
		r = orderRanks(n, q.p)
		q.ranks[n] = r
	}
	return r
}

// orderRanks are the largest l with P(B < l) <= 2.5 % and the smallest u with P(B < u) >= 97.5 %, of the binomial B
// with n and p. From a variance of 400 on B is taken for normal.
func orderRanks(n int64, p float64) [2]int64 {
	const tail = (1 - Confidence) / 2
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

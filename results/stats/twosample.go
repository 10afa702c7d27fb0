package stats

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/combin"
	"gonum.org/v1/gonum/stat/distuv"
)

// Welch is the difference of the means of two samples, b less a, without the supposition that they scatter alike (B. L.
// Welch, Biometrika 34 (1947), 28-35; the degrees of freedom by F. E. Satterthwaite, Biometrics Bulletin 2 (1946),
// 110-114).
type Welch struct {
	Difference float64
	Err        float64 // its standard error; 0 where neither sample scatters
	Freedom    float64 // degrees of freedom of Student's t
}

// NewWelch compares two samples of at least two values each.
func NewWelch(a, b []float64) Welch {
	meanA, varA := stat.MeanVariance(a, nil)
	meanB, varB := stat.MeanVariance(b, nil)
	n, m := float64(len(a)), float64(len(b))
	va, vb := varA/n, varB/m
	w := Welch{Difference: meanB - meanA, Err: math.Sqrt(va + vb), Freedom: n + m - 2}
	if w.Err > 0 {
		w.Freedom = (va + vb) * (va + vb) / (va*va/(n-1) + vb*vb/(m-1))
	}
	return w
}

// Greater is the one-sided p-value of "the mean of b is not greater than that of a". Where neither sample scatters it
// is 0 or 1.
func (w Welch) Greater() float64 {
	switch {
	case w.Err > 0:
		return distuv.StudentsT{Sigma: 1, Nu: w.Freedom}.Survival(w.Difference / w.Err)
	case w.Difference > 0:
		return 0
	}
	return 1
}

// Less is the one-sided p-value of "the mean of b is not less than that of a".
func (w Welch) Less() float64 { return Welch{-w.Difference, w.Err, w.Freedom}.Greater() }

// Interval is the confidence interval of the difference: each of its ends is wrong with half of the probability 1 less
// confidence.
func (w Welch) Interval(confidence float64) (low, high float64) {
	half := 0.0
	if w.Err > 0 {
		half = w.Err * distuv.StudentsT{Sigma: 1, Nu: w.Freedom}.Quantile((1+confidence)/2)
	}
	return w.Difference - half, w.Difference + half
}

// Permutations is the number of ways to deal n + m values to two samples of n and m, or most + 1 where there are more.
func Permutations(n, m, most int) int {
	if combin.LogGeneralizedBinomial(float64(n+m), float64(n)) > math.Log(float64(most)+0.5) {
		return most + 1
	}
	return combin.Binomial(n+m, n)
}

// PermutationTest gives the one-sided p-values of "the values of b are not less", and "not greater, than those of a":
// of all ways to deal the values to two samples of these sizes, the share in which b lies at least as far on that side
// as it does, by Welch's t. Under the hypothesis that both samples come from one distribution, whichever it is, the
// p-values are exact; by the choice of t they also hold well where only the means are equal and the sizes differ (A.
// Janssen, Statistics & Probability Letters 36 (1997), 9-21). The time grows with [Permutations]. Each sample has at
// least two values.
func PermutationTest(a, b []float64) (less, greater float64) {
	all := slices.Concat(a, b)
	mean := stat.Mean(all, nil)
	for i := range all {
		all[i] -= mean
	}
	d := deal{size: float64(len(a)), rest: float64(len(b))}
	for _, v := range all {
		d.sum += v
		d.squares += v * v
	}
	t := func(chosen []int) float64 {
		var sum, squares float64
		for _, i := range chosen {
			sum += all[i]
			squares += all[i] * all[i]
		}
		return d.t(sum, squares)
	}
	generator := combin.NewCombinationGenerator(len(all), len(a))
	chosen := make([]int, len(a))
	generator.Next()
	observed := t(generator.Combination(chosen)) // the first one leaves the values as they are
	deals, below, above := 1.0, 1.0, 1.0
	for generator.Next() {
		deals++
		switch compareT(t(generator.Combination(chosen)), observed) {
		case -1:
			below++
		case 1:
			above++
		default:
			below++
			above++
		}
	}
	return below / deals, above / deals
}

// deal is what all ways to deal values around 0 to two samples have in common.
type deal struct{ size, rest, sum, squares float64 }

// t is Welch's t of the rest against the sample whose values, and their squares, have these sums. It is infinite where
// the means differ and neither sample scatters.
func (d deal) t(sum, squares float64) float64 {
	sumRest, squaresRest := d.sum-sum, d.squares-squares
	variance := (squares-sum*sum/d.size)/(d.size-1)/d.size + (squaresRest-sumRest*sumRest/d.rest)/(d.rest-1)/d.rest
	difference := sumRest/d.rest - sum/d.size
	const rounding = 1e-12 // of the squares' sum
	switch {
	case difference*difference <= rounding*d.squares:
		return 0
	case variance <= rounding*d.squares:
		return math.Copysign(math.Inf(1), difference)
	}
	return difference / math.Sqrt(variance)
}

// compareT compares two values of t; those that differ by rounding alone are equal.
func compareT(a, b float64) int {
	finite := !math.IsInf(a, 0) && !math.IsInf(b, 0)
	if finite && math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) {
		return 0
	}
	return cmp.Compare(a, b)
}

// Holm adjusts the p-values of a family of tests: those that are at most alpha after it may all be called significant,
// and the probability that any of them is so by chance is at most alpha, however the tests depend on each other (S.
// Holm, Scandinavian Journal of Statistics 6 (1979), 65-70). The order stays.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := make([]float64, len(p))
	most := 0.0
	for rank, i := range order {
		most = max(most, min(1, p[i]*float64(len(p)-rank)))
		adjusted[i] = most
	}
	return adjusted
}

// mostPerSample bounds the searches for a number of values.
const mostPerSample = 10_000

// FewestPermuted is the least number of values in each of two samples with which [PermutationTest] can give a p-value
// as low as level: with fewer, even samples that do not overlap cannot.
func FewestPermuted(level float64) int {
	n := 2
	for n < mostPerSample && combin.LogGeneralizedBinomial(float64(2*n), float64(n)) < -math.Log(level)-1e-9 {
		n++
	}
	return n
}

// Power is the probability with which what is said to be found is found.
const Power = 0.9

// Reach is the smallest true value that a one-sided t test finds with a probability, where its estimate has the
// standard error err, itself estimated with so many degrees of freedom (a whole number), and must also exceed least:
// the x with
//
//	P(x + err·Z > max(t·err·S, least)) = probability,  S² = χ²/freedom,  t the (1 - level)-quantile of Student's t
//
// which is the power by the noncentral t distribution (B. L. Welch, Biometrika 31 (1940), 362-389) where least does not
// matter. It is integrated over S at its quantiles.
func Reach(level, probability, freedom, err, least float64) float64 {
	if err == 0 {
		return least
	}
	bounds := standardDeviations(freedom)
	t := -distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(level)
	for i := range bounds {
		bounds[i] = max(t*bounds[i], least/err)
	}
	low, high := 0.0, bounds[deviations-1]+10
	for range 26 { // to a millionth of a standard error
		middle, found := (low+high)/2, 0.0
		for _, b := range bounds {
			found += math.Erfc((b-middle)/math.Sqrt2) / 2 / deviations
		}
		if found < probability {
			low = middle
		} else {
			high = middle
		}
	}
	return high * err
}

// deviations is the number of quantiles that stand for the distribution of a standard deviation.
const deviations = 64

// standardDeviations are those quantiles of √(χ²/freedom), ascending: from ten degrees of freedom on by the cube root
// that is nearly normal (E. B. Wilson, M. M. Hilferty, PNAS 17 (1931), 684-688).
func standardDeviations(freedom float64) [deviations]float64 {
	q := quantiles()
	if int(freedom) < len(q.few) {
		return q.few[int(freedom)]
	}
	all := q.normal
	for i, z := range all {
		all[i] = math.Pow(1-2/(9*freedom)+z*math.Sqrt(2/(9*freedom)), 1.5)
	}
	return all
}

// quantiles are the normal ones, and standardDeviations of 1 to 9 degrees of freedom, by that number.
var quantiles = sync.OnceValue(func() (q struct {
	normal [deviations]float64
	few    [10][deviations]float64
},
) {
	for i := range q.normal {
		p := (float64(i) + 0.5) / deviations
		q.normal[i] = distuv.UnitNormal.Quantile(p)
		for n := 1; n < len(q.few); n++ {
			q.few[n][i] = math.Sqrt(distuv.ChiSquared{K: float64(n)}.Quantile(p) / float64(n))
		}
	}
	return q
})

// FewestToFind is about the least number of values in each of two samples with which a one-sided test at a level finds
// a difference of their means with a probability, where a single value has the standard deviation sd and the estimate
// must also exceed least; see [Reach]. It is at most 10,000.
func FewestToFind(difference, least, sd, level, probability float64) int {
	normal := (distuv.UnitNormal.Quantile(probability) - distuv.UnitNormal.Quantile(level)) * sd / difference
	n := max(2, int(min(2*normal*normal, mostPerSample))) // t needs a few more
	for ; n < mostPerSample; n++ {
		if Reach(level, probability, float64(2*n-2), sd*math.Sqrt(2/float64(n)), least) <= difference {
			break
		}
	}
	return n
}

// Package changepoint finds the places at which a series of measurements changes its level.
package changepoint

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// The parameters of Find.
const (
	permutations = 999
	level        = 0.005
	fewest       = 3 // measurements of a segment
)

// Point is a change of the level.
type Point struct {
	Index int     // of the first measurement after the change
	P     float64 // how often a series without the change would show one as large
	// Before and After are the means of the segments on both sides, which reach to the next changes.
	Before, After float64
}

// Find returns the changes of a series in the order of the series. least is the least difference of the means on both
// sides that counts; of logarithms, ln(1.03) is a change of 3 %.
//
// It is E-divisive: the split of a segment into X, n measurements before it, and Y, m after it, that maximizes
//
//	2/(m+n)·(ΣΣ|X_i - Y_j| - m/(n-1)·Σ|X_i - X_k| - n/(m-1)·Σ|Y_j - Y_k|)
//
// over all places of the split and all ends of Y is a change when at most 0.5 % of 999 random orders of the
// measurements, within the segments found so far, have one as large; both sides are then searched in turn (D. S.
// Matteson, N. A. James, JASA 109 (2014), 334-345, with alpha = 1; the p-value is (b + 1) / (m + 1)). The random orders
// come from a fixed seed: the same series has the same changes. Changes that are smaller than least are dropped, the
// smallest first.
func Find(series []float64, least float64) []Point {
	var splits []int
	ps := map[int]float64{}
	random := rand.New(rand.NewPCG(uint64(len(series)), 0x6368616e6765))
	for {
		at, q := best(series, splits)
		if at < 0 || q <= 0 {
			break
		}
		p := significance(series, splits, q, random)
		if p > level {
			break
		}
		splits, ps[at] = insert(splits, at), p
	}
	points := pointsAt(series, splits, ps)
	for {
		smallest := -1
		for i, c := range points {
			if size := math.Abs(c.After - c.Before); size < least &&
				(smallest < 0 || size < math.Abs(points[smallest].After-points[smallest].Before)) {
				smallest = i
			}
		}
		if smallest < 0 {
			return points
		}
		splits = slices.Delete(splits, smallest, smallest+1)
		points = pointsAt(series, splits, ps)
	}
}

func insert(sorted []int, v int) []int {
	i, _ := slices.BinarySearch(sorted, v)
	return slices.Insert(sorted, i, v)
}

func pointsAt(series []float64, splits []int, ps map[int]float64) []Point {
	var points []Point
	from := 0
	for i, at := range splits {
		to := len(series)
		if i+1 < len(splits) {
			to = splits[i+1]
		}
		points = append(points, Point{
			Index: at, P: ps[at], Before: stat.Mean(series[from:at], nil),
			After: stat.Mean(series[at:to], nil),
		})
		from = at
	}
	return points
}

// significance is the share of random orders within the segments whose best split is at least as good.
func significance(series []float64, splits []int, q float64, random *rand.Rand) float64 {
	shuffled := slices.Clone(series)
	asGood := 0
	for range permutations {
		eachSegment(len(series), splits, func(from, to int) {
			part := shuffled[from:to]
			random.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		})
		if _, other := best(shuffled, splits); other >= q {
			asGood++
		}
	}
	return float64(asGood+1) / float64(permutations+1)
}

func eachSegment(n int, splits []int, do func(from, to int)) {
	from := 0
	for _, at := range splits {
		do(from, at)
		from = at
	}
	do(from, n)
}

// best is the best split of all segments; -1 where none is long enough.
func best(series []float64, splits []int) (at int, q float64) {
	at = -1
	eachSegment(len(series), splits, func(from, to int) {
		if i, v := split(series[from:to], fewest); i > 0 && (at < 0 || v > q) {
			at, q = from+i, v
		}
	})
	return at, q
}

// split is the best split of a segment, with so many measurements on either side at least, and its statistic; 0 where
// the segment is too short. The sums over pairs grow with the split and with the end of Y, so that all splits and ends
// cost the square of the length.
func split(x []float64, least int) (at int, best float64) {
	n := len(x)
	toLeft := make([]float64, n) // Σ |x_i - x_k| over i < the split
	toAll := make([]float64, n)  // over i < k
	for k := range x {
		for i := range k {
			toAll[k] += math.Abs(x[i] - x[k])
		}
	}
	var left float64 // Σ |x_i - x_k| within X
	for t := 1; t < n; t++ {
		for k := t; k < n; k++ {
			toLeft[k] += math.Abs(x[t-1] - x[k])
		}
		left += toAll[t-1]
		if t < least {
			continue
		}
		var between, right float64
		for k := t; k < n; k++ {
			between += toLeft[k]
			right += toAll[k] - toLeft[k]
			if k-t+1 < least {
				continue
			}
			if q := statistic(float64(t), float64(k-t+1), between, left, right); at == 0 || q > best {
				at, best = t, q
			}
		}
	}
	return at, best
}

func statistic(n, m, between, left, right float64) float64 {
	q := between
	if n > 1 {
		q -= m / (n - 1) * left
	}
	if m > 1 {
		q -= n / (m - 1) * right
	}
	return 2 / (m + n) * q
}

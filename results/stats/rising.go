package stats

// Rising is how a short series of values at equal distances rises: the median of the slopes between all pairs, in units
// a step, and the probability of so few inversions, pairs in falling order, without any trend. That is the exact
// one-sided test of H. B. Mann, Econometrica 13 (1945), 245-259, for values without ties; with ties, which count as
// falling, the probability is too high. Fewer than two values do not rise.
func Rising(y []float64) (slope, p float64) {
	n := len(y)
	if n < 2 {
		return 0, 1
	}
	var slopes []float64
	inversions := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			slopes = append(slopes, (y[j]-y[i])/float64(j-i))
			if y[j] <= y[i] {
				inversions++
			}
		}
	}
	return median(slopes), atMostInversions(n, inversions)
}

// atMostInversions is the share of the permutations of n values that have at most k inversions. Putting the m-th value
// in its place among the m - 1 before it makes 0 to m - 1 inversions, each as likely.
func atMostInversions(n, k int) float64 {
	share := []float64{1} // by the number of inversions
	for m := 2; m <= n; m++ {
		next := make([]float64, len(share)+m-1)
		for i, s := range share {
			for more := range m {
				next[i+more] += s / float64(m)
			}
		}
		share = next
	}
	sum := 0.0
	for _, s := range share[:min(k+1, len(share))] {
		sum += s
	}
	return min(1, sum)
}

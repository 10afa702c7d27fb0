package capacity

import (
	"cmp"
	"math"
	"slices"
)

// TimeAt is a response time that was measured at a rate.
type TimeAt struct{ Rate, Time float64 }

// Knee is the rate from which on the response time is twice that at light load, which is that at the lowest rate. The
// times are first made such that they never fall as the rate rises (isotonic regression by pooling adjacent violators:
// M. Ayer et al., Annals of Mathematical Statistics 26 (1955), 641-647), and between two rates the time is taken to
// grow as a power of the rate. ok is false where no rate was measured at which it is so.
func Knee(points []TimeAt) (rate float64, ok bool) {
	p := slices.Clone(points)
	slices.SortStableFunc(p, func(a, b TimeAt) int { return cmp.Compare(a.Rate, b.Rate) })
	times := rising(p)
	for i := range p {
		if i == 0 || times[i] < 2*times[0] {
			continue
		}
		if times[i-1] <= 0 || p[i].Rate == p[i-1].Rate || times[i] == times[i-1] {
			return p[i].Rate, true
		}
		share := math.Log(2*times[0]/times[i-1]) / math.Log(times[i]/times[i-1])
		return p[i-1].Rate * math.Pow(p[i].Rate/p[i-1].Rate, share), true
	}
	return 0, false
}

// rising are the times of points in the order of rates, made such that none is less than the one before.
func rising(points []TimeAt) []float64 {
	type pool struct {
		mean float64
		n    int
	}
	var pools []pool
	for _, p := range points {
		pools = append(pools, pool{p.Time, 1})
		for n := len(pools); n > 1 && pools[n-2].mean > pools[n-1].mean; n = len(pools) {
			a, b := pools[n-2], pools[n-1]
			sum := a.mean*float64(a.n) + b.mean*float64(b.n)
			pools = append(pools[:n-2], pool{sum / float64(a.n+b.n), a.n + b.n})
		}
	}
	var times []float64
	for _, p := range pools {
		for range p.n {
			times = append(times, p.mean)
		}
	}
	return times
}

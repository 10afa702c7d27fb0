package tuning

import (
	"math"
	"slices"
)

// figure is what a change is meant to lower: a ratio of two counts.
type figure struct {
	name string
	of   func(Counts) (value, weight float64) // a weight of 0 says that there is none
	// least is the smallest change that matters, besides the noise; 0 means a tenth of the value before.
	least float64
}

func ratio(over, under func(Counts) float64, scale float64) func(Counts) (float64, float64) {
	return func(c Counts) (float64, float64) {
		n := under(c)
		if n <= 0 {
			return 0, 0
		}
		return scale * over(c) / n, n
	}
}

func requests(c Counts) float64 { return c.Requests }
func queries(c Counts) float64  { return c.Queries }
func l1Reads(c Counts) float64  { return c.L1Hits + c.L1Misses }

// The figures. Lower is better for all.
var (
	requestTime = figure{
		name: "mean time of a request, ms",
		of:   ratio(func(c Counts) float64 { return c.RequestTime }, requests, 1000),
	}
	slowTime = figure{
		name: "time in slow statements by query, ms",
		of:   ratio(func(c Counts) float64 { return c.SlowTime }, queries, 1000),
	}
	queryTime = figure{
		name: "mean time of a query, ms",
		of:   ratio(func(c Counts) float64 { return c.QueryTime }, queries, 1000),
	}
	waitingShare = figure{
		name: "share of queries that waited for a connection",
		of:   ratio(func(c Counts) float64 { return c.Waits }, func(c Counts) float64 { return c.Acquires }, 1),
	}
	l1MissShare = figure{
		name: "share of reads that L1 did not serve",
		of:   ratio(func(c Counts) float64 { return c.L1Misses }, l1Reads, 1),
		// Most of what a much too small L1 gets in addition is still too little to hold the next key.
		least: 0.02,
	}
	tooOldShare = figure{
		name: "share of reads of L1 that found an entry too old",
		of:   ratio(func(c Counts) float64 { return c.Refreshes }, l1Reads, 1),
	}
	queriesByRequest = figure{name: "queries by request", of: ratio(queries, requests, 1)}
	gcShare          = figure{
		name: "share of the CPU time for garbage collection",
		of:   ratio(func(c Counts) float64 { return c.GC }, func(c Counts) float64 { return c.CPU }, 1),
	}
)

// series are the values of a figure in slices.
func (f figure) series(slices []Counts) (values []float64) {
	for _, s := range slices {
		if v, weight := f.of(s); weight > 0 {
			values = append(values, v)
		}
	}
	return values
}

// finding is the outcome of a comparison.
type finding int

const (
	unknown   finding = iota // too few values
	same                     // the difference is too little to matter
	undecided                // it would matter, and is within the noise
	better
	worse
)

const (
	// minValues is the number of slices that a side of a comparison must have.
	minValues = 5
	// deviations is how far the sum of ranks must be from what is expected of values of one kind, in standard
	// deviations. By chance, one of eighty comparisons of independent values is. Slices that follow each other are less
	// independent than that, which the next limit is for.
	deviations = 2.5
	// matters is the smallest change that counts, as a share of the value before.
	matters = 0.1
)

// compare tells whether the figure has changed.
func (f figure) compare(before, after []Counts) finding {
	return compare(f.series(before), f.series(after), f.least)
}

// compare tells whether values that should be low have changed by more than noise, and by least. Waits and times have
// few large values among many small ones, so that their means alone tell little: the test is of ranks.
func compare(before, after []float64, least float64) finding {
	if len(before) < minValues || len(after) < minValues {
		return unknown
	}
	was, is := mean(before), mean(after)
	if least == 0 {
		least = matters * was
	}
	difference, rank := is-was, rankDeviation(before, after)
	switch {
	case math.Abs(difference) <= least:
		return same
	case difference > 0 && rank >= deviations:
		return worse
	case difference < 0 && rank <= -deviations:
		return better
	}
	return undecided
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// rankDeviation returns by how many standard deviations the values after are higher than those before, by the test of
// Mann and Whitney with the correction for ties.
func rankDeviation(before, after []float64) float64 {
	u := 0.0
	for _, a := range after {
		for _, b := range before {
			switch {
			case a > b:
				u++
			case a == b:
				u += 0.5
			}
		}
	}
	all := slices.Concat(before, after)
	slices.Sort(all)
	ties := 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	b, a, n := float64(len(before)), float64(len(after)), float64(len(all))
	variance := b * a / 12 * (n + 1 - ties/(n*(n-1)))
	if variance == 0 {
		return 0
	}
	return (u - b*a/2) / math.Sqrt(variance)
}

// meanOf is the mean of a figure over slices together; nil where there is none.
func (f figure) meanOf(slices []Counts) *float64 {
	sum, weights := 0.0, 0.0
	for _, s := range slices {
		v, weight := f.of(s)
		sum += v * weight
		weights += weight
	}
	if weights == 0 {
		return nil
	}
	return new(sum / weights)
}

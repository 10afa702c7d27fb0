package tuning

import "math"

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
	connectionWait = figure{
		name: "mean wait for a connection, ms",
		of:   ratio(func(c Counts) float64 { return c.Waited }, func(c Counts) float64 { return c.Acquires }, 1000),
	}
	l1MissShare = figure{
		name: "share of reads that L1 did not serve",
		of:   ratio(func(c Counts) float64 { return c.L1Misses }, l1Reads, 1),
		// Most of what a much too small L1 gets in addition is still too little to hold the next key.
		least: 0.02,
	}
	tooOldShare = figure{
		name: "share of reads of L1 that found an entry too old",
		of:   ratio(func(c Counts) float64 { return c.Expirations + c.Refreshes }, l1Reads, 1),
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
	unknown finding = iota // too few values
	same                   // within the noise, or too little to matter
	better
	worse
)

const (
	// minValues is the number of slices that a side of a comparison must have.
	minValues = 3
	// standardErrors is how many standard errors a difference must have: with five slices on one side and ten on the
	// other, one of about two hundred comparisons of the same thing exceeds it. Slices that follow each other are less
	// independent than that supposes, which the next limit is for.
	standardErrors = 3
	// matters is the smallest change that counts, as a share of the value before.
	matters = 0.1
)

// compare tells whether the figure has changed.
func (f figure) compare(before, after []Counts) finding {
	return compare(f.series(before), f.series(after), f.least)
}

// compare tells whether values that should be low have changed by more than noise, and by least.
func compare(before, after []float64, least float64) finding {
	if len(before) < minValues || len(after) < minValues {
		return unknown
	}
	was, wasVariance := moments(before)
	is, isVariance := moments(after)
	noise := math.Sqrt(wasVariance/float64(len(before)) + isVariance/float64(len(after)))
	if least == 0 {
		least = matters * was
	}
	limit := max(standardErrors*noise, least)
	switch difference := is - was; {
	case difference > limit:
		return worse
	case difference < -limit:
		return better
	}
	return same
}

// moments are the mean and the variance of values.
func moments(values []float64) (mean, variance float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(values)-1)
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

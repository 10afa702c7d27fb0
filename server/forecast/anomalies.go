package forecast

import "math"

// Anomaly is a day that is out of the ordinary.
type Anomaly struct {
	Day      int     // an index of the series
	Expected float64 // season and trend of the day, in the unit of the series
	// Score is the modified z-score: how many robust standard deviations the day is above what was expected, or below
	// it where it is negative. See Iglewicz and Hoaglin (1993), "How to Detect and Handle Outliers".
	Score float64
}

const (
	// Limit is the absolute score above which a day is an anomaly, the one that Iglewicz and Hoaglin recommend.
	Limit = 3.5
	// perDeviation makes the median absolute deviation of normal values their standard deviation.
	perDeviation = 0.6745
	// leastScale bounds Scale from below, as a share of the median absolute value: a day within about one per cent of
	// what is expected is no anomaly, however regular the others are.
	leastScale = 0.003
)

// findAnomalies judges the remainders by their median and their median absolute deviation, neither of which an anomaly
// moves: the method of Hochenbaum, Vallis and Kejariwal (2017), "Automatic Anomaly Detection in the Cloud Via
// Statistical Learning", with STL's robust trend in place of a median and a fixed limit in place of a test.
func (o *Outlook) findAnomalies(y []float64) {
	scratch := make([]float64, len(y))
	centre := median(append(scratch[:0], o.Remainder...))
	for i, r := range o.Remainder {
		scratch[i] = math.Abs(r - centre)
	}
	o.Scale = median(scratch) / perDeviation
	for i, v := range y {
		scratch[i] = math.Abs(v)
	}
	o.Scale = max(o.Scale, leastScale*median(scratch))
	if o.Scale == 0 { // most days are zero, and so is what is expected of them
		o.Scale = smallest(scratch)
	}
	for i, r := range o.Remainder {
		score := (r - centre) / o.Scale
		if math.Abs(score) > Limit {
			o.Anomalies = append(o.Anomalies, Anomaly{Day: i, Expected: o.Expected(i), Score: score})
		}
	}
}

// smallest returns a scale for a series of which most values are zero: a tenth of the smallest other one.
func smallest(sorted []float64) float64 {
	for _, v := range sorted {
		if v > 0 {
			return v / 10
		}
	}
	return 1
}

// Package forecast analyses daily series: it separates a weekly season and a trend from the rest, finds days that are
// out of the ordinary, and forecasts the days that follow. It is arithmetic alone, without input or output.
//
// The method is that of stlf in R's package forecast: a robust decomposition by loess (STL), damped exponential
// smoothing of what is left without the season, and the last week's season repeated. Days that are anomalies are
// replaced by what was expected before the smoothing, so that one of them does not move the forecast.
package forecast

import (
	"errors"
	"fmt"
	"math"
)

// Week is the period of the season, in days.
const Week = 7

// MinDays is the shortest series that is analysed, in days: four weeks.
const MinDays = 4 * Week

// ErrShort is returned for a series of less than [MinDays].
var ErrShort = errors.New("the series is too short")

// weekly are the windows of the decomposition: the season of a weekday changes within eight months, the trend
// within six weeks. So a change that lasts for some days is an anomaly, and one that stays becomes the trend. The low
// pass is as in statsmodels, the least odd number above the period; R and the paper take the least that is not below
// it, 7.
var weekly = Windows{Period: Week, Seasonal: 35, Trend: 45, LowPass: 9, Inner: 1, Outer: 8}

// Outlook is the analysis of a series. Its slices have an element for each day.
type Outlook struct {
	Decomposition
	// Scale is the robust standard deviation of a usual day from what was expected, in the unit of the series.
	Scale float64
	// Anomalies are in the order of their days.
	Anomalies []Anomaly
	// SeasonalStrength is the share of the variance without the trend that the season explains, 0 to 1.
	SeasonalStrength float64

	smoothing Holt
	positive  bool // no day is below zero
}

// Point is a forecast of one day, in the unit of the series. At the level of the interval, the day is between Low and
// High, if what comes is like what was, anomalies apart.
type Point struct{ Mean, Low, High float64 }

// Analyse analyses a daily series, which it does not change. It returns [ErrShort], or an error for a value that is not
// finite.
func Analyse(y []float64) (*Outlook, error) {
	if len(y) < MinDays {
		return nil, fmt.Errorf("%w: %d days, at least %d are needed", ErrShort, len(y), MinDays)
	}
	positive := true
	for i, v := range y {
		if math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 { // whose squares can still be added
			return nil, fmt.Errorf("day %d of the series is %v", i, v)
		}
		positive = positive && v >= 0
	}
	o := &Outlook{Decomposition: Decompose(y, weekly, firstWeights(y, weekly)), positive: positive}
	o.findAnomalies(y)
	adjusted := make([]float64, len(y))
	for i := range y {
		adjusted[i] = y[i] - o.Seasonal[i]
	}
	for _, a := range o.Anomalies {
		adjusted[a.Day] = o.Trend[a.Day]
	}
	o.smoothing = fitHolt(adjusted)
	o.SeasonalStrength = o.seasonalStrength()
	return o, nil
}

// Expected is what was expected of a day, in the unit of the series.
func (o *Outlook) Expected(day int) float64 { return o.Trend[day] + o.Seasonal[day] }

// Forecast returns the days after the series, at most as many as horizon. level is that of the interval, above 0 and
// below 1. Where no day of the series is below zero, none of the forecast is.
func (o *Outlook) Forecast(horizon int, level float64) []Point {
	points := make([]Point, horizon)
	width := math.Sqrt2 * math.Erfinv(level)
	last := o.Seasonal[len(o.Seasonal)-Week:]
	variance := o.smoothing.variances()
	mean := o.smoothing.means()
	for h := range points {
		at := mean() + last[h%Week]
		by := width * math.Sqrt(variance())
		points[h] = Point{at, at - by, at + by}
		if o.positive {
			points[h] = Point{max(at, 0), max(at-by, 0), max(at+by, 0)}
		}
	}
	return points
}

// seasonalStrength is that of Wang, Smith and Hyndman (2006), "Characteristic-based clustering for time series data",
// without the days that are anomalies.
func (o *Outlook) seasonalStrength() float64 {
	var rest, both spread
	next := 0
	for i := range o.Remainder {
		if next < len(o.Anomalies) && o.Anomalies[next].Day == i {
			next++
			continue
		}
		rest.add(o.Remainder[i])
		both.add(o.Remainder[i] + o.Seasonal[i])
	}
	if both.variance() == 0 {
		return 0
	}
	return max(0, 1-rest.variance()/both.variance())
}

// spread is the running mean and variance (Welford 1962).
type spread struct{ n, mean, squares float64 }

func (s *spread) add(v float64) {
	s.n++
	d := v - s.mean
	s.mean += d / s.n
	s.squares += d * (v - s.mean)
}

func (s *spread) variance() float64 { return s.squares / max(s.n-1, 1) }

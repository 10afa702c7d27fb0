package forecast

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// nottem is R's data set of that name: monthly temperatures at Nottingham Castle, 1920 to 1939, in degrees Fahrenheit.
// Anderson (1976), "Time Series Analysis and Forecasting: The Box-Jenkins Approach".
var nottem = []float64{
	40.6, 40.8, 44.4, 46.7, 54.1, 58.5, 57.7, 56.4, 54.3, 50.5, 42.9, 39.8, 44.2, 39.8, 45.1, 47.0,
	54.1, 58.7, 66.3, 59.9, 57.0, 54.2, 39.7, 42.8, 37.5, 38.7, 39.5, 42.1, 55.7, 57.8, 56.8, 54.3,
	54.3, 47.1, 41.8, 41.7, 41.8, 40.1, 42.9, 45.8, 49.2, 52.7, 64.2, 59.6, 54.4, 49.2, 36.3, 37.6,
	39.3, 37.5, 38.3, 45.5, 53.2, 57.7, 60.8, 58.2, 56.4, 49.8, 44.4, 43.6, 40.0, 40.5, 40.8, 45.1,
	53.8, 59.4, 63.5, 61.0, 53.0, 50.0, 38.1, 36.3, 39.2, 43.4, 43.4, 48.9, 50.6, 56.8, 62.5, 62.0,
	57.5, 46.7, 41.6, 39.8, 39.4, 38.5, 45.3, 47.1, 51.7, 55.0, 60.4, 60.5, 54.7, 50.3, 42.3, 35.2,
	40.8, 41.1, 42.8, 47.3, 50.9, 56.4, 62.2, 60.5, 55.4, 50.2, 43.0, 37.3, 34.8, 31.3, 41.0, 43.9,
	53.1, 56.9, 62.5, 60.3, 59.8, 49.2, 42.9, 41.9, 41.6, 37.1, 41.2, 46.9, 51.2, 60.4, 60.1, 61.6,
	57.0, 50.9, 43.0, 38.8, 37.1, 38.4, 38.4, 46.5, 53.5, 58.4, 60.6, 58.2, 53.8, 46.6, 45.5, 40.6,
	42.4, 38.4, 40.3, 44.6, 50.9, 57.0, 62.1, 63.5, 56.3, 47.3, 43.6, 41.8, 36.2, 39.3, 44.5, 48.7,
	54.2, 60.8, 65.5, 64.9, 60.1, 50.2, 42.1, 35.8, 39.4, 38.2, 40.4, 46.9, 53.4, 59.6, 66.5, 60.4,
	59.2, 51.2, 42.8, 45.8, 40.0, 42.6, 43.5, 47.1, 50.0, 60.5, 64.6, 64.0, 56.8, 48.6, 44.2, 36.4,
	37.3, 35.0, 44.0, 43.9, 52.7, 58.6, 60.0, 61.1, 58.1, 49.6, 41.6, 41.3, 40.8, 41.0, 38.4, 47.4,
	54.1, 58.6, 61.4, 61.8, 56.3, 50.9, 41.4, 37.1, 42.1, 41.2, 47.3, 46.6, 52.4, 59.0, 59.6, 60.4,
	57.0, 50.7, 47.8, 39.2, 39.4, 40.9, 42.4, 47.8, 52.4, 58.0, 60.7, 61.8, 58.2, 46.7, 46.6, 37.8,
}

// TestDecompositionOfR: R's stl, which is the Fortran of the paper's authors, gives the same. R 4.2.2:
//
//	f <- stl(nottem, s.window=13, t.window=31, l.window=13, s.jump=1, t.jump=1, l.jump=1, robust=TRUE)
//	i <- c(1,2,60,120,200,239,240); print(f$time.series[i,], digits=12); print(f$weights[i], digits=12)
//	print(sum(f$weights), digits=12); which(f$weights < 0.2)
func TestDecompositionOfR(t *testing.T) {
	t.Parallel()
	d := Decompose(nottem, Windows{Period: 12, Seasonal: 13, Trend: 31, LowPass: 13, Inner: 1, Outer: 15}, nil)
	for _, want := range []struct {
		at                                 int
		seasonal, trend, remainder, weight float64
	}{
		{1, -8.74836250186, 49.6252091302, -0.276846628386, 0.996969570103},
		{2, -9.19494020593, 49.6482341719, 0.346706034032, 0.995236620740},
		{60, -9.39103320443, 48.9691243257, 4.021908878775, 0.461390653971},
		{120, -9.51297325961, 49.0849492515, 2.328024008118, 0.796608455902},
		{200, 12.43298595825, 49.0529997084, -0.385985666629, 0.994098651280},
		{239, -6.03162469129, 49.1714332589, 3.460191432346, 0.581486926550},
		{240, -10.20030621053, 49.1399227313, -1.139616520762, 0.949162773013},
	} {
		i := want.at - 1
		near(t, d.Seasonal[i], want.seasonal, 1e-9)
		near(t, d.Trend[i], want.trend, 1e-9)
		near(t, d.Remainder[i], want.remainder, 1e-9)
		near(t, d.Weights[i], want.weight, 1e-9)
	}
	sum, low := 0.0, []int(nil)
	for i, w := range d.Weights {
		sum += w
		if w < .2 {
			low = append(low, i+1)
		}
	}
	near(t, sum, 207.133840585, 1e-8)
	if want := []int{7, 31, 110, 219}; !slices.Equal(low, want) {
		t.Errorf("months that count for little: %v, want %v", low, want)
	}
}

// ausair are passengers by air in Australia, 1990 to 2016, in millions: Hyndman and Athanasopoulos (2018),
// "Forecasting: Principles and Practice", 2nd edition, section 7.2.
var ausair = []float64{
	17.5534, 21.8601, 23.8866, 26.9293, 26.8885, 28.8314, 30.0751, 30.9535, 30.1857, 31.5797, 32.577569, 33.477398,
	39.021581, 41.386432, 41.596552, 44.657324, 46.951775, 48.728837, 51.488427, 50.026967, 60.640913, 63.36031,
	66.355274, 68.197955, 68.1232, 69.7793, 72.5977,
}

// TestLinearSmoothing: python3-statsmodels 0.13.5 gives the same forecasts of Holt's linear method, to two digits, by
// the parameters of section 7.2 of the book. The figures were not compared with those that the book prints.
func TestLinearSmoothing(t *testing.T) {
	t.Parallel()
	h := Holt{Alpha: .8321, Beta: .8321 * .0001, Phi: 1, Level: 15.57, Trend: 2.102}
	h.run(ausair)
	next := h.means()
	for _, want := range []float64{74.60, 76.70, 78.81, 80.91, 83.01} {
		near(t, next(), want, .006)
	}
}

// TestSmoothingOfStatsmodels: python3-statsmodels 0.13.5 gives the same forecasts and variances of damped smoothing:
//
//	m = ETSModel(pandas.Series(ausair), error="add", trend="add", damped_trend=True, initialization_method="known",
//	             initial_level=15.57, initial_trend=2.102/0.9)
//	r = m.smooth([0.6, 0.2, 0.9]); r.sse; r.forecast(6); r.get_prediction(start=27, end=32).forecast_variance/r.scale
func TestSmoothingOfStatsmodels(t *testing.T) {
	t.Parallel()
	h := Holt{Alpha: .6, Beta: .2, Phi: .9, Level: 15.57, Trend: 2.102 / .9, Variance: 1}
	near(t, h.run(ausair), 161.26593639002718, 1e-9)
	mean, variance := h.means(), h.variances()
	for i, want := range []float64{73.62371848, 74.89165147, 76.03279117, 77.05981689, 77.98414004, 78.81603087} {
		near(t, mean(), want, 1e-8)
		near(t, variance(), []float64{1, 1.6084, 2.495764, 3.67907284, 5.1650826, 6.95296715}[i], 1e-8)
	}
}

// costs are 400 days: a level, a slope, a week, noise of a linear congruential generator, and two days that stand out.
func costs() []float64 {
	week := [...]float64{10, 12, 11, 10, 9, -25, -27}
	y, state := make([]float64, 400), 1
	for i := range y {
		state = state * 16807 % 2147483647
		y[i] = 500 + .3*float64(i) + week[i%Week] + 40*(float64(state)/2147483647-.5)
	}
	y[100] += 400
	y[299] -= 300
	return y
}

// TestOutlookOfOthers: the whole method, by python3-statsmodels 0.13.5, and by R 4.2.2 with its package forecast 8.20.
// With y of costs above:
//
//	r = STL(y, period=7, seasonal=35, trend=45, low_pass=9, seasonal_deg=0, trend_deg=1, low_pass_deg=1,
//	        robust=True).fit(inner_iter=1, outer_iter=40)
//	mad = np.median(abs(r.resid-np.median(r.resid)))/.6745; z = (r.resid-np.median(r.resid))/mad
//	k = np.where(abs(z) > 3.5)[0]; adj = y-r.seasonal; adj[k] = r.trend[k]
//
//	e <- ets(adj, "AAN", damped=TRUE); sum(residuals(e)^2); e$sigma2; fc <- forecast(e, h=14, level=95)
//	fc$mean + rep(r.seasonal[394:400], 2)    # and fc$lower, fc$upper
//
// R's stl would not do for this series: its weights jump between one pass and the next where the number of days is
// even. ets ends with squares of 49156, a little above those here.
func TestOutlookOfOthers(t *testing.T) {
	t.Parallel()
	o, err := Analyse(costs())
	if err != nil {
		t.Fatal(err)
	}
	near(t, o.Seasonal[0], 8.764251635, 1e-3)
	near(t, o.Seasonal[399], 9.336420049, 1e-3)
	near(t, o.Trend[100], 530.6082300, 1e-3)
	near(t, o.Remainder[299], -291.2716980, 1e-3)
	near(t, o.Scale, 12.12747336, 1e-3)
	if len(o.Anomalies) != 2 || o.Anomalies[0].Day != 100 || o.Anomalies[1].Day != 299 {
		t.Fatalf("anomalies %+v, want days 100 and 299", o.Anomalies)
	}
	near(t, o.Anomalies[0].Score, 33.09694007, .01)
	near(t, o.Anomalies[1].Score, -24.00005667, .01)
	if squares := o.smoothing.Variance * (400 - parameters); squares > 49155.55385 {
		t.Errorf("the sum of squares is %v, and that of ets 49155.55385", squares)
	}
	near(t, o.smoothing.Variance, 124.4444401, .2)
	points := o.Forecast(14, .95)
	for _, want := range []struct {
		day             int
		mean, low, high float64
	}{
		{1, 628.3587270, 606.4944138, 650.2230402},
		{5, 596.4621866, 574.4785143, 618.4458589},
		{7, 626.4115176, 604.3444541, 648.4785811},
		{14, 626.6780197, 604.1813926, 649.1746467},
	} {
		p := points[want.day-1]
		near(t, p.Mean, want.mean, .2)
		near(t, p.Low, want.low, .2)
		near(t, p.High, want.high, .2)
	}
	if o.SeasonalStrength < .4 {
		t.Errorf("seasonal strength %v of a series with a plain week", o.SeasonalStrength)
	}
}

// TestOutliersMoveNoForecast: single days of any size, and three in a row, move no day of the forecast by as much as
// one usual deviation, and are found.
func TestOutliersMoveNoForecast(t *testing.T) {
	t.Parallel()
	clean, err := Analyse(costs())
	if err != nil {
		t.Fatal(err)
	}
	before := clean.Forecast(28, .9)
	for _, days := range [][]int{{0}, {200}, {390}, {399}, {250, 251, 252}} {
		for _, by := range []float64{150, 1e4, 1e9, -1e6} {
			y := costs()
			for _, day := range days {
				y[day] += by
			}
			o, err := Analyse(y)
			if err != nil {
				t.Fatal(err)
			}
			for h, p := range o.Forecast(28, .9) {
				if math.Abs(p.Mean-before[h].Mean) > clean.Scale {
					t.Errorf("%v on days %v moves day %d of the forecast from %v to %v", by, days, h, before[h].Mean,
						p.Mean)
					break
				}
			}
			for _, day := range days {
				if !slices.ContainsFunc(o.Anomalies, func(a Anomaly) bool { return a.Day == day && a.Score*by > 0 }) {
					t.Errorf("%v on day %d is not found: %+v", by, day, o.Anomalies)
				}
			}
		}
	}
}

// TestIntervals: of the days that follow 40 random series, about as many lie within the interval as its level says. It
// is a little too narrow, since it does not count that the season is not known exactly.
func TestIntervals(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	levels := [...]float64{.8, .95}
	var inside [len(levels)]float64
	const series, history, ahead = 40, 200, 28
	found := 0
	for range series {
		y := make([]float64, history+ahead)
		slope := random.NormFloat64() / 5
		for i := range y {
			y[i] = 300 + slope*float64(i) + 20*math.Sin(2*math.Pi*float64(i%Week)/Week) + 10*random.NormFloat64()
		}
		o, err := Analyse(y[:history])
		if err != nil {
			t.Fatal(err)
		}
		found += len(o.Anomalies)
		for l, level := range levels {
			for h, p := range o.Forecast(ahead, level) {
				if p.Low <= y[history+h] && y[history+h] <= p.High {
					inside[l] += 1. / series / ahead
				}
			}
		}
	}
	for l, share := range inside {
		if share < levels[l]-.09 || share > levels[l]+.04 {
			t.Errorf("%v of the days are within the interval of %v", share, levels[l])
		}
	}
	if share := float64(found) / series / history; share > .006 {
		t.Errorf("%v of usual days are anomalies", share)
	}
}

// TestSeriesWithoutNoise: what is perfectly regular is continued, and what is constant has no anomalies.
func TestSeriesWithoutNoise(t *testing.T) {
	t.Parallel()
	week := [...]float64{5, 5, 5, 5, 5, 1, 1}
	weekly, constant, zero := make([]float64, 60), make([]float64, 60), make([]float64, 60)
	for i := range weekly {
		weekly[i], constant[i] = 100+week[i%Week], 7
	}
	for name, y := range map[string][]float64{"a week": weekly, "a constant": constant, "nothing": zero} {
		o, err := Analyse(y)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Anomalies) > 0 {
			t.Errorf("%s has anomalies: %+v", name, o.Anomalies)
		}
		for h, p := range o.Forecast(14, .95) {
			near(t, p.Mean, y[(60+h)%Week], .02)
		}
		y[30] += 3
		o, err = Analyse(y)
		if err != nil || len(o.Anomalies) != 1 || o.Anomalies[0].Day != 30 {
			t.Errorf("%s with one other day: %v, %+v", name, err, o.Anomalies)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Analyse(make([]float64, MinDays-1))
	if !errors.Is(err, ErrShort) {
		t.Errorf("a short series: %v", err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), 1e300} {
		y := make([]float64, MinDays)
		y[3] = bad
		_, err := Analyse(y)
		if err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func near(t *testing.T, got, want, by float64) {
	t.Helper()
	if !(math.Abs(got-want) <= by) {
		t.Errorf("got %.10g, want %.10g within %g", got, want, by)
	}
}

func FuzzAnalyse(f *testing.F) {
	f.Add(uint64(1), 28, 1.0, 0.0)
	f.Add(uint64(2), 397, 1e9, .5)
	f.Fuzz(func(t *testing.T, seed uint64, n int, size, zeros float64) {
		random := rand.New(rand.NewPCG(seed, 0))
		y := make([]float64, min(max(n, 0), 1000))
		for i := range y {
			if random.Float64() >= zeros {
				y[i] = size * random.ExpFloat64()
			}
		}
		o, err := Analyse(y)
		if err != nil {
			return
		}
		for _, p := range o.Forecast(90, .95) {
			if !(p.Low <= p.Mean && p.Mean <= p.High) || math.IsInf(p.High-p.Low, 0) {
				t.Fatalf("a forecast of %+v", p)
			}
		}
	})
}

func BenchmarkAnalyse(b *testing.B) {
	y := costs()
	b.ReportAllocs()
	for b.Loop() {
		_, err := Analyse(y)
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkForecast(b *testing.B) {
	o, err := Analyse(costs())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		o.Forecast(30, .95)
	}
}

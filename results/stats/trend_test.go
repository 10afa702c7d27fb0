package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTrendOfKnownSeries(t *testing.T) {
	at := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for name, c := range map[string]struct {
		y             []float64
		slope, change float64
		p             float64
	}{
		"all the same": {[]float64{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 0, 0, 1},
		// S = 45, variance 125, z = 44/sqrt(125) = 3.935
		"a ramp": {[]float64{10, 12, 14, 16, 18, 20, 22, 24, 26, 28}, 2, 18.0 / 19, 8.3e-5},
		// S = 21 of ties within two groups of 5: variance (10·9·25 - 2·5·4·15)/18 = 91.7, S = 25, z = 2.507
		"a step": {[]float64{1, 1, 1, 1, 1, 2, 2, 2, 2, 2}, 1.0 / 7, 9.0 / 7 / 1.5, 0.0122},
	} {
		got, ok := NewTrend(at, c.y)
		if !ok || math.Abs(got.Slope-c.slope) > 0.04 || math.Abs(got.P-c.p) > 0.02*c.p+1e-12 {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, c)
		}
	}
	if _, ok := NewTrend(at[:9], at[:9]); ok {
		t.Error("nine values are too few")
	}
	// Sen's line of the ramp goes through (4.5, 19).
	if got, _ := NewTrend(at, []float64{10, 12, 14, 16, 18, 20, 22, 24, 26, 28}); got.End != 28 {
		t.Errorf("the ramp ends at %v, want 28", got.End)
	}
}

// TestTrendErrors holds by simulation that noise is taken for a trend about as often as the level says, and that a
// ramp of 10 % in noise of 2 % is found.
func TestTrendErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	const trials, n, level = 2000, 30, 0.05
	at, y := make([]float64, n), make([]float64, n)
	var alarms, found int
	for range trials {
		for i := range y {
			at[i], y[i] = float64(i), 100+2*random.NormFloat64()
		}
		if trend, _ := NewTrend(at, y); trend.P < level {
			alarms++
		}
		for i := range y {
			y[i] += 10 * float64(i) / n
		}
		if trend, _ := NewTrend(at, y); trend.P < 0.001 && trend.Change > 0.05 {
			found++
		}
	}
	if share := float64(alarms) / trials; share < 0.03 || share > 0.07 {
		t.Errorf("%.3f of flat series have a trend at the level %v", share, level)
	}
	if share := float64(found) / trials; share < 0.95 {
		t.Errorf("%.3f of the ramps were found", share)
	}
}

// TestLongTrend holds that a run of an hour is tested over means of blocks.
func TestLongTrend(t *testing.T) {
	at, y := make([]float64, 3600), make([]float64, 3600)
	for i := range y {
		at[i], y[i] = float64(i), 100+float64(i)/100+float64(i%7)
	}
	trend, ok := NewTrend(at, y)
	if !ok || math.Abs(trend.Slope-0.01) > 0.001 || trend.P > 1e-6 {
		t.Errorf("%+v", trend)
	}
}

// TestTrendInterval: the interval of a slope contains the true one about as often as it says.
func TestTrendInterval(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	const runs, slope = 2000, 0.3
	inside := 0
	for range runs {
		var at, y []float64
		for i := range 40 {
			at, y = append(at, float64(i)), append(y, slope*float64(i)+5*random.NormFloat64())
		}
		trend, ok := NewTrend(at, y)
		if !ok || trend.Low > trend.Slope || trend.High < trend.Slope || trend.Values != 40 {
			t.Fatalf("%+v", trend)
		}
		if trend.Low <= slope && slope <= trend.High {
			inside++
		}
	}
	if share := float64(inside) / runs; share < 0.94 || share > 0.975 {
		t.Errorf("the interval contains the slope in %.3f of the runs", share)
	}
}

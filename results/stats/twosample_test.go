package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// near reports whether a value is a published one, but for the digits that were not printed.
func near(got, want, rounding float64) bool { return math.Abs(got-want) <= rounding }

// The sleep data of R (A. R. Cushny, A. R. Peebles, Journal of Physiology 32 (1905), 501-510).
var (
	sleep1 = []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	sleep2 = []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
)

// The example of benchstat: json with Go 1.16 and 1.17, and gob with 1.17 twice, in ns.
var (
	json1 = []float64{1726, 1723, 1707, 1707, 1713, 1729, 1736, 1707, 1705, 1774}
	json2 = []float64{1423, 1416, 1411, 1413, 1412, 1426, 1422, 1424, 1447, 1425}
	gob1  = []float64{3069, 3075, 3069, 3067, 3207, 3064, 3064, 3058, 3059, 3062}
	gob2  = []float64{3075, 3065, 3059, 3065, 3060, 3081, 3186, 3135, 3087, 3062}
)

// TestWelchLikeR holds the test of R's manual, t.test(extra ~ group, data = sleep): t = -1.8608, df = 17.776, p-value =
// 0.07939, 95 percent confidence interval -3.3654832 to 0.2054832.
func TestWelchLikeR(t *testing.T) {
	w := NewWelch(sleep2, sleep1)
	low, high := w.Interval(0.95)
	if !near(w.Difference/w.Err, -1.8608, 5e-5) || !near(w.Freedom, 17.776, 5e-4) ||
		!near(2*w.Less(), 0.07939, 5e-6) || !near(low, -3.3654832, 5e-8) || !near(high, 0.2054832, 5e-8) {
		t.Errorf("%+v, t %v, p %v, %v to %v", w, w.Difference/w.Err, 2*w.Less(), low, high)
	}
	if p := w.Less() + w.Greater(); !near(p, 1, 1e-12) {
		t.Errorf("the one-sided p-values have the sum %v", p)
	}
}

// TestLikeBenchstat: of benchstat's own example, both tests find the change of json, and none of gob.
func TestLikeBenchstat(t *testing.T) {
	logs := func(values []float64) []float64 {
		out := make([]float64, len(values))
		for i, v := range values {
			out[i] = math.Log(v)
		}
		return out
	}
	json, gob := NewWelch(logs(json1), logs(json2)), NewWelch(logs(gob1), logs(gob2))
	if change := math.Expm1(json.Difference); !near(change, -0.172, 0.003) || json.Less() > 1e-9 {
		t.Errorf("json: %v, p %v", change, json.Less())
	}
	if p := 2 * gob.Greater(); p < 0.2 {
		t.Errorf("gob: p %v", p)
	}
	less, _ := PermutationTest(logs(json1)[:8], logs(json2)[:8])
	if less != 1.0/12870 { // the samples do not overlap: no other deal is as far
		t.Errorf("json: exact p %v", less)
	}
	if less, greater := PermutationTest(logs(gob1)[:8], logs(gob2)[:8]); min(less, greater) < 0.1 {
		t.Errorf("gob: exact p %v and %v", less, greater)
	}
}

// TestPermutationTest holds the example of J. J. Higgins, An Introduction to Modern Nonparametric Statistics, 2004,
// section 2.1: two of 35 deals lie as far as 37, 49, 55, 57 against 23, 31, 46.
func TestPermutationTest(t *testing.T) {
	old, new := []float64{23, 31, 46}, []float64{37, 49, 55, 57}
	if _, greater := PermutationTest(old, new); !near(greater, 2.0/35, 1e-12) {
		t.Errorf("p %v, want %v", greater, 2.0/35)
	}
	if less, _ := PermutationTest(new, old); !near(less, 2.0/35, 1e-12) {
		t.Errorf("the other way round: p %v, want %v", less, 2.0/35)
	}
	for _, tt := range []struct {
		a, b          []float64
		less, greater float64
	}{
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 1, 0.05},
		{[]float64{4, 5, 6}, []float64{1, 2, 3}, 0.05, 1},
		{[]float64{7, 7, 7}, []float64{7, 7, 7}, 1, 1},
		{[]float64{0, 0, 0}, []float64{1, 1, 1}, 1, 0.05},
		{[]float64{0.1, 0.1}, []float64{0.3, 0.3, 0.3}, 1, 0.1},
		{[]float64{1, 2}, []float64{2, 1}, 5.0 / 6, 5.0 / 6},
	} {
		less, greater := PermutationTest(tt.a, tt.b)
		if !near(less, tt.less, 1e-12) || !near(greater, tt.greater, 1e-12) {
			t.Errorf("%v and %v: %v and %v, want %v and %v", tt.a, tt.b, less, greater, tt.less, tt.greater)
		}
	}
}

// TestPermutationsAreCounted: numbers from Pascal's triangle, and a bound where they grow beyond it.
func TestPermutationsAreCounted(t *testing.T) {
	for _, tt := range []struct{ n, m, most, want int }{
		{3, 3, 20000, 20},
		{5, 5, 20000, 252},
		{8, 8, 20000, 12870},
		{9, 9, 20000, 20001},
		{2, 100, 20000, 5151},
		{8, 8, 12870, 12870},
		{8, 8, 12869, 12870},
		{4000, 4000, 20000, 20001},
	} {
		if got := Permutations(tt.n, tt.m, tt.most); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
	for level, want := range map[float64]int{0.05: 3, 0.025: 4, 0.01: 5, 0.005: 5, 0.01 / 3: 6, 0.01 / 12: 7} {
		if got := FewestPermuted(level); got != want {
			t.Errorf("level %v: %d values, want %d", level, got, want)
		}
	}
}

// TestHolmLikeR holds p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") of R, in another order, and Holm's own bounds.
func TestHolmLikeR(t *testing.T) {
	got := Holm([]float64{0.04, 0.01, 0.05, 0.03, 0.02})
	for i, want := range []float64{0.09, 0.05, 0.09, 0.09, 0.08} {
		if !near(got[i], want, 1e-12) {
			t.Errorf("%v", got)
		}
	}
	if got := Holm([]float64{0.9, 0.5}); !slices.Equal(got, []float64{1, 1}) || len(Holm(nil)) != 0 {
		t.Errorf("%v", got)
	}
}

// TestFewestToFind holds the sample size of R's power.t.test(delta = 1, sd = 1, sig.level = 0.05, power = 0.9,
// alternative = "one.sided"), n = 17.84713, and that a simulation with as many finds the difference as often.
func TestFewestToFind(t *testing.T) {
	n := FewestToFind(1, 0, 1, 0.05, 0.9)
	if n != 18 {
		t.Errorf("%d values in each sample, want 18", n)
	}
	random := rand.New(rand.NewPCG(1, 1))
	found := 0
	const experiments = 2000
	for range experiments {
		a, b := make([]float64, n), make([]float64, n)
		for i := range n {
			a[i], b[i] = random.NormFloat64(), 1+random.NormFloat64()
		}
		if NewWelch(a, b).Greater() <= 0.05 {
			found++
		}
	}
	if share := float64(found) / experiments; share < 0.88 || share > 0.93 {
		t.Errorf("%d values find it in %.1f %%", n, 100*share)
	}
	if got := FewestToFind(1e-9, 0, 1, 0.01, 0.9); got != mostPerSample {
		t.Errorf("what cannot be found takes %d", got)
	}
}

// TestReach finds a mean of as much as Reach says by simulated tests of few values, with and without a least estimate.
func TestReach(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct {
		n            int
		level, least float64
	}{{3, 0.005, 0}, {5, 0.01, 0}, {20, 0.005, 0}, {20, 0.005, 0.7}, {20, 0.2, 0.3}} {
		err := 1 / math.Sqrt(float64(c.n))
		mean := Reach(c.level, Power, float64(c.n-1), err, c.least)
		const experiments = 4000
		found := 0
		for range experiments {
			values := make([]float64, c.n)
			for i := range values {
				values[i] = mean + random.NormFloat64()
			}
			m, sd := stat.MeanStdDev(values, nil)
			student := distuv.StudentsT{Sigma: 1, Nu: float64(c.n - 1)}
			if m > c.least && student.Survival(m/sd*math.Sqrt(float64(c.n))) <= c.level {
				found++
			}
		}
		if share := float64(found) / experiments; math.Abs(share-Power) > 0.02 {
			t.Errorf("%+v: %.3f is found in %.1f %%", c, mean, 100*share)
		}
	}
	if got := Reach(0.01, Power, 5, 0, 0.3); got != 0.3 {
		t.Errorf("without noise: %v", got)
	}
}

// TestFalseAlarms: of samples of one distribution, normal or with a long tail, no more than the level are told apart.
// The seeds are fixed.
func TestFalseAlarms(t *testing.T) {
	const experiments, level = 20000, 0.05
	for name, draw := range map[string]func(*rand.Rand) float64{
		"normal":    (*rand.Rand).NormFloat64,
		"long tail": func(r *rand.Rand) float64 { return math.Exp(1.5 * r.NormFloat64()) },
	} {
		random := rand.New(rand.NewPCG(7, 7))
		exact, welch := 0, 0
		for range experiments {
			a, b := make([]float64, 4), make([]float64, 5)
			for i := range a {
				a[i] = draw(random)
			}
			for i := range b {
				b[i] = draw(random)
			}
			if _, greater := PermutationTest(a, b); greater <= level {
				exact++
			}
			if NewWelch(a, b).Greater() <= level {
				welch++
			}
		}
		t.Logf("%s: of %d, exact %d, Welch %d", name, experiments, exact, welch)
		// 6 of 126 deals: 4.76 %, of which 3 standard deviations are 0.45 %
		if share := float64(exact) / experiments; share < 0.043 || share > 0.0525 {
			t.Errorf("%s: the exact test alarms in %.2f %%", name, 100*share)
		}
		if share := float64(welch) / experiments; share > 0.06 {
			t.Errorf("%s: Welch's test alarms in %.2f %%", name, 100*share)
		}
	}
}

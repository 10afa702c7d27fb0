package capacity

import (
	"math"
	"math/rand/v2"
	"testing"
)

func samplesOf(n, x []float64) (s []Sample) {
	for i := range n {
		s = append(s, Sample{N: n[i], X: x[i]})
	}
	return s
}

func upTo(n int) (all []float64) {
	for i := range n {
		all = append(all, float64(i+1))
	}
	return all
}

// Published measurements. cisco are those of usl4j's ModelTest.java; specsdm91 and raytracer those of the R package
// usl.
var (
	cisco = samplesOf(upTo(32), []float64{
		955.16, 1878.91, 2688.01, 3548.68, 4315.54, 5130.43, 5931.37, 6531.08, 7219.8, 7867.61, 8278.71, 8646.7,
		9047.84,
		9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52, 11151.43, 11518.63, 11806, 12089.37, 12075.41,
		12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4, 12074.39,
	})
	specsdm91 = samplesOf([]float64{1, 18, 36, 72, 108, 144, 216},
		[]float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775, 1702.2})
	raytracer     = samplesOf([]float64{1, 4, 8, 12, 16, 20}, []float64{20, 78, 130, 170, 190, 200})
	raytracerLong = samplesOf([]float64{1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64},
		[]float64{20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310})
)

func within(got, want, relative float64) bool {
	return math.IsInf(want, 1) && math.IsInf(got, 1) || math.Abs(got-want) <= relative*math.Abs(want)
}

// TestPublishedFits: the parameters, the concurrency at the peak, and the throughput there.
func TestPublishedFits(t *testing.T) {
	for name, c := range map[string]struct {
		samples            []Sample
		alpha, beta, gamma float64
		peak, most         float64
		tolerance          float64 // of the published digits
	}{
		"cisco":     {cisco, .0267159, 7.69094e-4, 995.649, 35.57, 12342.9, 2e-4},
		"specsdm91": {specsdm91, .02773, 1.044e-4, 90.00, 96.52, 1884, 1e-3},
		"raytracer": {raytracer, .02444, .00163, 20.856, 24.5, 203.5, 3e-3},
		// The published fit is not that of the least squares: see TestPublishedSquares.
		"raytracerLong": {raytracerLong, .0593, 0, 22.19, math.Inf(1), 374.5, 3e-2},
	} {
		t.Run(name, func(t *testing.T) {
			f := Full.fit(c.samples)
			for _, v := range []struct {
				what      string
				got, want float64
			}{
				{"alpha", f.Alpha, c.alpha},
				{"beta", f.Beta, c.beta},
				{"gamma", f.Gamma, c.gamma},
				{"peak", f.Peak(), c.peak},
				{"most", f.Most(), c.most},
			} {
				if v.what == "beta" && c.beta == 0 || v.what == "peak" && math.IsInf(c.peak, 1) {
					if f.Beta > 1e-9 {
						t.Errorf("beta is %v, want 0", f.Beta)
					}
					continue
				}
				if v.what == "most" && f.Beta < 1e-9 {
					v.got = f.Limit()
				}
				if !within(v.got, v.want, c.tolerance) {
					t.Errorf("%s is %v, want %v", v.what, v.got, v.want)
				}
			}
		})
	}
	f := Full.fit(specsdm91)
	if !within(f.Optimal(), 36.064, 1e-3) || !within(f.Limit(), 3245.6, 1e-3) {
		t.Errorf("optimal %v, limit %v", f.Optimal(), f.Limit())
	}
	first := Full.fit(cisco[:10])
	if !within(first.Peak(), 46.9, 2e-3) || !within(first.Most(), 16052, 2e-3) {
		t.Errorf("from ten points: peak %v, most %v", first.Peak(), first.Most())
	}
}

// TestPublishedSquares: no published fit has a smaller sum of squares than ours.
func TestPublishedSquares(t *testing.T) {
	for _, c := range []struct {
		samples   []Sample
		published Law
	}{
		{cisco, Law{.0267159, 7.69094e-4, 995.649}},
		{specsdm91, Law{.02773, 1.044e-4, 90.00}},
		{raytracer, Law{.02444, .00163, 20.856}},
		{raytracerLong, Law{.0593, 0, 22.19}},
	} {
		f := Full.fit(c.samples)
		if ours, theirs := f.squares(c.samples), c.published.squares(c.samples); ours > theirs {
			t.Errorf("%+v leaves %v, and %+v %v", f.Law, ours, c.published, theirs)
		}
	}
}

// TestInverses: what the law says of a throughput or a time is what it says the other way round. The value for 2 ms is
// published; the sign that is often wrong in it gives 28,485.
func TestInverses(t *testing.T) {
	f := Full.fit(cisco)
	if got := f.ThroughputAt(0.002); !within(got, 11617, 1e-3) {
		t.Errorf("at 2 ms %v requests/s, want 11617", got)
	}
	for _, l := range []Law{f.Law, {Alpha: 0.05, Gamma: 20}, {Beta: 0.001, Gamma: 100}, {Gamma: 5}, {0.02, 1e-4, 90}} {
		for _, n := range []float64{1, 2, 7.5, 20} {
			if n > l.Peak() {
				continue
			}
			x := l.At(n)
			if got, ok := l.Concurrency(x); !ok || !within(got, n, 1e-9) {
				t.Errorf("%+v: %v users for %v requests/s, want %v", l, got, x, n)
			}
			seconds, ok := l.Latency(x)
			if !ok || !within(seconds, n/x, 1e-9) {
				t.Errorf("%+v: %v s at %v requests/s", l, seconds, x)
			}
			if l.Alpha == 0 && l.Beta == 0 {
				continue // the time is the same at every throughput
			}
			if got := l.ThroughputAt(seconds * (1 + 1e-12)); !within(got, x, 1e-6) {
				t.Errorf("%+v: %v requests/s at %v s, want %v", l, got, seconds, x)
			}
		}
		if most := l.Most(); !math.IsInf(most, 1) {
			if n, ok := l.Concurrency(most * 1.01); ok {
				t.Errorf("%+v: %v users for more than there is", l, n)
			}
		}
	}
}

// TestFastestAlone: of a service that is slower with two than with one, one does all that there is, and needs no more
// than itself for less.
func TestFastestAlone(t *testing.T) {
	for _, l := range []Law{{2, 0, 100}, {1, 0, 100}, {1, 0.1, 100}, {3, 0.2, 100}} {
		for x, want := range map[float64]float64{40: 0.4, 75: 0.75, 100: 1} {
			if n, ok := l.Concurrency(x); !ok || !within(n, want, 1e-12) {
				t.Errorf("%+v: %v, %v for %v, want %v", l, n, ok, x, want)
			}
			if seconds, ok := l.Latency(x); !ok || !within(seconds, 0.01, 1e-12) {
				t.Errorf("%+v: %v s, %v at %v", l, seconds, ok, x)
			}
		}
		if n, ok := l.Concurrency(101); ok {
			t.Errorf("%+v: %v for more than there is", l, n)
		}
		s := Scaling{Measured: 1, Law: &LawInterval{Best: Fit{Law: l}, Laws: []Law{l}, Basis: steps(l, 1, 2, 3, 4)}}
		f, err := Plan{Use: 1}.Forecast(75, Interval{100, 100, 100}, s)
		if err != nil || f.High != 1 || f.Assumed {
			t.Errorf("%+v: %+v, %v", l, f, err)
		}
	}
}

// TestFitLawChooses: the simplest model that explains the samples is the first.
func TestFitLawChooses(t *testing.T) {
	for want, samples := range map[Model][]Sample{Contention: raytracerLong, Full: cisco} {
		fits, err := FitLaw(samples)
		if err != nil {
			t.Fatal(err)
		}
		if fits[0].Model != want {
			t.Errorf("%s is the best, want %s: %+v", fits[0].Model, want, fits)
		}
	}
	var straight []Sample
	for n := 1.0; n <= 8; n++ {
		straight = append(straight, Sample{N: n, X: 100*n + math.Sin(40*n)})
	}
	fits, err := FitLaw(straight)
	if err != nil || fits[0].Model != Linear {
		t.Errorf("%+v, %v", fits, err)
	}
	for _, bad := range [][]Sample{
		nil, cisco[:3],
		{{N: 1, X: 1}, {N: 1, X: 2}, {N: 2, X: 2}, {N: 3, X: 3}},
		{{N: 0, X: 1}},
		{{N: 1, X: math.NaN()}},
	} {
		if _, err := FitLaw(bad); err == nil {
			t.Errorf("%v was fitted", bad)
		}
	}
}

// TestFitWithInterval: of many noisy series of a known law, the intervals cover its throughput and its peak.
func TestFitWithInterval(t *testing.T) {
	law := Law{0.03, 0.0005, 1000}
	random := rand.New(rand.NewPCG(7, 7))
	const series = 40
	throughput, peak := 0, 0
	for range series {
		var samples []Sample
		for _, n := range []float64{1, 2, 4, 8, 16, 32, 64, 128} {
			samples = append(samples, Sample{N: n, X: law.At(n) * (1 + 0.03*random.NormFloat64())})
		}
		l, err := FitWithInterval(samples)
		if err != nil {
			t.Fatal(err)
		}
		if low, _, high := l.Of(func(l Law) float64 { return l.At(24) }); low <= law.At(24) && law.At(24) <= high {
			throughput++
		}
		if low, _, high := l.Of(Law.Peak); low <= law.Peak() && law.Peak() <= high {
			peak++
		}
	}
	t.Logf("of %d series, %d intervals of the throughput and %d of the peak cover", series, throughput, peak)
	if throughput < series*8/10 || peak < series*8/10 {
		t.Errorf("of %d series, %d intervals of the throughput and %d of the peak cover", series, throughput, peak)
	}
}

package capacity

import (
	"math"
	"strings"
	"testing"
)

// steps are two repetitions of a law's throughputs, one a little above and one a little below it.
func steps(l Law, instances ...float64) (samples []Sample) {
	for i, n := range instances {
		off := 0.004 * float64(i%3-1)
		samples = append(samples, Sample{N: n, X: l.At(n) * (1 + off)}, Sample{N: n, X: l.At(n) * (0.998 - off)})
	}
	return samples
}

// scalingOf is what the samples of instances say.
func scalingOf(t *testing.T, measured int, samples []Sample) Scaling {
	t.Helper()
	law, err := FitWithInterval(samples)
	if err != nil {
		t.Fatal(err)
	}
	return Scaling{Measured: measured, Law: law, Shared: AssumedShared(Efficiencies(samples))}
}

// TestForecastByLaw: the law over instances says how many a rate needs, up to twice as many as were measured. What the
// instances bear within the objectives is less than their throughput, and scales as that does.
func TestForecastByLaw(t *testing.T) {
	truth := Law{Alpha: 0.03, Beta: 0.001, Gamma: 1000}
	s := scalingOf(t, 8, steps(truth, 1, 2, 4, 8))
	c := func(n float64) float64 { return 0.6 * truth.At(n) }
	found := Interval{0.96 * c(8), c(8), 1.04 * c(8)}
	for _, n := range []int{1, 3, 8, 11} {
		f, err := Plan{Use: 0.7, Spare: 2}.Forecast(0.7*c(float64(n)), found, s)
		if err != nil || f.Assumed || f.Refusal != "" {
			t.Errorf("%d: %+v, %v", n, f, err)
			continue
		}
		if f.Low > n+2 || f.High < n+2 || f.Instances < n+1 || f.Instances > n+3 || f.High > 2*n+4 {
			t.Errorf("%d and 2 spare: %+v", n, f)
		}
	}
	f, err := Plan{Use: 1}.Forecast(c(20), found, s)
	if err != nil || !f.Assumed || !strings.Contains(f.Refusal, "nothing of more than 16") || f.Low > f.Instances ||
		f.Instances > f.High || f.Low < 12 {
		t.Errorf("20: %+v, %v", f, err)
	}
	// It peaks at 4.5 instances, which is within what was measured: no number of them does more.
	retrograde := Law{Beta: 0.05, Gamma: 1000}
	s = scalingOf(t, 4, steps(retrograde, 1, 2, 3, 4))
	most := retrograde.At(4)
	if f, err := (Plan{Use: 1}).Forecast(1.2*most, Interval{0.98 * most, most, 1.02 * most}, s); err == nil ||
		!strings.Contains(err.Error(), "no number of instances") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestEfficiencies(t *testing.T) {
	samples := []Sample{{N: 4, X: 300}, {N: 1, X: 100}, {N: 2, X: 190}, {N: 2, X: 170}, {N: 1, X: 80}}
	got := Efficiencies(samples)
	want := []Efficiency{
		{2, 170.0 / 200, 180.0 / 180, 190.0 / 160},
		{4, 300.0 / 400, 300.0 / 360, 300.0 / 320},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		if g := got[i]; g.Instances != w.Instances || !within(g.Low, w.Low, 1e-9) ||
			!within(g.Middle, w.Middle, 1e-9) ||
			!within(g.High, w.High, 1e-9) {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
	if got := Efficiencies(samples[2:4]); got != nil {
		t.Errorf("without a single instance: %+v", got)
	}
}

// TestAssumedShared: what was measured goes before the assumption where it is worse.
func TestAssumedShared(t *testing.T) {
	for _, c := range []struct {
		measured []Efficiency
		want     [2]float64
	}{
		{nil, [2]float64{0.02, 0.05}},
		{[]Efficiency{{2, 1, 1.01, 1.02}}, [2]float64{0.02, 0.05}},
		{[]Efficiency{{2, 0.1, 0.2, 0.3}, {3, 0.5, 0.8, 0.9}}, [2]float64{0.125, 0.125}},
	} {
		if got := AssumedShared(c.measured); math.Abs(got[0]-c.want[0])+math.Abs(got[1]-c.want[1]) > 1e-9 {
			t.Errorf("%+v: %v, want %v", c.measured, got, c.want)
		}
	}
}

// TestForecastBeyondTheLaw: where the upper end of what the law says lies beyond twice what was measured, it is not
// asked, though its middle does not.
func TestForecastBeyondTheLaw(t *testing.T) {
	truth := Law{Alpha: 0.03, Beta: 0.001, Gamma: 1000}
	s := scalingOf(t, 8, steps(truth, 1, 2, 4, 8))
	wide := Interval{0.6 * truth.At(8), truth.At(8), 1.1 * truth.At(8)}
	f, err := Plan{Use: 1}.Forecast(truth.At(10), wide, s)
	const refusal = "the interval of the law over instances reaches beyond 16"
	if err != nil || !f.Assumed || !strings.Contains(f.Refusal, refusal) || f.Low > f.Instances ||
		f.Instances > f.High {
		t.Errorf("%+v, %v", f, err)
	}
	narrow := Interval{0.99 * truth.At(8), truth.At(8), 1.01 * truth.At(8)}
	f, err = Plan{Use: 1}.Forecast(truth.At(10), narrow, s)
	if err != nil || f.Assumed || f.High > 16 {
		t.Errorf("%+v, %v", f, err)
	}
}

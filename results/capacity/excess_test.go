package capacity

import (
	"math"
	"testing"
)

func TestClasses(t *testing.T) {
	for _, c := range []struct {
		trial Trial
		want  int
	}{
		{Trial{Excess: new(0.0)}, 0},
		{Trial{Excess: new(0.05)}, 0},
		{Trial{Excess: new(0.9)}, 7},
		{Trial{Excess: new(1.0)}, 7},
		{Trial{Bad: true, Excess: new(1.1)}, 8},
		{Trial{Bad: true, Excess: new(20.0)}, 13},
		{Trial{Bad: true, Excess: new(math.Inf(1))}, 13},
		{Trial{Bad: true}, anyBad},
		{Trial{Bad: true, Excess: new(0.5)}, anyBad},
		{Trial{}, anyGood},
		{Trial{Excess: new(1.5)}, anyGood},
	} {
		if got := classOf(c.trial); got != c.want {
			t.Errorf("%+v: class %d, want %d", c.trial, got, c.want)
		}
	}
	if classes[goodClasses-1] != 1 || len(classes) != anyGood {
		t.Error("the classes do not fit their names")
	}
}

// TestLikelihoods: the probabilities of all classes sum up to 1, and far from the limit trials are what they should be.
func TestLikelihoods(t *testing.T) {
	for _, may := range []float64{0, 0.3, 40} {
		good, bad := newLikelihood(anyGood, may), newLikelihood(anyBad, may)
		sums := newLikelihood(0, may)
		for c := 1; c < len(classes); c++ {
			excess := min(classes[c], 1e9)
			byClass := likelihoodOf(Trial{May: may, Excess: &excess, Bad: c >= goodClasses})
			for a, of := range byClass {
				for e, log := range of {
					for m, l := range log {
						sums[a][e][m] = math.Log(math.Exp(sums[a][e][m]) + math.Exp(l))
					}
				}
			}
		}
		for a := range scatters {
			for e := range lapses {
				for m := range meanPoints {
					if math.Abs(sums[a][e][m]) > 1e-9 ||
						math.Abs(math.Exp(good[a][e][m])+math.Exp(bad[a][e][m])-1) > 1e-9 {
						t.Fatalf("%v may miss, scatter %v, lapse %v, mean %d: %v", may, scatters[a], lapses[e], m,
							sums[a][e][m])
					}
				}
				if far := math.Exp(good[a][e][meanPoints-1]); math.Abs(far-lucky) > 0.01 {
					t.Errorf("%v may miss, scatter %v: far beyond the limit %v are good", may, scatters[a], far)
				}
				if near := math.Exp(bad[a][e][0]); math.Abs(near-lapses[e]) > 1e-3 {
					t.Errorf("%v may miss, scatter %v: far below the limit %v are bad, want %v", may, scatters[a], near,
						lapses[e])
				}
			}
		}
	}
}

// TestFewMayMiss: where one request in three trials may miss, trials without any say little.
func TestFewMayMiss(t *testing.T) {
	none := likelihoodOf(Trial{Excess: new(0.0), May: 0.3})
	at := meanIndex(2)
	for a, shape := range scatters {
		want := math.Pow(shape/(shape+2*0.3), shape) // no event of a negative binomial distribution
		want = (1-lapses[0]-lucky)*want + lucky/goodClasses
		if got := math.Exp(none[a][0][at]); math.Abs(got/want-1) > 0.02 {
			t.Errorf("shape %v: %v, want %v", shape, got, want)
		}
	}
}

// TestExcess: how far trials are from the limit says more than whether they were good.
func TestExcess(t *testing.T) {
	known, unknown := newPosterior(t), newPosterior(t)
	for _, x := range []struct{ rate, excess float64 }{
		{550, 0.3}, {700, 2.2}, {600, 0.9}, {640, 1.4}, {580, 0.6}, {620, 1.1}, {660, 1.6}, {540, 0.3},
	} {
		known.Add(Trial{Rate: x.rate, Bad: x.excess > 1, Excess: &x.excess, May: 200})
		unknown.Add(Trial{Rate: x.rate, Bad: x.excess > 1})
	}
	a, b := known.Interval(), unknown.Interval()
	if a.Low > 610 || a.High < 610 || a.Width() > 0.75*b.Width() {
		t.Errorf("%+v with the excess, %+v without", a, b)
	}
}

func newPosterior(t *testing.T) *Posterior {
	t.Helper()
	p, err := NewPosterior(100, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

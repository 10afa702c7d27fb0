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
	for a, of := range likelihoods() {
		for e, byClass := range of {
			for m := range meanPoints {
				sum, good := 0.0, 0.0
				for c := range classes {
					sum += math.Exp(byClass[c][m])
					if c < goodClasses {
						good += math.Exp(byClass[c][m])
					}
				}
				if math.Abs(sum-1) > 1e-9 || math.Abs(good-math.Exp(byClass[anyGood][m])) > 1e-9 ||
					math.Abs(1-good-math.Exp(byClass[anyBad][m])) > 1e-9 {
					t.Fatalf("scatter %v, lapse %v, mean %d: %v, good %v", scatters[a], lapses[e], m, sum, good)
				}
			}
			if far := math.Exp(byClass[anyGood][meanPoints-1]); math.Abs(far-lucky) > 0.01 {
				t.Errorf("scatter %v, lapse %v: far beyond the limit %v are good", scatters[a], lapses[e], far)
			}
			if near := math.Exp(byClass[anyBad][0]); math.Abs(near-lapses[e]) > 1e-9 {
				t.Errorf("scatter %v: far below the limit %v are bad, want %v", scatters[a], near, lapses[e])
			}
		}
	}
}

// TestExcess: how far trials are from the limit says more than whether they were good.
func TestExcess(t *testing.T) {
	known, unknown := newPosterior(t), newPosterior(t)
	for _, x := range []struct{ rate, excess float64 }{
		{550, 0.3}, {700, 2.2}, {600, 0.9}, {640, 1.4}, {580, 0.6}, {620, 1.1}, {660, 1.6}, {540, 0.3},
	} {
		known.Add(Trial{x.rate, x.excess > 1, &x.excess})
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

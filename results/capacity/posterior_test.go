package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// service is one whose trials are bad with a known probability.
type service struct {
	capacity, spread, lapse float64
	random                  *rand.Rand
}

func (s service) try(rate float64) Trial {
	bad := s.lapse + (1-s.lapse)*distuv.UnitNormal.CDF(math.Log(rate/s.capacity)/s.spread)
	return Trial{Rate: rate, Bad: s.random.Float64() < bad}
}

// find searches a service whose closed-loop bracket said most.
func (s service) find(t *testing.T, most float64) *Posterior {
	t.Helper()
	p, err := NewPosterior(0.3*most, 1.1*most)
	if err != nil {
		t.Fatal(err)
	}
	for len(p.Trials()) < 60 && !(p.Both() && p.Interval().Width() <= 0.1) {
		p.Add(s.try(p.Next()))
	}
	return p
}

// TestSearchCovers: over many searches of services whose capacity is known, the interval covers it as often as it says,
// and the middle is near.
func TestSearchCovers(t *testing.T) {
	for name, s := range map[string]service{
		"sharp":         {spread: 0.01},
		"as usual":      {spread: 0.05, lapse: 0.02},
		"shallow":       {spread: 0.15, lapse: 0.02},
		"with hiccups":  {spread: 0.05, lapse: 0.15},
		"near the edge": {spread: 0.02, lapse: 0.05, capacity: 1050},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const searches = 40
			s.random = rand.New(rand.NewPCG(1, 1))
			covered, trials := 0, 0
			var off []float64
			for range searches {
				own := s
				if own.capacity == 0 {
					own.capacity = 1000 * (0.45 + 0.45*s.random.Float64())
				}
				p := own.find(t, 1000)
				in := p.Interval()
				if in.Low <= own.capacity && own.capacity <= in.High {
					covered++
				}
				trials += len(p.Trials())
				off = append(off, math.Abs(math.Log(in.Middle/own.capacity)))
			}
			slices.Sort(off)
			t.Logf("%d of %d covered, %.1f trials, 9 of 10 within %.1f %%, worst %.1f %%", covered, searches,
				float64(trials)/searches, 100*off[searches*9/10], 100*off[searches-1])
			if covered < searches*85/100 {
				t.Errorf("only %d of %d intervals cover the capacity", covered, searches)
			}
			if off[searches*9/10] > 0.1 {
				t.Errorf("one in ten is off by %.1f %%", 100*off[searches*9/10])
			}
		})
	}
}

func TestPosterior(t *testing.T) {
	p, err := NewPosterior(100, 1000)
	if err != nil {
		t.Fatal(err)
	}
	in := p.Interval()
	if !within(in.Middle, math.Sqrt(100*1000), 0.01) || in.Low < 100 || in.High > 1000 || p.Both() {
		t.Errorf("before any trial: %+v", in)
	}
	_, density := p.Density()
	sum := 0.0
	for _, d := range density {
		sum += d
	}
	if !within(sum, 1, 1e-9) {
		t.Errorf("the probabilities sum up to %v", sum)
	}
	p.Add(Trial{Rate: 300})
	p.Add(Trial{Rate: 600, Bad: true})
	if in := p.Interval(); !p.Both() || in.Middle < 300 || in.Middle > 600 {
		t.Errorf("%+v", in)
	}
	for _, r := range [][2]float64{{0, 1}, {2, 1}, {1, 1}, {1, math.Inf(1)}, {math.NaN(), 1}} {
		if _, err := NewPosterior(r[0], r[1]); err == nil {
			t.Errorf("a search from %v to %v", r[0], r[1])
		}
	}
}

// BenchmarkAdd is a trial: it has to take much less time than the trial itself.
func BenchmarkAdd(b *testing.B) {
	p, err := NewPosterior(100, 1000)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Add(Trial{Rate: 500, Excess: new(0.3)})
	}
}

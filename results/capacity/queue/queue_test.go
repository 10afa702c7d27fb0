package queue

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSend holds the simulation to theory. In an M/M/1 queue the time in the system is exponential with the mean 1 / (µ
// - λ); in an M/D/1 queue the mean wait is half of that of M/M/1 (Pollaczek and Khinchine).
func TestSend(t *testing.T) {
	const mean, rate = 0.01, 70.0
	one := Service{Workers: 1, Mean: mean, Draw: Exponential}
	o := one.Send(rand.New(rand.NewPCG(1, 1)), rate, 100, 20_000, 0)
	sum := 0.0
	for _, v := range o.Times {
		sum += v
	}
	want := 1 / (1/mean - rate)
	if got := sum / float64(len(o.Times)); math.Abs(got/want-1) > 0.03 {
		t.Errorf("the mean time is %v, want %v", got, want)
	}
	if got := o.P95(); math.Abs(got/(-want*math.Log(0.05))-1) > 0.05 {
		t.Errorf("P95 is %v, want %v", got, -want*math.Log(0.05))
	}
	one.Draw = Fixed
	o = one.Send(rand.New(rand.NewPCG(1, 1)), rate, 100, 20_000, 0)
	sum = 0
	for _, v := range o.Times {
		sum += v - mean
	}
	if got, want := sum/float64(len(o.Times)), (want-mean)/2; math.Abs(got/want-1) > 0.05 {
		t.Errorf("the mean wait is %v, want %v", got, want)
	}
}

// TestCapacity: P95 of an M/M/1 queue is 5 mean service times where 1 / (µ - λ) = 5 / (µ ln 20).
func TestCapacity(t *testing.T) {
	const mean = 0.01
	for _, s := range Services(mean) {
		got := s.Capacity(0)
		if got <= 0.3*s.Best || got > s.Best {
			t.Errorf("%s: %v of at most %v", s.Name, got, s.Best)
		}
		if want := (1 - math.Log(20)/Late) / mean; s.Name == "one worker" && math.Abs(got/want-1) > 0.03 {
			t.Errorf("one worker: %v, want %v", got, want)
		}
		if s.Leak > 0 && s.Capacity(600) >= got {
			t.Errorf("the leaking service does not become slower: %v", got)
		}
	}
}

// TestBad: whether the objectives held is the same with and without the times.
func TestBad(t *testing.T) {
	const mean = 0.01
	seen := map[bool]int{}
	for _, s := range Services(mean) {
		for share := 0.3; share < 1.1; share += 0.02 {
			for _, seconds := range []float64{0, 0.01, 1, 20} {
				random := func() *rand.Rand { return rand.New(rand.NewPCG(1, uint64(1000*share))) }
				want := s.Bad(s.Send(random(), share*s.Best, 0, seconds, 100))
				if got := s.bad(random(), share*s.Best, seconds, 100); got != want {
					t.Errorf("%s, %v of what it reaches for %v s: bad %v, want %v", s.Name, share, seconds, got, want)
				}
				seen[want]++
			}
		}
	}
	if seen[true] < 100 || seen[false] < 100 {
		t.Errorf("bad and good: %v", seen)
	}
}

// TestHeavyTailed: its mean is 1.
func TestHeavyTailed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const n = 2_000_000
	sum := 0.0
	for range n {
		sum += HeavyTailed(r)
	}
	if math.Abs(sum/n-1) > 0.02 {
		t.Errorf("its mean is %v", sum/n)
	}
}

package arrival

import (
	"math"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

func constant(rate float64, d time.Duration) *Schedule {
	return NewSchedule(scenarios.ConstantRate{Rate: rate, Duration: d}, 1)
}

func ramping(start float64, stages ...scenarios.Stage) *Schedule {
	return NewSchedule(scenarios.RampingRate{StartRate: start, Stages: stages}, 1)
}

func stage(target float64, d time.Duration) scenarios.Stage {
	return scenarios.Stage{Target: target, Duration: d}
}

func TestScheduleAt(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name  string
		sc    *Schedule
		total int64
		n     int64
		want  time.Duration
	}{
		{"constant first", constant(1000, 10*s), 10000, 0, 0},
		{"constant last", constant(1000, 10*s), 10000, 9999, 9999 * time.Millisecond},
		{"constant fraction", constant(0.5, 10*s), 5, 4, 8 * s},
		{"constant, rate that is no binary fraction", constant(10.1, 10*s), 101, 100, 9900990099},
		// From 0 to 100/s in 10 s, L(t) = 5t²: arrival 125 at √25 = 5 s.
		{"ramp up", ramping(0, stage(100, 10*s)), 500, 125, 5 * s},
		// From 100 to 0/s in 10 s, L(t) = 100t - 5t²: arrival 375 at 5 s.
		{"ramp down", ramping(100, stage(0, 10*s)), 500, 375, 5 * s},
		{"second stage", ramping(10, stage(10, 10*s), stage(20, 10*s)), 250, 100, 10 * s},
		{
			"across a silence", ramping(10, stage(10, s), stage(0, 0), stage(0, 5*s), stage(10, 0),
				stage(10, s)), 20, 15,
			6500 * time.Millisecond,
		},
		{"jump", ramping(10, stage(10, s), stage(100, 0), stage(100, s)), 110, 60, 1500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.sc.total != tt.total {
				t.Errorf("total = %d, want %d", tt.sc.total, tt.total)
			}
			if got := tt.sc.At(tt.n); (got - tt.want).Abs() > time.Microsecond {
				t.Errorf("at(%d) = %v, want %v", tt.n, got, tt.want)
			}
		})
	}
}

// TestScheduleIsTheInverseOfTheIntegral checks every arrival of ramps against the integral of the rate, computed by
// the trapezoidal rule, which is exact for piecewise linear rates.
func TestScheduleIsTheInverseOfTheIntegral(t *testing.T) {
	stages := []scenarios.Stage{
		stage(50, 2*time.Second), stage(400, 3*time.Second), stage(400, time.Second),
		stage(3, 4*time.Second),
	}
	sc := ramping(7, stages...)
	integral := func(at time.Duration) float64 {
		sum, rate, from := 0.0, 7.0, 0.0
		for _, st := range stages {
			length := st.Duration.Seconds()
			x := min(max(at.Seconds()-from, 0), length)
			sum += (rate + rate + (st.Target-rate)*x/length) / 2 * x
			from, rate = from+length, st.Target
		}
		return sum
	}
	var last time.Duration
	for n := range sc.total {
		at := sc.At(n)
		if at < last {
			t.Fatalf("at(%d) = %v is before at(%d) = %v", n, at, n-1, last)
		}
		last = at
		if got := integral(at); math.Abs(got-float64(n)) > 1e-3 {
			t.Fatalf("at(%d) = %v, where %v arrivals have been", n, at, got)
		}
	}
	if want := int64(math.Ceil(integral(10 * time.Second))); sc.total != want {
		t.Errorf("total = %d, want %d", sc.total, want)
	}
}

func TestScheduleUntil(t *testing.T) {
	sc := constant(1000, 10*time.Second)
	for at, want := range map[time.Duration]int64{
		0: 0, 1: 1, time.Millisecond: 1, time.Second: 1000,
		10 * time.Second: 10000, time.Hour: 10000,
	} {
		if got := sc.Until(at); got != want {
			t.Errorf("until(%v) = %d, want %d", at, got, want)
		}
	}
}

func sine(rate, amplitude float64, period, d time.Duration) *Schedule {
	return NewSchedule(scenarios.SineRate{Rate: rate, Amplitude: amplitude, Period: period, Duration: d}, 1)
}

// TestSine holds the inverse of the wave's integral against the integral, at its extremes too, where the rate is 0.
func TestSine(t *testing.T) {
	for _, amplitude := range []float64{1, 50, 100} {
		sc := sine(100, amplitude, 10*time.Second, 35*time.Second)
		// half a period more than whole ones
		if want := int64(math.Ceil(3500 + amplitude*10/math.Pi)); sc.total != want {
			t.Errorf("amplitude %v: total %d, want %d", amplitude, sc.total, want)
		}
		last := -time.Second
		for n := range sc.total {
			at := sc.At(n)
			if at < last || math.Abs(sc.expected(at.Seconds())-float64(n)) > 1e-6 {
				t.Fatalf("amplitude %v: at(%d) = %v, where %v arrivals are expected; the one before was at %v",
					amplitude, n, at, sc.expected(at.Seconds()), last)
			}
			last = at
		}
	}
}

func TestBursts(t *testing.T) {
	sc := NewSchedule(scenarios.Bursts{Size: 10, Every: 2 * time.Second, Duration: 5 * time.Second}, 1)
	if sc.total != 30 { // at 0, 2 and 4 s
		t.Errorf("total %d, want 30", sc.total)
	}
	for n := range sc.total {
		if want := time.Duration(n/10) * 2 * time.Second; sc.At(n) != want {
			t.Errorf("at(%d) = %v, want %v", n, sc.At(n), want)
		}
	}
}

// TestPoisson looks at what makes a Poisson process: the gaps are exponential (mean and deviation 1/rate, and one in e
// of them longer than the mean), the counts of disjoint intervals have a variance equal to their mean, and all of it
// comes the same again in any order.
func TestPoisson(t *testing.T) {
	const rate, length = 1000, 200
	sc := NewSchedule(scenarios.ConstantRate{
		Rate: rate, Duration: length * time.Second,
		Arrivals: scenarios.Poisson,
	}, 3)
	n := float64(sc.total)
	if math.Abs(n-rate*length) > 5*math.Sqrt(rate*length) {
		t.Fatalf("%v arrivals where %v ± %.0f are expected", n, rate*length, math.Sqrt(rate*length))
	}
	var counts [length]float64
	var sum, squares, long float64
	var last time.Duration
	for i := range sc.total {
		at := sc.At(i)
		gap := (at - last).Seconds() * rate
		if gap < 0 {
			t.Fatalf("at(%d) = %v is before at(%d) = %v", i, at, i-1, last)
		}
		sum, squares = sum+gap, squares+gap*gap
		if gap > 1 {
			long++
		}
		counts[int(at/time.Second)]++
		last = at
	}
	near := func(what string, got, want, deviation float64) {
		if math.Abs(got-want) > 5*deviation {
			t.Errorf("%s: %v, want %v ± %v", what, got, want, deviation)
		}
	}
	near("mean gap", sum/n, 1, 1/math.Sqrt(n))
	near("mean square of the gaps", squares/n, 2, math.Sqrt(20/n)) // of an exponential: variance of x² is 24 - 4
	near("gaps beyond the mean", long/n, 1/math.E, 0.5/math.Sqrt(n))
	variance := 0.0
	for _, c := range counts {
		variance += (c - rate) * (c - rate) / length
	}
	near("variance of the counts", variance/rate, 1, math.Sqrt(2.0/length))
	again := NewSchedule(scenarios.ConstantRate{
		Rate: rate, Duration: length * time.Second,
		Arrivals: scenarios.Poisson,
	}, 3)
	for i := sc.total - 1; i >= 0; i -= 997 {
		if again.At(i) != sc.At(i) {
			t.Fatalf("at(%d) is %v the first time and %v the second", i, sc.At(i), again.At(i))
		}
	}
}

func BenchmarkScheduleAt(b *testing.B) {
	for name, sc := range map[string]*Schedule{
		"ramps":   ramping(7, stage(50, 2*time.Second), stage(400, 300*time.Second)),
		"sine":    sine(1000, 500, time.Minute, time.Hour),
		"poisson": NewSchedule(scenarios.ConstantRate{Rate: 1000, Duration: time.Hour, Arrivals: scenarios.Poisson}, 1),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				sc.At(int64(i) % sc.total)
			}
		})
	}
}

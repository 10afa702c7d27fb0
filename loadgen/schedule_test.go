package loadgen

import (
	"math"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

func constant(rate float64, d time.Duration) schedule {
	return newSchedule(scenarios.Scenario{Executor: scenarios.ConstantArrivalRate, Rate: rate, TimeUnit: time.Second, Duration: d})
}

func ramping(start float64, unit time.Duration, stages ...scenarios.Stage) schedule {
	return newSchedule(scenarios.Scenario{Executor: scenarios.RampingArrivalRate, StartRate: start, TimeUnit: unit, Stages: stages})
}

func stage(target float64, d time.Duration) scenarios.Stage {
	return scenarios.Stage{Target: target, Duration: d}
}

func TestScheduleAt(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name  string
		sc    schedule
		total int64
		n     int64
		want  time.Duration
	}{
		{"constant first", constant(1000, 10*s), 10000, 0, 0},
		{"constant last", constant(1000, 10*s), 10000, 9999, 9999 * time.Millisecond},
		{"constant fraction", constant(0.5, 10*s), 5, 4, 8 * s},
		{"constant, rate that is no binary fraction", constant(10.1, 10*s), 101, 100, 9900990099},
		{"per minute", newSchedule(scenarios.Scenario{Executor: scenarios.ConstantArrivalRate, Rate: 60, TimeUnit: time.Minute, Duration: 10 * s}), 10, 3, 3 * s},
		// From 0 to 100/s in 10 s, L(t) = 5t²: arrival 125 at √25 = 5 s.
		{"ramp up", ramping(0, s, stage(100, 10*s)), 500, 125, 5 * s},
		// From 100 to 0/s in 10 s, L(t) = 100t - 5t²: arrival 375 at 5 s.
		{"ramp down", ramping(100, s, stage(0, 10*s)), 500, 375, 5 * s},
		{"second stage", ramping(10, s, stage(10, 10*s), stage(20, 10*s)), 250, 100, 10 * s},
		{"across a silence", ramping(10, s, stage(10, s), stage(0, 0), stage(0, 5*s), stage(10, 0), stage(10, s)), 20, 15, 6500 * time.Millisecond},
		{"jump", ramping(10, s, stage(10, s), stage(100, 0), stage(100, s)), 110, 60, 1500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.sc.total != tt.total {
				t.Errorf("total = %d, want %d", tt.sc.total, tt.total)
			}
			if got := tt.sc.at(tt.n); (got - tt.want).Abs() > time.Microsecond {
				t.Errorf("at(%d) = %v, want %v", tt.n, got, tt.want)
			}
		})
	}
}

// TestScheduleIsTheInverseOfTheIntegral checks every arrival of ramps against the integral of the rate, computed by
// the trapezoidal rule, which is exact for piecewise linear rates.
func TestScheduleIsTheInverseOfTheIntegral(t *testing.T) {
	stages := []scenarios.Stage{stage(50, 2*time.Second), stage(400, 3*time.Second), stage(400, time.Second), stage(3, 4*time.Second)}
	sc := ramping(7, time.Second, stages...)
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
		at := sc.at(n)
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
	for at, want := range map[time.Duration]int64{0: 0, 1: 1, time.Millisecond: 1, time.Second: 1000, 10 * time.Second: 10000, time.Hour: 10000} {
		if got := sc.until(at); got != want {
			t.Errorf("until(%v) = %d, want %d", at, got, want)
		}
	}
}

func BenchmarkScheduleAt(b *testing.B) {
	sc := ramping(7, time.Second, stage(50, 2*time.Second), stage(400, 300*time.Second))
	b.ReportAllocs()
	for i := range b.N {
		sc.at(int64(i) % sc.total)
	}
}

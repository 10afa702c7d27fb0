package capacity

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results/capacity/queue"
)

// accuracy is what many answers come to.
type accuracy struct {
	bias, spread float64 // of value / truth: median - 1, standard deviation
	within       int     // 5 % of the truth
	covered      int
	proven       int
	minutes      float64 // mean
	worst        float64 // the lowest value / truth - 1
	n            int
}

func accuracyOf(answers []answer, truth func(took float64) float64) accuracy {
	a := accuracy{n: len(answers)}
	var ratios []float64
	sum, squares := 0.0, 0.0
	for _, x := range answers {
		want := truth(x.took)
		ratio := x.value / want
		ratios = append(ratios, ratio)
		sum, squares = sum+ratio, squares+ratio*ratio
		if math.Abs(ratio-1) <= 0.05 {
			a.within++
		}
		if x.low <= want && want <= x.high {
			a.covered++
		}
		if x.proven {
			a.proven++
		}
		a.minutes += x.took / 60 / float64(len(answers))
	}
	slices.Sort(ratios)
	n := float64(len(answers))
	a.bias = ratios[len(ratios)/2] - 1
	a.spread = math.Sqrt(max(0, squares/n-sum/n*sum/n))
	a.worst = ratios[0] - 1
	return a
}

var methods = flag.Bool("methods", false,
	"search more often, by other methods too, and print the table of docs/evidence")

var meanTime = flag.Float64("mean", 0.004, "mean service time of the services, in seconds")

// TestSearchFindsQueues searches for the capacity of services that are simulated.
func TestSearchFindsQueues(t *testing.T) {
	services := queue.Services(*meanTime)
	rows := make([]string, len(services))
	t.Cleanup(func() {
		if *methods {
			t.Log("\n| service | capacity | method | bias | spread | lowest | within 5 % | intervals cover | " +
				"minutes |\n" +
				"|---|---|---|---|---|---|---|---|---|---|\n" + strings.Join(rows, ""))
		}
	})
	for i, q := range services {
		t.Run(q.Name, func(t *testing.T) {
			t.Parallel()
			rows[i] = searchQueue(t, q)
		})
	}
}

// searchQueue searches for the capacity of a service again and again, and returns lines of the table.
func searchQueue(t *testing.T, q queue.Service) (rows string) {
	searches := 12
	if *methods {
		searches = 40
	}
	fixed := q.Capacity(0)
	truth := func(took float64) float64 { return fixed / (1 + q.Leak*took) } // at the end of the search
	for _, method := range []struct {
		name string
		find func(q queue.Service, r *rand.Rand) answer
	}{
		{"headroom", find},
		{"bisection", bisect},
		{"findmax", findmax},
		{"breakpoint ramp", ramp},
	} {
		if method.name != "headroom" && !*methods {
			continue
		}
		var answers []answer
		r := rand.New(rand.NewPCG(3, 4))
		for range searches {
			answers = append(answers, method.find(q, r))
		}
		a := accuracyOf(answers, truth)
		covered, proven := "–", "–"
		if method.name == "headroom" {
			covered, proven = fmt.Sprintf("%d of %d", a.covered, a.n), strconv.Itoa(a.proven)
			if a.covered < searches*2/3 || math.Abs(a.bias) > 0.06 {
				t.Errorf("%s: %+v", q.Name, a)
			}
		}
		rows += fmt.Sprintf("| %s | %.0f/s | %s | %+.1f %% | %.1f %% | %+.1f %% | %d of %d | %s | %s | %.1f |\n",
			q.Name,
			fixed, method.name, 100*a.bias, 100*a.spread, 100*a.worst, a.within, a.n, covered, proven, a.minutes)
	}
	return rows
}

// TestSearchEnds: what cannot be found ends the search, and is said.
func TestSearchEnds(t *testing.T) {
	level := false
	run := func(see func(Step) Seen) (*Search, int) {
		s, err := NewSearch(1000, Rule{Width: 0.1, Most: 60, Trial: 10, Soak: 60, Beyond: 20, Level: level})
		if err != nil {
			t.Fatal(err)
		}
		left, steps := 600.0, 0
		for ; ; steps++ {
			step := s.Next(left)
			if step.Kind == Over {
				return s, steps
			}
			if step.Rate <= 0 || math.IsInf(step.Rate, 0) || math.IsNaN(step.Rate) {
				t.Fatalf("%+v", step)
			}
			s.Add(step, see(step))
			left -= 10
			if step.Kind == Soak {
				left -= 50
			}
		}
	}
	at := func(limit float64) func(Step) Seen { return func(s Step) Seen { return Seen{Bad: s.Rate > limit} } }
	if s, n := run(at(700)); !s.Proven() || s.AtLeast() || s.AtMost() || s.Spoilt() || n > 30 {
		t.Errorf("700: %d steps, %+v", n, s.Posterior().Interval())
	} else if in := s.Posterior().Interval(); in.Low > 700 || in.High < 700 || in.Width() > 0.1 {
		t.Errorf("700: %+v", in)
	}
	if s, _ := run(at(5000)); s.AtMost() || s.Posterior().Interval().Low < 2000 {
		t.Errorf("beyond the closed loop: %+v", s.Posterior().Interval())
	}
	if s, _ := run(at(60)); s.AtMost() || s.Posterior().Interval().Low > 60 || s.Posterior().Interval().High < 60 {
		t.Errorf("far below the closed loop: %+v", s.Posterior().Interval())
	}
	if s, n := run(func(Step) Seen { return Seen{Bad: true} }); !s.AtMost() || s.Proven() || n > 30 {
		t.Errorf("never good: %d steps, %+v", n, s.Posterior().Interval())
	}
	if s, n := run(func(Step) Seen { return Seen{Veto: true} }); !s.Spoilt() || n > 10 {
		t.Errorf("a busy machine: %d steps", n)
	}
	generator := func(s Step) Seen { return Seen{Veto: s.Rate > 500, Limit: s.Rate > 500} }
	if s, n := run(generator); !s.AtLeast() || s.Spoilt() || n > 30 || s.Ceiling() < 500 || s.Ceiling() > 1100 {
		t.Errorf("the generator is the limit: %d steps, ceiling %v, %+v", n, s.Ceiling(), s.Posterior().Interval())
	}
	soaked := func(s Step) Seen { return Seen{Bad: s.Rate > 700 || s.Kind == Soak} }
	if s, _ := run(soaked); s.Proven() || s.soaks == 0 {
		t.Errorf("soaks that are bad: %+v", s)
	}
	highest := 0.0
	level = true
	s, _ := run(func(s Step) Seen { highest = max(highest, s.Rate); return Seen{Bad: s.Rate > 1150} })
	if in := s.Posterior().Interval(); in.Low > 1150 || in.High < 1150 || highest > 1400 {
		t.Errorf("somewhat above users who get no more: %+v, up to %v", in, highest)
	}
}

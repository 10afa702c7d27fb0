package loadgen

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

func faulty(faults ...scenarios.Fault) *scenarios.Plan {
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 50, Duration: 1500 * time.Millisecond}})
	plan.Faults = faults
	return plan
}

func okay(t *testing.T) string { return serve(t, func(http.ResponseWriter, *http.Request) {}) }

func TestFaultsHappenInTurnAndAreMarked(t *testing.T) {
	t.Parallel()
	plan := faulty(
		scenarios.Fault{At: 200 * time.Millisecond, Target: "cache", Action: "kill"},
		scenarios.Fault{At: 250 * time.Millisecond, Target: "replica", Action: "kill"}, // while the first still goes on
		scenarios.Fault{At: time.Second, Target: "cache", Action: "restart"},
	)
	var done []string
	m := run1(t, plan, okay(t), Options{Fault: func(_ context.Context, f scenarios.Fault) error {
		time.Sleep(100 * time.Millisecond)
		done = append(done, f.String())
		return nil
	}})
	if got := strings.Join(done, ", "); got != "kill cache, kill replica, restart cache" {
		t.Errorf("what happened: %s", got)
	}
	if len(m.Marks) != 3 {
		t.Fatalf("marks %+v", m.Marks)
	}
	for i, mark := range m.Marks {
		if mark.Text != done[i] || mark.Error != "" || mark.Due != plan.Faults[i].At.Seconds() ||
			mark.Begun < mark.Due || mark.Done < mark.Begun+0.1 {
			t.Errorf("mark %+v", mark)
		}
		if i > 0 && mark.Begun < m.Marks[i-1].Done {
			t.Errorf("%s began before %s was done", mark.Text, m.Marks[i-1].Text)
		}
	}
	if v, err := judge.Run(m, nil); err != nil || len(v.Invalid) > 0 &&
		strings.Contains(v.Invalid[0], "did not happen") {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestFaultsThatDoNotHappenMakeTheRunInvalid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inject func(context.Context, scenarios.Fault) error
		want   []string
	}{
		"one fails": {
			func(_ context.Context, f scenarios.Fault) error {
				if f.Action == "kill" {
					return errors.New("no such process")
				}
				return nil
			},
			[]string{"kill cache at 0.1 s did not happen as the scenario asks: no such process"},
		},
		"one takes until the end of the run": {
			func(context.Context, scenarios.Fault) error { time.Sleep(5 * time.Second); return nil },
			[]string{"restart cache at 1.0 s did not happen as the scenario asks: the run had ended"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := faulty(
				scenarios.Fault{At: 100 * time.Millisecond, Target: "cache", Action: "kill"},
				scenarios.Fault{At: time.Second, Target: "cache", Action: "restart"},
			)
			m := run1(t, plan, okay(t), Options{Fault: c.inject})
			v, err := judge.Run(m, nil)
			if err != nil || v.Outcome != results.Invalid || len(m.Marks) != 2 {
				t.Fatalf("%+v, %v, marks %+v", v, err, m.Marks)
			}
			for _, want := range c.want {
				if !strings.Contains(strings.Join(v.Invalid, "\n"), want) {
					t.Errorf("reasons %q, want %q", v.Invalid, want)
				}
			}
		})
	}
}

func TestFaultsNeedSomebodyToInjectThem(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), faulty(scenarios.Fault{Target: "cache", Action: "kill"}), okay(t), Options{})
	if err == nil || !strings.Contains(err.Error(), "nobody to inject") {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptedRunHasNoFaultsThatWereNotDue(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	m, err := Run(ctx, faulty(scenarios.Fault{At: time.Second, Target: "cache", Action: "kill"}), okay(t), Options{
		Fault: func(context.Context, scenarios.Fault) error { t.Error("the fault was injected"); return nil },
	})
	if err != nil || !m.Interrupted || len(m.Marks) != 0 {
		t.Errorf("%v, marks %+v", err, m.Marks)
	}
}

func TestServerIsSampledOnceASecond(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 50, Duration: 4500 * time.Millisecond}})
	m := run1(t, plan, okay(t), Options{Sample: func(context.Context) (results.Snapshot, error) {
		n := asked.Add(1)
		if n == 3 {
			return results.Snapshot{}, errors.New("it is busy")
		}
		return results.Snapshot{Tiers: map[string]results.TierStats{
			"l1":      {Hits: 10 * n},
			"overall": {Hits: 10 * n, Misses: n},
		}}, nil
	}})
	// Asked at 0, 1, 2, 3 and 4 s; the third answer is missing, and with it two differences.
	if len(m.Samples) < 1 || len(m.Samples) > 2 {
		t.Fatalf("samples %+v", m.Samples)
	}
	for _, s := range m.Samples {
		if s.Tiers["l1"].Hits != 10 || s.Tiers["overall"].Misses != 1 {
			t.Errorf("sample %+v is not the difference of two neighbours", s)
		}
	}
}

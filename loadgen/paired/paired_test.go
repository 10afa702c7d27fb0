package paired

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

const twoLoads = `target: {url: "http://127.0.0.1:1"}
scenarios:
  get:
    {executor: constant-arrival-rate, rate: 200, duration: 10s, startTime: 3s, warmup: 4s, maxVUs: 20, requests: [
      {name: get, path: "/{{id}}", values: {id: {range: [1, 1000000]}}}]}
  users:
    {executor: constant-vus, vus: 2, duration: 10s, requests: [{name: closed, path: /closed}]}
`

// TestSlicePlan: the open loads of a slice start at once, and last as long as it; the closed ones are apart.
func TestSlicePlan(t *testing.T) {
	plan, err := scenarios.Parse("test.yaml", []byte(twoLoads))
	if err != nil {
		t.Fatal(err)
	}
	slice := Slice{Discard: 100 * time.Millisecond, Measure: 400 * time.Millisecond}
	plans := slice.plans(plan, 7)
	if len(plans) != 2 || len(plans[0].Scenarios) != 1 || len(plans[1].Scenarios) != 1 || plans[0].Seed != 7 ||
		plans[1].Seed != 7 {
		t.Fatalf("%+v", plans)
	}
	open, closed := plans[0], plans[1]
	for _, s := range append(open.Scenarios, closed.Scenarios...) {
		if s.StartTime != 0 || s.Warmup != slice.Discard || s.Load.Length() != 500*time.Millisecond {
			t.Errorf("%s starts at %v, warms up for %v, lasts for %v", s.Name, s.StartTime, s.Warmup, s.Load.Length())
		}
	}
	if plan.Scenarios[0].StartTime != 3*time.Second || plan.Seed == 7 {
		t.Error("the plan itself was changed")
	}
}

// arm is a service that counts what it is asked, slice by slice.
type arm struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
}

func newArm(t *testing.T) *arm {
	a := &arm{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.paths = append(a.paths, r.URL.Path)
		a.mu.Unlock()
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *arm) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.paths
	a.paths = nil
	return taken
}

func options(t *testing.T, text string) Options {
	t.Helper()
	plan, err := scenarios.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Plan: plan, Seed: 3, MaxTime: time.Minute,
		Slice:    Slice{Discard: 50 * time.Millisecond, Measure: 150 * time.Millisecond},
		Judge:    func(blocks []Block) (bool, error) { return len(blocks) == 2, nil },
		Measured: func(Progress, *Measured, experiment.Slice) error { return nil },
		Load:     loadgen.Options{},
	}
}

const oneLoad = `target: {url: "http://127.0.0.1:1"}
scenarios:
  get:
    {executor: constant-arrival-rate, arrivals: poisson, rate: 300, duration: 10s, maxVUs: 50, requests: [
      {name: get, path: "/{{id}}", values: {id: {range: [1, 1000000]}}}]}
`

// TestRun: arms are started anew for each block and stopped after it; they take turns as Order says; both slices of a
// pair have the same requests, and no two pairs have.
func TestRun(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	services := map[experiment.Arm]*arm{experiment.Base: newArm(t), experiment.Head: newArm(t)}
	o := options(t, oneLoad)
	o.Restart = true
	running, starts := map[experiment.Arm]bool{}, 0
	o.Start = func(_ context.Context, name experiment.Arm) (*Instance, error) {
		if running[name] {
			t.Errorf("the %s is started and runs", name)
		}
		running[name] = true
		starts++
		cpu := time.Duration(0)
		return &Instance{
			URL:  services[name].URL,
			CPU:  func() (time.Duration, error) { cpu += time.Millisecond; return cpu, nil },
			Stop: func(context.Context) error { running[name] = false; return nil },
		}, nil
	}
	var sent [][]string
	o.Measured = func(p Progress, m *Measured, _ experiment.Slice) error {
		if want := experiment.Order(o.Seed, p.Block)[p.Slice]; m.Arm != want {
			t.Errorf("slice %d of block %d is of the %s, want %s", p.Slice, p.Block, m.Arm, want)
		}
		if len(m.Parts) != 1 || m.Parts[0].CPU != time.Millisecond || len(m.Parts[0].Series) != 1 {
			t.Errorf("parts %+v", m.Parts)
		}
		paths := services[m.Arm].take()
		slices.Sort(paths)
		sent = append(sent, paths)
		return nil
	}
	e, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Blocks) != 2 || len(e.Blocks[1].Slices) != experiment.SlicesPerBlock || e.Interrupted || starts != 4 ||
		running[experiment.Base] || running[experiment.Head] || e.Blocks[1].At < e.Blocks[0].Took {
		t.Fatalf("%+v; %d starts, running %v", e, starts, running)
	}
	for i := 0; i+1 < len(sent); i += 2 {
		if len(sent[i]) == 0 || !slices.Equal(sent[i], sent[i+1]) {
			t.Errorf("the slices of pair %d differ: %d and %d requests", i/2, len(sent[i]), len(sent[i+1]))
		}
		if i > 0 && slices.Equal(sent[i], sent[i-1]) {
			t.Errorf("pairs %d and %d are the same", i/2-1, i/2)
		}
	}
	for _, b := range e.Blocks {
		for _, s := range b.Slices {
			if s.Figures["http_req_duration p(50)"] <= 0 || s.Figures["cpu_per_request value"] <= 0 {
				t.Errorf("figures %v", s.Figures)
			}
		}
	}
}

// TestOrderOfStarts: the coin of a block decides which arm is started, warmed up and measured first, so that neither
// always finds what they share as the other has left it.
func TestOrderOfStarts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	o := options(t, oneLoad)
	o.Restart, o.Slice.Warmup = true, 50*time.Millisecond
	o.Slice.Discard, o.Slice.Measure = 10*time.Millisecond, 40*time.Millisecond
	o.Judge = func(blocks []Block) (bool, error) { return len(blocks) == 6, nil }
	var mu sync.Mutex
	var started, warm [][]experiment.Arm // of each block
	o.Start = func(_ context.Context, name experiment.Arm) (*Instance, error) {
		mu.Lock()
		defer mu.Unlock()
		if n := len(started); n == 0 || len(started[n-1]) == 2 {
			started, warm = append(started, nil), append(warm, nil)
		}
		block := len(started) - 1
		started[block] = append(started[block], name)
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(warm[block], name) {
				warm[block] = append(warm[block], name)
			}
		}))
		return &Instance{URL: s.URL, Stop: func(context.Context) error { s.Close(); return nil }}, nil
	}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	first := map[experiment.Arm]int{}
	for block, order := range started {
		want := experiment.Order(o.Seed, block)
		if !slices.Equal(order, want[:2]) || !slices.Equal(warm[block], want[:2]) {
			t.Errorf("block %d: started %v, warmed up %v, want %v", block, order, warm[block], want[:2])
		}
		first[order[0]]++
	}
	if first[experiment.Base] == 0 || first[experiment.Head] == 0 {
		t.Errorf("first in the blocks: %v", first)
	}
}

// TestRunEnds: whatever ends an experiment, what was measured is returned and the arms are stopped.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	for name, c := range map[string]struct {
		change func(o *Options, cancel func())
		check  func(e *Experiment, err error) string
	}{
		"the time": {
			func(o *Options, _ func()) { o.MaxTime, o.Slice.Measure = 6*time.Second, 1500*time.Millisecond },
			func(e *Experiment, err error) string {
				if err != nil || e.Interrupted || len(e.Blocks) != 1 || len(e.Blocks[0].Slices) >= 8 {
					return "want a part of a block, and no error"
				}
				return ""
			},
		},
		"the user": {
			func(o *Options, cancel func()) {
				o.Measured = func(p Progress, _ *Measured, _ experiment.Slice) error {
					if p.Slice == 2 {
						cancel()
					}
					return nil
				}
			},
			func(e *Experiment, err error) string {
				if err != nil || !e.Interrupted || len(e.Blocks) != 1 || len(e.Blocks[0].Slices) != 3 {
					return "want three slices, interrupted"
				}
				return ""
			},
		},
		"an arm that does not start": {
			func(o *Options, _ func()) {
				start := o.Start
				o.Start = func(ctx context.Context, name experiment.Arm) (*Instance, error) {
					if name == experiment.Head {
						return nil, errors.New("no such program")
					}
					return start(ctx, name)
				}
			},
			func(_ *Experiment, err error) string {
				if err == nil || !strings.Contains(err.Error(), "start the head: no such program") {
					return "want an error that names the arm"
				}
				return ""
			},
		},
		"the judge": {
			func(o *Options, _ func()) {
				o.Judge = func([]Block) (bool, error) { return false, errors.New("no such gate") }
			},
			func(e *Experiment, err error) string {
				if err == nil || len(e.Blocks) != 1 {
					return "want the block and the error"
				}
				return ""
			},
		},
		"a snapshot that fails": {
			func(o *Options, _ func()) {
				start := o.Start
				o.Start = func(ctx context.Context, name experiment.Arm) (*Instance, error) {
					i, err := start(ctx, name)
					i.Snapshot = func(context.Context) (results.Snapshot, error) {
						return results.Snapshot{}, errors.New("it is gone")
					}
					return i, err
				}
			},
			func(_ *Experiment, err error) string {
				if err == nil || !strings.Contains(err.Error(), "it is gone") {
					return "want the error"
				}
				return ""
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, oneLoad)
			service := newArm(t)
			started, stopped := 0, 0
			o.Restart = true
			o.Start = func(context.Context, experiment.Arm) (*Instance, error) {
				started++
				return &Instance{
					URL: service.URL, Stop: func(context.Context) error { stopped++; return nil },
				}, nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.change(&o, cancel)
			e, err := Run(ctx, o)
			if fault := c.check(e, err); fault != "" {
				t.Errorf("%s: %+v, %v", fault, e, err)
			}
			if started != stopped {
				t.Errorf("%d started, %d stopped", started, stopped)
			}
		})
	}
}

// TestCPUTimeThatGoesBack: a slice in which the CPU time of the arm went back has none, and keeps its other figures.
func TestCPUTimeThatGoesBack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	o := options(t, oneLoad)
	service := newArm(t)
	o.Judge = func([]Block) (bool, error) { return true, nil }
	o.Start = func(context.Context, experiment.Arm) (*Instance, error) {
		cpu := time.Second
		return &Instance{
			URL: service.URL, CPU: func() (time.Duration, error) { cpu -= time.Millisecond; return cpu, nil },
		}, nil
	}
	o.Measured = func(_ Progress, m *Measured, s experiment.Slice) error {
		_, known := s.Figures["cpu_per_request value"]
		if known || m.Parts[0].CPU != 0 || s.Figures["http_req_duration p(50)"] <= 0 {
			t.Errorf("CPU time %v, figures %v", m.Parts[0].CPU, s.Figures)
		}
		return nil
	}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// TestRunWithoutRestarts: arms that run are asked for once.
func TestRunWithoutRestarts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	o := options(t, twoLoads)
	service := newArm(t)
	starts := 0
	o.Start = func(context.Context, experiment.Arm) (*Instance, error) {
		starts++
		return &Instance{URL: service.URL}, nil
	}
	parts := 0
	o.Measured = func(_ Progress, m *Measured, s experiment.Slice) error {
		parts = len(m.Parts)
		if s.Figures["http_reqs{scenario:users} rate"] <= 0 {
			t.Errorf("no throughput: %v", s.Figures)
		}
		return nil
	}
	e, err := Run(t.Context(), o)
	if err != nil || len(e.Blocks) != 2 || starts != 2 || parts != 2 {
		t.Errorf("%+v, %v; %d starts, %d parts", e, err, starts, parts)
	}
}

// TestOptionalFigures: a slice whose instructions or allocations cannot be read lacks these figures and no other, and
// an arm that did not answer is not asked again.
func TestOptionalFigures(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
	o := options(t, oneLoad)
	cpu, asked := time.Duration(0), 0
	on := &Instance{
		URL:          newArm(t).URL,
		CPU:          func() (time.Duration, error) { cpu += time.Millisecond; return cpu, nil },
		Instructions: func() (int64, error) { return 0, errors.New("others use the counters") },
		Allocated: func(context.Context) (bytes, objects int64, err error) {
			asked++
			if asked > 2 {
				return 0, 0, errors.New("no answer")
			}
			return int64(asked * 1e6), int64(asked * 1e3), nil
		},
	}
	for slice, allocates := range []bool{true, false, false} {
		m, err := o.measure(t.Context(), experiment.Base, on, o.Slice, 1)
		if err != nil {
			t.Fatal(err)
		}
		p := m.Parts[0]
		if p.CPU <= 0 || p.Instructions != 0 || (p.Allocated > 0) != allocates || (p.Objects > 0) != allocates {
			t.Errorf("slice %d: CPU time %v, %d instructions, %d bytes, %d objects", slice+1, p.CPU, p.Instructions,
				p.Allocated, p.Objects)
		}
	}
	if asked != 3 {
		t.Errorf("it was asked %d times", asked)
	}
}

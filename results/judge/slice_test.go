package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func regression(t *testing.T, name, source string) scenarios.Regression {
	t.Helper()
	r, err := scenarios.ParseRegression(name, source)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSliceFigures holds every figure of a slice to numbers that are known.
func TestSliceFigures(t *testing.T) {
	m := measured()
	view := m.Views[0]
	open := SlicePart{
		Measurements: m, Open: true, CPU: 100 * time.Millisecond, View: &view, Allocated: 5_000_000, Objects: 20_000,
		Instructions: 3_000_000,
	}
	gates := []scenarios.Regression{
		regression(t, "http_req_duration{team:core}", "p(90)<+5%"), regression(t, "http_req_cache_hit", "rate>-5%"),
		regression(t, "http_req_duration{team:none}", "p(95)<+5%"),
	}
	got, err := SliceFigures([]SlicePart{open}, gates)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"http_req_duration p(50)": 500, "http_req_duration p(95)": 950, "http_req_duration p(99)": 990,
		"http_req_duration{name:get} p(50)": 500, "http_req_duration{name:get} p(95)": 950,
		"http_req_duration{name:get} p(99)": 990, "http_req_duration{team:core} p(90)": 900,
		"http_req_succeeded rate": 0.99, "http_req_succeeded{name:get} rate": 0.99, "http_req_cache_hit rate": 0.5,
		"cpu_per_request value": 0.1, "allocated_per_request value": 5000, "objects_per_request value": 20,
		"instructions_per_request value": 3000,
		"db_time_per_request value":      0.004, "statements_per_request value": 0.002, "cache_hit_ratio rate": 0.9,
	} {
		if !near(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("there are others: %v", got)
	}
}

// TestSliceFiguresOfClosedLoads: what is of all requests is of the open loads where there are any.
func TestSliceFiguresOfClosedLoads(t *testing.T) {
	closed := measured()
	closed.Series[0].Scenario, closed.Series[0].Name = "users", "other"
	closed.Series[0].Tags = map[string]string{"scenario": "users", "name": "other"}
	closed.Series[0].Response = histogram(time.Millisecond, time.Millisecond)
	closed.Loads[0].Scenario, closed.Loads[0].Open = "users", false
	parts := []SlicePart{
		{Measurements: measured(), Open: true, CPU: time.Second}, {Measurements: closed, CPU: 9 * time.Second},
	}
	got, err := SliceFigures(parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"http_req_duration p(50)": 500, "cpu_per_request value": 1, "http_reqs{scenario:users} rate": 100,
		"cpu_per_request{scenario:users} value": 9,
		"http_req_duration{name:other} p(50)":   1,
	} {
		if !near(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if v, there := got["http_reqs{scenario:warm} rate"]; there {
		t.Errorf("an open load has a throughput of its own: %v", v)
	}
}

// TestSliceFiguresOfSeveralClosedLoads: what succeeded is of all parts, and times are of each.
func TestSliceFiguresOfSeveralClosedLoads(t *testing.T) {
	var parts []SlicePart
	for _, name := range []string{"a", "b"} {
		m := measured()
		m.Loads[0].Scenario, m.Loads[0].Open = name, false
		m.Series[0].Scenario, m.Series[0].Name = name, name
		m.Series[0].Tags = map[string]string{"scenario": name, "name": name}
		parts = append(parts, SlicePart{Measurements: m, CPU: time.Second})
	}
	parts[1].Series[0].Failed = 1000
	got, err := SliceFigures(parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"http_req_succeeded rate": 0.495, "http_req_succeeded{name:a} rate": 0.99,
		"cpu_per_request{scenario:a} value": 1, "http_reqs{scenario:b} rate": 100,
	} {
		if !near(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"http_req_duration p(95)", "cpu_per_request value"} {
		if v, there := got[name]; there {
			t.Errorf("%s is %v, and the loads ran apart", name, v)
		}
	}
	if share, there := got["http_req_succeeded{name:b} rate"]; !there || share != 0 {
		t.Errorf("of b succeeded %v", share)
	}
}

// TestSliceFiguresNeedData: of 10 requests none lies beyond P99.
func TestSliceFiguresNeedData(t *testing.T) {
	m := measured()
	m.Series[0].Requests, m.Series[0].Response = 10, results.NewHistogram()
	for range 10 {
		m.Series[0].Response.Record(time.Millisecond)
	}
	got, err := SliceFigures([]SlicePart{{Measurements: m, Open: true}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"http_req_duration p(99)", "cpu_per_request value", "db_time_per_request value"} {
		if v, there := got[name]; there {
			t.Errorf("%s is %v, and nothing is known of it", name, v)
		}
	}
	if got["http_req_duration p(50)"] == 0 {
		t.Error("P50 is missing")
	}
}

// TestSliceFiguresOfFailures: where nothing succeeded the share is 0, and does not lack.
func TestSliceFiguresOfFailures(t *testing.T) {
	m := measured()
	for i := range m.Series {
		m.Series[i].Failed = m.Series[i].Requests
	}
	got, err := SliceFigures([]SlicePart{{Measurements: m, Open: true}}, nil)
	if share, known := got["http_req_succeeded rate"]; err != nil || !known || share != 0 {
		t.Errorf("%v %v %v", share, known, err)
	}
}

func TestVeto(t *testing.T) {
	// A window as the scenario regression has them.
	window := func() results.HealthSecond {
		return results.HealthSecond{
			At: 0.25, Length: 0.25, Generator: 0.6, System: new(0.9), Others: new(0.0), Waited: new(0.3),
			SysWaited: new(0.7),
		}
	}
	late := func(share float64) *results.Histogram {
		h := results.NewHistogram()
		for i := range 1000 {
			d := 100 * time.Microsecond
			if float64(i) < 1000*share {
				d = 3 * time.Millisecond
			}
			h.Record(d)
		}
		return h
	}
	for name, c := range map[string]struct {
		change func(*SlicePart)
		want   string
	}{
		"a quiet machine":          {func(*SlicePart) {}, ""},
		"others in the way":        {func(p *SlicePart) { *p.Window.Others = 1.2 }, "other processes used 1.2 cores"},
		"others, and nobody waits": {func(p *SlicePart) { *p.Window.Others, *p.Window.SysWaited = 1.2, 0.1 }, ""},
		"others, of little use":    {func(p *SlicePart) { *p.Window.Others = 0.4 }, ""},
		"the few ticks of a short window": {func(p *SlicePart) {
			p.Window.Length, *p.Window.Others = 0.04, 1
		}, ""},
		"others that may be the arms": {func(p *SlicePart) {
			p.Health.Processes, *p.Window.Others = results.ProcessesUnknown, 1.2
		}, ""},
		"a machine that does not tell": {func(p *SlicePart) { p.Window = results.HealthSecond{Length: 0.25} }, ""},
		"other virtual machines": {
			func(p *SlicePart) { p.Generator.StolenShare = 0.05 },
			"other virtual machines took 5 %",
		},
		"memory": {func(p *SlicePart) { p.MemoryStalled = 0.02 }, "waited for memory 2 %"},
		"late": {
			func(p *SlicePart) { p.Loads[0].OwnLag = late(0.06) },
			"sent 6 % of the requests",
		},
		"seldom late":      {func(p *SlicePart) { p.Loads[0].OwnLag = late(0.04) }, ""},
		"no ports":         {func(p *SlicePart) { p.Loads[0].OutOfPorts = 3 }, "out of local ports"},
		"a slow service":   {func(p *SlicePart) { p.Series[0].Response = histogram(9 * time.Second) }, ""},
		"a failing one":    {func(p *SlicePart) { p.Series[0].Failed = 1000 }, ""},
		"one with a queue": {func(p *SlicePart) { p.Loads[0].Dropped, p.Loads[0].Sent = 900, 100 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := SlicePart{Measurements: measured(), Open: true}
			p.Generator.CPUs = 2
			p.Health, p.Window = &results.Health{Processes: results.ProcessesChildren}, window()
			p.Loads[0].OwnLag = late(0)
			c.change(&p)
			got := Veto([]SlicePart{p})
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("veto %q, want %q", got, c.want)
			}
		})
	}
}

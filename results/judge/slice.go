package judge

import (
	"fmt"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// SlicePart is the load of a slice of a paired experiment that ran together, with what its arm used meanwhile.
type SlicePart struct {
	*results.Measurements
	Open bool
	// CPU is the CPU time of the arm while the part was measured; 0 where it is not known.
	CPU time.Duration
	// Instructions are those that the arm executed meanwhile; 0 where it is not known.
	Instructions int64
	// View is the reference server's own account of that time; nil for any other service.
	View *results.ServerView
	// Allocated and Objects are what Go allocated in the arm meanwhile; 0 where it is not known.
	Allocated, Objects int64
	// Window is how the machine was while the part was measured, however short that was.
	Window results.HealthSecond
	// MemoryStalled is the share of that time in which all tasks of this machine that had work to do waited for memory.
	MemoryStalled float64
}

// Figure is the name of a gate's figure: http_req_duration{name:get} p(95).
func Figure(r scenarios.Regression) string { return r.Name() + " " + statistic(r) }

// statistic is what of the metric: p(95), rate, value.
func statistic(r scenarios.Regression) string {
	if r.Aggregation.Name == "p" {
		return fmt.Sprintf("p(%v)", r.Aggregation.Percentile)
	}
	return r.Aggregation.Name
}

// SliceFigures are the figures of a slice by their names: those of the gates, and those that every experiment reports.
// One without data is left out, and one that is 0, which has no logarithm, unless it says that nothing succeeded.
func SliceFigures(parts []SlicePart, gates []scenarios.Regression) (map[string]float64, error) {
	figures := map[string]float64{}
	for i := range parts {
		p := &parts[i]
		whole := p.Open || len(parts) == 1
		for _, r := range append(p.reported(whole), p.of(gates, whole)...) {
			value, ok, err := p.value(r)
			if err != nil {
				return nil, fmt.Errorf("figure %s: %w", Figure(r), err)
			}
			if ok && (value > 0 || r.Metric == scenarios.HTTPReqSucceeded) {
				figures[Figure(r)] = value
			}
		}
	}
	if share, ok := succeeded(parts); ok {
		figures[Figure(guard)] = share
	}
	return figures, nil
}

// succeeded is the share of the requests of all parts that did not fail: a closed load that fails must not hide behind
// the open ones.
func succeeded(parts []SlicePart) (share float64, ok bool) {
	var all, failed int64
	for _, p := range parts {
		for _, s := range p.Series {
			all, failed = all+s.Requests, failed+s.Failed
		}
	}
	if all == 0 {
		return 0, false
	}
	return 1 - float64(failed)/float64(all), true
}

// of are the gates that a part has figures for. Each closed load runs by itself: what is asked of all requests, or of
// all that the arm did, is of the whole, which are the open loads where there are any.
func (p *SlicePart) of(gates []scenarios.Regression, whole bool) (own []scenarios.Regression) {
	for _, r := range gates {
		scenario, selected := r.Selector["scenario"]
		switch {
		case selected && p.Load(scenario) == nil, !selected && r.Selector["name"] == "" && !whole:
		case r.Metric.PerRequest() && len(p.Select(r.Selector)) == 0:
		default:
			own = append(own, r)
		}
	}
	return own
}

// Load is that of a scenario; nil where the part has none.
func (p *SlicePart) Load(scenario string) *results.Load {
	for _, l := range p.Loads {
		if l.Scenario == scenario {
			return l
		}
	}
	return nil
}

// reported are the figures that every experiment reports: of the requests with these names; of all, with whole; and of
// closed scenarios.
func reported(names, closed []string, whole bool) []scenarios.Regression {
	var all []scenarios.Regression
	add := func(metric scenarios.MetricName, selector map[string]string, a ...scenarios.Aggregation) {
		row, _ := metric.RegressionMetric()
		for _, a := range a {
			all = append(all, scenarios.Regression{
				Metric: metric, Selector: selector, Aggregation: a, MoreIsBetter: row.FallIsWorse,
			})
		}
	}
	rate, value := scenarios.Aggregation{Name: "rate"}, scenarios.Aggregation{Name: "value"}
	times := func(selector map[string]string) {
		add(scenarios.HTTPReqDuration, selector, scenarios.Aggregation{Name: "p", Percentile: 50},
			scenarios.Aggregation{Name: "p", Percentile: 95}, scenarios.Aggregation{Name: "p", Percentile: 99})
	}
	arm := func(selector map[string]string) {
		for _, metric := range []scenarios.MetricName{
			scenarios.CPUPerRequest, scenarios.AllocatedPerRequest, scenarios.ObjectsPerRequest,
			scenarios.DBTimePerRequest, scenarios.StatementsPerRequest, scenarios.InstructionsPerRequest,
		} {
			add(metric, selector, value)
		}
	}
	if whole {
		times(nil)
		arm(nil)
		add(scenarios.CacheHitRatio, nil, rate)
	}
	for _, name := range names {
		times(map[string]string{"name": name})
		add(scenarios.HTTPReqSucceeded, map[string]string{"name": name}, rate)
	}
	for _, scenario := range closed {
		add(scenarios.HTTPReqs, map[string]string{"scenario": scenario}, rate)
		arm(map[string]string{"scenario": scenario})
	}
	return all
}

// reported are those of the part.
func (p *SlicePart) reported(whole bool) []scenarios.Regression {
	var names, closed []string
	for _, s := range p.Series {
		names = append(names, s.Name)
	}
	for _, l := range p.Loads {
		if !p.Open {
			closed = append(closed, l.Scenario)
		}
	}
	return reported(names, closed, whole)
}

// value is a figure of the part; ok is false where there is no data, or too little for a percentile.
func (p *SlicePart) value(r scenarios.Regression) (value float64, ok bool, err error) {
	requests := p.requests()
	per := func(amount float64) (float64, bool, error) {
		if requests == 0 {
			return 0, false, nil
		}
		return amount / float64(requests), amount > 0, nil
	}
	switch r.Metric {
	case scenarios.CPUPerRequest:
		return per(float64(p.CPU) / float64(time.Millisecond))
	case scenarios.AllocatedPerRequest:
		return per(float64(p.Allocated))
	case scenarios.InstructionsPerRequest:
		return per(float64(p.Instructions))
	case scenarios.ObjectsPerRequest:
		return per(float64(p.Objects))
	case scenarios.DBTimePerRequest, scenarios.StatementsPerRequest:
		if p.View == nil {
			return 0, false, nil
		}
		if r.Metric == scenarios.StatementsPerRequest {
			return per(float64(p.View.Statements()))
		}
		return per(p.View.DatabaseTime())
	case scenarios.HTTPReqSucceeded:
		a, err := aggregate(p.Measurements, scenarios.Threshold{
			Metric: scenarios.HTTPReqFailed, Selector: r.Selector, Aggregation: r.Aggregation,
		})
		return 1 - a.value, a.samples > 0, err
	}
	t := scenarios.Threshold{Metric: r.Metric, Selector: r.Selector, Aggregation: r.Aggregation}
	a, err := aggregate(p.Measurements, t)
	enough := a.samples > 0 && tooFewSamples(t, results.Gate{Samples: a.samples}) == ""
	return a.value, enough, err
}

func (p *SlicePart) requests() (n int64) {
	for _, s := range p.Series {
		n += s.Requests
	}
	return n
}

// FigureUnit is the unit of an experiment's figures of a metric.
func FigureUnit(metric scenarios.MetricName, aggregation string) string {
	row, _ := metric.RegressionMetric()
	if row.Kind == scenarios.Counter && aggregation == "rate" {
		return row.Unit + "/s"
	}
	return row.Unit
}

// The limits from which a slice does not count. None of them looks at the figures that the slice is for.
const (
	mostLate          = 0.05 // the share of its requests that the generator sent more than lateSend too late
	lateSend          = 1    // ms
	mostMemoryStalled = 0.01
)

// Veto says why a slice does not count; empty where it does. It looks at the machine and the generator and never at
// what the service answered, which would throw out the slow slices of a slow arm.
func Veto(parts []SlicePart) string {
	for _, p := range parts {
		if p.crowded() {
			return fmt.Sprintf("other processes used %.1f cores", *p.Window.Others)
		}
		if stolen := stolenShare(p.Measurements); stolen > noticeableSteal {
			return fmt.Sprintf("other virtual machines took %.0f %% of this machine's CPU time", 100*stolen)
		}
		if p.MemoryStalled > mostMemoryStalled {
			return fmt.Sprintf("the machine waited for memory %.0f %% of the time", 100*p.MemoryStalled)
		}
		for _, l := range p.Loads {
			if l.OutOfFiles > 0 || l.OutOfPorts > 0 {
				return exhausted(p.Measurements, l)[0]
			}
		}
		if share := p.lateShare(); share > mostLate {
			return fmt.Sprintf("the generator sent %.0f %% of the requests more than %d ms late", 100*share, lateSend)
		}
	}
	return ""
}

// leastCounted is the CPU time, in seconds, from which others have used some: what all have used is counted in
// hundredths of a second, by what runs when the clock ticks.
const leastCounted = 0.05

// crowded says that others kept the threads of the generator or of the arms from a CPU.
func (p *SlicePart) crowded() bool {
	if p.Health.Processes == results.ProcessesUnknown {
		return false // those that took the CPUs may be the arms
	}
	_, crowds := crowding(p.Window)
	return crowds && *p.Window.Others*p.Window.Length >= leastCounted
}

// lateShare is the share of the requests of open loads that the generator sent too late.
func (p *SlicePart) lateShare() float64 {
	var late, all int64
	for _, l := range p.Loads {
		if l.Open {
			late, all = late+above(l.OwnLag, lateSend), all+l.OwnLag.Count()
		}
	}
	if all == 0 {
		return 0
	}
	return float64(late) / float64(all)
}

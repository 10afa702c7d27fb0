package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/results"
)

// sample is the value of a metric at an instant. labels are pairs of names and values in the order of the names,
// without those that all samples of the run have.
type sample struct {
	metric *metric
	labels []string
	value  float64
	at     time.Time
	begun  time.Time // of a counter: since when it counts
}

// key tells the series of samples apart.
func (s sample) key() string { return s.metric.name + "\x00" + strings.Join(s.labels, "\x00") }

// ledger turns what each second had into samples: counters that go on, and values of the second.
type ledger struct {
	counts map[string]float64
	begun  map[string]time.Time
}

func newLedger() *ledger { return &ledger{map[string]float64{}, map[string]time.Time{}} }

// samples are those of what was told at once. A counter is 0 at the beginning of the first second in which it has been
// seen, so that the rate of that second is known too.
func (l *ledger) samples(s Second) (all []sample) {
	add := func(m *metric, at time.Time, value float64, labels ...string) {
		all = append(all, sample{metric: m, labels: labels, value: value, at: at})
	}
	counted := func(m *metric, at time.Time, n int64, labels ...string) {
		one := sample{metric: m, labels: labels, at: at}
		key := one.key()
		if _, known := l.counts[key]; !known {
			l.begun[key] = at.Add(-time.Second)
			zero := one
			zero.at, zero.begun = l.begun[key], l.begun[key]
			all = append(all, zero)
		}
		l.counts[key] += float64(n)
		one.value, one.begun = l.counts[key], l.begun[key]
		all = append(all, one)
	}
	times := func(m *metric, at time.Time, q quantiles, labels ...string) {
		if q.most == 0 {
			return // there were none
		}
		for _, one := range []struct {
			name string
			ms   float64
		}{{"0.5", q.p50}, {"0.95", q.p95}, {"0.99", q.p99}, {"1", q.most}} {
			// in the order of the names: "name", "quantile", "scenario"
			before, scenario := labels[:len(labels)-2], labels[len(labels)-2:]
			add(m, at, one.ms/1000, slices.Concat(before, []string{labelQuantile, one.name}, scenario)...)
		}
	}
	for _, p := range s.Points {
		at, q := s.endOf(p.Second), quantiles{p.P50, p.P95, p.P99, p.Max}
		if p.Request == "" {
			times(scenarioDuration, at, q, labelScenario, p.Scenario)
			if p.Asked > 0 || l.asks(p.Scenario) {
				counted(asked, at, p.Asked, labelScenario, p.Scenario)
			}
			continue
		}
		counted(requests, at, p.Requests, labelName, p.Request, labelScenario, p.Scenario)
		counted(failed, at, p.Failed, labelName, p.Request, labelScenario, p.Scenario)
		times(duration, at, q, labelName, p.Request, labelScenario, p.Scenario)
	}
	for _, p := range s.Streams {
		at := s.endOf(p.Second)
		counted(streamEvents, at, p.Events, labelScenario, p.Scenario)
		counted(streamBreaks, at, p.Breaks, labelScenario, p.Scenario)
		add(streamConnected, at, float64(p.Connected), labelScenario, p.Scenario)
		times(streamDelivery, at, quantiles{p.P50, p.P95, p.P99, p.Max}, labelScenario, p.Scenario)
	}
	for scenario, n := range s.InFlight {
		add(inFlight, s.Started.Add(s.Elapsed), float64(n), labelScenario, scenario)
	}
	for _, h := range s.Health {
		at := s.Started.Add(time.Duration(h.At * float64(time.Second)))
		for _, one := range []struct {
			metric *metric
			value  *float64
		}{
			{generatorCPU, &h.Generator},
			{systemCPU, h.System},
			{othersCPU, h.Others},
			{stolenCPU, h.Stolen},
			{generatorWait, h.Waited},
			{systemWait, h.SysWaited},
		} {
			if one.value != nil {
				add(one.metric, at, *one.value)
			}
		}
	}
	return all
}

// asks says whether the schedule of a scenario has asked for anything yet.
func (l *ledger) asks(scenario string) bool {
	_, known := l.counts[sample{metric: asked, labels: []string{labelScenario, scenario}}.key()]
	return known
}

// quantiles are times in milliseconds.
type quantiles struct{ p50, p95, p99, most float64 }

// Second is what a run told at once: the points and the health of the seconds since it told last.
type Second struct {
	Started  time.Time
	Elapsed  time.Duration
	Points   []results.Point
	Streams  []results.StreamPoint
	Health   []results.HealthSecond
	InFlight map[string]int64 // by scenario
}

// endOf is the end of a second of the run.
func (s Second) endOf(second int) time.Time {
	return s.Started.Add(time.Duration(second+1) * time.Second)
}

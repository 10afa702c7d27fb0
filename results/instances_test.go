package results

import (
	"reflect"
	"strconv"
	"testing"
	"time"
)

// instanceAt is the account of an instance that has done n of everything, each query in as many milliseconds.
func instanceAt(at time.Time, n int64) Snapshot {
	h := NewHistogram()
	for range n {
		h.Record(time.Duration(n) * time.Millisecond)
	}
	return Snapshot{
		At: at, Queries: map[string]QueryStats{"get": {n, 1, 2, h}}, Tiers: map[string]TierStats{"l1": {n, 1, 0}},
		Pools: map[string]PoolStats{"primary": {n, 1, 0.5, 8}}, CPU: float64(n),
		Maintenance:    map[string]JobStats{"purge": {Runs: n, Errors: n - 1}},
		Footprint:      Footprint{Memory: 10 * n, Mapped: n, Files: 2 * n, Goroutines: 3 * n},
		AllocatedBytes: n, AllocatedObjects: 2 * n, GC: float64(n) / 2, GCPauses: float64(3 * n),
		State: State{
			Breakers: map[string]string{"l2": breakerStates[n%3]},
			Replica: &Replica{
				Healthy: n != 2, Reason: map[int64]string{2: "too far behind"}[n], Lag: float64(n),
				Fallbacks: n,
			},
		},
	}
}

// TestSumSnapshots: instances count together as one server that did all that they did.
func TestSumSnapshots(t *testing.T) {
	now := time.Now()
	one := instanceAt(now, 1)
	if got, err := SumSnapshots([]Snapshot{one}); err != nil || !reflect.DeepEqual(got, one) {
		t.Errorf("one: %+v, %v", got, err)
	}
	sum, err := SumSnapshots([]Snapshot{one, instanceAt(now.Add(time.Second), 2), instanceAt(now, 4)})
	if err != nil {
		t.Fatal(err)
	}
	q := sum.Queries["get"]
	if q.Count != 7 || q.Errors != 3 || q.Replica != 6 || q.Duration.Count() != 7 || q.Duration.Max() < 4 {
		t.Errorf("queries %+v with %d durations up to %v ms", q, q.Duration.Count(), q.Duration.Max())
	}
	if got, want := sum.Tiers["l1"], (TierStats{7, 3, 0}); got != want {
		t.Errorf("tier %+v, want %+v", got, want)
	}
	if got, want := sum.Pools["primary"], (PoolStats{7, 3, 1.5, 24}); got != want {
		t.Errorf("pool %+v, want %+v", got, want)
	}
	if got, want := sum.Maintenance["purge"], (JobStats{Runs: 7, Errors: 4}); got != want {
		t.Errorf("job %+v, want %+v", got, want)
	}
	if sum.CPU != 7 || sum.AllocatedBytes != 7 || sum.AllocatedObjects != 14 || !sum.At.Equal(now) {
		t.Errorf("%v s of CPU, %d bytes, %d objects, at %v", sum.CPU, sum.AllocatedBytes, sum.AllocatedObjects, sum.At)
	}
	if sum.GC != 3.5 || sum.GCPauses != 7 {
		t.Errorf("%v s of garbage collection, and stopped for %v s, want the mean", sum.GC, sum.GCPauses)
	}
	if want := (Footprint{Memory: 70, Mapped: 7, Files: 14, Goroutines: 21}); sum.Footprint != want {
		t.Errorf("they hold %+v, want %+v", sum.Footprint, want)
	}
	if sum.Breakers["l2"] != "open" {
		t.Errorf("breaker %s, want the worst", sum.Breakers["l2"])
	}
	if got, want := *sum.Replica, (Replica{Reason: "too far behind", Lag: 4, Fallbacks: 7}); got != want {
		t.Errorf("replica %+v, want %+v", got, want)
	}
	if one.Queries["get"].Duration.Count() != 1 || !one.Replica.Healthy || one.Replica.Lag != 1 {
		t.Errorf("an instance's own account was changed: %+v", one)
	}
	view := NewServerView("")
	later, err := SumSnapshots([]Snapshot{
		instanceAt(now.Add(time.Second), 1), instanceAt(now, 2), instanceAt(now, 4),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := view.Add(sum, later); err != nil || view.Seconds != 1 || view.Statements() != 0 ||
		view.Pools["primary"].MaxConns != 24 {
		t.Errorf("the view of two sums is %+v, %v", view, err)
	}
}

// TestContinuing: a server that was started again counts on, and how it is is as it is now.
func TestContinuing(t *testing.T) {
	now := time.Now()
	before := instanceAt(now.Add(-time.Minute), 2)
	got, err := instanceAt(now, 1).Continuing(before)
	if err != nil {
		t.Fatal(err)
	}
	if q := got.Queries["get"]; q.Count != 3 || q.Errors != 2 || q.Replica != 4 || q.Duration.Count() != 3 {
		t.Errorf("queries %+v with %d durations", q, q.Duration.Count())
	}
	if pool, want := got.Pools["primary"], (PoolStats{3, 2, 1, 8}); pool != want {
		t.Errorf("pool %+v, want %+v", pool, want)
	}
	if got.CPU != 3 || got.GCPauses != 9 || !got.At.Equal(now) {
		t.Errorf("%v s of CPU, stopped for %v s, at %v", got.CPU, got.GCPauses, got.At)
	}
	if replica, want := *got.Replica, (Replica{Healthy: true, Lag: 1, Fallbacks: 3}); replica != want {
		t.Errorf("replica %+v, want %+v", replica, want)
	}
	if want := instanceAt(now, 1).Footprint; got.Footprint != want {
		t.Errorf("it holds %+v, want %+v: the process before is gone", got.Footprint, want)
	}
	if got.Breakers["l2"] != instanceAt(now, 1).Breakers["l2"] {
		t.Errorf("breaker %s", got.Breakers["l2"])
	}
	if before.Replica.Fallbacks != 2 || before.Queries["get"].Duration.Count() != 2 {
		t.Errorf("the account before was changed: %+v", before)
	}
}

// TestSeriesOfInstances: what instances answered stays apart where it is saved and merged, and comes together by
// request.
func TestSeriesOfInstances(t *testing.T) {
	var series []*Series
	for instance := range 3 {
		s := (&Series{Scenario: "s", Name: "get", Instance: instance, Tags: map[string]string{"name": "get"}}).blank()
		if instance > 0 {
			s.Tags = map[string]string{"name": "get", "instance": strconv.Itoa(instance)}
		}
		s.Requests = int64(instance)
		series = append(series, s)
	}
	r := &Run{Measurements: Measurements{Series: series}}
	seen := map[string]bool{}
	r.slots(func(tag string, _ **Histogram) {
		if seen[tag] {
			t.Errorf("two histograms have the tag %s", tag)
		}
		seen[tag] = true
	})
	var m Measurements
	for range 2 {
		if err := m.mergeSeries(series); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range m.Series {
		if len(m.Series) != 3 || s.Instance != i || s.Requests != int64(2*i) {
			t.Errorf("merged: instance %d has %d requests", s.Instance, s.Requests)
		}
	}
	whole, err := m.ByRequest()
	if err != nil || len(whole) != 1 || whole[0].Requests != 6 || whole[0].Instance != 0 ||
		whole[0].Tags["instance"] != "" {
		t.Errorf("by request: %+v, %v", whole, err)
	}
}

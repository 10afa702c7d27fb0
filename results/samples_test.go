package results

import (
	"maps"
	"reflect"
	"testing"
)

func TestLevelShares(t *testing.T) {
	tiers := func(hits ...int64) map[string]TierStats {
		return map[string]TierStats{
			"l1": {Hits: hits[0]}, "l2": {Hits: hits[1]},
			"overall": {Hits: hits[0] + hits[1], Misses: hits[2]},
		}
	}
	s := NewSample(7, Snapshot{Tiers: tiers(10, 0, 5)}, Snapshot{Tiers: tiers(70, 20, 25)})
	for level, want := range map[string]float64{"l1": 0.6, "l2": 0.2, "l3": 0} {
		if got, known := s.LevelShare(level); !known || got != want {
			t.Errorf("%s served %v, %v, want %v", level, got, known, want)
		}
	}
	if _, known := NewSample(8, Snapshot{Tiers: tiers(1, 1, 1)},
		Snapshot{Tiers: tiers(1, 1, 1)}).LevelShare("l1"); known {
		t.Error("a share of no requests is known")
	}
}

func TestChanges(t *testing.T) {
	at := func(second float64, l2 string, replica *Replica) Sample {
		return Sample{At: second, State: State{Breakers: map[string]string{"l2": l2}, Replica: replica}}
	}
	up := &Replica{Healthy: true, Lag: 1}
	m := Measurements{Samples: []Sample{
		at(1, "closed", up), at(2, "open", up), at(3, "half-open", &Replica{Reason: "gone"}),
		at(4, "open", &Replica{Reason: "gone for longer"}),
		at(5, "closed", nil), at(6, "closed", up), at(7, "closed", up),
	}}
	want := []Change{
		{2, "breaker of l2: open"},
		{3, "breaker of l2: half-open"},
		{3, "replica: left out: gone"},
		{4, "breaker of l2: open"},
		{5, "breaker of l2: closed"},
		{6, "replica: read from"},
	}
	if got := m.Changes(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseSnapshotReadsTheState(t *testing.T) {
	s, err := ParseSnapshot([]byte(`{"version": 1, "cache": {"l3": {"hits": 4}}, "breakers": {"l2": "open"},
		"replica": {"healthy": false, "reason": "gone", "lag_ms": 1.5, "fallbacks": 7,
		"pool": {"acquires": 3, "wait_us": 1500, "max_conns": 4, "breaker": "half-open"}}, "db_pool": {"acquires": 9, "breaker": "closed"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Tiers["l3"].Hits != 4 || s.Breakers["l2"] != "open" ||
		*s.Replica != (Replica{Reason: "gone", Lag: 1.5, Fallbacks: 7}) {
		t.Errorf("%+v, replica %+v", s, s.Replica)
	}
	if want := map[string]string{
		"l2": "open", "primary": "closed",
		"replica": "half-open",
	}; !maps.Equal(s.Breakers, want) {
		t.Errorf("breakers %v, want %v", s.Breakers, want)
	}
	if want := (PoolStats{Acquires: 3, Waited: 1.5, MaxConns: 4}); s.Pools["replica"] != want ||
		s.Pools["primary"].Acquires != 9 {
		t.Errorf("pools %+v", s.Pools)
	}
}

func TestMaintenanceWarnings(t *testing.T) {
	s, err := ParseSnapshot([]byte(`{"version": 1, "maintenance": {"cost_partitions": {"runs": 3, "errors": 0},
		"analyze_resources": {"runs": 3, "errors": 1, "last_failure": "canceling statement"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "the reference server's maintenance job analyze_resources failed in 1 of 3 runs, the last time with: " +
		"canceling statement"
	if got := s.MaintenanceWarnings(); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

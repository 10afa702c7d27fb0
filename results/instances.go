package results

import (
	"fmt"
	"slices"
)

// SumSnapshots is the account of several instances of the server as if one did all that they do: what they count is
// added up, and how long garbage collection stopped one is their mean. A replica is healthy where all instances find it
// so, with the greatest lag that one of them saw; a breaker is in the worst of its states. The instant is that of the
// first.
func SumSnapshots(instances []Snapshot) (Snapshot, error) {
	if len(instances) == 1 {
		return instances[0], nil
	}
	sum := Snapshot{
		Queries: map[string]QueryStats{}, Tiers: map[string]TierStats{}, Pools: map[string]PoolStats{},
		Maintenance: map[string]JobStats{}, State: State{Breakers: map[string]string{}},
	}
	for i, s := range instances {
		if i == 0 {
			sum.At = s.At
		}
		if err := sum.add(s); err != nil {
			return Snapshot{}, err
		}
	}
	sum.GCPauses /= float64(max(1, len(instances)))
	return sum, nil
}

// Continuing is the account of a server that was started again as if its processes were one: what it has counted since
// then and what it had counted before. How it is at the instant is as it is now.
func (s Snapshot) Continuing(before Snapshot) (Snapshot, error) {
	sum, err := SumSnapshots([]Snapshot{s, before})
	if err != nil {
		return Snapshot{}, err
	}
	sum.GCPauses = s.GCPauses + before.GCPauses
	for role, p := range s.Pools {
		all := sum.Pools[role]
		all.MaxConns = p.MaxConns
		sum.Pools[role] = all
	}
	sum.State, sum.Work, sum.Footprint = s.State, sum.Work.now(s.Work), s.Footprint
	if s.Replica != nil && before.Replica != nil {
		sum.Replica = new(*s.Replica)
		sum.Replica.Fallbacks += before.Replica.Fallbacks
	}
	return sum, nil
}

// add adds the account of one more instance.
func (s *Snapshot) add(o Snapshot) error {
	for name, q := range o.Queries {
		sum := s.Queries[name]
		if sum.Duration == nil {
			sum.Duration = NewHistogram()
		}
		if err := sum.Duration.Merge(q.Duration); err != nil {
			return fmt.Errorf("add up the instances' query %s: %w", name, err)
		}
		sum.Count, sum.Errors, sum.Replica = sum.Count+q.Count, sum.Errors+q.Errors, sum.Replica+q.Replica
		s.Queries[name] = sum
	}
	for tier, t := range o.Tiers {
		sum := s.Tiers[tier]
		s.Tiers[tier] = TierStats{sum.Hits + t.Hits, sum.Misses + t.Misses, sum.Errors + t.Errors}
	}
	for role, p := range o.Pools {
		sum := s.Pools[role]
		s.Pools[role] = PoolStats{
			sum.Acquires + p.Acquires, sum.Waits + p.Waits, sum.Waited + p.Waited, sum.MaxConns + p.MaxConns,
		}
	}
	for name, j := range o.Maintenance {
		sum := s.Maintenance[name]
		sum.Runs, sum.Errors = sum.Runs+j.Runs, sum.Errors+j.Errors
		if j.LastFailure != "" {
			sum.LastFailure = j.LastFailure
		}
		s.Maintenance[name] = sum
	}
	s.State.add(o.State)
	s.CPU += o.CPU
	s.AllocatedBytes, s.AllocatedObjects = s.AllocatedBytes+o.AllocatedBytes, s.AllocatedObjects+o.AllocatedObjects
	s.GC, s.GCPauses = s.GC+o.GC, s.GCPauses+o.GCPauses
	s.Footprint.add(o.Footprint)
	s.Work = s.Work.plus(o.Work)
	return nil
}

// breakerStates are the states of a circuit breaker, the worst last.
var breakerStates = []string{"closed", "half-open", "open"}

// add adds how one more instance is.
func (s *State) add(o State) {
	for name, state := range o.Breakers {
		if slices.Index(breakerStates, state) >= slices.Index(breakerStates, s.Breakers[name]) {
			s.Breakers[name] = state
		}
	}
	switch r := o.Replica; {
	case r == nil:
	case s.Replica == nil:
		s.Replica = new(*r)
	default:
		s.Replica.Lag, s.Replica.Fallbacks = max(s.Replica.Lag, r.Lag), s.Replica.Fallbacks+r.Fallbacks
		if s.Replica.Healthy && !r.Healthy {
			s.Replica.Healthy, s.Replica.Reason = false, r.Reason
		}
	}
}

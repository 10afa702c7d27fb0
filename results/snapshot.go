package results

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Snapshot is what the reference server's admin listener says of itself at one instant: everything since its start.
type Snapshot struct {
	At      time.Time
	Queries map[string]QueryStats
	Tiers   map[string]TierStats // l1, l2, l3, overall, and edge where one stands before the server
	Pools   map[string]PoolStats // of connections, by role: primary, replica
	State
	CPU float64 // seconds of CPU time
	// AllocatedBytes and AllocatedObjects are what it allocated on Go's heap, freed or not; 0 from versions that do not
	// say.
	AllocatedBytes, AllocatedObjects int64
	// GC is the CPU time of garbage collection by the Go runtime's estimate, and GCPauses how long it stopped all
	// goroutines, both in seconds; 0 from versions that do not say.
	GC, GCPauses float64
	Footprint    Footprint   // now; zero from versions that do not say
	Work         *ServerWork // but for garbage collection; nil from versions that do not say

	Maintenance map[string]JobStats // of its jobs in the background, by name

	Figures Figures // of its endpoint of metrics, as far as a threshold is about them
	// NoFigures is why that endpoint, which was asked, did not give them; nil where it did.
	NoFigures error
}

// JobStats are the runs of a job of the server's since its start.
type JobStats struct {
	Runs        int64  `json:"runs"`
	Errors      int64  `json:"errors"`       // runs that failed
	LastFailure string `json:"last_failure"` // error of the last of those
}

// MaintenanceWarnings say which of the server's jobs failed: what they were to do has not been done for a while, and
// the figures may come from that.
func (s Snapshot) MaintenanceWarnings() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Maintenance)) {
		if j := s.Maintenance[name]; j.Errors > 0 {
			out = append(out, fmt.Sprintf("the reference server's maintenance job %s failed in %d of %d runs, the "+
				"last time with: %s",
				name, j.Errors, j.Runs, j.LastFailure))
		}
	}
	return out
}

// State is how the server is at an instant.
type State struct {
	Replica *Replica `json:"replica,omitempty"` // nil where the server says nothing of one
	// state of the circuit breaker of each dependency: closed, half-open, open
	Breakers map[string]string `json:"breakers,omitempty"`
}

// Replica is how the server sees the database's replica.
type Replica struct {
	Healthy   bool    `json:"healthy"`          // it is read from
	Reason    string  `json:"reason,omitempty"` // why not, where it is not
	Lag       float64 `json:"lag_ms"`           // how far it is behind the primary
	Fallbacks int64   `json:"fallbacks"`        // reads that went to the primary in its place, since the server's start
}

// QueryStats are the executions of one named database query.
type QueryStats struct {
	Count    int64      `json:"count"`
	Errors   int64      `json:"errors"`
	Replica  int64      `json:"on_replica"` // how many of Count the replica did
	Duration *Histogram `json:"-"`
}

// PoolStats are a pool of connections to the database.
type PoolStats struct {
	Acquires int64   `json:"acquires"`
	Waits    int64   `json:"waits"`     // acquires that found no idle connection
	Waited   float64 `json:"waited_ms"` // what these waited in all
	MaxConns int     `json:"max_conns"`
}

// TierStats are the look-ups of one cache level; for "overall", requests by whether any level answered.
type TierStats struct {
	Hits   int64 `json:"hits"`
	Misses int64 `json:"misses"`
	Errors int64 `json:"errors"`
}

// Ratio is hits / (hits + misses), 0 to 1; 0 when nothing was looked up.
func (t TierStats) Ratio() float64 {
	if t.Hits+t.Misses == 0 {
		return 0
	}
	return float64(t.Hits) / float64(t.Hits+t.Misses)
}

func (t TierStats) minus(before TierStats) TierStats {
	return TierStats{t.Hits - before.Hits, t.Misses - before.Misses, t.Errors - before.Errors}
}

// ParseSnapshot reads the JSON of the reference server's /snapshot.
func ParseSnapshot(data []byte) (Snapshot, error) {
	var in struct {
		Version int                  `json:"version"`
		At      time.Time            `json:"at"`
		DB      map[string]queryJSON `json:"db"`
		Cache   map[string]TierStats `json:"cache"`
		Pool    *poolJSON            `json:"db_pool"`
		Replica *struct {
			Replica
			Pool poolJSON `json:"pool"`
		} `json:"replica"`
		Breakers    map[string]string   `json:"breakers"` // of what is not a pool
		Maintenance map[string]JobStats `json:"maintenance"`
		Work        *workJSON           `json:"cache_work"`
		Process     struct {
			CPU              float64 `json:"cpu_seconds"`
			AllocatedBytes   int64   `json:"allocated_bytes"`
			AllocatedObjects int64   `json:"allocated_objects"`
			GC               float64 `json:"gc_cpu_seconds"`
			GCPauses         int64   `json:"gc_pauses_us_total"`
			RSS              int64   `json:"rss_bytes"`
			Mapped           int64   `json:"mapped_bytes"`
			Files            int64   `json:"open_files"`
			Goroutines       int64   `json:"goroutines"`
		} `json:"process"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return Snapshot{}, fmt.Errorf("server snapshot: %w", err)
	}
	if in.Version != 1 {
		return Snapshot{}, fmt.Errorf("server snapshot: version %d, this harness reads version 1", in.Version)
	}
	s := Snapshot{
		At: in.At, Queries: map[string]QueryStats{}, Tiers: in.Cache, Pools: map[string]PoolStats{},
		CPU: in.Process.CPU, Maintenance: in.Maintenance,
		AllocatedBytes: in.Process.AllocatedBytes, AllocatedObjects: in.Process.AllocatedObjects,
		GC: in.Process.GC, GCPauses: float64(in.Process.GCPauses) / 1e6,
		Work:      in.Work.work(),
		Footprint: Footprint{in.Process.RSS, in.Process.Mapped, in.Process.Files, in.Process.Goroutines},
	}
	s.Breakers = map[string]string{}
	maps.Copy(s.Breakers, in.Breakers)
	if in.Pool != nil {
		s.pool("primary", *in.Pool)
	}
	if in.Replica != nil {
		s.Replica = new(in.Replica.Replica) // alone: a sample keeps it
		s.pool("replica", in.Replica.Pool)
	}
	for name, q := range in.DB {
		h, err := decodeHistogram(q.HDR)
		if err != nil {
			return Snapshot{}, fmt.Errorf("server snapshot: query %s: %w", name, err)
		}
		s.Queries[name] = QueryStats{q.Count, q.Errors, q.Replica, h}
	}
	return s, nil
}

type queryJSON struct {
	Count   int64  `json:"count"`
	Errors  int64  `json:"errors"`
	Replica int64  `json:"replica"`
	HDR     string `json:"hdr"`
}

type poolJSON struct {
	Acquires int64  `json:"acquires"`
	Waits    int64  `json:"wait_count"`
	WaitUS   int64  `json:"wait_us"`
	MaxConns int    `json:"max_conns"`
	Breaker  string `json:"breaker"`
}

// pool adds the pool of a role, with its breaker.
func (s *Snapshot) pool(role string, p poolJSON) {
	s.Pools[role] = PoolStats{
		Acquires: p.Acquires, Waits: p.Waits, Waited: float64(p.WaitUS) / 1e3,
		MaxConns: p.MaxConns,
	}
	if p.Breaker != "" {
		s.Breakers[role] = p.Breaker
	}
}

// decodeHistogram reads the base64 form of HdrHistogram's V2 compressed encoding.
func decodeHistogram(s string) (*Histogram, error) {
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	counts, err := hdr.Decode([]byte(s)) // takes the base64 text itself
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return ofDense(counts)
}

// ServerView is the reference server's own account of one scenario's measured window, or with an empty Scenario of all
// measured windows. It contains whatever else the server did in that time.
type ServerView struct {
	Scenario   string                `json:"scenario,omitempty"`
	Seconds    float64               `json:"seconds"`
	Queries    map[string]QueryStats `json:"queries"`
	Tiers      map[string]TierStats  `json:"tiers"`
	Pools      map[string]PoolStats  `json:"pools,omitempty"`
	CPUSeconds float64               `json:"cpu_seconds"`
	// AllocatedBytes and AllocatedObjects are what the server allocated on Go's heap; 0 where it does not say.
	AllocatedBytes   int64 `json:"allocated_bytes,omitempty"`
	AllocatedObjects int64 `json:"allocated_objects,omitempty"`
	// GCSeconds is the CPU time of garbage collection by the Go runtime's estimate, and GCPauses how long it stopped
	// all goroutines; 0 where it does not say.
	GCSeconds float64 `json:"gc_cpu_seconds,omitempty"`
	GCPauses  float64 `json:"gc_pauses_seconds,omitempty"`
	// Figures are those of the endpoint of metrics that thresholds are about; nil where they are not known of all of
	// its windows.
	Figures   Figures `json:"figures,omitempty"`
	noFigures bool    // of a window they are not known
}

// NewServerView returns an empty view to which windows are added.
func NewServerView(scenario string) ServerView {
	return ServerView{
		Scenario: scenario, Queries: map[string]QueryStats{}, Tiers: map[string]TierStats{},
		Pools: map[string]PoolStats{},
	}
}

// Statements is the number of queries that the server sent to the database.
func (v *ServerView) Statements() (n int64) {
	for _, q := range v.Queries {
		n += q.Count
	}
	return n
}

// DatabaseTime is the sum of the durations of these queries, in milliseconds.
func (v *ServerView) DatabaseTime() (ms float64) {
	for _, q := range v.Queries {
		if q.Duration != nil { // else it never ran
			ms += q.Duration.Mean() * float64(q.Duration.Count())
		}
	}
	return ms
}

// Add counts what happened between two snapshots of the server, exactly: histograms are subtracted count by count.
func (v *ServerView) Add(from, to Snapshot) error {
	for name, now := range to.Queries {
		before, known := from.Queries[name]
		if !known {
			before.Duration = NewHistogram()
		}
		delta, err := now.Duration.Minus(before.Duration)
		if err != nil {
			return fmt.Errorf("server's view of query %s: %w", name, err)
		}
		sum := v.Queries[name]
		if sum.Duration == nil {
			sum.Duration = NewHistogram()
		}
		if err := sum.Duration.Merge(delta); err != nil {
			return fmt.Errorf("server's view of query %s: %w", name, err)
		}
		sum.Count += now.Count - before.Count
		sum.Errors += now.Errors - before.Errors
		sum.Replica += now.Replica - before.Replica
		v.Queries[name] = sum
	}
	for role, now := range to.Pools {
		before, sum := from.Pools[role], v.Pools[role]
		v.Pools[role] = PoolStats{
			Acquires: sum.Acquires + now.Acquires - before.Acquires, Waits: sum.Waits + now.Waits - before.Waits,
			Waited: sum.Waited + now.Waited - before.Waited, MaxConns: now.MaxConns,
		}
	}
	for tier, now := range to.Tiers {
		delta, sum := now.minus(from.Tiers[tier]), v.Tiers[tier]
		v.Tiers[tier] = TierStats{sum.Hits + delta.Hits, sum.Misses + delta.Misses, sum.Errors + delta.Errors}
	}
	v.addFigures(from, to)
	v.Seconds += to.At.Sub(from.At).Seconds()
	v.CPUSeconds += to.CPU - from.CPU
	v.AllocatedBytes += to.AllocatedBytes - from.AllocatedBytes
	v.AllocatedObjects += to.AllocatedObjects - from.AllocatedObjects
	v.GCSeconds += to.GC - from.GC
	v.GCPauses += to.GCPauses - from.GCPauses
	return nil
}

// View returns the server's view of a scenario, or of the whole run for an empty name; nil when there is none.
func (m *Measurements) View(scenario string) *ServerView {
	for i := range m.Views {
		if m.Views[i].Scenario == scenario {
			return &m.Views[i]
		}
	}
	return nil
}

// Database merges the durations of the named query, or of all queries for an empty name.
func (v *ServerView) Database(query string) (*Histogram, error) {
	sum := NewHistogram()
	for name, q := range v.Queries {
		if query != "" && name != query {
			continue
		}
		if err := sum.Merge(q.Duration); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

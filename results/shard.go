package results

import (
	"fmt"
	"time"
)

// Shard says which part of a schedule a run carried out: of Of shards, shard Index takes the iterations k with
// k mod Of = Index.
type Shard struct {
	Index int `json:"index"` // from 0
	Of    int `json:"of"`
}

// String is "0/4".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// ShardRun is what a merged run keeps of each of its shards.
type ShardRun struct {
	Shard
	Started   time.Time         `json:"started"` // by the clock of its machine
	Engine    string            `json:"engine"`
	Machine   Machine           `json:"machine"`
	Settings  map[string]string `json:"generator_settings,omitempty"` // see [Environment]
	Generator Generator         `json:"generator"`
	Sent      int64             `json:"sent"`                 // iterations, warm-up included, as in [Load]
	Dropped   int64             `json:"dropped"`              // likewise
	P95       *float64          `json:"p95_ms,omitempty"`     // of the response times; nil when nothing was measured
	LagP99    *float64          `json:"lag_p99_ms,omitempty"` // of the lag behind the schedule; nil without a schedule
	Invalid   []string          `json:"invalid,omitempty"`    // why its measurement cannot be trusted
	Disturbed []string          `json:"disturbed,omitempty"`  // in which way others took CPU time from it
	Warnings  []string          `json:"warnings,omitempty"`   // what else there is to say of its measurement
}

func newShardRun(r *Run) (ShardRun, error) {
	m := &r.Measurements
	out := ShardRun{
		Shard: *r.Shard, Started: m.Started, Engine: m.Engine, Machine: r.Environment.Machine,
		Settings: r.Environment.GeneratorSettings, Generator: m.Generator,
		Invalid: r.Verdict.Invalid, Warnings: m.Warnings,
	}
	lag := NewHistogram()
	for _, l := range m.Loads {
		out.Sent += l.Sent
		out.Dropped += l.Dropped
		if err := lag.Merge(l.Lag); err != nil {
			return out, err
		}
	}
	sum, err := m.Summarize(nil)
	if err != nil {
		return out, err
	}
	out.P95, out.LagP99 = percentileIfAny(sum.Response, 95), percentileIfAny(lag, 99)
	return out, nil
}

// percentileIfAny is nil when nothing was recorded.
func percentileIfAny(h *Histogram, p float64) *float64 {
	if h.Count() == 0 {
		return nil
	}
	v := h.Percentile(p)
	return &v
}

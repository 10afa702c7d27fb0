package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Evidence is what the reference server said at the end of a run besides its figures: it shows what was the case while
// a gate did not hold. All of it is bounded, and each text that was cut says so. Times are seconds since the start of
// the run.
type Evidence struct {
	Slow   []SlowStatement `json:"slow_statements,omitempty"` // the slowest first
	Caches []CacheState    `json:"caches,omitempty"`          // one an instance
	Tuning []TuningAction  `json:"tuning,omitempty"`          // in the order of time, of one instance after the other
	Log    ServerLog       `json:"server_log"`
	// Missing says what could not be had, and why.
	Missing []string `json:"missing,omitempty"`
}

// SlowStatement is a statement that took longer than the server's HEADROOM_SLOW_QUERY, of all instances together since
// their start.
type SlowStatement struct {
	Query   string  `json:"query"` // its name
	SQL     string  `json:"sql"`
	Count   int64   `json:"count"`   // executions that were slow
	Replica int64   `json:"replica"` // how many of them the replica did
	Max     float64 `json:"max_ms"`
	Last    float64 `json:"last_seconds"` // when the last slow one ended
	Plan    string  `json:"plan,omitempty"`
	// PlanFault says why there is no plan.
	PlanFault string `json:"plan_error,omitempty"`
}

// The bounds of what is kept of slow statements.
const (
	maxSlowStatements = 20
	maxStatementText  = 2 << 10 // bytes of SQL
	maxPlanText       = 4 << 10 // bytes of a plan
)

// AddSlow adds the answer of an instance to /slow, but for the statements of which none was slow since the run started.
func (e *Evidence) AddSlow(answer []byte, started time.Time) error {
	var in struct {
		Slow []struct {
			SlowStatement
			Last time.Time `json:"last"`
		} `json:"slow"`
	}
	err := json.Unmarshal(answer, &in)
	if err != nil {
		return fmt.Errorf("slow statements: %w", err)
	}
	for _, one := range in.Slow {
		if one.Last.Before(started) {
			continue
		}
		s := one.SlowStatement
		s.Last = one.Last.Sub(started).Seconds()
		s.SQL, s.Plan = cut(s.SQL, maxStatementText), cut(s.Plan, maxPlanText)
		i := slices.IndexFunc(e.Slow, func(o SlowStatement) bool { return o.SQL == s.SQL })
		if i < 0 {
			e.Slow = append(e.Slow, s)
			continue
		}
		sum := &e.Slow[i]
		sum.Count, sum.Replica = sum.Count+s.Count, sum.Replica+s.Replica
		sum.Max, sum.Last = max(sum.Max, s.Max), max(sum.Last, s.Last)
		if sum.Plan == "" {
			sum.Plan, sum.PlanFault = s.Plan, s.PlanFault
		}
	}
	slices.SortStableFunc(e.Slow, func(a, b SlowStatement) int { return cmp.Compare(b.Max, a.Max) })
	e.Slow = e.Slow[:min(len(e.Slow), maxSlowStatements)]
	return nil
}

// cut bounds a text, and says so.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s\n… (%d bytes more)", strings.TrimRight(text[:end], " \n"), len(text)-end)
}

// CacheState is the cache of an instance at the end of the run. What it counts is since the instance's start.
type CacheState struct {
	Instance        string           `json:"instance"` // its number from 1, or its region
	HitRate         *float64         `json:"overall_hit_rate"`
	L1              L1State          `json:"l1_size"`
	Evictions       int64            `json:"evictions"`
	Expirations     int64            `json:"expirations"`
	Invalidations   int64            `json:"invalidations"`
	Prefetch        Prefetched       `json:"prefetch"`
	Recommendations []Recommendation `json:"recommendations"`
}

// L1State is the size of an instance's L1, in bytes.
type L1State struct {
	Bytes        int64   `json:"bytes"`
	MaxBytes     int64   `json:"max_bytes"`
	Entries      int64   `json:"entries"`
	TTL          float64 `json:"ttl_seconds"`
	LastDecision string  `json:"last_decision,omitempty"`
}

// Prefetched counts what the cache loaded before it was asked for.
type Prefetched struct {
	Prefetched int64 `json:"prefetched"`
	Used       int64 `json:"used"`
	Lost       int64 `json:"lost"`
	Dropped    int64 `json:"dropped"`
}

// Recommendation is what the cache advises, with the figures that it rests on.
type Recommendation struct {
	Code    string             `json:"code"`
	Text    string             `json:"text"`
	Numbers map[string]float64 `json:"numbers"`
}

// AddCache adds the answer of an instance to /api/v1/cache/report.
func (e *Evidence) AddCache(instance string, answer []byte) error {
	c := CacheState{}
	err := json.Unmarshal(answer, &c)
	if err != nil {
		return fmt.Errorf("cache report: %w", err)
	}
	c.Instance = instance
	e.Caches = append(e.Caches, c)
	return nil
}

// SlowOf are the slow statements of a query; those of all for an empty name.
func (e *Evidence) SlowOf(query string) (found []SlowStatement) {
	if e == nil {
		return nil
	}
	for _, s := range e.Slow {
		if query == "" || s.Query == query {
			found = append(found, s)
		}
	}
	return found
}

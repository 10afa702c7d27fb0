package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5"
)

// A query bears its name in a comment on its first line, as sqlc writes it. A statement
// without one (a ping, a migration) is not measured.
const namePrefix = "-- name: "

// The names under which queries are measured. To add one: a constant here, with its place in queryNames, and the same
// name in scenarios/gates.go, so that a gate can select it. A test holds that no file of this package uses another.
const (
	addEvent               = "append_event"
	complianceSummary      = "compliance_summary"
	costSeries             = "cost_series"
	costTotals             = "cost_totals"
	countResources         = "count_resources"
	createPolicy           = "create_policy"
	createResource         = "create_resource"
	deletePolicy           = "delete_policy"
	deleteResource         = "delete_resource"
	estimateResources      = "estimate_resources"
	expireCacheEntries     = "expire_cache_entries"
	followEvents           = "follow_events"
	getPolicy              = "get_policy"
	getResource            = "get_resource"
	insertResources        = "insert_resources"
	listCurrentEvaluations = "list_current_evaluations"
	listEvaluations        = "list_evaluations"
	listPolicies           = "list_policies"
	listResources          = "list_resources"
	maintainCosts          = "maintain_costs"
	readStream             = "read_stream"
	recordEvaluations      = "record_evaluations"
	refreshCompliance      = "refresh_compliance"
	replacePolicy          = "replace_policy"
	replaceResource        = "replace_resource"
	retireEvaluations      = "retire_evaluations"
	upsertCosts            = "upsert_costs"
)

var queryNames = []string{
	addEvent,
	complianceSummary,
	costSeries,
	costTotals,
	countResources,
	createPolicy,
	createResource,
	deletePolicy,
	deleteResource,
	estimateResources,
	expireCacheEntries,
	followEvents,
	getPolicy,
	getResource,
	insertResources,
	listCurrentEvaluations,
	listEvaluations,
	listPolicies,
	listResources,
	maintainCosts,
	readStream,
	recordEvaluations,
	refreshCompliance,
	replacePolicy,
	replaceResource,
	retireEvaluations,
	upsertCosts,
}

// QueryNames returns the names of all queries that are measured.
func QueryNames() []string { return slices.Clone(queryNames) }

// maxQueryMicroseconds is the longest duration that the histograms tell apart: one minute.
const maxQueryMicroseconds = 60_000_000

// QueryStats is what was measured of one named query since Open.
type QueryStats struct {
	// Errors counts the queries that failed. They are in the histogram too.
	Errors int64
	// Durations is in microseconds, from 1 µs to 60 s with 3 significant digits: from sending the query to having read
	// its last row. The wait for a connection is not in it: see PoolStats. It is a copy.
	Durations *hdrhistogram.Histogram
}

// QueryStats returns the measurements by query name. A query that has not been run is not in it.
func (s *Store) QueryStats() map[string]QueryStats {
	stats := make(map[string]QueryStats, len(s.queries.named))
	for name, q := range s.queries.named {
		if measured, ok := q.stats(); ok {
			stats[name] = measured
		}
	}
	return stats
}

// queryTimes is the pgx tracer that measures the named queries.
type queryTimes struct{ named map[string]*namedQuery }

func newQueryTimes() *queryTimes {
	t := &queryTimes{named: make(map[string]*namedQuery, len(queryNames))}
	for _, name := range queryNames {
		t.named[name] = &namedQuery{}
	}
	return t
}

// namedQuery has one lock for count and histogram: they must agree, and it is held for some 30 ns a query.
type namedQuery struct {
	mu        sync.Mutex
	errors    int64
	durations *hdrhistogram.Histogram // 140 KB; nil until the query is run
}

func (q *namedQuery) record(took time.Duration, err error) {
	us := min(max(took.Microseconds(), 1), maxQueryMicroseconds)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.errors++
	}
	if q.durations == nil {
		q.durations = hdrhistogram.New(1, maxQueryMicroseconds, 3)
	}
	// It fails only out of range, and us was brought into it.
	_ = q.durations.RecordValue(us)
}

func (q *namedQuery) stats() (measured QueryStats, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.durations == nil {
		return QueryStats{}, false
	}
	return QueryStats{Errors: q.errors, Durations: q.durations.Clone()}, true
}

// runningQuery is the query that a connection is busy with: a connection runs one at a time, so this needs no lock,
// and it saves the context that a tracer would otherwise allocate for every query.
type runningQuery struct {
	query *namedQuery
	start time.Time
}

const runningQueryKey = "headroom.runningQuery"

// watch gives a new connection its runningQuery.
func (t *queryTimes) watch(_ context.Context, conn *pgx.Conn) error {
	conn.PgConn().CustomData()[runningQueryKey] = &runningQuery{}
	return nil
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *queryTimes) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	named := t.find(data.SQL)
	if named == nil {
		return ctx
	}
	if running, ok := conn.PgConn().CustomData()[runningQueryKey].(*runningQuery); ok {
		running.query = named
		running.start = time.Now()
	}
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *queryTimes) TraceQueryEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	running, ok := conn.PgConn().CustomData()[runningQueryKey].(*runningQuery)
	if !ok || running.query == nil {
		return
	}
	running.query.record(time.Since(running.start), data.Err)
	running.query = nil
}

func (t *queryTimes) find(sql string) *namedQuery {
	rest, ok := strings.CutPrefix(sql, namePrefix)
	if !ok {
		return nil
	}
	end := strings.IndexByte(rest, '\n')
	if end < 0 {
		return nil
	}
	return t.named[rest[:end]]
}

package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/policycortex/headroom/server/tracing"
)

// A query bears its name in a comment on its first line, as sqlc writes it. A statement without one (a ping, a
// migration) is not measured.
const namePrefix = "-- name: "

// The names under which queries are measured. To add one: a constant here, with its place in queryNames, and the same
// name in scenarios/gates.go, so that a gate can select it. A test holds that no file of this package uses another.
const (
	addEvent               = "append_event"
	complianceSummary      = "compliance_summary"
	costHistories          = "cost_histories"
	costSeries             = "cost_series"
	costTotals             = "cost_totals"
	countResources         = "count_resources"
	createPolicy           = "create_policy"
	createResource         = "create_resource"
	deleteCacheEntries     = "delete_cache_entries"
	deletePolicy           = "delete_policy"
	deleteResource         = "delete_resource"
	estimateResources      = "estimate_resources"
	expireCacheEntries     = "expire_cache_entries"
	findCacheEntries       = "find_cache_entries"
	followEvents           = "follow_events"
	getPolicy              = "get_policy"
	getPolicyModule        = "get_policy_module"
	getResource            = "get_resource"
	insertResources        = "insert_resources"
	largestTenants         = "largest_tenants"
	listCurrentEvaluations = "list_current_evaluations"
	listEvaluations        = "list_evaluations"
	listPolicies           = "list_policies"
	listResources          = "list_resources"
	readCacheEntry         = "read_cache_entry"
	readStream             = "read_stream"
	recentCosts            = "recent_costs"
	recentResources        = "recent_resources"
	recordEvaluations      = "record_evaluations"
	refreshCompliance      = "refresh_compliance"
	replacePolicy          = "replace_policy"
	replaceResource        = "replace_resource"
	retireEvaluations      = "retire_evaluations"
	setPolicyRule          = "set_policy_rule"
	upsertCosts            = "upsert_costs"
	writeCacheEntry        = "write_cache_entry"
)

var queryNames = []string{
	addEvent,
	complianceSummary,
	costHistories,
	costSeries,
	costTotals,
	countResources,
	createPolicy,
	createResource,
	deleteCacheEntries,
	deletePolicy,
	deleteResource,
	estimateResources,
	expireCacheEntries,
	findCacheEntries,
	followEvents,
	getPolicy,
	getPolicyModule,
	getResource,
	insertResources,
	largestTenants,
	listCurrentEvaluations,
	listEvaluations,
	listPolicies,
	listResources,
	readCacheEntry,
	readStream,
	recentCosts,
	recentResources,
	recordEvaluations,
	refreshCompliance,
	replacePolicy,
	replaceResource,
	retireEvaluations,
	setPolicyRule,
	upsertCosts,
	writeCacheEntry,
}

// QueryNames returns the names of all queries that are measured.
func QueryNames() []string { return slices.Clone(queryNames) }

// maxMicroseconds is the longest duration that the histograms tell apart: one minute.
const maxMicroseconds = 60_000_000

// QueryStats are the measurements of one named query since Open.
type QueryStats struct {
	// Errors counts the queries that failed. They are in the histogram too.
	Errors int64
	// Replica counts the queries on the replica; the others ran on the primary.
	Replica int64
	// Durations is in microseconds, from 1 µs to 60 s with 3 significant digits. It covers the time from sending the
	// query to reading its last row, without the wait for a connection: see [Store.AcquireTimes]. It is a copy.
	Durations *hdrhistogram.Histogram
}

// QueryStats returns the measurements by query name. Queries that have not run are omitted.
func (s *Store) QueryStats() map[string]QueryStats {
	stats := make(map[string]QueryStats, len(s.queries.named))
	for name, q := range s.queries.named {
		if durations, errors := q.times.copy(); durations != nil {
			stats[name] = QueryStats{Errors: errors, Replica: q.replica.Load(), Durations: durations}
		}
	}
	return stats
}

// AcquireTimes returns histograms of the time that queries waited for a connection, like those of [QueryStats], by the
// server's role ("primary", "replica"). With an idle connection the wait is about 1 µs.
func (s *Store) AcquireTimes() map[string]*hdrhistogram.Histogram {
	times := map[string]*hdrhistogram.Histogram{}
	for _, n := range s.nodes() {
		if h, _ := n.waits.copy(); h != nil {
			times[n.role] = h
		}
	}
	return times
}

// timings has one lock for histogram and counts: they must agree, and it is held for some 30 ns.
type timings struct {
	mu        sync.Mutex
	errors    int64
	durations *hdrhistogram.Histogram // 140 KB; nil until there is one
	classes   classes
	sum       time.Duration
}

func (t *timings) record(took time.Duration, err error) {
	us := min(max(took.Microseconds(), 1), maxMicroseconds)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.errors++
	}
	if t.durations == nil {
		t.durations = hdrhistogram.New(1, maxMicroseconds, 3)
	}
	t.classes.add(took)
	t.sum += took
	// It fails only out of range, and us was brought into it.
	_ = t.durations.RecordValue(us)
}

// copy returns nil when nothing has been recorded.
func (t *timings) copy() (durations *hdrhistogram.Histogram, errors int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.durations == nil {
		return nil, 0
	}
	return t.durations.Clone(), t.errors
}

// queryTimes are the measurements of all queries, whichever server does them.
type queryTimes struct {
	named map[string]*namedQuery
	slow  slowQueries
	// count and nanos are of all named queries together. anew has the statements that the tuning has planned for their
	// parameters; nil without any.
	count, nanos atomic.Int64
	anew         atomic.Pointer[map[string]bool]
}

type namedQuery struct {
	name    string
	times   timings
	replica atomic.Int64
}

func newQueryTimes(slow time.Duration) *queryTimes {
	t := &queryTimes{named: make(map[string]*namedQuery, len(queryNames)), slow: slowQueries{threshold: slow}}
	for _, name := range queryNames {
		t.named[name] = &namedQuery{name: name}
	}
	return t
}

// find returns nil for a statement without a name.
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

// connState is what a connection carries along. It does one query at a time, so this needs no lock, and it saves the
// context that a tracer would otherwise allocate for every query.
type connState struct {
	get, getGroup *pgconn.StatementDescription
	tracer        *queryTracer

	choice bool // the next statement is run with planned

	query *namedQuery // in progress; nil for a statement that is not measured
	kept  bool        // its plan may be kept, unless PlanAnew forbids that
	sql   string
	args  []any
	start time.Time
}

const connStateKey = "headroom"

// stateOf returns nil for a connection that is being made.
func stateOf(conn *pgx.Conn) *connState {
	state, _ := conn.PgConn().CustomData()[connStateKey].(*connState)
	return state
}

// queryTracer is the pgx tracer of one server's connections.
type queryTracer struct {
	queries *queryTimes
	get     *namedQuery
	replica bool
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *queryTracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn,
	data pgx.TraceQueryStartData,
) context.Context {
	state := stateOf(conn)
	if state == nil {
		return ctx
	}
	if named := t.queries.find(data.SQL); named != nil {
		state.query, state.sql, state.args, state.start = named, data.SQL, data.Args, time.Now()
		state.kept = state.choice && keepsPlan(data.Args)
	}
	state.choice = false
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *queryTracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	state := stateOf(conn)
	if state == nil || state.query == nil {
		return
	}
	took := time.Since(state.start)
	t.record(state.query, state.sql, state.kept, took, data.Err)
	if t.isSlow(took) {
		t.queries.slow.keep(state.sql, took, state.args)
	}
	if tracing.Records(ctx) {
		t.trace(ctx, state.query, state.start, data.CommandTag, data.Err, nil)
	}
	state.query, state.args = nil, nil
}

func (t *queryTracer) isSlow(took time.Duration) bool { return took >= t.queries.slow.threshold }

func (t *queryTracer) record(named *namedQuery, sql string, kept bool, took time.Duration, err error) {
	named.times.record(took, err)
	t.queries.count.Add(1)
	t.queries.nanos.Add(int64(took))
	if t.replica {
		named.replica.Add(1)
	}
	if t.isSlow(took) {
		t.queries.slow.note(sql, kept, took, t.replica, time.Now())
	}
}

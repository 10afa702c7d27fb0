package store

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5"
)

// The names under which queries are measured. A query bears its name in a comment on its first line, as sqlc writes
// it; a statement without one (a ping, a migration) is not measured.
const (
	namePrefix      = "-- name: "
	listResources   = "list_resources"
	getResource     = "get_resource"
	insertResources = "insert_resources"
)

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

// QueryStats returns the measurements by query name.
func (s *Store) QueryStats() map[string]QueryStats {
	stats := make(map[string]QueryStats, len(s.queries.named))
	for i := range s.queries.named {
		q := &s.queries.named[i]
		stats[q.name] = q.stats()
	}
	return stats
}

// queryTimes is the pgx tracer that measures the named queries.
type queryTimes struct{ named [3]namedQuery }

func newQueryTimes() *queryTimes {
	t := &queryTimes{}
	for i, name := range []string{getResource, listResources, insertResources} {
		t.named[i].name = name
		t.named[i].durations = hdrhistogram.New(1, maxQueryMicroseconds, 3)
	}
	return t
}

// namedQuery has one lock for count and histogram: they must agree, and it is held for some 30 ns a query.
type namedQuery struct {
	name string

	mu        sync.Mutex
	errors    int64
	durations *hdrhistogram.Histogram
}

func (q *namedQuery) record(took time.Duration, err error) {
	us := min(max(took.Microseconds(), 1), maxQueryMicroseconds)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.errors++
	}
	// It fails only out of range, and us was brought into it.
	_ = q.durations.RecordValue(us)
}

func (q *namedQuery) stats() QueryStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return QueryStats{Errors: q.errors, Durations: q.durations.Clone()}
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
	for i := range t.named {
		if name := t.named[i].name; len(rest) > len(name) && rest[len(name)] == '\n' && rest[:len(name)] == name {
			return &t.named[i]
		}
	}
	return nil
}

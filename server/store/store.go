// Package store keeps resources in Postgres. Every query is bound to one tenant. Results are appended to byte slices as
// JSON straight from the network buffer: on the way from Postgres to an answer nothing is decoded into Go values first.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrNotFound is returned for what does not exist, is deleted, or belongs to another tenant.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned for a change that would give two things the same unique key.
	ErrConflict = errors.New("it exists already")
	// ErrVersion is returned for a change of a version that is not the present one.
	ErrVersion = errors.New("it has been changed meanwhile")
)

// ID is a UUID: of a tenant or of a resource.
type ID = [16]byte

// Options says how to reach Postgres.
type Options struct {
	// URL is the postgres:// connection string of the primary.
	URL string
	// ReplicaURL is that of a streaming replica, which reads prefer; empty when there is none.
	ReplicaURL string
	// MaxConns is the size of the pool; 0 derives it from the number of CPUs.
	MaxConns int
	// CostMonths is how many months of costs are kept before the present one; 0 is [DefaultCostMonths].
	CostMonths int
}

// Store is a pool of connections to Postgres. It is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	queries *queryTimes

	costMonths int
}

// connectionSettings are sent with the startup message, so that every connection of the pool has them: a SET through
// the pool would reach one of them only. Times are in milliseconds.
var connectionSettings = map[string]string{
	"application_name":                    "headroom",
	"statement_timeout":                   "5000",
	"lock_timeout":                        "1000",
	"idle_in_transaction_session_timeout": "10000",
	// Short queries on few cores: compiling them or forking workers for them costs more than they do.
	"jit":                             "off",
	"max_parallel_workers_per_gather": "0",
}

// Open connects the whole pool before it returns. It does not migrate: see [Migrate].
func Open(ctx context.Context, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("parse Postgres URL: %w", err)
	}
	for name, value := range connectionSettings {
		config.ConnConfig.RuntimeParams[name] = value
	}
	maxConns := o.MaxConns
	if maxConns == 0 {
		// Measured on two cores: 8 to 16 connections serve most; at 64 the slowest one percent waits 60 ms.
		maxConns = min(max(4*runtime.NumCPU(), 8), 64)
	}
	// A pool of fixed size: opening a connection takes milliseconds, and would be paid when the load is highest.
	config.MaxConns = int32(maxConns)
	config.MinConns = int32(maxConns)
	config.MaxConnLifetimeJitter = 10 * time.Minute
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	queries := newQueryTimes()
	config.ConnConfig.Tracer = queries
	config.AfterConnect = queries.watch

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open Postgres pool: %w", err)
	}
	s := &Store{pool: pool, queries: queries, costMonths: cmp.Or(o.CostMonths, DefaultCostMonths)}
	if err := s.connectAll(ctx, maxConns); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// connectAll holds n connections at once, which makes the pool open them all, and returns them.
func (s *Store) connectAll(ctx context.Context, n int) error {
	for range n {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("connect to Postgres (%d connections; is it running, and is its max_connections higher?): %w", n, err)
		}
		defer conn.Release()
	}
	return nil
}

// Ping asks Postgres for an answer through the pool.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping Postgres: %w", err)
	}
	return nil
}

// Close waits for running queries and closes every connection.
func (s *Store) Close() { s.pool.Close() }

// PoolStats describes the connection pool. Counts and times are cumulative since Open.
type PoolStats struct {
	// Acquires counts connections taken from the pool, for whatever purpose.
	Acquires int64
	// Waits counts acquires that found no idle connection; Waited is the time that these spent waiting.
	Waits  int64
	Waited time.Duration
	// MaxConns is the size of the pool, InUse how many of its connections are taken now.
	MaxConns, InUse int
}

// PoolStats returns the pool's present state.
func (s *Store) PoolStats() PoolStats {
	stat := s.pool.Stat()
	return PoolStats{
		Acquires: stat.AcquireCount(),
		Waits:    stat.EmptyAcquireCount(),
		Waited:   stat.EmptyAcquireWaitTime(),
		MaxConns: int(stat.MaxConns()),
		InUse:    int(stat.AcquiredConns()),
	}
}

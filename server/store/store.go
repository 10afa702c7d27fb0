// Package store keeps resources, and what is known of them, in Postgres. Every query is bound to one tenant. Results are appended to byte slices as
// JSON straight from the network buffer: on the way from Postgres to an answer nothing is decoded into Go values first.
//
// Writes go to the primary, reads to its streaming replica as long as that is healthy and not too far behind: see
// [Store.ReplicaStats]. Who must see a certain write passes the position that the write returned to his reads.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// ErrNotFound is returned for what does not exist, is deleted, or belongs to another tenant.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned for a change that would give two things the same unique key.
	ErrConflict = errors.New("it exists already")
	// ErrVersion is returned for a change of a version that is not the present one.
	ErrVersion = errors.New("it has been changed meanwhile")
	// ErrUnavailable is returned when the database cannot be reached, at once while its breaker is open.
	ErrUnavailable = errors.New("the database is unavailable")
)

// ID is a UUID: of a tenant or of anything that it has.
type ID = [16]byte

// Options says how to reach Postgres.
type Options struct {
	// URL is the postgres:// connection string of the primary.
	URL string
	// ReplicaURL is that of a streaming replica, which reads prefer; empty when there is none. The replica need not be
	// there when the store is opened.
	ReplicaURL string
	// ReplicaMaxLag is how far the replica may be behind before all reads go to the primary; 0 is 5 seconds.
	ReplicaMaxLag time.Duration
	// MaxConns is the size of the pool of each server; 0 derives it from the number of CPUs and what the primary has free.
	MaxConns int
	// CostMonths is how many months of costs are kept before the present one; 0 is [DefaultCostMonths].
	CostMonths int
	// SlowQuery is from how long on a query is kept as slow; 0 is 100 ms.
	SlowQuery time.Duration
	// Logger is told when a server fails and when it is used again; nil is slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.ReplicaMaxLag = cmp.Or(o.ReplicaMaxLag, defaultReplicaMaxLag)
	o.CostMonths = cmp.Or(o.CostMonths, DefaultCostMonths)
	o.SlowQuery = cmp.Or(o.SlowQuery, defaultSlowQuery)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Store is the database: a primary and perhaps a replica. It is safe for concurrent use.
type Store struct {
	primary *node
	replica *replica // nil when there is none
	floor   LSN      // where the primary was at Open: a replica that has not even its migrations is of no use
	queries *queryTimes
	gets    getQueue
	loads   bulkLoads
	orphans orphans

	costMonths int

	stopWatching context.CancelFunc
	watching     sync.WaitGroup
}

// Open connects the whole pool before it returns, and that of the replica when it is there. It does not migrate: see
// [Migrate].
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	facts, err := askPrimary(ctx, o.URL, o.ReplicaURL != "")
	if err != nil {
		return nil, err
	}
	o, err = o.sized(facts.free)
	if err != nil {
		return nil, err
	}
	s := &Store{queries: newQueryTimes(o.SlowQuery), costMonths: o.CostMonths, stopWatching: func() {}}
	s.gets.store = s
	s.loads.due = make(chan struct{}, 1)
	s.primary, err = newNode(ctx, RolePrimary, o.URL, o.MaxConns, s.queries)
	if err != nil {
		return nil, err
	}
	if err := s.primary.connectAll(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("connect to Postgres (is its max_connections higher than what all clients take?): %w", err)
	}
	if o.ReplicaURL != "" {
		n, err := newNode(ctx, RoleReplica, o.ReplicaURL, o.MaxConns, s.queries)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.replica = &replica{node: n, maxLag: o.ReplicaMaxLag}
		s.floor = facts.position
	}
	s.watch(ctx, facts.cluster, o.Logger)
	return s, nil
}

// watch begins to watch the servers. With a replica, both are asked once before it returns.
func (s *Store) watch(ctx context.Context, cluster int64, logger *slog.Logger) {
	primary := newWatch(s.primary, watchAloneEvery, primaryPatience, logger)
	primary.up = true
	primary.ask = func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) }
	watches := []*watch{primary}
	if r := s.replica; r != nil {
		primary.every = watchEvery
		primary.ask = func(ctx context.Context, conn *pgx.Conn) error {
			var position LSN
			if err := conn.QueryRow(ctx, primarySQL).Scan(&position); err != nil {
				return err
			}
			r.primaryIsAt(position, time.Now())
			return nil
		}
		second := newWatch(r.node, watchEvery, replicaPatience, logger)
		second.changed = r.isUp
		second.ask = func(ctx context.Context, conn *pgx.Conn) error {
			replayed, err := askReplica(ctx, conn, cluster)
			if err == nil {
				r.replicaIsAt(replayed, time.Now())
			}
			return err
		}
		primary.round(ctx)
		second.round(ctx)
		watches = append(watches, second)
	}
	ctx, s.stopWatching = context.WithCancel(context.WithoutCancel(ctx))
	for _, w := range watches {
		s.watching.Go(func() { w.run(ctx) })
	}
}

// Ping asks the primary for an answer through the pool.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.primary.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping Postgres: %w", err)
	}
	return nil
}

// Close waits for running queries and closes every connection.
func (s *Store) Close() {
	s.stopWatching()
	s.watching.Wait()
	s.primary.pool.Close()
	if s.replica != nil {
		s.replica.pool.Close()
	}
}

func (s *Store) nodes() []*node {
	if s.replica == nil {
		return []*node{s.primary}
	}
	return []*node{s.primary, s.replica.node}
}

// PoolStats returns the present state of the primary's pool; the replica's is in [Store.ReplicaStats].
func (s *Store) PoolStats() PoolStats { return s.primary.stats() }

// Package store keeps resources, policies, evaluations, costs and events in Postgres. Every query is bound to one
// tenant. Results are appended to byte slices as JSON straight from the network buffer, without decoding into Go values
// first.
//
// Writes go to the primary. Reads go to its streaming replica while that is healthy and not too far behind: see
// [Store.ReplicaStats]. A write returns an LSN; a read that is given this LSN sees the write.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// ErrNotFound is returned for an object that does not exist, is deleted, or belongs to another tenant.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned for a change that would give two objects the same unique key.
	ErrConflict = errors.New("it already exists")
	// ErrVersion is returned for a change of a version that is not the current one.
	ErrVersion = errors.New("it has been changed in the meantime")
	// ErrUnavailable is returned when the database cannot be reached; while its circuit breaker is open, at once.
	ErrUnavailable = errors.New("the database is unavailable")
)

// ID is the UUID of a tenant or of one of its objects.
type ID = [16]byte

// Options configure a store.
type Options struct {
	// URL is the postgres:// connection string of the primary.
	URL string
	// ReplicaURL is the connection string of a streaming replica, which reads prefer; empty without one. The replica
	// may start later than the store.
	ReplicaURL string
	// ReplicaMaxLag is the lag beyond which all reads go to the primary; 0 means 5 seconds.
	ReplicaMaxLag time.Duration
	// MaxConns is the size of the pool of each server; 0 derives it from the number of CPUs and what the primary has
	// free.
	MaxConns int
	// CostMonths is how many months of costs to keep before the current one; 0 means [DefaultCostMonths].
	CostMonths int
	// StatementTimeout is how long a statement of a request may take, and LockTimeout how long it may wait for each
	// lock, before Postgres gives it up; 0 means 5 seconds and 1 second. Maintenance has its own.
	StatementTimeout, LockTimeout time.Duration
	// SlowQuery is the duration from which queries are listed as slow; 0 means 100 ms.
	SlowQuery time.Duration
	// Logger logs when a server fails and when it is used again; nil means slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.ReplicaMaxLag = cmp.Or(o.ReplicaMaxLag, defaultReplicaMaxLag)
	o.CostMonths = cmp.Or(o.CostMonths, DefaultCostMonths)
	o.StatementTimeout = cmp.Or(o.StatementTimeout, DefaultStatementTimeout)
	o.LockTimeout = cmp.Or(o.LockTimeout, DefaultLockTimeout)
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
	floor   LSN      // the primary's LSN at Open: a replica without the migrations is not used
	queries *queryTimes
	gets    getQueue
	loads   bulkLoads
	orphans orphans

	costMonths int
	expired    atomic.Int64 // rows of cache_entries that were deleted
	resizing   sync.Mutex
	analyzed   sync.Map // how often the tuning has analyzed a table, by its name

	stopWatching context.CancelFunc
	watching     sync.WaitGroup
}

// Open connects the whole pool of the primary before it returns, and that of the replica if it is available. It does
// not migrate: see [Migrate].
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
	s.primary, err = newNode(ctx, RolePrimary, o.URL, &o, s.queries)
	if err != nil {
		return nil, err
	}
	if err := s.primary.connectAll(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("connect to Postgres (is its max_connections higher than what all clients take?): %w",
			err)
	}
	if o.ReplicaURL != "" {
		n, err := newNode(ctx, RoleReplica, o.ReplicaURL, &o, s.queries)
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

// watch starts watching the servers. With a replica, it asks both once before it returns.
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

// Ping sends an empty query to the primary through the pool.
func (s *Store) Ping(ctx context.Context) error {
	conn, err := s.primary.acquire(ctx)
	if err != nil {
		return fmt.Errorf("ping Postgres: %w", err)
	}
	defer conn.Release()
	err = conn.Ping(ctx)
	if err != nil {
		return fmt.Errorf("ping Postgres: %w", err)
	}
	return nil
}

// Close waits for running queries and closes every connection.
func (s *Store) Close() {
	s.stopWatching()
	s.watching.Wait()
	for _, n := range s.nodes() {
		n.close()
	}
}

func (s *Store) nodes() []*node {
	if s.replica == nil {
		return []*node{s.primary}
	}
	return []*node{s.primary, s.replica.node}
}

// Replicated reports whether a replica is configured, so that a read may not see what was just committed.
func (s *Store) Replicated() bool { return s.replica != nil }

// PoolStats returns the current state of the primary's pool. [Store.ReplicaStats] has the replica's.
func (s *Store) PoolStats() PoolStats { return s.primary.stats() }

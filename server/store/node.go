package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sony/gobreaker/v2"
)

// The roles of a server in statistics.
const (
	RolePrimary = "primary"
	RoleReplica = "replica"
)

// A breaker opens after this many consecutive failures, and lets one query through after breakerPause.
const (
	breakerFailures = 3
	breakerPause    = time.Second
)

// node is a Postgres server: a pool of connections to it behind a breaker.
type node struct {
	role    string
	pool    atomic.Pointer[pgxpool.Pool]
	link    *link
	breaker *gobreaker.CircuitBreaker[struct{}]
	size    atomic.Int32 // of the pool
	former  formerPools
	trip    atomic.Int64 // nanoseconds that the last health check took
	busy    atomic.Int32 // queries that have a connection or wait for one
	waits   timings      // for a connection
}

func newBreaker(name string) *gobreaker.CircuitBreaker[struct{}] {
	return gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		Timeout:      breakerPause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return !isOutage(err) }, // an error answer is an answer
		IsExcluded:   func(err error) bool { return isContext(err) && !isOutage(err) },
	})
}

// outage is the failure of a server or of the network, as opposed to that of a query.
type outage struct {
	role string
	err  error
}

func (o *outage) Error() string { return fmt.Sprintf("the %s failed: %v", o.role, o.err) }
func (o *outage) Unwrap() error { return o.err }

// Is makes every outage an ErrUnavailable.
func (o *outage) Is(target error) bool { return target == ErrUnavailable }

func isOutage(err error) bool {
	var o *outage
	return err != nil && errors.As(err, &o)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// run runs query on a connection. It returns ErrUnavailable at once while the breaker is open.
func (n *node) run(ctx context.Context, query func(*pgx.Conn) error) error {
	_, err := n.breaker.Execute(func() (struct{}, error) { return struct{}{}, n.runNow(ctx, query) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return fmt.Errorf("%w: the %s failed a moment ago: %w", ErrUnavailable, n.role, err)
	}
	return err
}

func (n *node) runNow(ctx context.Context, query func(*pgx.Conn) error) error {
	n.busy.Add(1)
	defer n.busy.Add(-1)
	start := time.Now()
	conn, err := n.acquire(ctx)
	n.waits.record(time.Since(start), err)
	if err != nil {
		if ctx.Err() == nil {
			err = &outage{n.role, err}
		}
		return fmt.Errorf("take a connection to the %s: %w", n.role, err)
	}
	defer conn.Release()
	err = query(conn.Conn())
	if err != nil && ctx.Err() == nil && (conn.Conn().IsClosed() || isShutdown(err)) {
		return &outage{n.role, err}
	}
	return err
}

// isShutdown recognizes the errors of a server that is stopping, starting or out of connections.
func isShutdown(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "57P01", "57P02", "57P03", "53300": // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
		return true
	}
	return len(pg.Code) == 5 && pg.Code[:2] == "08" // connection_exception
}

// connectAll acquires all connections of the pool at once, so that all are opened, and releases them.
func (n *node) connectAll(ctx context.Context) error { return n.connectAllOf(ctx, n.pool.Load()) }

func (n *node) connectAllOf(ctx context.Context, pool *pgxpool.Pool) error {
	size := pool.Config().MaxConns
	for range size {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("open %d connections to the %s: %w", size, n.role, err)
		}
		defer conn.Release()
	}
	return nil
}

// PoolStats describes a connection pool. Counts and times are cumulative since Open.
type PoolStats struct {
	// Acquires counts connections taken from the pool, for whatever purpose.
	Acquires int64
	// Waits counts acquires that found no idle connection. Waited is their total waiting time.
	Waits  int64
	Waited time.Duration
	// MaxConns is the size of the pool, InUse the number of its connections in use, Idle that of those at rest. Others
	// are being opened.
	MaxConns, InUse, Idle int
	// Breaker is the state of its circuit breaker: closed (queries pass), open or half-open.
	Breaker string
}

func (n *node) stats() PoolStats {
	n.former.mu.Lock()
	stat, before := n.pool.Load().Stat(), n.former.sum()
	n.former.mu.Unlock()
	return PoolStats{
		Acquires: before.Acquires + stat.AcquireCount(),
		Waits:    before.Waits + stat.EmptyAcquireCount(),
		Waited:   before.Waited + stat.EmptyAcquireWaitTime(),
		MaxConns: int(stat.MaxConns()),
		InUse:    before.InUse + int(stat.AcquiredConns()),
		Idle:     int(stat.IdleConns()),
		Breaker:  n.breaker.State().String(),
	}
}

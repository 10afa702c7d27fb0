package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A pgxpool has the size with which it was made. So another size is another pool: it is opened beside the former one,
// takes its place in one store of a pointer, and the former one closes when its queries have ended. Nothing is added to
// the path of queries but the load of that pointer. Both pools together take connections of the server for a moment.

// formerPools are the pools that were replaced.
type formerPools struct {
	mu      sync.Mutex
	closing []*pgxpool.Pool // not all of their queries have ended
	closed  PoolStats       // the counts of the others
	ending  sync.WaitGroup
}

// acquire takes a connection. A pool that was replaced gives none any more: those who wait for it try the next.
func (n *node) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	for {
		pool := n.pool.Load()
		conn, err := pool.Acquire(ctx)
		if err == nil || ctx.Err() != nil || n.pool.Load() == pool {
			return conn, err
		}
	}
}

// replacePool gives the node a pool of another size and with other parameters of its connections. Its connections are
// open before it is used, unless the server is down.
func (n *node) replacePool(ctx context.Context, up bool, size int, parameters map[string]string) error {
	former := n.pool.Load()
	config := former.Config()
	config.MaxConns, config.MinConns = int32(size), int32(size)
	config.ConnConfig.RuntimeParams = parameters
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("make a pool of %d connections to the %s: %w", size, n.role, err)
	}
	if up {
		err := n.connectAllOf(ctx, pool)
		if err != nil {
			pool.Close()
			return err
		}
	}
	n.former.mu.Lock()
	n.former.closing = append(n.former.closing, former)
	n.pool.Store(pool)
	n.size.Store(int32(size))
	n.former.mu.Unlock()
	n.former.ending.Go(func() { n.former.end(former) })
	return nil
}

// end waits for the queries of a pool, and closes it.
func (f *formerPools) end(pool *pgxpool.Pool) {
	pool.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closing = slices.DeleteFunc(f.closing, func(p *pgxpool.Pool) bool { return p == pool })
	f.closed = f.closed.plus(pool.Stat())
}

// sum returns what the former pools have counted; f is locked.
func (f *formerPools) sum() PoolStats {
	sum := f.closed
	for _, pool := range f.closing {
		sum = sum.plus(pool.Stat())
		sum.InUse += int(pool.Stat().AcquiredConns())
	}
	return sum
}

func (p PoolStats) plus(stat *pgxpool.Stat) PoolStats {
	p.Acquires += stat.AcquireCount()
	p.Waits += stat.EmptyAcquireCount()
	p.Waited += stat.EmptyAcquireWaitTime()
	return p
}

func (n *node) close() {
	n.pool.Load().Close()
	n.former.ending.Wait()
}

// PoolBound returns the number of connections that the pool would have on this machine by itself, if Postgres has
// enough of them, or that it has, if that is more.
func (s *Store) PoolBound() int { return max(wantedPool(runtime.NumCPU()), int(s.primary.size.Load())) }

// ResizePool gives the pool of each server another number of connections. Queries go on meanwhile: each pool is
// replaced when the connections of the new one are open. It returns an error when Postgres has too few for both.
func (s *Store) ResizePool(ctx context.Context, size int) error {
	return s.replacePools(ctx, size, (*node).parameters)
}

// parameters returns a copy of those of the connections, which may be in the URL of this server alone.
func (n *node) parameters() map[string]string { return n.pool.Load().Config().ConnConfig.RuntimeParams }

// replacePools replaces the pool of each server, or none. The connections to it get the parameters that are given for
// it.
func (s *Store) replacePools(ctx context.Context, size int, parameters func(*node) map[string]string) error {
	s.resizing.Lock()
	defer s.resizing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, replacingTakes)
	defer cancel()
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		var free int
		if err := conn.QueryRow(ctx, freeSQL).Scan(&free); err != nil {
			return err
		}
		if free < size+spareConns {
			return fmt.Errorf("%d connections of Postgres are free, and %d are needed beside those in use", free,
				size+spareConns)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replace the pools: %w", err)
	}
	was, before := int(s.primary.size.Load()), s.primary.parameters()
	err = s.primary.replacePool(ctx, true, size, parameters(s.primary))
	if err != nil || s.replica == nil {
		return err
	}
	err = s.replica.replacePool(ctx, s.replica.usable.Load(), size, parameters(s.replica.node))
	if err != nil {
		again := s.primary.replacePool(context.WithoutCancel(ctx), false, was, before)
		if again != nil {
			return fmt.Errorf("%w; and the primary keeps %d connections: %w", err, size, again)
		}
	}
	return err
}

const (
	// replacingTakes bounds the opening of connections.
	replacingTakes = 10 * time.Second
	// spareConns are left to others while there are two pools.
	spareConns = 2
)

const planModeParameter = "plan_cache_mode"

// PlanMode returns plan_cache_mode of the connections to the primary.
func (s *Store) PlanMode(ctx context.Context) (mode string, err error) {
	err = s.aside(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SHOW "+planModeParameter).Scan(&mode)
	})
	if err != nil {
		return "", fmt.Errorf("ask for %s: %w", planModeParameter, err)
	}
	return mode, nil
}

// SetPlanMode sets plan_cache_mode of the connections to all servers, by replacing the pools. It returns the mode that
// was set before; an empty one is that of the server's configuration.
func (s *Store) SetPlanMode(ctx context.Context, mode string) (before string, err error) {
	before = s.primary.parameters()[planModeParameter]
	return before, s.replacePools(ctx, int(s.primary.size.Load()), func(n *node) map[string]string {
		parameters := n.parameters()
		if mode == "" {
			delete(parameters, planModeParameter)
		} else {
			parameters[planModeParameter] = mode
		}
		return parameters
	})
}

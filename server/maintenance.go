package server

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/store"
)

// How often the jobs are run that have no option.
const (
	partitionsEvery = 6 * time.Hour
	cleaningEvery   = time.Minute
)

// maintenance runs the jobs that nobody asks for by a request, one at a time, each on a cadence of its own.
type maintenance struct {
	logger *slog.Logger
	jobs   []*job
}

// job is something to be done again and again. What it does must be safe to be done by several instances at once.
type job struct {
	name  string
	every time.Duration // spread by a tenth to either side, so that instances that started together drift apart
	run   func(context.Context) error

	due time.Time // of maintenance alone

	mu    sync.Mutex
	stats jobStats
}

// jobStats counts the runs of a job since the start.
type jobStats struct {
	Runs   int64   `json:"runs"`
	Errors int64   `json:"errors"` // how many of them failed
	TookMS float64 `json:"took_ms"`
	// LastError is that of the last run, empty when it succeeded.
	LastError string `json:"last_error,omitempty"`
}

// newMaintenance knows what there is to be done for a database and an API.
func newMaintenance(o Options, db *store.Store, handler *api.API) *maintenance {
	return &maintenance{logger: o.Logger, jobs: []*job{
		{name: "cost_partitions", every: partitionsEvery, run: func(ctx context.Context) error { return maintainCosts(ctx, db, o.Logger) }},
		{name: "compliance_summary", every: o.ComplianceEvery, run: func(ctx context.Context) error {
			return refreshCompliance(ctx, db, handler, o.ComplianceEvery/2)
		}},
		{name: "deleted_policies", every: cleaningEvery, run: func(ctx context.Context) error {
			return untilDone(ctx, func() (bool, error) {
				n, err := handler.RetireEvaluations(ctx)
				return n == 0, err
			})
		}},
		{name: "expired_cache_entries", every: cleaningEvery, run: func(ctx context.Context) error {
			return untilDone(ctx, func() (bool, error) {
				n, err := db.ExpireCacheEntries(ctx)
				return n < store.MaxBatch, err
			})
		}},
	}}
}

func maintainCosts(ctx context.Context, db *store.Store, logger *slog.Logger) error {
	done, err := db.MaintainCosts(ctx)
	if err != nil {
		return err
	}
	if done.Made > 0 || len(done.Detached) > 0 {
		logger.Info("partitions of costs", "made", done.Made, "detached", done.Detached)
	}
	if done.Misplaced > 0 {
		logger.Warn("costs are in cost_data_default, as no partition is kept for their months; move or delete them", "rows", done.Misplaced)
	}
	return nil
}

// refreshCompliance leaves a summary alone that is younger than fresh: another instance, or a request, has seen to it.
func refreshCompliance(ctx context.Context, db *store.Store, handler *api.API, fresh time.Duration) error {
	age, known, err := db.ComplianceSummaryAge(ctx)
	if err != nil || known && age < fresh {
		return err
	}
	if _, err := handler.RefreshCompliance(ctx); !errors.Is(err, store.ErrRefreshing) {
		return err
	}
	return nil
}

// untilDone calls step until it says that there is no more to do.
func untilDone(ctx context.Context, step func() (done bool, err error)) error {
	for {
		if done, err := step(); done || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// start runs the jobs until ctx is done or stop is called, which waits for the one under way to give up.
func (m *maintenance) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { m.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// run runs the jobs until ctx is done, the first time after a tenth of their cadence.
func (m *maintenance) run(ctx context.Context) {
	start := time.Now()
	for _, j := range m.jobs {
		j.due = start.Add(spread(j.every) / 10)
	}
	for {
		next := m.jobs[0]
		for _, j := range m.jobs {
			if j.due.Before(next.due) {
				next = j
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next.due)):
		}
		m.runOnce(ctx, next)
		next.due = time.Now().Add(spread(next.every))
	}
}

// runOnce runs a job and notes how it went. A panic in it ends neither the others nor the server.
func (m *maintenance) runOnce(ctx context.Context, j *job) {
	start := time.Now()
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				m.logger.Error("a maintenance job panicked", "job", j.name, "panic", p)
				err = errors.New("it panicked")
			}
		}()
		return j.run(ctx)
	}()
	if ctx.Err() != nil {
		return // stopped in the middle of it
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Runs++
	j.stats.TookMS += float64(time.Since(start).Microseconds()) / 1000
	j.stats.LastError = ""
	if err != nil {
		j.stats.Errors++
		j.stats.LastError = err.Error()
		m.logger.Error("a maintenance job failed; it will be run again", "job", j.name, "after", j.every, "error", err)
	}
}

func spread(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// snapshot returns the counts by the names of the jobs.
func (m *maintenance) snapshot() map[string]jobStats {
	stats := make(map[string]jobStats, len(m.jobs))
	for _, j := range m.jobs {
		j.mu.Lock()
		stats[j.name] = j.stats
		j.mu.Unlock()
	}
	return stats
}

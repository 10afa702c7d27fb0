package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// Cadences of the jobs that have no option.
const (
	partitionsEvery = 6 * time.Hour
	cleaningEvery   = time.Minute
	keysEvery       = 5 * time.Minute
	// After a failure.
	analyzeAgain = 2 * time.Second
	keysAgain    = 5 * time.Second
)

// maintenance runs background jobs. Jobs with a cadence run one at a time; each prompted job runs concurrently with
// them.
type maintenance struct {
	logger   *slog.Logger
	jobs     []*job
	prompted []*job
}

// job is a recurring job. It must be safe to run on several instances at once.
type job struct {
	name  string
	every time.Duration // with a jitter of a tenth to either side, so that instances that started together drift apart
	run   func(context.Context) error

	// For a prompted job. It runs again after a failure unless again is 0, and after a success unless every is 0.
	prompt <-chan struct{}
	again  time.Duration

	due time.Time // of maintenance alone

	mu    sync.Mutex
	stats jobStats
}

// jobStats counts the runs of a job since the start.
type jobStats struct {
	Runs   int64   `json:"runs"`
	Errors int64   `json:"errors"` // how many of them failed
	TookMS float64 `json:"took_ms"`
	// LastFailure is the error of the last failed run, even if a later run succeeded.
	LastFailure string `json:"last_failure,omitempty"`
}

// newMaintenance lists the jobs for a database and an API.
func newMaintenance(o Options, db *store.Store, answers *cache.Cache, handler *api.API,
	verifier *auth.Verifier,
) *maintenance {
	m := &maintenance{logger: o.Logger}
	m.jobs = []*job{
		{
			name: "cost_partitions", every: partitionsEvery,
			run: func(ctx context.Context) error { return maintainCosts(ctx, db, o.Logger) },
		},
		{name: "compliance_summary", every: o.ComplianceEvery, run: func(ctx context.Context) error {
			return refreshCompliance(ctx, db, handler, o.ComplianceEvery/2)
		}},
		{name: "cost_outlooks", every: o.ForecastEvery, run: newOutlooks(db, answers, handler, o.Logger).refresh},
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
	}
	m.prompted = []*job{{name: "analyze_resources", prompt: db.BulkLoaded(), again: analyzeAgain, run: db.Analyze}}
	if verifier != nil && verifier.Keys() != nil {
		keys := verifier.Keys()
		m.prompted = append(m.prompted,
			&job{name: "auth_keys", prompt: keys.Prompted(), every: keysEvery, again: keysAgain, run: keys.Refresh})
	}
	if o.WarmResources > 0 {
		m.prompted = append(m.prompted,
			&job{name: "cache_warming", prompt: once(), run: func(ctx context.Context) error {
				return warm(ctx, o, db, answers, handler)
			}})
	}
	return m
}

// once prompts a job at the start.
func once() <-chan struct{} {
	prompt := make(chan struct{}, 1)
	prompt <- struct{}{}
	return prompt
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
		logger.Warn("costs are in cost_data_default, as no partition is kept for their months; move or delete them",
			"rows", done.Misplaced)
	}
	return nil
}

// refreshCompliance skips a summary younger than fresh, which another instance or a request has refreshed.
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

// untilDone calls step until nothing is left to do.
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

// start runs the jobs until ctx is done or stop is called. stop waits for the running job to give up.
func (m *maintenance) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { m.run(ctx) })
	for _, j := range m.prompted {
		running.Go(func() { m.runPrompted(ctx, j) })
	}
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

// runPrompted runs a job whenever it is prompted, and again after a failure, until ctx is done.
func (m *maintenance) runPrompted(ctx context.Context, j *job) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.prompt:
		case <-again:
		}
		after := j.again
		if m.runOnce(ctx, j) {
			after = j.every
		}
		again = nil
		if after > 0 {
			again = time.After(spread(after))
		}
	}
}

// runOnce runs a job, counts the outcome and reports whether it succeeded. A panic in a job stops neither the other
// jobs nor the server.
func (m *maintenance) runOnce(ctx context.Context, j *job) (well bool) {
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
		return false // stopped in the middle of it
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Runs++
	j.stats.TookMS += float64(time.Since(start).Microseconds()) / 1000
	if err == nil {
		return true
	}
	j.stats.Errors++
	j.stats.LastFailure = err.Error()
	if after := cmp.Or(j.again, j.every); after > 0 {
		m.logger.Error("a maintenance job failed; it will be run again", "job", j.name, "after", after, "error", err)
	} else {
		m.logger.Error("a maintenance job failed", "job", j.name, "error", err)
	}
	return false
}

func spread(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// snapshot returns the counts by the names of the jobs.
func (m *maintenance) snapshot() map[string]jobStats {
	stats := make(map[string]jobStats, len(m.jobs)+len(m.prompted))
	for _, j := range slices.Concat(m.jobs, m.prompted) {
		j.mu.Lock()
		stats[j.name] = j.stats
		j.mu.Unlock()
	}
	return stats
}

package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/policycortex/headroom/server/cache/report"
)

// Source is where a value to be warmed comes from.
type Source uint8

const (
	// Database values are read, several at a time.
	Database Source = iota
	// Computation values are expensive, so they are made one at a time.
	Computation
)

// WarmingEntry is a value to load into L1 and L2 before it is requested.
type WarmingEntry struct {
	Key    Key
	Source Source
	// TTL is the lifetime in L2; 0 means the default of 30 minutes.
	TTL time.Duration
	// Priority orders the entries, the highest first.
	Priority uint8
}

const (
	warmingBatch = 100
	// warmingReads is how many values are read at a time, few enough to leave connections and processors to requests.
	warmingReads = 2
)

var errNoLoader = errors.New("no loader for keys of this kind")

// Warming is a plan and its progress.
type Warming struct {
	entries []WarmingEntry // by priority
	loader  func(Kind) LoadFunc

	running sync.Mutex // one [Cache.Warm] at a time works on it

	mu       sync.Mutex // guards the fields below
	tried    []bool     // by entry
	progress report.Warming
	began    time.Time // of the current run
}

// NewWarming makes a plan. loader returns the function that loads keys of a kind, or nil.
func NewWarming(entries []WarmingEntry, loader func(Kind) LoadFunc) *Warming {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b WarmingEntry) int { return cmp.Compare(b.Priority, a.Priority) })
	return &Warming{
		entries: sorted, loader: loader, tried: make([]bool, len(sorted)),
		progress: report.Warming{Total: len(sorted)},
	}
}

// Progress returns the plan's progress.
func (w *Warming) Progress() report.Warming {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.progress
	if p.Running {
		p.Seconds += time.Since(w.began).Seconds()
	}
	return p
}

// Warm executes a plan in batches of 100, highest priority first, until it is done or ctx ends. In the second case it
// returns the error of ctx, and another call resumes the plan. Entries that fail are counted and skipped. The cache
// serves requests meanwhile. Warming does not count as requests.
func (c *Cache) Warm(ctx context.Context, w *Warming, logger *slog.Logger) error {
	w.running.Lock()
	defer w.running.Unlock()
	c.warming.Store(w)
	w.start()
	defer w.stop()
	for {
		batch := w.next()
		if len(batch) == 0 {
			w.log(logger, "the cache is warm")
			return nil
		}
		c.warmBatch(ctx, w, batch)
		if err := ctx.Err(); err != nil {
			w.log(logger, "warming the cache was stopped")
			return fmt.Errorf("warm the cache: %w", err)
		}
		w.log(logger, "warming the cache")
	}
}

func (w *Warming) log(logger *slog.Logger, message string) {
	p := w.Progress()
	logger.Info(message, "entries", p.Total, "loaded", p.Loaded, "kept", p.Kept, "failed", p.Failed, "seconds",
		p.Seconds)
}

func (w *Warming) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.Running, w.began = true, time.Now()
}

func (w *Warming) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.Running = false
	w.progress.Seconds += time.Since(w.began).Seconds()
}

// next returns the indexes of the next untried entries, at most warmingBatch.
func (w *Warming) next() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var batch []int
	for i, tried := range w.tried {
		if !tried {
			batch = append(batch, i)
		}
		if len(batch) == warmingBatch {
			break
		}
	}
	return batch
}

func (c *Cache) warmBatch(ctx context.Context, w *Warming, batch []int) {
	var reads errgroup.Group
	reads.SetLimit(warmingReads)
	computed := make([]int, 0, len(batch))
	for _, i := range batch {
		if w.entries[i].Source == Computation {
			computed = append(computed, i)
			continue
		}
		reads.Go(func() error {
			c.warm(ctx, w, i)
			return nil
		})
	}
	reads.Wait()
	for _, i := range computed {
		c.warm(ctx, w, i)
	}
}

func (c *Cache) warm(ctx context.Context, w *Warming, i int) {
	if ctx.Err() != nil {
		return
	}
	e := &w.entries[i]
	level, err := Miss, errNoLoader
	if load := w.loader(e.Key.Kind); load != nil {
		_, level, err = c.loadAhead(ctx, &e.Key, load, &ahead{l2TTL: e.TTL})
	}
	if err != nil && ctx.Err() != nil {
		return // not this entry's failure
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried[i] = true
	switch {
	case err != nil:
		w.progress.Failed++
	case level == Miss:
		w.progress.Loaded++
	default:
		w.progress.Kept++
	}
}

// LoadAhead loads a value into L1 and L2, unless a level has it. It does not count as a request. Errors are
// [ErrNotKept], and those of load.
func (c *Cache) LoadAhead(ctx context.Context, key Key, load LoadFunc) error {
	_, _, err := c.loadAhead(ctx, &key, load, &ahead{})
	return err
}

// Warming returns the progress of warming, or nil when [Cache.Warm] was never called.
func (c *Cache) Warming() *report.Warming {
	w := c.warming.Load()
	if w == nil {
		return nil
	}
	return new(w.Progress())
}

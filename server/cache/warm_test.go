package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// source makes values, and notes in which order and how many at a time.
type source struct {
	mu       sync.Mutex
	order    []cache.Key
	now      atomic.Int32
	most     atomic.Int32
	fail     map[cache.Key]bool
	afterAll func(n int)
}

func (s *source) load(_ context.Context, key cache.Key, _ store.LSN) ([]byte, error) {
	defer s.now.Add(-1)
	if now := s.now.Add(1); now > s.most.Load() {
		s.most.Store(now)
	}
	s.mu.Lock()
	s.order = append(s.order, key)
	n := len(s.order)
	s.mu.Unlock()
	if s.afterAll != nil {
		s.afterAll(n)
	}
	if s.fail[key] {
		return nil, errors.New("broken")
	}
	return []byte("v"), nil
}

func (s *source) loader(cache.Kind) cache.LoadFunc { return s.load }

func warmingPlan(tenant [16]byte, n int) []cache.WarmingEntry {
	entries := make([]cache.WarmingEntry, n)
	for i := range entries {
		entries[i] = cache.WarmingEntry{Key: listKey(tenant, fmt.Sprintf("n=%d", i)), Priority: uint8(i * 200 / n)}
		if i%10 == 0 {
			entries[i].Source = cache.Computation
		}
	}
	return entries
}

func TestWarming(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	if c.Report().Warming != nil {
		t.Error("there is a report on warming before there was any")
	}
	const n = 250
	entries := warmingPlan(newID(), n)
	broken := entries[n-1].Key
	s := &source{fail: map[cache.Key]bool{broken: true}}
	expect(t, c, entries[5].Key, returning("here already"), "here already", cache.Miss)
	before := c.Stats()
	var log bytes.Buffer
	w := cache.NewWarming(entries, s.loader)
	if err := c.Warm(t.Context(), w, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	p := w.Progress()
	if p.Total != n || p.Loaded != n-2 || p.Kept != 1 || p.Failed != 1 || p.Running || !p.Done() || p.Seconds <= 0 {
		t.Errorf("%+v", p)
	}
	if report := c.Report().Warming; report == nil || *report != p {
		t.Errorf("the report says %+v", report)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 4 { // three batches and the end
		t.Errorf("%d lines were logged:\n%s", lines, log.String())
	}
	checkBatches(t, s, entries)
	if stats := c.Stats(); stats != before {
		t.Errorf("warming counts as requests: %+v, was %+v", stats, before)
	}
	for _, e := range entries[:n-1] {
		if _, level, err := c.Get(t.Context(), e.Key, returning("no")); err != nil || level != cache.L1 {
			t.Fatalf("%s comes from %s, error %v", e.Key.Query, level, err)
		}
	}
}

// checkBatches holds that each batch of 100 has higher priorities than the next, and that computations come one at a
// time.
func checkBatches(t *testing.T, s *source, entries []cache.WarmingEntry) {
	t.Helper()
	priority := map[cache.Key]uint8{}
	for _, e := range entries {
		priority[e.Key] = e.Priority
	}
	lowest := uint8(255)
	for start := 0; start < len(s.order); start += 100 {
		batch := s.order[start:min(start+100, len(s.order))]
		next := uint8(255)
		for _, key := range batch {
			if p := priority[key]; p > lowest {
				t.Errorf("priority %d comes in batch %d, after %d", p, start/100, lowest)
			} else {
				next = min(next, p)
			}
		}
		lowest = next
	}
	if most := s.most.Load(); most > 2 {
		t.Errorf("%d loads at a time", most)
	}
}

func TestWarmingGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	ctx, stop := context.WithCancel(t.Context())
	s := &source{afterAll: func(n int) {
		if n == 120 {
			stop()
		}
	}}
	w := cache.NewWarming(warmingPlan(newID(), 250), s.loader)
	if err := c.Warm(ctx, w, slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	stopped := w.Progress()
	if stopped.Done() || stopped.Running || stopped.Failed != 0 || stopped.Loaded < 100 || stopped.Loaded > 122 {
		t.Errorf("stopped at %+v", stopped)
	}
	if err := c.Warm(t.Context(), w, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if p := w.Progress(); !p.Done() || p.Loaded+p.Kept != 250 || p.Seconds < stopped.Seconds {
		t.Errorf("ended at %+v", p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.order); n != 250 {
		t.Errorf("%d values were made for 250 entries", n)
	}
}

func TestWarmedValuesKeepTheirLifetimeInL2(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	client := redisClient(t, l2URL(t))
	key := itemKey(newID(), newID())
	w := cache.NewWarming([]cache.WarmingEntry{{Key: key, TTL: 5 * time.Minute}}, (&source{}).loader)
	if err := c.Warm(t.Context(), w, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	waitForL2(t, client, key)
	if ttl := client.PTTL(t.Context(), cache.L2Name(key)).Val(); ttl < 4*time.Minute || ttl > 6*time.Minute {
		t.Errorf("L2 keeps the value for %s, want five minutes or so", ttl)
	}
}

func TestWarmingWithoutALoader(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	w := cache.NewWarming([]cache.WarmingEntry{{Key: itemKey(newID(), newID())}},
		func(cache.Kind) cache.LoadFunc { return nil })
	if err := c.Warm(t.Context(), w, slog.New(slog.DiscardHandler)); err != nil || w.Progress().Failed != 1 {
		t.Errorf("error %v, %+v", err, w.Progress())
	}
}

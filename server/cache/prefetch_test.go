package cache_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// pages is a list of pages: the query of page n is cursor=n, its body the number of the next one.
type pages struct {
	mu    sync.Mutex
	loads map[string]int
}

func (p *pages) load(_ context.Context, key cache.Key, _ store.LSN) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loads == nil {
		p.loads = map[string]int{}
	}
	p.loads[key.Query]++
	number, _ := strings.CutPrefix(key.Query, "cursor=")
	n, err := strconv.Atoi(number)
	return []byte(strconv.Itoa(n + 1)), err
}

func (p *pages) loaded(query string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loads[query]
}

func (p *pages) prefetching() cache.Prefetching {
	return cache.Prefetching{
		Related: func(key cache.Key, body []byte, relation cache.Relation, add func(cache.Key)) {
			if relation == cache.NextPage && key.Query != "" {
				add(listKey(key.Tenant, "cursor="+string(body)))
			}
		},
		Loader: func(cache.Kind) cache.LoadFunc { return p.load },
	}
}

// warmUp brings the hit rate to where prefetching begins.
func warmUp(t *testing.T, c *cache.Cache) {
	t.Helper()
	key := itemKey(newID(), newID())
	expect(t, c, key, returning("v"), "v", cache.Miss)
	for range 50 {
		expect(t, c, key, returning("v"), "v", cache.L1)
	}
}

func TestTheNextPageOfAWalkIsPrefetched(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	var p pages
	c.Prefetch(p.prefetching())
	warmUp(t, c)
	tenant := newID()
	const last = 8
	for n := 1; n <= last; n++ {
		level := cache.L1
		if n == 1 {
			level = cache.Miss
		}
		expect(t, c, listKey(tenant, fmt.Sprintf("cursor=%d", n)), p.load, strconv.Itoa(n+1), level)
		eventually(t, "the next page",
			func() bool { return c.Report().Prefetch.ByRelation["next_page"].Prefetched == uint64(n) })
	}
	report := c.Report().Prefetch.ByRelation["next_page"]
	if report.Used != last-1 || report.Effectiveness == nil || *report.Effectiveness != float64(last-1)/last {
		t.Errorf("%+v, want %d of %d prefetched pages used", report, last-1, last)
	}
	for n := 1; n <= last+1; n++ {
		if loads := p.loaded(fmt.Sprintf("cursor=%d", n)); loads != 1 {
			t.Errorf("page %d was loaded %d times", n, loads)
		}
	}
	if stats := c.Stats(); stats.L1.Hits+stats.L1.Misses != 51+last {
		t.Errorf("%+v: prefetches count as requests", stats)
	}
}

func TestNothingIsPrefetchedWhileFewRequestsHit(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	var p pages
	c.Prefetch(p.prefetching())
	tenant := newID()
	for n := range 20 {
		expect(t, c, listKey(tenant, fmt.Sprintf("cursor=%d", 10*n)), p.load, strconv.Itoa(10*n+1), cache.Miss)
	}
	time.Sleep(50 * time.Millisecond)
	if report := c.Report().Prefetch; report.Prefetched+report.Failed+report.Dropped != 0 ||
		report.Effectiveness != nil {
		t.Errorf("%+v, want nothing", report)
	}
}

// What nobody asks for is counted as lost, and makes the relation stop.
func TestPrefetchingThatServesNobodyStops(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	var p pages
	c.Prefetch(p.prefetching())
	warmUp(t, c)
	tenant := newID()
	lost := func() uint64 { return c.Report().Prefetch.Lost }
	hits := itemKey(newID(), newID())
	for n := 0; lost() < 32; n++ {
		key := listKey(tenant, fmt.Sprintf("cursor=%d", 10*n))
		expect(t, c, key, p.load, strconv.Itoa(10*n+1), cache.Miss)
		next := listKey(tenant, fmt.Sprintf("cursor=%d", 10*n+1))
		eventually(t, "the next page", func() bool { return c.Report().Prefetch.Prefetched == uint64(n+1) })
		c.ForgetL1(next)
		for range 10 { // so that the hit rate stays over 0.8
			if _, _, err := c.Get(t.Context(), hits, returning("v")); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := c.Report().Prefetch.Prefetched
	for n := range 100 {
		n += 10_000
		expect(t, c, listKey(tenant, fmt.Sprintf("cursor=%d", 10*n)), p.load, strconv.Itoa(10*n+1), cache.Miss)
	}
	time.Sleep(50 * time.Millisecond)
	// One in 32 is still tried: 3 of 100 on average, and more than 20 never.
	if more := c.Report().Prefetch.Prefetched - before; more > 20 {
		t.Errorf("%d of 100 were prefetched though none of 32 was used", more)
	}
}

// What follows a key as a habit is learned, without knowing how they are related.
func TestSuccessorsArePrefetched(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	load := returning("v")
	c.Prefetch(cache.Prefetching{
		Related: func(cache.Key, []byte, cache.Relation, func(cache.Key)) {},
		Loader:  func(cache.Kind) cache.LoadFunc { return load },
	})
	warmUp(t, c)
	tenant := newID()
	first, second := itemKey(tenant, newID()), itemKey(tenant, newID())
	get := func(key cache.Key) cache.Level {
		t.Helper()
		_, level, err := c.Get(t.Context(), key, load)
		if err != nil {
			t.Fatal(err)
		}
		return level
	}
	// The prefetch of one turn may end in the next one, so turns are taken until one shows it.
	eventually(t, "the successor in L1", func() bool {
		c.ForgetL1(first)
		c.ForgetL1(second)
		get(first)
		time.Sleep(10 * time.Millisecond)
		return get(second) == cache.L1
	})
	if report := c.Report().Prefetch.ByRelation["successor"]; report.Used == 0 {
		t.Errorf("%+v, want a use", report)
	}
}

// Prefetching must not make requests wait: while loads are held up, nothing is added to them.
func TestPrefetchingYieldsToRequests(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	var p pages
	c.Prefetch(p.prefetching())
	warmUp(t, c)
	release := make(chan struct{})
	var waiting sync.WaitGroup
	var held atomic.Int32
	slow := func(context.Context, cache.Key, store.LSN) ([]byte, error) {
		held.Add(1)
		<-release
		return []byte("v"), nil
	}
	for range 8 {
		waiting.Go(func() { c.Get(t.Context(), itemKey(newID(), newID()), slow) })
	}
	eventually(t, "eight loads", func() bool { return held.Load() == 8 })
	expect(t, c, listKey(newID(), "cursor=1"), p.load, "2", cache.Miss)
	time.Sleep(50 * time.Millisecond)
	if report := c.Report().Prefetch; report.Prefetched != 0 {
		t.Errorf("%+v, want nothing while requests wait for eight loads", report)
	}
	close(release)
	waiting.Wait()
}

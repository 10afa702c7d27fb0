package cache

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/report"
	"github.com/policycortex/headroom/server/cache/usage"
)

// Relation is why a key is likely to be requested after another.
type Relation uint8

const (
	// NextPage is the page after one that was itself reached from the previous page: a client walks the list.
	NextPage Relation = iota
	// Items are the items of a page.
	Items
	// Successor is the key that was requested next before: see [usage.Successors].
	Successor
	relations = iota
)

var relationNames = [relations]string{"next_page", "items", "successor"}

// String returns the relation's name in reports.
func (r Relation) String() string { return relationNames[r] }

const (
	// DefaultPrefetchThreshold is the overall hit rate above which an unproven relation is tried. Below it the database
	// is busy with actual requests.
	DefaultPrefetchThreshold = 0.8
	// minOutcomes is how many prefetched values must have been used or lost before they decide about a relation:
	// [report.MinEffectiveness] is the share that must have been used.
	minOutcomes = 32
	// retryOneIn is how rarely a failed relation is tried again.
	retryOneIn = 32
	// outcomesKept is the number of outcomes at which all of them are halved, so that recent ones count more.
	outcomesKept = 1024

	prefetchWorkers = 2
	prefetchQueue   = 64
)

// Prefetching finds and loads related keys. Several goroutines call its functions concurrently, outside the path of
// requests.
type Prefetching struct {
	// Related calls add for each key that has the relation to key, whose value is body. It is called for [NextPage] and
	// [Items].
	Related func(key Key, body []byte, relation Relation, add func(Key))
	// Loader returns the function that loads keys of a kind.
	Loader func(Kind) LoadFunc
}

// prefetchMark marks a prefetched entry.
type prefetchMark struct {
	relation Relation
	ended    atomic.Bool // used or lost, and counted
}

// prefetchJob loads key or, with an entry, finds what is related to that entry's key.
type prefetchJob struct {
	key      Key
	entry    *Entry
	relation Relation
}

// prefetcher loads what is likely to be requested next, without delaying requests: it has two workers, drops what they
// cannot take at once, and pauses while requests keep the database busy.
type prefetcher struct {
	Prefetching
	queue      chan prefetchJob // nil: nothing is prefetched
	threshold  float64          // see DefaultPrefetchThreshold
	successors usage.Successors
	dropped    atomic.Uint64
	stopped    atomic.Bool

	mu        sync.Mutex // for counts, which are touched once for each prefetched value
	relations [relations]relationCounts
}

// outcomes counts prefetched values that were requested while in L1, and those that left L1 before.
type outcomes struct{ used, lost uint64 }

type relationCounts struct {
	loaded, failed uint64
	outcomes
	recent outcomes // decide about the relation
}

// shouldPrefetch decides about a relation by its own success where that is known, and otherwise by the cache's overall
// hit rate. draw is a random number.
func shouldPrefetch(recent outcomes, hitRate, threshold float64, draw uint32) bool {
	if n := recent.used + recent.lost; n >= minOutcomes {
		return float64(recent.used) >= report.MinEffectiveness*float64(n) || draw%retryOneIn == 0
	}
	return hitRate >= threshold
}

// Prefetch starts prefetching. Call it at most once, before the first Get.
func (c *Cache) Prefetch(p Prefetching) {
	c.prefetch.Prefetching = p
	c.prefetch.queue = make(chan prefetchJob, prefetchQueue)
	for range prefetchWorkers {
		if !c.goroutines.begin() {
			return
		}
		go func() {
			defer c.goroutines.end()
			c.keepPrefetching()
		}()
	}
}

// SetPrefetching stops prefetching, or lets it go on.
func (c *Cache) SetPrefetching(on bool) { c.prefetch.stopped.Store(!on) }

// Prefetching reports whether anything may be prefetched.
func (c *Cache) Prefetching() bool { return c.prefetch.queue != nil && !c.prefetch.stopped.Load() }

func (c *Cache) keepPrefetching() {
	for {
		select {
		case <-c.closing.Done():
			return
		case job := <-c.prefetch.queue:
			if job.entry == nil {
				c.prefetchOne(job)
			} else {
				c.findRelated(job)
			}
		}
	}
}

// lookAhead is called for requests that L1 did not serve, or served from a prefetched entry for the first time. L1 may
// not have the related keys either.
func (c *Cache) lookAhead(key *Key, e *Entry) {
	if e.prefetched != nil && !c.prefetch.outcome(e.prefetched, true) ||
		c.prefetch.queue == nil || c.prefetch.stopped.Load() || c.busyLoading() {
		return
	}
	rate := c.hitRate()
	for relation := NextPage; relation <= Items && key.Query != ""; relation++ { // a single object has neither
		if c.prefetch.wanted(relation, rate) {
			c.prefetch.enqueue(prefetchJob{key: *key, entry: e, relation: relation})
		}
	}
	next, known := c.prefetch.successors.Missed(key, e.hash, clock.Now())
	if known && c.prefetch.wanted(Successor, rate) {
		c.prefetch.enqueue(prefetchJob{key: next, relation: Successor})
	}
}

func (p *prefetcher) wanted(r Relation, hitRate float64) bool {
	p.mu.Lock()
	recent := p.relations[r].recent
	p.mu.Unlock()
	return shouldPrefetch(recent, hitRate, p.threshold, rand.Uint32())
}

func (p *prefetcher) enqueue(job prefetchJob) {
	select {
	case p.queue <- job:
	default:
		p.dropped.Add(1)
	}
}

// findRelated queues the keys that are related to a value.
func (c *Cache) findRelated(job prefetchJob) {
	c.prefetch.Related(job.key, job.entry.Body, job.relation, func(key Key) {
		c.prefetch.enqueue(prefetchJob{key: key, relation: job.relation})
	})
}

// prefetchOne loads a key, unless L1 has it.
func (c *Cache) prefetchOne(job prefetchJob) {
	load := c.prefetch.Loader(job.key.Kind)
	if load == nil || c.busyLoading() {
		c.prefetch.dropped.Add(1)
		return
	}
	brought, _, err := c.loadAhead(c.closing, &job.key, load, &ahead{prefetched: &prefetchMark{relation: job.relation}})
	if brought {
		c.prefetch.loaded(job.relation, err)
	}
}

// busyLoading reports whether requests wait for as many loads as there are processors, so that a prefetch would delay
// them.
func (c *Cache) busyLoading() bool { return c.flights.underWay() >= max(runtime.GOMAXPROCS(0), 4) }

// outcome counts the outcome of a prefetched entry, once.
func (p *prefetcher) outcome(m *prefetchMark, used bool) (first bool) {
	if !m.ended.CompareAndSwap(false, true) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.relations[m.relation]
	if used {
		r.used++
		r.recent.used++
	} else {
		r.lost++
		r.recent.lost++
	}
	if r.recent.used+r.recent.lost >= outcomesKept {
		r.recent.used /= 2
		r.recent.lost /= 2
	}
	return true
}

// loaded counts a value that was prefetched, or whose load failed.
func (p *prefetcher) loaded(r Relation, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.relations[r].failed++
	} else {
		p.relations[r].loaded++
	}
}

func (p *prefetcher) report() report.Prefetch {
	p.mu.Lock()
	defer p.mu.Unlock()
	byRelation := make(map[string]report.Relation, relations)
	for i := range p.relations {
		n := &p.relations[i]
		byRelation[Relation(i).String()] = report.Relation{
			Prefetched: n.loaded, Used: n.used, Lost: n.lost,
			Failed: n.failed,
		}
	}
	return report.PrefetchOf(byRelation, p.dropped.Load())
}

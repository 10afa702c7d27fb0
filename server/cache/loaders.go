package cache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/tracing"
)

// loaders are the goroutines that run loads, because a load continues when its request leaves. An idle loader waits for
// the next load: a new goroutine would have to grow its stack for each load, and each load would need its own context
// and timer.
type loaders struct {
	jobs    chan loadJob // unbuffered: a waiting loader takes a job at once, or none does
	idle    atomic.Int32
	context atomic.Pointer[sharedContext]
}

// maxIdleLoaders is the maximum number of waiting loaders.
const maxIdleLoaders = 64

// loadJob is the rest of a flight that L2 could not answer. request is the context of the request that began it.
type loadJob struct {
	request context.Context
	flight  *flight
	tag     l2Tag
	load    LoadFunc
}

// loadLater passes a job to a loader.
func (c *Cache) loadLater(job loadJob) {
	select {
	case c.loaders.jobs <- job:
		return
	default:
	}
	if !c.goroutines.begin() {
		c.flights.end(job.flight, nil, Miss, context.Canceled)
		return
	}
	go func() {
		defer c.goroutines.end()
		c.keepLoading(job)
	}()
}

func (c *Cache) keepLoading(job loadJob) {
	for {
		c.land(job)
		job = loadJob{}
		if c.loaders.idle.Add(1) > maxIdleLoaders {
			c.loaders.idle.Add(-1)
			return
		}
		select {
		case job = <-c.loaders.jobs:
			c.loaders.idle.Add(-1)
		case <-c.closing.Done():
			return
		}
	}
}

func (c *Cache) land(job loadJob) {
	ctx, cancel := c.background(job.request)
	defer cancel()
	entry, level, err := c.fetch(ctx, job.flight, job.tag, job.load)
	c.flights.end(job.flight, entry, level, err)
}

// sharedContext is the context of all loads that begin before a time of [clock.Now].
type sharedContext struct {
	context.Context
	before time.Duration
}

const contextShared = time.Second

// background returns the context of a load, which outlives its request. It ends when the cache is closed, or after
// loadTimeout and up to a second more. A traced request gets its own context, for its spans.
func (c *Cache) background(request context.Context) (context.Context, context.CancelFunc) {
	if tracing.Records(request) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(request), loadTimeout)
		stop := context.AfterFunc(c.closing, cancel)
		return ctx, func() {
			stop()
			cancel()
		}
	}
	at := clock.Now()
	shared := c.loaders.context.Load()
	if shared == nil || at >= shared.before {
		ctx, cancel := context.WithTimeout(c.closing, loadTimeout+contextShared)
		context.AfterFunc(ctx, cancel)
		shared = &sharedContext{Context: ctx, before: at + contextShared}
		c.loaders.context.Store(shared)
	}
	return shared.Context, func() {}
}

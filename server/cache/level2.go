package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// How long L2 is waited for. Postgres answers in a millisecond, so an L2 that takes longer than this is of no use.
const (
	l2DialTimeout = 100 * time.Millisecond
	l2Timeout     = 100 * time.Millisecond
)

const (
	// writeQueue bounds the values that wait to be written to L2; what finds it full is not written.
	writeQueue = 1024
	// writeBatch is how many of them one round trip takes.
	writeBatch = 64
	// closeTimeout bounds what closing writes.
	closeTimeout = time.Second
	// complaintInterval is the shortest time between two log lines about L2.
	complaintInterval = 10 * time.Second
)

// level2 is the cache server. Reads are made by the request that needs them; writes go through a queue to one writer,
// so that no request waits for them.
type level2 struct {
	client  *redis.Client
	counts  *counts
	logger  *slog.Logger
	silence atomic.Int64 // Unix nanoseconds until which nothing is logged

	queue   chan queued
	closing chan struct{}
	written chan struct{} // closed when the writer has ended
}

type queued struct {
	name  string
	value []byte
}

func openLevel2(o *redis.Options, counts *counts, logger *slog.Logger) *level2 {
	o.DialTimeout = l2DialTimeout
	o.ReadTimeout = l2Timeout
	o.WriteTimeout = l2Timeout
	o.PoolTimeout = l2Timeout
	// A second try is what the database is for.
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	// These two ask a new connection things that not every server knows.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The library would print a line for every connection that fails. Failures are counted and logged here.
	logging.Disable()
	l := &level2{
		client:  redis.NewClient(o),
		counts:  counts,
		logger:  logger,
		queue:   make(chan queued, writeQueue),
		closing: make(chan struct{}),
		written: make(chan struct{}),
	}
	go l.write()
	return l
}

// get returns nil when L2 does not have the value or does not answer.
func (l *level2) get(ctx context.Context, name string) []byte {
	value, err := l.client.Get(ctx, name).Bytes()
	switch {
	case err == nil:
		return value
	case !errors.Is(err, redis.Nil):
		l.failed(1, "read", err)
	}
	return nil
}

// setLater queues a value to be written, or drops it when the queue is full: losing it costs one more load later.
func (l *level2) setLater(name string, value []byte) {
	select {
	case l.queue <- queued{name, value}:
	default:
		l.failed(1, "write", errors.New("more values than it takes; some are not kept"))
	}
}

func (l *level2) write() {
	defer close(l.written)
	ctx := context.Background()
	batch := make([]queued, 0, writeBatch)
	for {
		select {
		case first := <-l.queue:
			batch = l.fill(append(batch[:0], first))
			l.writeBatch(ctx, batch)
			clear(batch) // do not hold the values until the next batch
		case <-l.closing:
			l.drain(batch)
			return
		}
	}
}

// fill adds what is queued already, without waiting for more.
func (l *level2) fill(batch []queued) []queued {
	for len(batch) < writeBatch {
		select {
		case next := <-l.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

func (l *level2) writeBatch(ctx context.Context, batch []queued) {
	commands, err := l.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range batch {
			p.Set(ctx, e.name, e.value, jitter(l2TTL))
		}
		return nil
	})
	if err == nil {
		return
	}
	failures := 0
	for _, command := range commands {
		if command.Err() != nil {
			failures++
		}
	}
	l.failed(max(failures, 1), "write", err)
}

// drain writes the rest of the queue.
func (l *level2) drain(batch []queued) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		if batch = l.fill(batch[:0]); len(batch) == 0 {
			return
		}
		l.writeBatch(ctx, batch)
	}
}

func (l *level2) failed(operations int, what string, err error) {
	if errors.Is(err, context.Canceled) {
		return // the cache is being closed
	}
	l.counts.l2Errors.Add(uint64(operations))
	now := time.Now()
	until := l.silence.Load()
	if now.UnixNano() >= until && l.silence.CompareAndSwap(until, now.Add(complaintInterval).UnixNano()) {
		l.logger.Warn("the L2 cache fails; requests go to the database", "operation", what, "error", err)
	}
}

func (l *level2) ping(ctx context.Context) error {
	if err := l.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping L2 cache: %w", err)
	}
	return nil
}

func (l *level2) close() error {
	close(l.closing)
	<-l.written
	if err := l.client.Close(); err != nil {
		return fmt.Errorf("close L2 cache: %w", err)
	}
	return nil
}

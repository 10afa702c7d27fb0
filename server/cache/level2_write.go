package cache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/coherence"
)

const (
	// writeQueue bounds the values that wait to be written to L2. When it is full, values are dropped.
	writeQueue = 1024
	// writeBatch is how many values one round trip writes.
	writeBatch = 64
	// closeTimeout bounds the writes of Close.
	closeTimeout = time.Second
)

// guardedSet sets values, each with its lifetime, unless the generation has changed since they were loaded. The server
// has to check that, because this process may stop for any time between a check of its own and the write.
var guardedSet = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[2 * i - 2], 'PX', ARGV[2 * i - 1]) end
return 1`)

type writer struct {
	queue   chan queuedValue
	closing chan struct{}
	ended   chan struct{}
	stored  []byte // the stored forms of a batch, one after the other; reused for the next batch
}

type queuedValue struct {
	flight *flight
	tag    l2Tag
	body   []byte
	hash   uint64
	ttl    time.Duration
}

func (q *queuedValue) valid() bool { return q.flight.epoch == q.flight.stripe.Epoch() }

func (w *writer) start(l *level2) {
	w.queue = make(chan queuedValue, writeQueue)
	w.closing, w.ended = make(chan struct{}), make(chan struct{})
	go l.write()
}

// setLater queues a value to be written, or drops it when the queue is full, which costs one more load later.
func (l *level2) setLater(f *flight, tag l2Tag, body []byte, hash uint64, ttl time.Duration) {
	if tag.Tag() == 0 || tag.generation == nil || f.epoch != f.stripe.Epoch() || ttl < time.Second {
		return
	}
	select {
	case l.writer.queue <- queuedValue{flight: f, tag: tag, body: body, hash: hash, ttl: ttl}:
	default:
		l.failed(1, "write", errors.New("the queue of values to write is full; some values are not stored"))
	}
}

func (l *level2) write() {
	w := &l.writer
	defer close(w.ended)
	batch := make([]queuedValue, 0, writeBatch)
	for {
		select {
		case first := <-w.queue:
			batch = w.fill(append(batch[:0], first))
			l.writeBatch(context.Background(), batch)
			clear(batch) // so that the values can be collected before the next batch
		case <-w.closing:
			l.writeRest(batch)
			return
		}
	}
}

// fill adds what is already queued, without waiting for more.
func (w *writer) fill(batch []queuedValue) []queuedValue {
	for len(batch) < writeBatch {
		select {
		case next := <-w.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

func (l *level2) writeBatch(ctx context.Context, batch []queuedValue) {
	t := l.cache.bus.Serving()
	if t == nil {
		return
	}
	done, err := l.breaker.Allow()
	if err != nil {
		l.cache.counts.l2Errors.Add(uint64(len(batch)))
		return
	}
	scripts := l.scripts(batch)
	failures, refused, err := write(ctx, t.Client, scripts)
	if isNoScript(err) {
		err = guardedSet.Load(ctx, t.Client).Err()
		if err == nil {
			failures, refused, err = write(ctx, t.Client, scripts)
		}
	}
	if coherence.IsReply(err) {
		done(nil) // the server works but has no memory
	} else {
		done(ignoringClosed(err))
	}
	if err != nil {
		l.failed(max(failures, 1), "write", err)
	}
	if refused {
		// The generation has changed, or L2 has evicted it. Values that are loaded from now on can be stored.
		if err := l.cache.bus.LearnGeneration(ctx, t); err != nil {
			l.failed(1, "learn the generation", err)
		}
	}
}

// script is a call of guardedSet.
type script struct {
	keys      []string
	arguments []any
}

// scripts makes calls for the values that were not invalidated while queued. Consecutive values with the same
// generation share a call.
func (l *level2) scripts(batch []queuedValue) (calls []script) {
	stored := l.writer.stored[:0]
	var generation *string
	for i := range batch {
		q := &batch[i]
		if !q.valid() {
			continue
		}
		if generation != q.tag.generation {
			generation = q.tag.generation
			calls = append(calls, script{
				keys:      append(make([]string, 0, 1+len(batch)-i), coherence.GenerationName),
				arguments: append(make([]any, 0, 1+2*(len(batch)-i)), *generation),
			})
		}
		begin := len(stored)
		var saved codec.Compression
		stored, saved = codec.Append(stored, q.body, l.cache.compress, q.hash, q.tag.Tag(), q.ttl)
		l.cache.counts.compressed(saved)
		call := &calls[len(calls)-1]
		call.keys = append(call.keys, valueName(&q.flight.key))
		call.arguments = append(call.arguments, stored[begin:len(stored):len(stored)], jitter(q.ttl).Milliseconds())
	}
	if cap(stored) <= maxStored {
		l.writer.stored = stored
	}
	return calls
}

// maxStored bounds the buffer that is kept for the next batch, in bytes.
const maxStored = 1 << 20

// write makes the calls in one round trip. failures counts the values that were not written; refused reports that the
// generation has changed.
func write(ctx context.Context, client *redis.Client, calls []script) (failures int, refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*coherence.Timeout)
	defer cancel()
	commands, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range calls {
			guardedSet.EvalSha(ctx, p, calls[i].keys, calls[i].arguments...)
		}
		return nil
	})
	for i, command := range commands {
		if command.Err() != nil {
			failures += len(calls[i].keys) - 1
		} else if set, ok := command.(*redis.Cmd); ok && set.Val() == int64(0) {
			refused = true
		}
	}
	return failures, refused, err
}

func isNoScript(err error) bool { return err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") }

// close writes the rest of the queue and stops the writer.
func (l *level2) close() {
	close(l.writer.closing)
	<-l.writer.ended
}

func (l *level2) writeRest(batch []queuedValue) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		batch = l.writer.fill(batch[:0])
		if len(batch) == 0 {
			return
		}
		l.writeBatch(ctx, batch)
	}
}

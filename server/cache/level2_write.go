package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// writeQueue bounds the values that wait to be written to L2; what finds it full is not written.
	writeQueue = 1024
	// writeBatch is how many of them one round trip takes.
	writeBatch = 64
	// closeTimeout bounds what closing writes.
	closeTimeout = time.Second
)

// guardedSet sets a value unless the generation is another than when the value was loaded. The check has to be made by
// the server: between a check made here and the write, this process may stand still for any time.
var guardedSet = redis.NewScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

const generationName = prefix + "generation"

type writer struct {
	queue   chan queuedValue
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
}

type queuedValue struct {
	flight     *flight
	name       string
	generation *string
	stored     []byte
	ttl        time.Duration
}

func (w *writer) start(l *level2) {
	w.queue = make(chan queuedValue, writeQueue)
	w.closing, w.ended = make(chan struct{}), make(chan struct{})
	go l.write()
}

// setLater queues a value to be written, or drops it when the queue is full: losing it costs one more load later.
func (l *level2) setLater(f *flight, tag l2Tag, body []byte, hash uint64, ttl time.Duration) {
	if tag.epoch == 0 || tag.generation == nil || f.epoch != f.stripe.epoch.Load() || ttl < time.Second {
		return
	}
	q := queuedValue{
		flight: f, name: valueName(&f.key), generation: tag.generation, ttl: jitter(ttl),
		stored: encodeValue(body, hash, tag.epoch, ttl, &l.cache.counts),
	}
	select {
	case l.writer.queue <- q:
	default:
		l.failed(1, "write", errors.New("more values than it takes; some are not kept"))
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
			clear(batch) // do not hold the values until the next batch
		case <-w.closing:
			l.writeRest(batch)
			return
		}
	}
}

// fill adds what is queued already, without waiting for more.
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
	t := l.term.Load()
	if t == nil {
		return
	}
	done, err := l.breaker.Allow()
	if err != nil {
		l.cache.counts.l2Errors.Add(uint64(len(batch)))
		return
	}
	failures, refused, err := t.write(ctx, batch)
	if isNoScript(err) {
		if err = guardedSet.Load(ctx, t.client).Err(); err == nil {
			failures, refused, err = t.write(ctx, batch)
		}
	}
	if isReply(err) {
		done(nil) // it works, and has no room
	} else {
		done(ignoringClosed(err))
	}
	if err != nil {
		l.failed(max(failures, 1), "write", err)
	}
	if refused {
		// The generation has changed, or L2 has lost it. Values that are loaded from now on can be stored.
		if err := l.cache.bus.learnGeneration(ctx, t); err != nil {
			l.failed(1, "learn the generation", err)
		}
	}
}

// write writes those values that have not been invalidated while they were queued.
func (t *term) write(ctx context.Context, batch []queuedValue) (failures int, refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*l2Timeout)
	defer cancel()
	commands, err := t.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range batch {
			q := &batch[i]
			if q.flight.epoch == q.flight.stripe.epoch.Load() {
				guardedSet.EvalSha(ctx, p, []string{q.name, generationName}, *q.generation, q.stored, q.ttl.Milliseconds())
			}
		}
		return nil
	})
	for _, command := range commands {
		if command.Err() != nil {
			failures++
		} else if set, ok := command.(*redis.Cmd); ok && set.Val() == int64(0) {
			refused = true
		}
	}
	return failures, refused, err
}

// isReply says whether the server answered, if only to say no.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

func isNoScript(err error) bool { return err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") }

// close writes the rest of the queue and ends the writer.
func (l *level2) close() {
	l.writer.once.Do(func() { close(l.writer.closing) })
	<-l.writer.ended
}

func (l *level2) writeRest(batch []queuedValue) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for ctx.Err() == nil {
		if batch = l.writer.fill(batch[:0]); len(batch) == 0 {
			return
		}
		l.writeBatch(ctx, batch)
	}
}

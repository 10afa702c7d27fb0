package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/store"
)

// How long L2 is waited for. Postgres answers in a millisecond, so an L2 that takes longer than this is of no use.
const (
	l2DialTimeout = 200 * time.Millisecond
	l2Timeout     = 100 * time.Millisecond
)

// Names in L2. formatVersion is part of all of them: raise it when the form of what is stored, or of what instances say
// to each other, changes. (Instances of two versions do not hear of each other's invalidations.)
const (
	formatVersion = "2"
	prefix        = "headroom:" + formatVersion + ":"
	valuePrefix   = prefix + "v:"
)

// term is the time from joining the other instances to losing contact. It has connections of its own, all to the one
// server process that the subscription is made to: see bus.go.
type term struct {
	client *redis.Client
	server string // which process it is
	epochs string // prefix of the names of its epochs
	reads  batches
	known  knownEpochs
	// generation is what headroom:…:generation holds, as far as known: see invalidatepattern.go.
	generation atomic.Pointer[string]
}

var errOtherServer = errors.New("another server process answers at the address of L2")

// newTerm makes a client whose first connection says which server it is.
func newTerm(address *redis.Options, other func(error)) *term {
	// The library would print a line for every connection that fails. Failures are counted and logged here.
	logging.Disable()
	o := *address
	o.DialTimeout = l2DialTimeout
	o.ReadTimeout = l2Timeout
	o.WriteTimeout = l2Timeout
	o.PoolTimeout = l2Timeout
	// A second try is what the database is for.
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	// Nothing is pushed on these connections, and with protocol 3 the library looks for that before each answer.
	o.Protocol = 2
	// These two ask a new connection things that not every server knows.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	t := &term{}
	o.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		server, err := identify(ctx, conn)
		switch {
		case err != nil:
			return err
		case t.server == "": // the subscription, before the term is shown to anyone
			t.server = server
			t.epochs = prefix + "e:" + server + ":"
		case t.server != server:
			other(errOtherServer)
			return errOtherServer
		}
		return nil
	}
	t.client = redis.NewClient(&o)
	t.reads.client = t.client
	return t
}

// identify returns what is new in each process of a server: run_id of Redis and Valkey, master_replid of Dragonfly. A
// server that says neither (miniredis) is taken not to keep anything over a restart.
func identify(ctx context.Context, conn *redis.Conn) (string, error) {
	info, err := conn.Info(ctx).Result()
	if err != nil {
		return "", fmt.Errorf("ask L2 which process it is: %w", err)
	}
	for _, field := range []string{"run_id:", "master_replid:"} {
		if _, rest, found := strings.Cut(info, "\n"+field); found {
			id, _, _ := strings.Cut(rest, "\r")
			return id, nil
		}
	}
	return "0", nil
}

// epochName is the name of a stripe's epoch.
func (t *term) epochName(stripe uint16) string { return t.epochs + strconv.Itoa(int(stripe)) }

// complaints writes what fails to the log, not more often than every complaintInterval.
type complaints struct {
	logger  *slog.Logger
	silence [Miss + 1]atomic.Int64 // by level: until when nothing is logged
}

const complaintInterval = 10 * time.Second

func (c *complaints) about(level Level, what string, err error) {
	at, until := int64(clock.Now()), c.silence[level].Load()
	if c.logger != nil && at >= until && c.silence[level].CompareAndSwap(until, at+int64(complaintInterval)) {
		c.logger.Warn("a level of the cache fails; requests go to the database", "level", level.String(), "operation", what, "error", err)
	}
}

// newBreaker makes a breaker that opens after failures in a row, and tries again with one request after a second.
func newBreaker(name string) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: name, MaxRequests: 1, Timeout: time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
	})
}

const breakerFailures = 5

// level2 is the cache server. Reads are made by the request that needs them, in batches with those of others; writes go
// through a queue to one writer, so that no request waits for them.
type level2 struct {
	cache   *Cache
	term    atomic.Pointer[term] // nil while nothing may be read
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	writer  writer
	// beginning keeps requests that need epochs of the same block from all making them.
	beginning [stripeCount / epochBlock]sync.Mutex
}

func newLevel2(c *Cache) *level2 {
	l := &level2{cache: c, breaker: newBreaker("L2")}
	l.writer.start(l)
	return l
}

// l2Tag is what has to be known before a value is loaded, for it to be stored afterwards.
type l2Tag struct {
	l2Epoch
	generation *string
}

type l2Result struct {
	value value
	hit   bool
	tag   l2Tag // zero when the value cannot be stored
}

// get reads a value together with the epoch that it must bear.
func (l *level2) get(f *flight) l2Result {
	t := l.term.Load()
	if t == nil {
		return l2Result{}
	}
	done, err := l.breaker.Allow()
	if err != nil {
		l.cache.counts.l2Errors.Add(1)
		return l2Result{}
	}
	tag := l2Tag{generation: t.generation.Load()}
	var stored string
	stored, tag.l2Epoch, err = l.read(t, f)
	done(ignoringClosed(err))
	if err != nil {
		l.failed(1, "read", err)
		return l2Result{}
	}
	if !tag.marks(stored) {
		return l2Result{tag: tag}
	}
	v, err := decodeValue(bytesOf(stored))
	if err != nil {
		l.failed(1, "decode", err)
		return l2Result{tag: tag}
	}
	return l2Result{value: v, hit: true, tag: tag}
}

// read reads a value and says which epoch it must bear. The epoch is read only when it is not known, or when the value
// bears another one: then L2 may have lost the one that is known.
func (l *level2) read(t *term, f *flight) (stored string, epoch l2Epoch, err error) {
	name := valueName(&f.key)
	if epoch, known := t.known.recall(f.index, f.epoch); known {
		stored, _, err := t.reads.get(name, "")
		if err != nil || stored == "" || epoch.marks(stored) {
			return stored, epoch, err
		}
	}
	stored, text, err := t.reads.get(name, t.epochName(f.index))
	if err == nil && text == "" {
		text, err = l.newEpoch(t, f.index)
	}
	epoch = parseEpoch(text)
	t.known.learn(f.index, f.epoch, epoch)
	return stored, epoch, err
}

func valueName(key *Key) string {
	var buffer [256]byte
	return string(key.AppendName(append(buffer[:0], valuePrefix...)))
}

// epochLife is how long L2 keeps the epoch of a stripe that nobody invalidates. Losing it costs loads, nothing else.
const epochLife = 24 * time.Hour

// epochBlock is how many stripes get their epochs together: one at a time, a cold cache would pay for one with nearly every
// request. stripeCount is a multiple of it.
const epochBlock = 256

// newEpoch begins an epoch for a stripe that has none: it was never used, was evicted, or could not be written when it
// was last invalidated. Its neighbours that have none get one too. Of two that begin one, one wins and both get that.
func (l *level2) newEpoch(t *term, stripe uint16) (string, error) {
	first := stripe - stripe%epochBlock
	begin := &l.beginning[first/epochBlock]
	begin.Lock()
	defer begin.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*l2Timeout)
	defer cancel()
	name := t.epochName(stripe)
	if epoch, err := t.client.Get(ctx, name).Result(); !errors.Is(err, redis.Nil) {
		return epoch, err // another request, which came first, has seen to it
	}
	position, err := l.cache.bus.primaryPosition(ctx)
	if err != nil {
		return "", nil // a miss, and the value will not be stored; the load will say what is wrong with the primary
	}
	p := t.client.Pipeline()
	var begun [epochBlock]newEpoch
	for i := range begun {
		begun[i].begin(ctx, p, t.epochName(first+uint16(i)), position, &l.cache.stripes[first+uint16(i)])
	}
	get := p.Get(ctx, name)
	p.Exec(ctx) // the commands have their errors
	for i := range begun {
		if err := begun[i].set.Err(); err != nil && !isReply(err) {
			return "", err
		}
		if begun[i].set.Val() {
			t.known.learn(first+uint16(i), begun[i].at, begun[i].epoch)
		}
	}
	if errors.Is(get.Err(), redis.Nil) {
		return "", nil // out of memory, most likely
	}
	return get.Val(), get.Err()
}

// newEpoch is an epoch that is set in L2 if there is none.
type newEpoch struct {
	at    uint64 // the stripe's epoch in this instance before that
	epoch l2Epoch
	set   *redis.BoolCmd
}

func (n *newEpoch) begin(ctx context.Context, p redis.Pipeliner, name string, after store.LSN, s *stripe) {
	text := formatEpoch(after)
	n.at, n.epoch = s.epoch.Load(), parseEpoch(text)
	n.set = p.SetNX(ctx, name, text, epochLife)
}

// ignoringClosed is the error as the breaker should see it: that a client was closed says nothing about the server.
func ignoringClosed(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}

func (l *level2) failed(operations int, what string, err error) {
	l.cache.counts.l2Errors.Add(uint64(operations))
	l.cache.complaints.about(L2, what, err)
}

package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

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
	at, until := int64(now()), c.silence[level].Load()
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

// l2Tag is what has to be read before a value is loaded, for it to be stored afterwards.
type l2Tag struct {
	epoch      uint64
	after      store.LSN // what the load must see: the position of the invalidation that began the epoch
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
	stored, epoch, err := t.reads.get(valueName(&f.key), t.epochName(f.index))
	if err == nil && epoch == "" {
		epoch, err = l.newEpoch(t, f.index)
	}
	done(ignoringClosed(err))
	if err != nil {
		l.failed(1, "read", err)
		return l2Result{}
	}
	tag.epoch, tag.after = parseEpoch(epoch)
	if at, ok := storedEpoch(stored); !ok || tag.epoch == 0 || at != tag.epoch {
		return l2Result{tag: tag}
	}
	v, err := decodeValue(bytesOf(stored))
	if err != nil {
		l.failed(1, "decode", err)
		return l2Result{tag: tag}
	}
	return l2Result{value: v, hit: true, tag: tag}
}

func valueName(key *Key) string {
	return string(key.appendName(append(make([]byte, 0, 160+len(key.Query)), valuePrefix...)))
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
	for i := range uint16(epochBlock) {
		p.SetNX(ctx, t.epochName(first+i), formatEpoch(position), epochLife)
	}
	get := p.Get(ctx, name)
	commands, _ := p.Exec(ctx) // the commands have their errors
	if errors.Is(get.Err(), redis.Nil) {
		for _, set := range commands {
			if err := set.Err(); err != nil && !isReply(err) {
				return "", err
			}
		}
		return "", nil // out of memory, most likely
	}
	return get.Val(), get.Err()
}

// formatEpoch makes an epoch: a random number, so that an epoch never comes back, which is not 0, and the position that loads
// must see whose values are tagged with it. An instance may read a new epoch before the message about it has come.
func formatEpoch(after store.LSN) string {
	return strconv.FormatUint(rand.Uint64()|1, 36) + ":" + strconv.FormatUint(uint64(after), 10)
}

// parseEpoch returns 0 for what is no epoch: nothing is tagged with that.
func parseEpoch(s string) (epoch uint64, after store.LSN) {
	random, position, _ := strings.Cut(s, ":")
	epoch, err := strconv.ParseUint(random, 36, 64)
	lsn, malformed := strconv.ParseUint(position, 10, 64)
	if err != nil || malformed != nil {
		return 0, 0
	}
	return epoch, store.LSN(lsn)
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

package coherence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/key"
	"github.com/policycortex/headroom/server/store"
)

// LeaseTime and LeaseMargin together bound how long an invalidation waits for an instance that does not respond.
const (
	LeaseTime         = time.Second
	LeaseMargin       = 250 * time.Millisecond
	heartbeatInterval = 100 * time.Millisecond
)

// ErrUnacknowledged is returned by [Bus.Invalidate] and [Bus.PublishDrop] when not every instance is known to have
// applied the message. An invalidation is repeated when contact with L2 returns; a drop is not.
var ErrUnacknowledged = errors.New("not every instance is known to have applied the invalidation")

// Options says what a bus connects.
type Options struct {
	Address *redis.Options // of L2
	// Far says that L2 is in another region, and may take longer to answer.
	Far bool
	// Store reports the primary's LSN, and whether a failed change can still be made. It may be nil when there is no
	// replica that could lag.
	Store  *store.Store
	Logger *slog.Logger // nil for none
	// Forget empties L1. Drop removes what matches a pattern from L1 and invalidates matching flights.
	Forget func()
	Drop   func(pattern string)
	// Failed is called for each failed operation on L2.
	Failed func(operation string, err error)
}

// Bus connects this instance with the others. It is safe for concurrent use.
type Bus struct {
	// Stripes are this instance's.
	Stripes Stripes

	options Options
	logger  *slog.Logger
	id      uint64
	channel string
	answers string // channel of acknowledgements for this instance

	// leasedUntil is when the lease ends, in the time of [clock.Now]; 0 without one.
	leasedUntil atomic.Int64
	// floor is the minimum LSN of all loads.
	floor atomic.Uint64

	serving atomic.Pointer[Session] // nil while nothing may be read from L2
	// beginning lets one caller at a time begin the epochs of a block.
	beginning [stripeCount / epochBlock]sync.Mutex
	inDoubt   inDoubt

	mu       sync.Mutex
	current  *Session                 // invalidations may be sent; serving is set once values may be read
	lose     func(error)              // ends the present session
	joined   chan struct{}            // closed while the instance is joined
	lostAt   time.Duration            // when contact was lost
	why      error                    // why there is no contact
	heardAt  time.Duration            // when our last returned heartbeat was sent
	since    time.Duration            // when the present subscription was confirmed
	members  map[uint64]time.Duration // other instances, and when their last heartbeat arrived
	pending  *pendingScopes           // what could not be sent
	number   uint64
	awaiting map[uint64]*acknowledgements

	acks    chan ack
	context context.Context // ends when the bus is closed
	cancel  context.CancelCauseFunc
	ended   chan struct{}
}

// pendingScopes are the stripes of invalidations that failed.
type pendingScopes struct {
	stripes map[uint16]struct{}
	after   store.LSN
	done    []chan struct{} // closed once they have been repeated and acknowledged
}

// acknowledgements of a message, by instance. changed has a buffer of one and signals each change.
type acknowledgements struct {
	by      map[uint64]struct{}
	changed chan struct{}
}

type ack struct{ sender, number uint64 }

// Trusted reports whether this instance holds its lease at a time of [clock.Now].
func (b *Bus) Trusted(at time.Duration) bool { return int64(at) < b.leasedUntil.Load() }

// StripeLSN returns the LSN that a load for a stripe must see.
func (b *Bus) StripeLSN(s *Stripe) store.LSN { return store.LSN(max(s.lsn.Load(), b.floor.Load())) }

// RequiredLSN returns the LSN that an uncached read of the scopes must see: the highest one of their invalidations.
// While this instance may have missed an invalidation, it is [store.OnPrimary].
func (b *Bus) RequiredLSN(scopes ...key.Scope) store.LSN {
	if !b.Trusted(clock.Now()) {
		return store.OnPrimary
	}
	var lsn store.LSN
	for i := range scopes {
		lsn = max(lsn, b.StripeLSN(&b.Stripes[b.Stripes.index(&scopes[i])]))
	}
	return lsn
}

// RaiseFloor makes all loads see at least this LSN.
func (b *Bus) RaiseFloor(after store.LSN) { raise(&b.floor, uint64(after)) }

// Invalidate makes everything that was loaded for keys of the scopes unreachable. Call it after a change was committed,
// with an LSN at or after the commit, and before acknowledging the change. When it returns nil, no instance serves
// anything older. When it returns [ErrUnacknowledged], another instance may serve older values until this one reaches
// L2 again; log it and go on, because the change is made. It takes one round trip through L2 and the other instances,
// and up to 1.25 s when another instance has just stopped responding or this one has just joined.
func (b *Bus) Invalidate(ctx context.Context, after store.LSN, scopes ...key.Scope) error {
	if len(scopes) == 0 {
		return nil
	}
	return b.invalidate(ctx, after, b.stripesOf(scopes))
}

func (b *Bus) stripesOf(scopes []key.Scope) []uint16 {
	stripes := make([]uint16, len(scopes))
	for i := range scopes {
		stripes[i] = b.Stripes.index(&scopes[i])
	}
	return stripes
}

func (b *Bus) invalidate(ctx context.Context, after store.LSN, stripes []uint16) error {
	for _, s := range stripes {
		b.Stripes[s].invalidate(after)
	}
	return b.send(ctx, &message{what: invalidateMessage, after: after, stripes: stripes})
}

// send publishes an invalidation and returns when all instances have applied it.
func (b *Bus) send(ctx context.Context, m *message) error {
	for {
		b.mu.Lock()
		t := b.current
		if t == nil {
			repeated := b.pend(m)
			lost, why := b.lostAt, b.why
			b.mu.Unlock()
			return b.outwait(ctx, repeated, lost, why)
		}
		b.mu.Unlock()
		err := b.publish(ctx, t, m)
		if err == nil || errors.Is(err, ErrUnacknowledged) {
			return err
		}
		b.lost(t, err)
	}
}

// PublishDrop makes every instance drop what matches a pattern, and returns when they have.
func (b *Bus) PublishDrop(ctx context.Context, s *Session, after store.LSN, pattern string) error {
	return b.publish(ctx, s, &message{what: dropMessage, after: after, pattern: pattern})
}

// publish changes L2, sends a message, and waits for the acknowledgements. When L2 has no memory for the new epochs, it
// does so twice: an instance that had not received the message may have begun an epoch in between, with an older LSN,
// and others may know that epoch. By the second time all instances have received the message.
func (b *Bus) publish(ctx context.Context, t *Session, m *message) error {
	m.sender = b.id
	if err := b.publishOnce(ctx, t, m); err != nil || !m.refused {
		return err
	}
	return b.publishOnce(ctx, t, m)
}

// publishOnce retries once, because a connection that was closed while idle fails once.
func (b *Bus) publishOnce(ctx context.Context, t *Session, m *message) error {
	var acks *acknowledgements
	m.number, acks = b.expect()
	defer b.forget(m.number)
	err := b.transmit(t, m)
	if err != nil {
		err = b.transmit(t, m)
	}
	if err != nil {
		return fmt.Errorf("publish on L2: %w", err)
	}
	return b.await(ctx, t, acks)
}

// await waits for acknowledgements of a message that the server has just accepted.
func (b *Bus) await(ctx context.Context, t *Session, acks *acknowledgements) error {
	timeout := time.NewTimer(LeaseTime + LeaseMargin)
	defer timeout.Stop()
	for {
		missing, young := b.missing(t, acks)
		var grown <-chan time.Time
		if missing == 0 {
			if young <= 0 {
				return nil
			}
			grown = time.After(young)
		}
		select {
		case <-acks.changed:
		case <-grown:
		case <-timeout.C: // an instance that has not acknowledged has no lease
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnacknowledged, ctx.Err())
		}
	}
}

// missing counts the instances that have yet to acknowledge. young is how long this subscription must still wait before
// it knows all instances.
func (b *Bus) missing(t *Session, acks *acknowledgements) (n int, young time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := clock.Now()
	if _, own := acks.by[b.id]; !own || b.current != t {
		n++ // ours has not come back, and it cannot on another subscription
	}
	for id, heard := range b.members {
		if at-heard > LeaseTime+LeaseMargin {
			delete(b.members, id)
		} else if _, done := acks.by[id]; !done {
			n++
		}
	}
	return n, b.since + LeaseTime + LeaseMargin - at
}

// transmit has its own time limit: a committed change must be published even when the client that made it has left.
func (b *Bus) transmit(t *Session, m *message) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*t.timeout)
	defer cancel()
	p := t.Client.Pipeline()
	var removed *redis.IntCmd
	var sets []*redis.StatusCmd
	if len(m.stripes) > 0 {
		names := make([]string, len(m.stripes))
		for i, s := range m.stripes {
			names[i] = t.EpochName(s)
		}
		removed = p.Unlink(ctx, names...)
		sets = make([]*redis.StatusCmd, len(names))
		for i, name := range names {
			sets[i] = p.Set(ctx, name, formatEpoch(m.after), epochLife) // fails when L2 has no memory: see publish
		}
	}
	published := p.Publish(ctx, b.channel, m.encode())
	p.Exec(ctx) // each command has its own error
	m.refused = slices.ContainsFunc(sets, func(set *redis.StatusCmd) bool { return set.Err() != nil })
	if removed != nil && removed.Err() != nil {
		return removed.Err()
	}
	return published.Err()
}

// pend keeps what could not be sent. The lock is held.
func (b *Bus) pend(m *message) (repeated <-chan struct{}) {
	if b.pending == nil {
		b.pending = &pendingScopes{stripes: map[uint16]struct{}{}, done: []chan struct{}{make(chan struct{})}}
	}
	for _, s := range m.stripes {
		b.pending.stripes[s] = struct{}{}
	}
	b.pending.after = max(b.pending.after, m.after)
	return b.pending.done[0]
}

// outwait waits until the invalidation was repeated, or until every lease has ended if L2 is down for all instances.
func (b *Bus) outwait(ctx context.Context, repeated <-chan struct{}, lost time.Duration, why error) error {
	timeout := time.NewTimer(max(lost+LeaseTime+LeaseMargin-clock.Now(), 0))
	defer timeout.Stop()
	select {
	case <-repeated:
		return nil
	case <-timeout.C:
	case <-ctx.Done():
		why = ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrUnacknowledged, why)
}

func (b *Bus) expect() (number uint64, acks *acknowledgements) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	acks = &acknowledgements{by: map[uint64]struct{}{}, changed: make(chan struct{}, 1)}
	b.awaiting[b.number] = acks
	return b.number, acks
}

func (b *Bus) forget(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.awaiting, number)
}

// acknowledged notes that an instance has applied one of our messages.
func (b *Bus) acknowledged(number, by uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	acks := b.awaiting[number]
	if acks == nil {
		return
	}
	acks.by[by] = struct{}{}
	select {
	case acks.changed <- struct{}{}:
	default:
	}
}

// receive applies a message from the bus and has it acknowledged.
func (b *Bus) receive(payload string) {
	m, err := decodeMessage(payload)
	if err != nil {
		// The sender does not wait for anything that we could do. Forgetting everything is safe.
		b.logger.Warn("the cache drops everything because of a malformed message", "error", err)
		b.Stripes.invalidateAll()
		return
	}
	switch m.what {
	case heartbeatMessage, byeMessage:
		b.heard(&m)
		return
	case invalidateMessage:
		for _, s := range m.stripes {
			b.Stripes[s].invalidate(m.after)
		}
	case dropMessage:
		raise(&b.floor, uint64(m.after))
		b.options.Drop(m.pattern)
		if t := b.Contact(); t != nil && m.sender != b.id {
			t.generation.Store(nil) // beat asks for the new one
		}
	}
	if m.sender == b.id {
		b.acknowledged(m.number, b.id)
		return
	}
	select {
	case b.acks <- ack{m.sender, m.number}:
	default: // the sender waits until the lease has ended
	}
}

// acknowledge sends acknowledgements. Those that are queued together share a round trip.
func (b *Bus) acknowledge(ctx context.Context, t *Session) {
	for {
		var next ack
		select {
		case next = <-b.acks:
		case <-ctx.Done():
			return
		}
		p := t.Client.Pipeline()
		for more := true; more; {
			p.Publish(ctx, answersChannel(b.options.Address.DB, next.sender), encodeAck(next.number, b.id))
			select {
			case next = <-b.acks:
			default:
				more = false
			}
		}
		p.Exec(ctx) // a lost one costs the sender the time of a lease
	}
}

func answersChannel(db int, id uint64) string {
	return fmt.Sprintf("%sack:%d:%x", Prefix, db, id)
}

package cache

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
	"github.com/policycortex/headroom/server/store"
)

// # How several instances stay coherent
//
// The promise: what a Get returns is no older than any change whose Invalidate had returned nil, in whichever instance,
// before the Get began.
//
// Stripes. Every key belongs to one scope and every scope to one of 65,536 stripes. A stripe has an epoch in each
// instance (a counter) and an epoch in L2 (a random number under headroom:2:e:<process>:<stripe>).
//
//   - A flight, the way from a miss to a value, reads the instance's epoch first. Its value is tagged with it, and is
//     served from L1 only while the stripe has that epoch still. So it does not matter when a slow load ends.
//   - A value in L2 is tagged with the epoch in L2 that was known before it was loaded; a value with another epoch is a
//     miss. So it does not matter when a slow load is written either. An epoch in L2 is read with the value, by one MGET,
//     and then known for as long as the stripe has the epoch in this instance that the flight had read before: what
//     replaces it in L2 raises that one too, before it is acknowledged. So a known epoch is as good as an entry in L1.
//     (L2 may lose an epoch without a word; then another one is begun, and is read when a value bears it.)
//   - Loads are given the highest position in the primary's log that an invalidation of the stripe told of, and read
//     from the primary or from a replica that has got there. So a lagging replica does not refill what was invalidated.
//     Whoever knows an epoch knows its position: a stripe's is raised before its epoch, and an epoch in L2 contains it,
//     as an instance may read the new epoch before it hears of it.
//
// Invalidate, called after the commit, (1) raises the stripes here, (2) sends L2, in one pipeline, the removal of the
// epochs there (which a full server takes too), new random ones, and a message on the bus, and (3) waits until every
// other instance that may serve from its L1 has raised its stripes. L2 is changed before the message is sent: an
// instance that has raised its epoch cannot read a value with the old one from L2 any more.
//
// Lease. Each instance publishes a heartbeat on the bus every 100 ms and hears it itself. The server passes on messages
// in the order in which they were published, and an instance applies them in that order. So when a heartbeat has
// come back, everything published before it was *sent* has been applied. An instance serves from L1 and L2, and joins
// flights, only while the last heartbeat that came back, by the present subscription, was sent less than leaseTime (1 s)
// ago. Get looks at the lease first and at the epoch then: the other way round, a message and a heartbeat could both
// arrive in between.
//
// Who has to acknowledge. It is not enough to wait for as many acknowledgements as PUBLISH had receivers: an instance
// whose subscription the server has just dropped is not among these, and may not have noticed yet. So instances know
// each other by their heartbeats. A sender is done when its own message has come back to it, and each instance from
// which it has heard a heartbeat within leaseTime + leaseMargin has acknowledged; and not before its own subscription is
// as old as that, as it may have missed heartbeats before. Otherwise it is done when leaseTime + leaseMargin
// have passed since the server took the message. Why that is enough: let another instance serve at a time t with its lease, and
// not have applied the message. The heartbeat H that its lease rests on was sent after t - 1 s and came back by a
// subscription that was alive then. Were H published after the message, that subscription would have brought the
// message before, or would be younger than the message, and then nothing in L1 counted (see Joining). So H was
// published before the message, less than leaseTime before t. If t is later than leaseTime after the message, that is impossible: hence the
// second way to be done. And if the sender was subscribed when H was published, it heard H before its own message came
// back: hence the first.
//
// So an instance that is frozen, or cut off from L2, has no lease when a sender stops waiting for it, and once it has
// been silent for leaseTime + leaseMargin nobody waits for it any more. leaseMargin (250 ms) is for clocks that run at
// different rates and for Dragonfly, which hands a message to the thread of a subscriber after it has answered.
// Clocks are never compared between machines. They must go on while a process stands still, which
// CLOCK_MONOTONIC does for a stopped process, but not for a virtual machine that is suspended as a whole.
//
// Without the lease, every Get goes past L1 and L2 to the primary (L3 is checked by the database: see level3.go), and
// only flights that have not begun may be joined. That is slower and not stale.
//
// Joining. An instance subscribes; asks the primary for its position, which becomes the least that loads are given; raises all its stripes
// (so that nothing in L1 counts); repeats what it failed to invalidate; and, if it had lost contact, waits for another
// leaseTime, so that the others can repeat theirs before it reads from L2. What was published before the subscription
// cannot concern it, as L1 counts for nothing and the position is later.
//
// A server that restarts from a snapshot may come back with old values and their old epochs. The names of epochs
// therefore contain the server's run id, and every connection asks for it when it is made: values of another process
// have no epoch.
//
// A partition. When Invalidate cannot reach L2, it waits until leaseTime + leaseMargin have passed since contact was lost,
// and returns an error, unless the instance could rejoin meanwhile and repeat the invalidation. If L2 is down for
// everybody, nobody has a lease by then and nothing stale is served even so. If only this instance is cut off, the
// others go on serving what they have: hence the error. The invalidation is repeated before anything else when contact
// is back.
//
// What it costs: an invalidation in the first leaseTime + leaseMargin of a subscription waits for the rest of that time,
// and one while an instance has just stopped without a word, for as long.
const (
	leaseTime         = time.Second
	leaseMargin       = 250 * time.Millisecond
	heartbeatInterval = 100 * time.Millisecond
)

// ErrUnacknowledged is returned by [Cache.Invalidate] and [Cache.InvalidatePattern] when it could not be made sure of
// that every instance has taken notice. It is made up for when contact with L2 is back.
var ErrUnacknowledged = errors.New("not every instance is known to have taken notice")

type bus struct {
	cache   *Cache
	address *redis.Options
	store   *store.Store
	logger  *slog.Logger
	id      uint64
	channel string
	answers string // channel of acknowledgements for this instance

	// until when the lease lasts, as of [clock.Now]; 0 without one.
	leasedUntil atomic.Int64
	// floor is the least position that loads are given.
	floor atomic.Uint64

	mu       sync.Mutex
	current  *term                    // invalidations may be sent; cache.l2.term is set once values may be read
	lose     func(error)              // ends the present session
	joined   chan struct{}            // closed while the instance is joined
	lostAt   time.Duration            // when contact was lost
	why      error                    // why there is no contact
	heardAt  time.Duration            // when the last heartbeat of ours that came back was sent
	since    time.Duration            // when the present subscription was confirmed
	members  map[uint64]time.Duration // other instances, and when a heartbeat of theirs was heard last
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
	done    []chan struct{} // closed when they have been repeated and acknowledged
}

// acknowledgements of a message, by instance; changed has room for one, and is told of each.
type acknowledgements struct {
	by      map[uint64]struct{}
	changed chan struct{}
}

type ack struct{ sender, number uint64 }

// trusted says whether this instance had its lease at a time.
func (b *bus) trusted(at time.Duration) bool { return int64(at) < b.leasedUntil.Load() }

// position is what a load for a stripe must see.
func (b *bus) position(s *stripe) store.LSN { return store.LSN(max(s.lsn.Load(), b.floor.Load())) }

// Position is what a read that is not cached must see of the scopes: all that an invalidation has told of. While this
// instance may have missed one, it is a position that the primary alone has.
func (c *Cache) Position(scopes ...Scope) store.LSN {
	if !c.bus.trusted(clock.Now()) {
		return onPrimary
	}
	var position store.LSN
	for i := range scopes {
		position = max(position, c.bus.position(&c.stripes[c.stripes.index(&scopes[i])]))
	}
	return position
}

// Invalidate makes what was loaded for keys of the scopes unreachable. Call it after a change is committed at the
// position after, and before the change is acknowledged. When it returns nil, no instance serves anything older. With
// [ErrUnacknowledged] another instance may do so until this one reaches L2 again: log it and go on, as the change is
// made. It takes a round trip through L2 and the other instances; up to 1.25 s if one
// of them has just stopped answering, or this one has just joined.
func (c *Cache) Invalidate(ctx context.Context, after store.LSN, scopes ...Scope) error {
	if len(scopes) == 0 {
		return nil
	}
	for i := range scopes {
		c.usage.Wrote(&scopes[i])
	}
	return c.invalidate(ctx, after, c.stripesOf(scopes))
}

func (c *Cache) stripesOf(scopes []Scope) []uint16 {
	stripes := make([]uint16, len(scopes))
	for i := range scopes {
		stripes[i] = c.stripes.index(&scopes[i])
	}
	return stripes
}

func (c *Cache) invalidate(ctx context.Context, after store.LSN, stripes []uint16) error {
	for _, s := range stripes {
		c.stripes[s].invalidate(after)
	}
	return c.bus.send(ctx, &message{what: invalidateMessage, after: after, stripes: stripes})
}

// send tells all instances of an invalidation, and returns when they know.
func (b *bus) send(ctx context.Context, m *message) error {
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

// publish sends a message, with what it means for L2 before it, and waits until everybody who has to know knows. When L2
// has no room for the new epochs, it does so twice: an instance that had not heard of the invalidation may have begun an
// epoch in between, with an older position, and others may know it. The second time all have heard of it.
func (b *bus) publish(ctx context.Context, t *term, m *message) error {
	m.sender = b.id
	if err := b.publishOnce(ctx, t, m); err != nil || !m.refused {
		return err
	}
	return b.publishOnce(ctx, t, m)
}

// publishOnce tries twice: a connection that was closed while it was idle fails once.
func (b *bus) publishOnce(ctx context.Context, t *term, m *message) error {
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

// await waits for acknowledgements of a message that the server has just taken.
func (b *bus) await(ctx context.Context, t *term, acks *acknowledgements) error {
	timeout := time.NewTimer(leaseTime + leaseMargin)
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
		case <-timeout.C: // whoever has not answered has no lease
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnacknowledged, ctx.Err())
		}
	}
}

// missing counts the instances that have to acknowledge yet, and says for how long others might be unknown.
func (b *bus) missing(t *term, acks *acknowledgements) (n int, young time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := clock.Now()
	if _, own := acks.by[b.id]; !own || b.current != t {
		n++ // ours has not come back, and will not by another subscription
	}
	for id, heard := range b.members {
		if at-heard > leaseTime+leaseMargin {
			delete(b.members, id)
		} else if _, done := acks.by[id]; !done {
			n++
		}
	}
	return n, b.since + leaseTime + leaseMargin - at
}

// transmit runs under a time limit of its own: a change that is committed is to be made known, also when the client
// that asked for it has gone.
func (b *bus) transmit(t *term, m *message) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*l2Timeout)
	defer cancel()
	p := t.client.Pipeline()
	var removed *redis.IntCmd
	var sets []*redis.StatusCmd
	if len(m.stripes) > 0 {
		names := make([]string, len(m.stripes))
		for i, s := range m.stripes {
			names[i] = t.epochName(s)
		}
		removed = p.Unlink(ctx, names...)
		sets = make([]*redis.StatusCmd, len(names))
		for i, name := range names {
			sets[i] = p.Set(ctx, name, formatEpoch(m.after), epochLife) // may fail for want of memory: see publish
		}
	}
	published := p.Publish(ctx, b.channel, m.encode())
	p.Exec(ctx) // the commands have their errors
	m.refused = slices.ContainsFunc(sets, func(set *redis.StatusCmd) bool { return set.Err() != nil })
	if removed != nil && removed.Err() != nil {
		return removed.Err()
	}
	return published.Err()
}

// pend keeps what could not be sent. The lock is held.
func (b *bus) pend(m *message) (repeated <-chan struct{}) {
	if b.pending == nil {
		b.pending = &pendingScopes{stripes: map[uint16]struct{}{}, done: []chan struct{}{make(chan struct{})}}
	}
	for _, s := range m.stripes {
		b.pending.stripes[s] = struct{}{}
	}
	b.pending.after = max(b.pending.after, m.after)
	return b.pending.done[0]
}

// outwait waits until nobody can have a lease any more, if L2 is down for all, or until the invalidation was repeated.
func (b *bus) outwait(ctx context.Context, repeated <-chan struct{}, lost time.Duration, why error) error {
	timeout := time.NewTimer(max(lost+leaseTime+leaseMargin-clock.Now(), 0))
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

func (b *bus) expect() (number uint64, acks *acknowledgements) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	acks = &acknowledgements{by: map[uint64]struct{}{}, changed: make(chan struct{}, 1)}
	b.awaiting[b.number] = acks
	return b.number, acks
}

func (b *bus) forget(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.awaiting, number)
}

// acknowledged notes that an instance has applied one of our messages.
func (b *bus) acknowledged(number, by uint64) {
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
func (b *bus) receive(payload string) {
	m, err := decodeMessage(payload)
	if err != nil {
		// Whoever sent it waits for nothing that we could do. To forget everything is safe.
		b.logger.Warn("the cache forgets what it has", "error", err)
		b.cache.stripes.invalidateAll()
		return
	}
	switch m.what {
	case heartbeatMessage, byeMessage:
		b.heard(&m)
		return
	case invalidateMessage:
		for _, s := range m.stripes {
			b.cache.stripes[s].invalidate(m.after)
		}
	case dropMessage:
		raise(&b.floor, uint64(m.after))
		if g, err := compileGlob(m.pattern); err == nil {
			b.cache.drop(g)
		}
		if t := b.contact(); t != nil && m.sender != b.id {
			t.generation.Store(nil) // beat asks for the new one
		}
	}
	if m.sender == b.id {
		b.acknowledged(m.number, b.id)
		return
	}
	select {
	case b.acks <- ack{m.sender, m.number}:
	default: // the sender will wait for as long as a lease lasts
	}
}

// acknowledge sends acknowledgements, those that are there together in one round trip.
func (b *bus) acknowledge(ctx context.Context, t *term) {
	for {
		var next ack
		select {
		case next = <-b.acks:
		case <-ctx.Done():
			return
		}
		p := t.client.Pipeline()
		for more := true; more; {
			p.Publish(ctx, answersChannel(b.address.DB, next.sender), encodeAck(next.number, b.id))
			select {
			case next = <-b.acks:
			default:
				more = false
			}
		}
		p.Exec(ctx) // one that is lost costs the sender the time of a lease
	}
}

func answersChannel(db int, id uint64) string {
	return fmt.Sprintf("%sack:%d:%x", prefix, db, id)
}

package coherence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/store"
)

const (
	rejoinInterval = 100 * time.Millisecond
	// joinTimeout bounds each step of joining.
	joinTimeout = 2 * time.Second
	// maxStripes bounds the stripes of one message.
	maxStripes = 4096
)

var (
	errClosing  = errors.New("the cache is being closed")
	errNoAnswer = errors.New("heartbeats do not come back from L2")
	errNotYet   = errors.New("L2 has not been reached yet")
)

// Open makes a bus and begins to join the other instances.
func Open(o Options) *Bus {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	b := &Bus{
		options: o, logger: logger, id: rand.Uint64(),
		// Unlike keys, channels are shared by all databases of a server.
		channel:  Prefix + "bus:" + strconv.Itoa(o.Address.DB),
		lose:     func(error) {},
		joined:   make(chan struct{}),
		lostAt:   clock.Now(),
		why:      errNotYet,
		awaiting: map[uint64]*acknowledgements{},
		members:  map[uint64]time.Duration{},
		acks:     make(chan ack, 1024),
		ended:    make(chan struct{}),
	}
	b.inDoubt.added = make(chan struct{}, 1)
	b.context, b.cancel = context.WithCancelCause(context.Background())
	b.answers = answersChannel(o.Address.DB, b.id)
	go b.run()
	return b
}

// run joins the other instances, and again after each loss of contact, until the bus is closed.
func (b *Bus) run() {
	defer close(b.ended)
	for first := true; ; first = false {
		err := b.session(first)
		if b.context.Err() != nil {
			return
		}
		b.options.Failed("subscribe", err)
		select {
		case <-b.context.Done():
			return
		case <-time.After(rejoinInterval - rejoinInterval/10 + rand.N(rejoinInterval/5)):
		}
	}
}

// Close leaves the other instances, which then no longer wait for this one.
func (b *Bus) Close() {
	b.cancel(errClosing)
	<-b.ended
}

// session subscribes, joins, and lasts until contact is lost.
func (b *Bus) session(first bool) error {
	ctx, lose := context.WithCancelCause(b.context)
	defer lose(nil)
	t := openSession(b.options.Address, b.options.Far, lose)
	defer t.Client.Close()
	subscription, err := b.subscribe(ctx, t)
	if err != nil {
		return err
	}
	defer subscription.Close()
	// Nothing else wakes the goroutine that waits for messages.
	defer context.AfterFunc(ctx, func() { subscription.Close() })()

	var goroutines sync.WaitGroup
	defer goroutines.Wait()
	defer lose(nil)
	goroutines.Go(func() { lose(b.listen(ctx, subscription)) })
	goroutines.Go(func() { b.acknowledge(ctx, t) })
	if err := b.enter(ctx, t, lose, first); err != nil {
		lose(err)
	}
	goroutines.Go(func() { lose(b.beat(ctx, t)) })
	<-ctx.Done()
	if errors.Is(context.Cause(ctx), errClosing) {
		b.lost(t, errClosing) // from here on nothing is served
		b.transmit(t, &message{what: byeMessage, sender: b.id})
	}
	b.lost(t, context.Cause(ctx))
	return context.Cause(ctx)
}

// subscribe returns when the server has confirmed both channels.
func (b *Bus) subscribe(ctx context.Context, t *Session) (*redis.PubSub, error) {
	s := t.Client.Subscribe(ctx, b.channel, b.answers)
	for range 2 {
		m, err := s.ReceiveTimeout(ctx, joinTimeout)
		if err == nil {
			if _, ok := m.(*redis.Subscription); !ok {
				err = fmt.Errorf("L2 answered SUBSCRIBE with %T", m)
			}
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("subscribe on L2: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = clock.Now()
	return s, nil
}

// enter takes the steps of joining in the order of the package documentation, before anything is served.
func (b *Bus) enter(ctx context.Context, t *Session, lose func(error), first bool) error {
	asking, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	lsn, err := b.primaryLSN(asking)
	if err != nil {
		return fmt.Errorf("ask the primary for its LSN: %w", err)
	}
	b.RaiseFloor(lsn)
	b.Stripes.invalidateAll()
	b.options.Forget()
	if err := b.LearnGeneration(ctx, t); err != nil && !IsReply(err) {
		return err
	}
	b.mu.Lock()
	b.current, b.lose = t, lose
	pending := b.pending
	b.pending = nil
	b.mu.Unlock()
	if err := b.repeat(ctx, t, pending); err != nil {
		return err
	}
	if !first {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(LeaseTime):
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == t {
		b.serving.Store(t)
	}
	return nil
}

// primaryLSN returns the primary's current LSN; 0 without a store, where no replica could lag.
func (b *Bus) primaryLSN(ctx context.Context) (store.LSN, error) {
	if b.options.Store == nil {
		return 0, nil
	}
	return b.options.Store.CurrentLSN(ctx)
}

// repeat sends what failed before. If it fails again, it is kept for the next session.
func (b *Bus) repeat(ctx context.Context, t *Session, p *pendingScopes) error {
	if p == nil {
		return nil
	}
	for chunk := range slices.Chunk(slices.Collect(maps.Keys(p.stripes)), maxStripes) {
		if err := b.publish(ctx, t, &message{what: invalidateMessage, after: p.after, stripes: chunk}); err != nil {
			b.putBack(p)
			return err
		}
	}
	for _, done := range p.done {
		close(done)
	}
	return nil
}

// putBack adds what could not be repeated to what has failed since.
func (b *Bus) putBack(p *pendingScopes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := b.pending; since != nil {
		maps.Copy(p.stripes, since.stripes)
		p.after = max(p.after, since.after)
		p.done = append(since.done, p.done...)
	}
	b.pending = p
}

// lost records the loss of contact.
func (b *Bus) lost(t *Session, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = why
	if b.current != t {
		return
	}
	b.current = nil
	b.serving.Store(nil)
	b.leasedUntil.Store(0)
	b.lostAt = clock.Now()
	select {
	case <-b.joined:
		b.joined = make(chan struct{})
	default:
	}
	b.lose(why)
}

// listen applies messages in the order in which they arrive.
func (b *Bus) listen(ctx context.Context, s *redis.PubSub) error {
	for {
		received, err := s.ReceiveTimeout(ctx, 0) // no limit: beat notices silence
		if err != nil {
			return err
		}
		switch m := received.(type) {
		case *redis.Message:
			if m.Channel == b.channel {
				b.receive(m.Payload)
			} else if number, by, ok := decodeAck(m.Payload); ok {
				b.acknowledged(number, by)
			}
		case *redis.Subscription:
			return fmt.Errorf("the subscription was renewed: %s", m) // by the library, after it lost the connection
		}
	}
}

// heard records the heartbeat of another instance. A returned heartbeat of this instance extends the lease if it
// serves.
func (b *Bus) heard(m *message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case m.what == byeMessage:
		delete(b.members, m.sender)
		for _, acks := range b.awaiting {
			select {
			case acks.changed <- struct{}{}:
			default:
			}
		}
		return
	case m.sender != b.id:
		b.members[m.sender] = clock.Now()
		return
	}
	sent := time.Duration(m.number)
	b.heardAt = max(b.heardAt, sent)
	if b.serving.Load() == nil {
		return
	}
	b.leasedUntil.Store(max(b.leasedUntil.Load(), int64(sent+LeaseTime)))
	select {
	case <-b.joined:
	default:
		close(b.joined)
	}
}

// beat sends heartbeats until ctx ends or none has come back for twice LeaseTime.
func (b *Bus) beat(ctx context.Context, t *Session) error {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	b.mu.Lock()
	b.heardAt = clock.Now()
	b.mu.Unlock()
	for {
		// One failure does not end the session: the subscription may still work, and another heartbeat follows soon.
		if err := b.transmit(t, &message{
			what: heartbeatMessage, sender: b.id,
			number: uint64(clock.Now()),
		}); err != nil && ctx.Err() == nil {
			b.options.Failed("send a heartbeat", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		b.mu.Lock()
		silent := clock.Now() - b.heardAt
		b.mu.Unlock()
		if silent > 2*LeaseTime {
			return errNoAnswer
		}
		if t.generation.Load() == nil { // L2 had no memory for one
			b.LearnGeneration(ctx, t)
		}
	}
}

// Join waits until values may be served from L1 and L2. If ctx ends first, the error says why there is no contact.
func (b *Bus) Join(ctx context.Context) error {
	b.mu.Lock()
	joined := b.joined
	b.mu.Unlock()
	select {
	case <-joined:
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		return fmt.Errorf("join the other instances: %w: %w", ctx.Err(), b.why)
	}
}

// Ping sends L2 a PING over the present session.
func (b *Bus) Ping(ctx context.Context) error {
	b.mu.Lock()
	t, why := b.current, b.why
	b.mu.Unlock()
	if t == nil {
		return fmt.Errorf("ping L2 cache: no contact: %w", why)
	}
	if err := t.Client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping L2 cache: %w", err)
	}
	return nil
}

// Contact returns the present session, on which invalidations may be sent; nil without one.
func (b *Bus) Contact() *Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current
}

// Serving returns the session on which values may be read from L2; nil while none may be read.
func (b *Bus) Serving() *Session { return b.serving.Load() }

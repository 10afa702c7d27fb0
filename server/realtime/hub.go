// Package realtime delivers the events of tenants to their subscribers soon after they are committed, every one once
// and in order.
//
// What is delivered is read from the event store, in its order: by transaction, and only before the oldest transaction
// that is still open (see [store.Store.AppendEvents]). A position in that order is all that a subscriber has to
// remember, and another instance can continue from it. Two goroutines of a [Hub] see to the rest:
//
//   - The follower reads the new events of every tenant that has a subscriber here, once for all of its subscribers. It
//     looks when it hears of a change, and at every tenant once a second, so a change that nobody tells of is late and
//     never lost. Events that an open transaction holds back are read as soon as it has ended.
//   - The listener hears of changes at other instances, by NOTIFY over a connection of its own, and tells them of those
//     at this one as long as one of them says that it has subscribers. A change here wakes the follower without that
//     round trip.
//
// Each tenant has a [topic]: the latest events, encoded once. All topics together keep a bounded number of bytes. A
// subscriber is a position within its topic and has no queue; one who falls behind what is kept has to come again, and
// then reads from the store what is missing.
package realtime

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// Options configure a hub.
type Options struct {
	Store  *store.Store // closed by the caller after the hub
	Logger *slog.Logger // nil means slog.Default()
	// MaxSubscribers is the number of subscribers beyond which others are refused; 0 means 10,000.
	MaxSubscribers int
	// BufferBytes is how many bytes of events are kept for subscribers, of all tenants together; 0 means 32 MiB.
	BufferBytes int64
}

// The defaults of options.
const (
	DefaultMaxSubscribers = 10_000
	DefaultBufferBytes    = 32 << 20
)

// maxUnannounced is how many tenants are remembered until the others are told; beyond it they look at all of theirs.
const maxUnannounced = 1000

// Hub is the one place of a server where events arrive and subscribers wait. It is safe for concurrent use.
type Hub struct {
	store          *store.Store
	logger         *slog.Logger
	maxSubscribers int
	bufferBytes    int64
	catchUps       chan struct{} // has one element for each subscriber that catches up
	wake           chan struct{} // for the follower; it holds one element
	closed         chan struct{}
	empty          chan struct{} // closed when the hub is closed and has no subscribers
	stop           context.CancelFunc
	running        sync.WaitGroup

	mu          sync.Mutex
	topics      map[store.ID]*topic
	subscribers int
	due         map[store.ID]struct{} // tenants of topics that may have new events
	tells       bool                  // another instance has asked to be told of changes
	unannounced map[store.ID]struct{} // tenants with changes that it is to be told of
	announceAll bool
	interrupt   context.CancelFunc // ends the listener's wait; nil while it need not
}

// New starts a hub, which must be closed. It needs no database to start.
func New(o Options) *Hub { return newHub(o, sweepEvery) }

func newHub(o Options, sweep time.Duration) *Hub {
	h := &Hub{
		store: o.Store, logger: o.Logger,
		maxSubscribers: cmp.Or(o.MaxSubscribers, DefaultMaxSubscribers),
		bufferBytes:    cmp.Or(o.BufferBytes, DefaultBufferBytes),
		catchUps:       make(chan struct{}, maxCatchUps),
		wake:           make(chan struct{}, 1),
		closed:         make(chan struct{}), empty: make(chan struct{}),
		topics: map[store.ID]*topic{}, due: map[store.ID]struct{}{}, unannounced: map[store.ID]struct{}{},
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	var ctx context.Context
	ctx, h.stop = context.WithCancel(context.Background())
	h.running.Go(func() { newFollower(h, sweep).run(ctx) })
	h.running.Go(func() { h.listen(ctx) })
	return h
}

// Subscribe subscribes to the events of a tenant after a position; without one, to those that are committed from now
// on, and perhaps a few before. It returns [ErrFull], [ErrClosed], [ErrUnknownPosition], or an error of the store.
func (h *Hub) Subscribe(ctx context.Context, tenant store.ID, after *store.EventPosition) (*Subscription, error) {
	t, err := h.join(tenant, after)
	if err != nil {
		return nil, err
	}
	s := &Subscription{hub: h, topic: t, batch: make([]*Event, 0, batchEvents)}
	select {
	case <-t.begun:
		err = t.failure
	case <-h.closed:
		err = ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		s.at, err = h.position(ctx, t, after)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// join counts a subscriber, with a new topic if there is none.
func (h *Hub) join(tenant store.ID, after *store.EventPosition) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return nil, ErrClosed
	default:
	}
	if h.subscribers >= h.maxSubscribers {
		return nil, ErrFull
	}
	t, ok := h.topics[tenant]
	if !ok {
		t = newTopic(tenant, after)
		h.topics[tenant] = t
		h.markLocked(tenant)
		h.wakeLocked()
		if len(h.topics) == 1 {
			h.interruptLocked() // to ask the others to tell of their changes
		}
	}
	h.subscribers++
	t.subscribers++
	return t, nil
}

func (h *Hub) leave(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers--
	t.subscribers--
	if t.subscribers == 0 && h.topics[t.tenant] == t {
		delete(h.topics, t.tenant)
	}
	select {
	case <-h.closed:
		if h.subscribers == 0 {
			close(h.empty)
		}
	default:
	}
}

// position returns where a subscription to a topic begins.
func (h *Hub) position(ctx context.Context, t *topic, after *store.EventPosition) (store.EventPosition, error) {
	t.mu.Lock()
	end := t.end
	t.mu.Unlock()
	if after == nil {
		return end, nil
	}
	if after.Compare(end) <= 0 {
		return *after, nil
	}
	// This topic may be a little behind the instance that sent the position.
	_, next, err := h.store.EventHorizon(ctx)
	if err == nil && after.Transaction > next {
		err = ErrUnknownPosition
	}
	return *after, err
}

// Changed is called after a change of a tenant has been committed, or may have been. It does not wait for anything.
func (h *Hub) Changed(tenant store.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.markLocked(tenant)
	h.wakeLocked()
	if !h.tells {
		return
	}
	if len(h.unannounced) < maxUnannounced {
		h.unannounced[tenant] = struct{}{}
	} else {
		h.announceAll = true
	}
	h.interruptLocked()
}

// hasNews reports whether others are to be told of something.
func (h *Hub) hasNews() bool { return h.announceAll || len(h.unannounced) > 0 }

// interruptLocked has the listener see whether it has something to say.
func (h *Hub) interruptLocked() {
	if h.interrupt != nil {
		h.interrupt()
		h.interrupt = nil
	}
}

// look has the follower look for events of tenants; without any, of all.
func (h *Hub) look(tenants []store.ID) {
	if len(tenants) == 0 {
		h.markAll()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, tenant := range tenants {
		h.markLocked(tenant)
	}
	h.wakeLocked()
}

// mark makes the topic of a tenant due, if there is one.
func (h *Hub) mark(tenant store.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.markLocked(tenant)
}

func (h *Hub) markAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for tenant := range h.topics {
		h.due[tenant] = struct{}{}
	}
}

func (h *Hub) markLocked(tenant store.ID) {
	if _, ok := h.topics[tenant]; ok {
		h.due[tenant] = struct{}{}
	}
}

// wakeLocked wakes the follower if it has something to do.
func (h *Hub) wakeLocked() {
	if len(h.due) == 0 {
		return
	}
	select {
	case h.wake <- struct{}{}:
	default: // it has yet to begin
	}
}

// takeDue returns up to most topics that are due.
func (h *Hub) takeDue(most int) (topics []*topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for tenant := range h.due {
		if len(topics) == most {
			break
		}
		delete(h.due, tenant)
		if t, ok := h.topics[tenant]; ok { // somebody is still subscribed
			topics = append(topics, t)
		}
	}
	return topics
}

// remove forgets a topic that could not begin.
func (h *Hub) remove(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics[t.tenant] == t {
		delete(h.topics, t.tenant)
	}
}

// Subscribers returns the current number of subscribers.
func (h *Hub) Subscribers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.subscribers
}

// Drain ends all subscriptions, which return [ErrClosed], and refuses others. Events that had arrived may not have been
// sent: the subscribers get them at the instance at which they continue.
func (h *Hub) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return
	default:
	}
	close(h.closed)
	for _, t := range h.topics {
		t.finish()
	}
	if h.subscribers == 0 {
		close(h.empty)
	}
}

// Wait waits until every subscription has been closed after Drain, or ctx is done.
func (h *Hub) Wait(ctx context.Context) error {
	select {
	case <-h.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends what Drain has not, tells the other instances of the last changes, and disconnects.
func (h *Hub) Close() {
	h.Drain()
	h.stop()
	h.running.Wait()
}

package realtime

import (
	"context"
	"time"

	"github.com/policycortex/headroom/server/store"
)

const (
	// followTenants is how many tenants are read for in one round trip, and followEvents how many events of each.
	followTenants = 128
	followEvents  = 200
	// sweepEvery is how often every tenant is looked at, whether or not anybody has told of a change: for changes that
	// were made by an instance that died before it could tell, and by other programs. It also moves the position up to
	// which nothing has happened.
	sweepEvery = time.Second
	// retryEvery is the pause after a failure.
	retryEvery = 250 * time.Millisecond
	// Pauses until the next look whether the transactions have ended that hold events back.
	firstHeldPause = 2 * time.Millisecond
	maxHeldPause   = 25 * time.Millisecond
)

// follower reads the new events of the hub's topics, for all of their subscribers. It is one goroutine.
type follower struct {
	hub       *Hub
	kept      []keptEvent // of all topics, oldest first
	keptBytes int64
	held      map[*topic]uint64 // topics with events that are held back, and the first one's transaction
	heldPause time.Duration
	sweep     time.Duration // how often
	sweepAt   time.Time
	failing   bool
}

type keptEvent struct {
	topic *topic
	size  int64
}

func newFollower(h *Hub, sweep time.Duration) *follower {
	return &follower{hub: h, held: map[*topic]uint64{}, heldPause: firstHeldPause, sweep: sweep}
}

func (f *follower) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.hub.wake:
		case <-timer.C:
		}
		if err := f.round(ctx); err != nil && ctx.Err() == nil {
			f.failed(err)
		}
		timer.Reset(f.pause())
	}
}

// failed tells of the first of several failures, and succeeded of their end.
func (f *follower) failed(err error) {
	if !f.failing {
		f.hub.logger.Warn("events cannot be read for the streams; they are late and not lost", "error", err)
	}
	f.failing = true
}

func (f *follower) succeeded() {
	if f.failing {
		f.hub.logger.Info("events are read for the streams again")
	}
	f.failing = false
}

func (f *follower) pause() time.Duration {
	switch {
	case f.failing:
		return retryEvery
	case len(f.held) == 0:
		return max(time.Until(f.sweepAt), 0)
	}
	pause := f.heldPause
	f.heldPause = min(2*pause, maxHeldPause)
	return pause
}

// round reads for all topics that are due.
func (f *follower) round(ctx context.Context) error {
	if now := time.Now(); now.After(f.sweepAt) {
		f.sweepAt = now.Add(f.sweep)
		f.hub.markAll()
	}
	if err := f.release(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		due := f.hub.takeDue(followTenants)
		if len(due) == 0 {
			break
		}
		if err := f.follow(ctx, due); err != nil {
			f.postpone(due, err)
			return err
		}
	}
	return nil
}

// release makes topics due whose events are no longer held back.
func (f *follower) release(ctx context.Context) error {
	if len(f.held) == 0 {
		return nil
	}
	horizon, _, err := f.hub.store.EventHorizon(ctx)
	if err != nil {
		return err
	}
	for t, transaction := range f.held {
		if transaction < horizon {
			delete(f.held, t)
			f.hub.mark(t.tenant)
			f.heldPause = firstHeldPause // those that remain wait for another transaction
		}
	}
	return nil
}

// postpone is called for topics that could not be read for.
func (f *follower) postpone(topics []*topic, err error) {
	for _, t := range topics {
		if t.hasBegun() {
			f.hub.mark(t.tenant)
			continue
		}
		f.hub.remove(t) // the next subscriber tries again
		t.fail(err)
	}
}

// follow reads a page for each topic and hands it out.
func (f *follower) follow(ctx context.Context, topics []*topic) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	follows := make([]store.Follow, len(topics))
	for i, t := range topics {
		follows[i] = store.Follow{Tenant: t.tenant, After: t.next()}
	}
	pages, err := readPages(ctx, f.hub.store, follows, followEvents)
	if err != nil {
		return err
	}
	f.succeeded()
	for i, t := range topics {
		f.deliver(t, &pages[i])
	}
	return nil
}

// deliver hands out what was read for a topic.
func (f *follower) deliver(t *topic, p *page) {
	if !t.hasBegun() {
		start := p.horizon
		if t.first != nil && t.first.Compare(start) < 0 && !p.full {
			start = *t.first
		} else { // too much has happened since; the subscriber reads it, up to here
			p.events, p.end, p.full = nil, p.horizon, false
		}
		t.begin(start)
	}
	t.add(p.events, p.end)
	f.keep(t, p.events)
	switch p.held {
	case 0:
		delete(f.held, t)
	case f.held[t]:
	default:
		f.held[t] = p.held
		f.heldPause = firstHeldPause
	}
	if p.full {
		f.hub.mark(t.tenant)
	}
}

// keep counts events, and has the oldest ones forgotten when they are too many.
func (f *follower) keep(t *topic, events []*Event) {
	for _, e := range events {
		f.kept = append(f.kept, keptEvent{t, e.size()})
		f.keptBytes += e.size()
	}
	for f.keptBytes > f.hub.bufferBytes {
		oldest := f.kept[0]
		f.kept[0] = keptEvent{}
		f.kept = f.kept[1:]
		f.keptBytes -= oldest.size
		oldest.topic.forget()
	}
}

package realtime

import (
	"context"
	"errors"
	"time"

	"github.com/policycortex/headroom/server/store"
)

const (
	// batchEvents is how many events a subscriber is given at once.
	batchEvents = 32
	// maxCatchUps is how many subscribers read from the store, or are sent what they have read, at a time. It bounds
	// the memory that they take together.
	maxCatchUps = 32
	// catchUpTimeout bounds one read from the store.
	catchUpTimeout = 30 * time.Second
)

var (
	// ErrClosed is returned when the hub is closed.
	ErrClosed = errors.New("the server is shutting down")
	// ErrSlow is returned to a subscriber who has fallen behind the events that are kept.
	ErrSlow = errors.New("the subscriber is too slow")
	// ErrFull is returned when there are as many subscribers as are allowed.
	ErrFull = errors.New("there are too many subscribers")
	// ErrUnknownPosition is returned for a position that this database has not reached.
	ErrUnknownPosition = errors.New("this database has no such position yet")

	errForgotten = errors.New("the events after this position are not kept")
)

// Subscription is one subscriber's place among the events of a tenant. It is not safe for concurrent use, and must be
// closed.
//
// It holds no queue: it is a position, and the events are those of the topic. So a subscriber who does not read costs
// nothing more than one who does.
type Subscription struct {
	hub     *Hub
	topic   *topic
	at      store.EventPosition
	current bool // it has had everything once: whoever then falls behind is slow
	catches bool // it counts among the catch-ups
	batch   []*Event
}

// At returns the position up to which Next has returned everything. A subscription that begins there continues without
// a gap.
func (s *Subscription) At() store.EventPosition { return s.at }

// Current reports whether the subscriber has had everything once. Then what Next has returned was sent as it happened.
func (s *Subscription) Current() bool { return s.current }

// Next waits for the events that follow. It returns none when quiet gets a value first: then nothing has happened up to
// At. What it returned before must have been used by then. After an error (of ctx or the store, [ErrClosed], [ErrSlow])
// the subscription is of no more use.
func (s *Subscription) Next(ctx context.Context, quiet <-chan time.Time) ([]*Event, error) {
	s.endCatchUp()
	for {
		clear(s.batch) // do not keep from being collected what the topic has forgotten
		events, at, more, err := s.topic.read(s.batch[:0], s.at)
		switch {
		case err != nil && (s.current || !errors.Is(err, errForgotten)):
			if errors.Is(err, errForgotten) {
				err = ErrSlow
			}
			return nil, err
		case err != nil:
			events, err = s.catchUp(ctx)
			if err != nil || len(events) > 0 {
				return events, err
			}
			continue
		}
		s.at = at
		if len(events) > 0 {
			s.batch = events
			return events, nil
		}
		s.current = true
		select {
		case <-more:
		case <-quiet:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// catchUp reads from the store what the topic does not have. It returns no events if there are none.
func (s *Subscription) catchUp(ctx context.Context) ([]*Event, error) {
	if !s.catches {
		select {
		case s.hub.catchUps <- struct{}{}:
			s.catches = true
		case <-s.hub.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	page, err := readPages(ctx, s.hub.store, []store.Follow{{Tenant: s.topic.tenant, After: s.at}}, batchEvents)
	if err != nil {
		return nil, err
	}
	if page[0].end.Compare(s.at) > 0 {
		s.at = page[0].end
	}
	return page[0].events, nil
}

func (s *Subscription) endCatchUp() {
	if s.catches {
		s.catches = false
		<-s.hub.catchUps
	}
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.endCatchUp()
	s.hub.leave(s.topic)
}

// page is what was read of a tenant.
type page struct {
	events  []*Event
	end     store.EventPosition // there are no other events up to here
	horizon store.EventPosition // nothing will be added before here
	held    uint64              // the first transaction with an event that must not be sent yet; 0 if there is none
	full    bool                // there may be more to read
}

// readPages reads a page for each follow.
func readPages(ctx context.Context, s *store.Store, follows []store.Follow, limit int) ([]page, error) {
	pages, rows := make([]page, len(follows)), make([]int, len(follows))
	horizon, err := s.EventsAfter(ctx, follows, limit, func(e *store.FollowedEvent) {
		p := &pages[e.Index]
		rows[e.Index]++
		switch {
		case !e.Held:
			p.events = append(p.events, newEvent(e))
		case p.held == 0:
			p.held = e.Position.Transaction
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range pages {
		p := &pages[i]
		p.full = rows[i] == limit && p.held == 0
		p.horizon = store.EventPosition{Transaction: horizon}
		p.end = p.horizon
		if p.full {
			p.end = p.events[len(p.events)-1].Position
		}
	}
	return pages, nil
}

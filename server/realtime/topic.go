package realtime

import (
	"slices"
	"sync"

	"github.com/policycortex/headroom/server/store"
)

// topic is a tenant that somebody is subscribed to, with its latest events.
type topic struct {
	tenant store.ID
	first  *store.EventPosition // where its first subscriber begins; nil for now
	// begun is closed when the fields below are set, or failure.
	begun   chan struct{}
	failure error

	subscribers int // of the hub, under its lock

	mu     sync.Mutex
	events []*Event // all events of the tenant after start, up to end
	start  store.EventPosition
	end    store.EventPosition
	more   chan struct{} // closed when there are more events, or none will come
	over   bool          // the hub is closed
}

func newTopic(tenant store.ID, first *store.EventPosition) *topic {
	return &topic{tenant: tenant, first: first, begun: make(chan struct{}), more: make(chan struct{})}
}

// hasBegun is for the follower.
func (t *topic) hasBegun() bool {
	select {
	case <-t.begun:
		return true
	default:
		return false
	}
}

// next is where the follower reads on.
func (t *topic) next() store.EventPosition {
	if t.hasBegun() {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.end
	}
	if t.first != nil {
		return *t.first
	}
	const never = 1<<63 - 1 // no transaction has this number: what is read is the horizon alone
	return store.EventPosition{Transaction: never, Position: never}
}

// begin sets where the topic starts.
func (t *topic) begin(start store.EventPosition) {
	t.mu.Lock()
	t.start, t.end = start, start
	t.mu.Unlock()
	close(t.begun)
}

// fail is called instead of begin.
func (t *topic) fail(err error) {
	t.failure = err
	close(t.begun)
}

// add adds events, and says that there are no others up to end. It wakes the subscribers that wait for events.
func (t *topic) add(events []*Event, end store.EventPosition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end.Compare(t.end) > 0 {
		t.end = end
	}
	if len(events) > 0 {
		t.events = append(t.events, events...)
		t.wake()
	}
}

// forget drops the oldest event.
func (t *topic) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.start = t.events[0].Position
	t.events[0] = nil
	t.events = t.events[1:]
}

// finish ends all subscriptions.
func (t *topic) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		t.wake()
	}
}

func (t *topic) wake() {
	close(t.more)
	t.more = make(chan struct{})
}

// read appends the events after a position to batch, as many as it has room for. It returns where these end, which is
// beyond the last event if no others are known. Without any, more is closed when it is time to look again. It returns
// errForgotten for a position before the first event that is kept.
func (t *topic) read(batch []*Event, after store.EventPosition) (
	events []*Event, at store.EventPosition, more <-chan struct{}, err error,
) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
		return batch, after, nil, ErrClosed
	case after.Compare(t.start) < 0:
		return batch, after, nil, errForgotten
	}
	from, _ := slices.BinarySearchFunc(t.events, after, compare)
	to := min(from+cap(batch)-len(batch), len(t.events))
	events = append(batch, t.events[from:to]...)
	switch {
	case to > from:
		return events, t.events[to-1].Position, t.more, nil
	case t.end.Compare(after) > 0:
		return events, t.end, t.more, nil
	}
	return events, after, t.more, nil // somebody who has seen more at another instance
}

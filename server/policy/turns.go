package policy

import (
	"context"
	"slices"
	"sync"
)

// turns lets a few go on at once. Those who wait are let in by tenants in rotation, so that a tenant with many waiting
// delays another one by a turn, not by all of them.
type turns struct {
	each int // how many of a tenant may wait: requests that wait take the places of others in the server

	mu    sync.Mutex
	free  int
	lines []*line // of tenants that wait, the next one first
}

// line is who waits of a tenant, in the order in which they came.
type line struct {
	tenant [16]byte
	turns  []chan struct{} // closed when it is their turn
}

func newTurns(most, each int) *turns { return &turns{each: each, free: most} }

// enter waits for a turn, which leave ends. It returns [ErrBusy] when ctx ends first, or too many wait.
func (t *turns) enter(ctx context.Context, tenant [16]byte) error {
	turn, err := t.join(tenant)
	if turn == nil {
		return err
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	if t.giveUp(tenant, turn) {
		return ErrBusy
	}
	return nil // it came at the last moment
}

// join returns what to wait for; nil when nothing is to be waited for.
func (t *turns) join(tenant [16]byte) (turn chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 { // nobody waits
		t.free--
		return nil, nil
	}
	turn = make(chan struct{})
	at := t.line(tenant)
	switch {
	case at < 0:
		t.lines = append(t.lines, &line{tenant, []chan struct{}{turn}})
	case len(t.lines[at].turns) == t.each:
		return nil, ErrBusy
	default:
		t.lines[at].turns = append(t.lines[at].turns, turn)
	}
	return turn, nil
}

// line is the index of a tenant's line, or -1.
func (t *turns) line(tenant [16]byte) int {
	return slices.IndexFunc(t.lines, func(l *line) bool { return l.tenant == tenant })
}

// giveUp reports whether the turn had not come yet.
func (t *turns) giveUp(tenant [16]byte, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.line(tenant)
	if at < 0 {
		return false
	}
	l := t.lines[at]
	i := slices.Index(l.turns, turn)
	if i < 0 {
		return false
	}
	l.turns = slices.Delete(l.turns, i, i+1)
	if len(l.turns) == 0 {
		t.lines = slices.Delete(t.lines, at, at+1)
	}
	return true
}

// leave lets in the first of the next tenant.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		t.free++
		return
	}
	l := t.lines[0]
	close(l.turns[0])
	l.turns = l.turns[1:]
	t.lines = slices.Delete(t.lines, 0, 1)
	if len(l.turns) > 0 {
		t.lines = append(t.lines, l)
	}
}

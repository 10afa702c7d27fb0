package realtime

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// announceEvery is the shortest time between two announcements. What changes in between is announced together.
const announceEvery = 5 * time.Millisecond

// listen keeps a connection to the other instances until ctx is done.
func (h *Hub) listen(ctx context.Context) {
	silent := false
	for ctx.Err() == nil {
		err := h.converse(ctx, func() {
			if silent {
				h.logger.Info("changes at other instances are heard of again")
			}
			silent = false
		})
		if ctx.Err() != nil {
			return
		}
		if !silent {
			h.logger.Warn("changes at other instances are not heard of, and their events arrive up to a second later",
				"error", err)
			silent = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// converse announces and hears until the connection fails or ctx is done. It calls connected when it has connected.
func (h *Hub) converse(ctx context.Context, connected func()) error {
	l, err := h.store.Listen(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	connected()
	h.look(nil) // for what was announced while nobody listened here
	var next time.Time
	for ctx.Err() == nil {
		if err := h.hear(ctx, l, next); err != nil {
			return err
		}
		if time.Now().Before(next) {
			continue
		}
		announced, err := h.announce(ctx, l)
		if err != nil {
			return err
		}
		if announced {
			next = time.Now().Add(announceEvery)
		}
	}
	_, err = h.announce(context.WithoutCancel(ctx), l) // the last changes
	return err
}

// hear waits for an announcement and has the follower look. It also returns when there is something to announce, but
// not before next.
func (h *Hub) hear(ctx context.Context, l *store.Listener, next time.Time) error {
	wait, cancel := h.untilAChange(ctx, next)
	defer cancel()
	tenants, err := l.Wait(wait)
	switch {
	case err == nil:
		h.look(tenants)
	case wait.Err() == nil:
		return err
	}
	return nil
}

// untilAChange returns a context that is done when there is something to announce and next has come.
func (h *Hub) untilAChange(ctx context.Context, next time.Time) (context.Context, context.CancelFunc) {
	if time.Now().Before(next) {
		return context.WithDeadline(ctx, next)
	}
	ctx, cancel := context.WithCancel(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.announceAll || len(h.unannounced) > 0 {
		cancel()
	} else {
		h.interrupt = cancel
	}
	return ctx, cancel
}

// announce tells the others of the changes that they have not been told of.
func (h *Hub) announce(ctx context.Context, l *store.Listener) (announced bool, err error) {
	h.mu.Lock()
	tenants, all := slices.Collect(maps.Keys(h.unannounced)), h.announceAll
	clear(h.unannounced)
	h.announceAll = false
	h.mu.Unlock()
	switch {
	case all:
		tenants = nil
	case len(tenants) == 0:
		return false, nil
	}
	err = l.Announce(ctx, tenants)
	if err != nil {
		h.mu.Lock()
		h.announceAll = true // nobody knows which of them were heard
		h.mu.Unlock()
	}
	return true, err
}

package realtime

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/policycortex/headroom/server/store"
)

const (
	// announceEvery is the shortest time between two announcements. What changes in between is announced together.
	announceEvery = 5 * time.Millisecond
	// askEvery is how often an instance with subscribers asks the others to tell it of their changes, and tellFor for
	// how long they do when they have been asked. While nobody asks, a change costs no announcement.
	askEvery = time.Second
	tellFor  = 3 * askEvery
)

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
	c := conversation{hub: h, with: l}
	c.asked() // perhaps somebody has, meanwhile
	for {
		if err := c.hear(ctx); err != nil {
			return err
		}
		// What has been begun is said to its end, so that the last changes are announced as well.
		saying := context.WithoutCancel(ctx)
		if ctx.Err() != nil {
			_, err := h.announce(saying, l)
			return err
		}
		if err := c.speak(saying); err != nil {
			return err
		}
	}
}

// conversation is the listener with one connection.
type conversation struct {
	hub  *Hub
	with *store.Listener
	// When the next announcement may be made, when to ask again to be told, and until when to tell others.
	announceAt, askAt, tellUntil time.Time
}

// hear waits for what others say and does it. It also returns when there is something to say.
func (c *conversation) hear(ctx context.Context) error {
	wait, cancel := c.untilToSpeak(ctx)
	defer cancel()
	heard, err := c.with.Wait(wait)
	switch {
	case err == nil && heard.Asks:
		c.asked()
	case err == nil:
		c.hub.look(heard.Tenants)
	case wait.Err() == nil:
		return err
	}
	return nil
}

// asked has the others told of changes from now on. Whoever asks may have missed those of any tenant that nobody was
// told of.
func (c *conversation) asked() {
	c.tellUntil = time.Now().Add(tellFor)
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if !c.hub.tells {
		c.hub.tells, c.hub.announceAll = true, true
	}
}

// untilToSpeak returns a context that is done when there is something to say.
func (c *conversation) untilToSpeak(ctx context.Context) (context.Context, context.CancelFunc) {
	h := c.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	var at []time.Time
	if h.tells {
		at = append(at, c.tellUntil)
	}
	if len(h.topics) > 0 {
		at = append(at, c.askAt)
	}
	if h.hasNews() {
		at = append(at, c.announceAt)
	}
	var cancel context.CancelFunc
	if len(at) == 0 {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithDeadline(ctx, slices.MinFunc(at, time.Time.Compare))
	}
	h.interrupt = nil
	if !h.hasNews() { // else it is known already when to speak
		h.interrupt = cancel
	}
	return ctx, cancel
}

// speak asks to be told, and tells, where it is time for that.
func (c *conversation) speak(ctx context.Context) error {
	h, now := c.hub, time.Now()
	h.mu.Lock()
	if now.After(c.tellUntil) {
		h.tells = false
	}
	asks := len(h.topics) > 0 && !now.Before(c.askAt)
	h.mu.Unlock()
	if asks {
		if err := c.with.Ask(ctx); err != nil {
			return err
		}
		c.askAt = now.Add(askEvery)
	}
	if now.Before(c.announceAt) {
		return nil
	}
	announced, err := h.announce(ctx, c.with)
	if announced {
		c.announceAt = time.Now().Add(announceEvery)
	}
	return err
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

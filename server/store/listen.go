package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// listenerName is the application_name of the connections of listeners.
const listenerName = "headroom events"

// maxAnnounced is how many tenants an announcement names: a payload of NOTIFY is shorter than 8,000 bytes.
const maxAnnounced = 200

// announceTimeout bounds connecting and announcing.
const announceTimeout = 2 * time.Second

// asking is the payload of a listener that asks to be told.
const asking = "listening"

// Announcement is what a listener hears.
type Announcement struct {
	Asks    bool // somebody asks to be told of events from now on, and there is nothing else
	Tenants []ID // those that have new events; none means that any may
}

// Listener is a connection of its own to the primary, over which the servers of one database tell each other which
// tenants have new events. It is not safe for concurrent use.
//
// An announcement (NOTIFY headroom_events) is a hint to look, and holds no events. It costs a transaction whether or
// not anybody listens, so whoever wants to hear has to ask. It is not made in the transaction of the change: Postgres
// lets the transactions that notify commit one at a time, each through its own flush of the log, so every writer would
// pay for listeners that may not exist.
type Listener struct {
	conn *pgx.Conn
}

// Listen connects a listener. Announcements that were made before it returns are not heard.
func (s *Store) Listen(ctx context.Context) (*Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	config := s.primary.pool.Load().Config().ConnConfig // it dials through the link, so that it is cut with the others
	config.Tracer = nil
	config.RuntimeParams["application_name"] = listenerName
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect the listener for events: %w", err)
	}
	l := &Listener{conn: conn}
	if _, err := conn.Exec(ctx, "LISTEN headroom_events"); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen for events: %w", err)
	}
	return l, nil
}

// Wait returns what somebody else says next. When ctx is done first it returns the error of ctx, and the listener can
// be used further. After any other error it cannot.
func (l *Listener) Wait(ctx context.Context) (Announcement, error) {
	for {
		n, err := l.conn.WaitForNotification(ctx)
		switch {
		case n != nil && n.PID == l.conn.PgConn().PID(): // our own
		case n != nil:
			return ParseAnnouncement(n.Payload), nil
		case err != nil && ctx.Err() != nil && !l.conn.IsClosed():
			return Announcement{}, ctx.Err()
		case err != nil:
			return Announcement{}, fmt.Errorf("listen for events: %w", err)
		}
	}
}

// Announce tells the other listeners that tenants have new events; without tenants, that any may have. After an error
// the listener cannot be used further.
func (l *Listener) Announce(ctx context.Context, tenants []ID) error {
	for {
		n := min(len(tenants), maxAnnounced)
		if err := l.notify(ctx, announcement(tenants[:n])); err != nil {
			return err
		}
		tenants = tenants[n:]
		if len(tenants) == 0 {
			return nil
		}
	}
}

// Ask asks the other listeners to be told of events. After an error the listener cannot be used further.
func (l *Listener) Ask(ctx context.Context) error { return l.notify(ctx, asking) }

// notify does not wait for the disk: what is lost in a crash of the database has nobody left to hear it.
func (l *Listener) notify(ctx context.Context, payload string) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	_, err := l.conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'off', true), "+
		"pg_notify('headroom_events', $1)", payload)
	if err != nil {
		return fmt.Errorf("announce events: %w", err)
	}
	return nil
}

// Close closes the connection. A server that does not answer is not waited for.
func (l *Listener) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	l.conn.Close(ctx)
}

func announcement(tenants []ID) string {
	text := make([]byte, 0, len(tenants)*(36+1))
	for i := range tenants {
		if i > 0 {
			text = append(text, ',')
		}
		text = AppendUUID(text, tenants[i][:])
	}
	return string(text)
}

// ParseAnnouncement reads a payload: the UUIDs of tenants, separated by commas, or the word with which a listener asks.
// Any other payload comes from somebody else: then any tenant may have new events.
func ParseAnnouncement(payload string) Announcement {
	if payload == asking {
		return Announcement{Asks: true}
	}
	var tenants []ID
	for text := range strings.SplitSeq(payload, ",") {
		tenant, err := uuid.Parse(text)
		if err != nil || len(text) != 36 {
			return Announcement{}
		}
		tenants = append(tenants, tenant)
	}
	return Announcement{Tenants: tenants}
}

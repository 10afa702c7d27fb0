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

// Listener is a connection of its own to the primary, over which the servers of one database tell each other which
// tenants have new events. It is not safe for concurrent use.
//
// An announcement (NOTIFY headroom_events) is a hint to look, and holds no events. It is not made in the transaction of
// the change: Postgres lets the transactions that notify commit one at a time, each through its own flush of the log,
// so every writer would pay for listeners that may not exist.
type Listener struct {
	conn *pgx.Conn
}

// Listen connects a listener. Announcements that were made before it returns are not heard.
func (s *Store) Listen(ctx context.Context) (*Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	config := s.primary.pool.Config().ConnConfig // it dials through the link, so that it is cut with the others
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

// Wait returns the tenants of the next announcement by somebody else; none means that any tenant may have new events.
// When ctx is done first it returns the error of ctx, and the listener can be used further. After any other error it
// cannot.
func (l *Listener) Wait(ctx context.Context) ([]ID, error) {
	for {
		n, err := l.conn.WaitForNotification(ctx)
		switch {
		case n != nil && n.PID == l.conn.PgConn().PID(): // our own
		case n != nil:
			return ParseAnnouncement(n.Payload), nil
		case err != nil && ctx.Err() != nil && !l.conn.IsClosed():
			return nil, ctx.Err()
		case err != nil:
			return nil, fmt.Errorf("listen for events: %w", err)
		}
	}
}

// Announce tells the other listeners that tenants have new events; without tenants, that any may have. After an error
// the listener cannot be used further.
func (l *Listener) Announce(ctx context.Context, tenants []ID) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	for {
		n := min(len(tenants), maxAnnounced)
		// A hint that is lost in a crash of the database has nobody left to hear it, so it need not wait for the disk.
		_, err := l.conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'off', true), "+
			"pg_notify('headroom_events', $1)", announcement(tenants[:n]))
		if err != nil {
			return fmt.Errorf("announce events: %w", err)
		}
		tenants = tenants[n:]
		if len(tenants) == 0 {
			return nil
		}
	}
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

// ParseAnnouncement returns the tenants that a payload names: UUIDs, separated by commas. It returns none for any other
// payload, which somebody else has sent: then any tenant may have new events.
func ParseAnnouncement(payload string) (tenants []ID) {
	for text := range strings.SplitSeq(payload, ",") {
		tenant, err := uuid.Parse(text)
		if err != nil || len(text) != 36 {
			return nil
		}
		tenants = append(tenants, tenant)
	}
	return tenants
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Compare returns -1 when p comes before o, 0 when they are the same, and 1 when p comes after o.
func (p EventPosition) Compare(o EventPosition) int {
	return cmp.Or(cmp.Compare(p.Transaction, o.Transaction), cmp.Compare(p.Position, o.Position))
}

// Follow asks for the events of a tenant after a position.
type Follow struct {
	Tenant ID
	After  EventPosition
}

// FollowedEvent is an event that was read for a [Follow].
type FollowedEvent struct {
	Index    int // of the Follow
	Position EventPosition
	// Held reports that a transaction is open which may still add events before this one. A follower must not go beyond
	// it yet. Such an event has no JSON.
	Held bool
	// OccurredAt is when the event's transaction began, in Unix microseconds of the database's clock.
	OccurredAt int64
	// JSON is the event as [Store.AppendEvents] has it. It is valid until the function that gets it returns.
	JSON []byte
}

// One round trip reads for many tenants. Each tenant has at least one row, so that the horizon is always there.
const followManySQL = namePrefix + followEvents + `
SELECT f.n, pg_snapshot_xmin(pg_current_snapshot()), e.*
  FROM unnest($1::uuid[], $2::text[], $3::bigint[]) WITH ORDINALITY AS f (tenant, after_transaction, after_position, n)
  LEFT JOIN LATERAL (
       SELECT ` + eventColumns + ` FROM events
        WHERE tenant_id = f.tenant AND (transaction, position) > (f.after_transaction::xid8, f.after_position)
        ORDER BY transaction, position LIMIT $4
       ) AS e ON true
 ORDER BY f.n, e.transaction, e.position`

var followManyFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.TextFormatCode, pgx.BinaryFormatCode,
}

// EventsAfter reads up to limit events of each follow from the primary and calls each for them, in the order of the
// follows and of their positions. After an error, what each was called for must be discarded.
//
// Every transaction before horizon has ended. So a follower that was given less than limit events, or one that is held,
// has everything before EventPosition{horizon, 0}.
func (s *Store) EventsAfter(ctx context.Context, follows []Follow, limit int,
	each func(*FollowedEvent),
) (horizon uint64, err error) {
	tenants, transactions := make([]ID, len(follows)), make([]string, len(follows))
	positions := make([]int64, len(follows))
	for i, f := range follows {
		tenants[i], transactions[i] = f.Tenant, strconv.FormatUint(f.After.Transaction, 10)
		positions[i] = f.After.Position
	}
	err = s.primary.run(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, followManySQL, followManyFormats, tenants, transactions, positions, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		var e FollowedEvent
		var buffer []byte
		for rows.Next() {
			row := rows.RawValues()
			horizon = uint64(bigint(row[1]))
			event := row[2:]
			if event[0] == nil {
				continue // this tenant has none
			}
			e = FollowedEvent{
				Index: int(bigint(row[0])) - 1, Position: eventPosition(event), OccurredAt: unixMicro(event[6]),
			}
			e.Held = e.Position.Transaction >= horizon
			if !e.Held {
				buffer = appendEvent(buffer[:0], event)
				e.JSON = buffer
			}
			each(&e)
		}
		return rows.Err()
	})
	if err != nil {
		return 0, fmt.Errorf("follow events: %w", err)
	}
	return horizon, nil
}

// EventHorizon asks the primary for the oldest transaction that is still open, or the next one if none is, and for the
// next one. Every event that can be read now is of a transaction before next, and nothing can be added before horizon.
func (s *Store) EventHorizon(ctx context.Context) (horizon, next uint64, err error) {
	var xmin, xmax int64
	err = s.primary.run(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint
  FROM pg_current_snapshot() AS s`).Scan(&xmin, &xmax)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the oldest open transaction: %w", err)
	}
	return uint64(xmin), uint64(xmax), nil
}

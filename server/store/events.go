package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// EventPosition is a position in the order in which events are followed: by transaction, and within a transaction by
// insertion. It names the last event read; the zero value is before the first.
type EventPosition struct {
	Transaction uint64
	Position    int64
}

// ParseEventPosition parses the result of [EventPosition.String].
func ParseEventPosition(s string) (EventPosition, error) {
	transaction, position, found := strings.Cut(s, "-")
	t, errTransaction := strconv.ParseUint(transaction, 10, 63)
	p, errPosition := strconv.ParseUint(position, 10, 63)
	if !found || errTransaction != nil || errPosition != nil {
		return EventPosition{}, fmt.Errorf("%.40q is not the place of an event: two numbers with a hyphen between "+
			"them, such as 7421-183", s)
	}
	return EventPosition{Transaction: t, Position: int64(p)}, nil
}

// String returns a form such as 7421-183.
func (p EventPosition) String() string { return string(p.Append(nil)) }

// Append appends what String returns.
func (p EventPosition) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, p.Transaction, 10)
	dst = append(dst, '-')
	return strconv.AppendInt(dst, p.Position, 10)
}

const eventColumns = "transaction, position, stream_id, version, type, payload, occurred_at"

var eventFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.TextFormatCode, pgx.BinaryFormatCode,
}

func appendEvent(dst []byte, row [][]byte) []byte {
	dst = append(dst, `{"place":"`...)
	dst = eventPosition(row).Append(dst)
	dst = append(dst, `","stream_id":"`...)
	dst = AppendUUID(dst, row[2])
	dst = append(dst, `","version":`...)
	dst = strconv.AppendInt(dst, int64(int4(row[3])), 10)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, row[4])
	dst = append(dst, `,"payload":`...)
	dst = append(dst, row[5]...)
	dst = append(dst, `,"occurred_at":"`...)
	dst = appendTime(dst, row[6])
	return append(dst, `"}`...)
}

func eventPosition(row [][]byte) EventPosition {
	return EventPosition{Transaction: uint64(bigint(row[0])), Position: bigint(row[1])}
}

// An open transaction may still add events among those that others have committed, so the result ends before the oldest
// open transaction; on a replica, before the oldest one whose end has not been replayed.
const followEventsSQL = namePrefix + followEvents + `
SELECT ` + eventColumns + ` FROM events
 WHERE tenant_id = $1 AND (transaction, position) > ($2::text::xid8, $3) AND transaction < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY transaction, position LIMIT $4`

// AppendEvents appends up to limit events of a tenant after from, in the order of EventPosition, as a JSON array to
// dst. last is the position of the last event, or from if there is none. A follower that continues from last gets every
// event exactly once, even those of long transactions. It sees everything committed up to after, unless an earlier
// transaction is still open.
func (s *Store) AppendEvents(ctx context.Context, dst []byte, tenant ID, from EventPosition, limit int,
	after LSN,
) (events []byte, last EventPosition, more bool, err error) {
	events, n, err := s.appendArray(ctx, dst, after, limit, func(dst []byte, row [][]byte) []byte {
		last = eventPosition(row)
		return appendEvent(dst, row)
	}, followEventsSQL, eventFormats, tenant, strconv.FormatUint(from.Transaction, 10), from.Position, limit+1)
	switch {
	case err != nil:
		return dst, from, false, fmt.Errorf("follow events: %w", err)
	case n == 0:
		last = from
	}
	return events, last, n > limit, nil
}

const readStreamSQL = namePrefix + readStream + `
SELECT ` + eventColumns + ` FROM events WHERE stream_id = $1 AND tenant_id = $2 AND version > $3 ORDER BY version LIMIT $4`

// AppendStream appends up to limit events of one stream after a version, in the order of versions, as a JSON array to
// dst. last is the version of the last event, or version if there is none. It sees everything committed up to after.
func (s *Store) AppendStream(ctx context.Context, dst []byte, tenant, stream ID, version int32, limit int,
	after LSN,
) (events []byte, last int32, more bool, err error) {
	events, n, err := s.appendArray(ctx, dst, after, limit, func(dst []byte, row [][]byte) []byte {
		last = int4(row[3])
		return appendEvent(dst, row)
	}, readStreamSQL, eventFormats, stream, tenant, version, limit+1)
	switch {
	case err != nil:
		return dst, version, false, fmt.Errorf("read event stream: %w", err)
	case n == 0:
		last = version
	}
	return events, last, n > limit, nil
}

// The unique key decides between concurrent appends of one version. The condition refuses gaps, and other tenants'
// streams.
const appendEventSQL = namePrefix + addEvent + `
INSERT INTO events (tenant_id, stream_id, version, type, payload)
SELECT $1, $2, $3::integer + 1, $4, $5::text::jsonb
 WHERE $3::integer = coalesce((SELECT max(version) FROM events WHERE stream_id = $2 AND tenant_id = $1), 0)`

// AppendEvent adds an event to a stream whose last event has the given version; 0 begins a stream. It returns
// [ErrVersion] when the stream has another last version. Changes of resources and policies write their events
// themselves.
func (s *Store) AppendEvent(ctx context.Context, tenant, stream ID, version int32, kind string,
	payload json.RawMessage,
) (LSN, error) {
	if fault := documentFault(payload); fault != "" {
		return 0, fmt.Errorf("append event: %w", &ValidationError{Faults: []Fault{{Message: "payload " + fault}}})
	}
	at, err := s.write(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, appendEventSQL, tenant, stream, version, kind, objectOrEmpty(payload))
		if err == nil && tag.RowsAffected() == 0 {
			return ErrVersion
		}
		return changeError(err, "")
	})
	if err != nil {
		return 0, fmt.Errorf("append event: %w", err)
	}
	return at, nil
}

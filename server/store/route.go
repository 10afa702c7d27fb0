package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// read runs query on a connection of a server that has everything up to after: the replica when it may be used, else
// the primary. When the replica fails in the middle, query is run once more, on the primary: it must begin afresh each
// time it is called. All that query reads comes from one server.
func (s *Store) read(ctx context.Context, after LSN, query func(*pgx.Conn) error) error {
	if s.replica.serves(max(after, s.floor)) {
		err := s.replica.run(ctx, query)
		if err == nil || !fallsBack(ctx, err) {
			return err
		}
		s.replica.fallbacks.Add(1)
	}
	return s.primary.run(ctx, query)
}

// fallsBack says whether what failed on the replica is worth a try on the primary: not when the caller has gone, and not
// when the query itself is at fault.
func fallsBack(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if errors.Is(err, ErrUnavailable) {
		return true
	}
	var pg *pgconn.PgError
	// What the replica replays may be in the way of a query, which is canceled then: "conflict with recovery".
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// write runs change on a connection to the primary. The position it returns is one after its commit; without a replica
// it is 0, as nobody could lag. change may be several statements in a transaction of its own.
func (s *Store) write(ctx context.Context, change func(*pgx.Conn) error) (LSN, error) {
	var position LSN
	committed := false
	err := s.primary.run(ctx, func(conn *pgx.Conn) error {
		err := change(conn)
		if err != nil && conn.IsClosed() {
			s.orphans.add(conn.PgConn().PID())
		}
		if err != nil || s.replica == nil {
			return err
		}
		committed = true
		position, err = queryCurrentLSN(ctx, conn)
		return err
	})
	if committed && err != nil && ctx.Err() == nil { // only the question for the position has failed
		return s.CurrentLSN(ctx)
	}
	return position, err
}

// CurrentLSN returns where the primary's log is now: a read after it sees everything that is committed. Without a replica
// it is 0.
func (s *Store) CurrentLSN(ctx context.Context) (LSN, error) {
	if s.replica == nil {
		return 0, nil
	}
	var position LSN
	err := s.primary.run(ctx, func(conn *pgx.Conn) (err error) {
		position, err = queryCurrentLSN(ctx, conn)
		return err
	})
	return position, err
}

func queryCurrentLSN(ctx context.Context, conn *pgx.Conn) (LSN, error) {
	var position LSN
	err := conn.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint`).Scan(&position)
	if err != nil {
		return 0, fmt.Errorf("ask for the position after the commit: %w", err)
	}
	return position, nil
}

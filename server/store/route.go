package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// read runs query on a connection to a server that has everything up to after: the replica if it may be used, otherwise
// the primary. If the replica fails during the query, query runs again on the primary, so it must start afresh each
// time. Everything that query reads comes from one server.
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

// fallsBack reports whether a query that failed on the replica should run on the primary: not if the caller has left,
// and not if the query itself is at fault.
func fallsBack(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if errors.Is(err, ErrUnavailable) {
		return true
	}
	var pg *pgconn.PgError
	// The replica cancels a query that conflicts with what it replays: "conflict with recovery".
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// write runs change on a connection to the primary. It returns an LSN after the commit; without a replica, which could
// lag, it returns 0. change may run several statements in its own transaction.
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
	if committed && err != nil && ctx.Err() == nil { // only asking for the LSN has failed
		return s.CurrentLSN(ctx)
	}
	return position, err
}

// CurrentLSN returns the primary's LSN now. A read that is given it sees everything committed so far. Without a replica
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
		return 0, fmt.Errorf("ask for the LSN after the commit: %w", err)
	}
	return position, nil
}

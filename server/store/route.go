package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// read runs query on a connection of a server that has everything up to after: the replica when it may be used, else
// the primary. When the replica fails in the middle, query is run once more, on the primary: it must begin afresh each
// time it is called. All that query reads comes from one server.
func (s *Store) read(ctx context.Context, after LSN, query func(*pgx.Conn) error) error {
	return s.onPrimary(ctx, query)
}

// write runs change on a connection to the primary. The position it returns is one after its commit; without a replica
// it is 0, as nobody could lag. change may be several statements in a transaction of its own.
func (s *Store) write(ctx context.Context, change func(*pgx.Conn) error) (LSN, error) {
	return 0, s.onPrimary(ctx, change)
}

func (s *Store) onPrimary(ctx context.Context, query func(*pgx.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("take a connection to Postgres: %w", err)
	}
	defer conn.Release()
	return query(conn.Conn())
}

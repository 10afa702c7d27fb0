package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// aside runs query on a separate connection to the primary, so that an administrator's query takes no pooled connection
// from requests.
func (s *Store) aside(ctx context.Context, query func(*pgx.Conn) error) error {
	config := s.primary.pool.Load().Config().ConnConfig
	config.DialFunc = new(net.Dialer).DialContext
	config.Tracer = nil
	config.RuntimeParams["application_name"] = "headroom admin"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to the primary: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return query(conn)
}

// ExplainWith returns the primary's plan of a statement for these parameters as text, without running the statement.
func (s *Store) ExplainWith(ctx context.Context, sql string, parameters []any) (string, error) {
	var plan []string
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "EXPLAIN "+sql, append([]any{planAnew}, parameters...)...)
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return "", fmt.Errorf("explain with parameters: %w", err)
	}
	return strings.Join(plan, "\n"), nil
}

// Explain returns the primary's generic plan of a statement as text, without running the statement. It costs a
// connection and planning, so do not call it during measurements.
func (s *Store) Explain(ctx context.Context, sql string) (string, error) {
	var plan []string
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SET plan_cache_mode = force_generic_plan"); err != nil {
			return err
		}
		statement, err := conn.Prepare(ctx, "explained", sql)
		if err != nil {
			return err
		}
		execute := "EXPLAIN EXECUTE explained"
		if n := len(statement.ParamOIDs); n > 0 { // what they are makes no difference to a generic plan
			execute += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
		}
		rows, err := conn.Query(ctx, execute)
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return "", fmt.Errorf("explain: %w", err)
	}
	return strings.Join(plan, "\n"), nil
}

// ErrNoStatements is returned by [Store.Statements] when the server does not collect statistics of statements. Its text
// says what to do.
var ErrNoStatements = errors.New("pg_stat_statements is not available: add it to shared_preload_libraries, restart " +
	"Postgres, " +
	"and run CREATE EXTENSION pg_stat_statements as a superuser")

// Statement is the primary's statistics of a statement, from all clients, since they were reset.
type Statement struct {
	SQL         string        // with placeholders for all constants
	Calls, Rows int64         // rows: returned or changed
	Total, Mean time.Duration // of execution
	// Blocks of 8 KB that were found in shared_buffers, and blocks that were read.
	BlocksHit, BlocksRead int64
}

const statementsSQL = `
SELECT query, calls, rows, (total_exec_time * 1e6)::bigint, (mean_exec_time * 1e6)::bigint, shared_blks_hit, shared_blks_read
  FROM pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query IS NOT NULL
 ORDER BY total_exec_time DESC LIMIT $1`

// Statements returns the limit statements of this database with the most total time, from pg_stat_statements.
func (s *Store) Statements(ctx context.Context, limit int) ([]Statement, error) {
	var all []Statement
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, statementsSQL, limit)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Statement])
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "55000") { // no such view; library not loaded
		return nil, ErrNoStatements
	}
	if err != nil {
		return nil, fmt.Errorf("read pg_stat_statements: %w", err)
	}
	return all, nil
}

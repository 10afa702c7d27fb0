package store

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// statement is SQL that is put together from the conditions that are set. The first of args says the formats of the
// result, and the second, if anew, that the plan is not kept; the others are the parameters.
type statement struct {
	strings.Builder
	args []any
	anew bool
	row  *resourceRow // of a list of resources
}

// params returns the arguments that are parameters.
func (b *statement) params() []any {
	if b.anew {
		return b.args[2:]
	}
	return b.args[1:]
}

func (b *statement) bind(before string, value any, after string) {
	b.WriteString(before)
	b.WriteString(b.param(value))
	b.WriteString(after)
}

// param adds a parameter and returns how the statement names it.
func (b *statement) param(value any) string {
	b.args = append(b.args, value)
	return "$" + strconv.Itoa(len(b.params()))
}

func (b *statement) equals(condition, value string) {
	if value != "" {
		b.bind(condition, value, "")
	}
}

func (b *statement) matches(condition string, id *ID) {
	if id != nil {
		b.bind(condition, *id, "")
	}
}

// appendOne appends the only row of a query, or returns [ErrNotFound].
func appendOne(ctx context.Context, conn *pgx.Conn, dst []byte, appendRow func([]byte, [][]byte) []byte, sql string,
	args ...any,
) ([]byte, error) {
	rows, err := conn.Query(ctx, sql, planned(conn, sql, args)...)
	if err != nil {
		return dst, err
	}
	defer rows.Close()
	body, found := dst, rows.Next()
	if found {
		body = appendRow(dst, rows.RawValues())
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return dst, err
	}
	if !found {
		return dst, ErrNotFound
	}
	return body, nil
}

// appendArray reads what a query returns and appends the first limit rows as a JSON array. n counts all rows: the query
// asks for one more than the limit, to learn whether there are more. appendRow may be called for rows of a try that
// failed before; the rows of the last one are all given to it.
func (s *Store) appendArray(ctx context.Context, dst []byte, after LSN, limit int,
	appendRow func([]byte, [][]byte) []byte, sql string, args ...any,
) (array []byte, n int, err error) {
	err = s.read(ctx, after, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, planned(conn, sql, args)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		array = append(dst, '[')
		for n = 0; rows.Next(); n++ {
			if n == limit {
				continue
			}
			if n > 0 {
				array = append(array, ',')
			}
			array = appendRow(array, rows.RawValues())
		}
		array = append(array, ']')
		return rows.Err()
	})
	return array, n, err
}

// staleOrMissing tells why a change has found no row: the row has another version than the one that was given, or
// there is none. exists asks for the latter.
func staleOrMissing(ctx context.Context, conn *pgx.Conn, err error, exists string, args ...any) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	var found bool
	if err := conn.QueryRow(ctx, exists, args...).Scan(&found); err != nil {
		return err
	}
	if found {
		return ErrVersion
	}
	return ErrNotFound
}

// changeError turns a violation of the unique key name into [ErrConflict], and one of the versions of a stream into
// [ErrVersion].
func changeError(err error, name string) error {
	const uniqueViolation = "23505"
	var fromPostgres *pgconn.PgError
	if errors.As(err, &fromPostgres) && fromPostgres.Code == uniqueViolation {
		switch fromPostgres.ConstraintName {
		case name:
			return ErrConflict
		case "uq_events_stream":
			return ErrVersion
		}
	}
	return err
}

// int4 and bigint read binary integers.
func int4(value []byte) int32   { return int32(binary.BigEndian.Uint32(value)) }
func bigint(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

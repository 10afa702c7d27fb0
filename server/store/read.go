package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// resourceFormats asks for uuid, integer and timestamptz in binary and for jsonb as text: that is how appendResource takes
// resourceColumns. It is an `any` so that passing it does not allocate.
var resourceFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.TextFormatCode, pgx.TextFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
}

const getSQL = namePrefix + getResource + `
SELECT ` + resourceColumns + ` FROM resources WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL`

// AppendResource appends the JSON of one resource of a tenant to dst. It returns [ErrNotFound] when the tenant has no
// such resource. It sees everything that was committed up to after.
func (s *Store) AppendResource(ctx context.Context, dst []byte, tenant, id ID, after LSN) ([]byte, error) {
	body, found := dst, false
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		body = dst
		rows, err := conn.Query(ctx, getSQL, resourceFormats, id, tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		if found = rows.Next(); found {
			body = appendResource(body, rows.RawValues())
		}
		rows.Close()
		return rows.Err()
	})
	switch {
	case err != nil:
		return dst, fmt.Errorf("get resource: %w", err)
	case !found:
		return dst, ErrNotFound
	}
	return body, nil
}

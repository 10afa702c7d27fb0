package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// resourceFormats asks for uuid and timestamptz in binary and for jsonb as text: that is how appendResource takes
// resourceColumns. It is an `any` so that passing it does not allocate.
var resourceFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
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

// Filter selects resources; an empty field selects all.
type Filter struct {
	SubscriptionID   string
	Type             string
	Location         string
	ResourceGroup    string
	ComplianceStatus string
	Tags             []Tag // all of them must match
}

// Tag selects resources that have the tag Key, and, when HasValue, with exactly that Value.
type Tag struct {
	Key, Value string
	HasValue   bool
}

// Position is a place in the order of a list: (updated_at, id), both descending.
type Position struct {
	UpdatedAt int64 // Unix time in microseconds, which is the precision of Postgres
	ID        ID
}

// ListQuery asks for one page of a tenant's resources.
type ListQuery struct {
	Tenant ID
	Filter Filter
	After  *Position // the last resource of the page before; nil for the first page
	Limit  int       // resources a page, at least 1
}

// AppendResources appends one page, newest first, as a JSON array to dst. next is the position to continue after; it
// is nil when this was the last page. It sees everything that was committed up to after.
func (s *Store) AppendResources(ctx context.Context, dst []byte, q ListQuery, after LSN) (page []byte, next *Position, err error) {
	sql, args, possible := listStatement(&q)
	if !possible {
		return append(dst, "[]"...), nil, nil
	}
	err = s.read(ctx, after, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		page, next = appendPage(dst, rows, q.Limit)
		return rows.Err()
	})
	if err != nil {
		return dst, nil, fmt.Errorf("list resources: %w", err)
	}
	return page, next, nil
}

// appendPage appends up to limit rows. One more was asked for, to learn whether there is a next page.
func appendPage(dst []byte, rows pgx.Rows, limit int) (page []byte, next *Position) {
	defer rows.Close()
	page = append(dst, '[')
	var last Position
	for n := 0; rows.Next(); n++ {
		if n == limit {
			next = &last
			continue
		}
		row := rows.RawValues()
		if n > 0 {
			page = append(page, ',')
		}
		page = appendResource(page, row)
		last = Position{UpdatedAt: unixMicro(row[updatedAtColumn]), ID: ID(row[idColumn])}
	}
	return append(page, ']'), next
}

// listStatement builds the statement for the filters that are set. There are 256 shapes at most, fewer than pgx keeps
// prepared on a connection. possible is false when no resource can match: one tag cannot have two values.
func listStatement(q *ListQuery) (sql string, args []any, possible bool) {
	args = make([]any, 0, 12)
	args = append(args, resourceFormats, q.Tenant)
	var b strings.Builder
	b.Grow(768)
	b.WriteString(namePrefix + listResources + "\nSELECT " + resourceColumns +
		" FROM resources WHERE tenant_id = $1 AND deleted_at IS NULL")
	bind := func(before string, value any, after string) {
		args = append(args, value)
		b.WriteString(before)
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(len(args) - 1)) // the first of args is no parameter
		b.WriteString(after)
	}
	equals := func(condition, value string) {
		if value != "" {
			bind(condition, value, "")
		}
	}
	equals(" AND subscription_id = ", q.Filter.SubscriptionID)
	equals(" AND type = ", q.Filter.Type)
	equals(" AND location = ", q.Filter.Location)
	equals(" AND resource_group_name = ", q.Filter.ResourceGroup)
	equals(" AND compliance_status = ", q.Filter.ComplianceStatus)
	contained, keys, possible := tagConditions(q.Filter.Tags)
	if !possible {
		return "", nil, false
	}
	if contained != "" {
		bind(" AND tags @> ", contained, "::jsonb")
	}
	if keys != nil {
		bind(" AND tags ?& ", keys, "::text[]")
	}
	if q.After != nil {
		bind(" AND (updated_at, id) < (", time.UnixMicro(q.After.UpdatedAt), "")
		bind(", ", q.After.ID, ")")
	}
	bind(" ORDER BY updated_at DESC, id DESC LIMIT ", q.Limit+1, "")
	return b.String(), args, true
}

// tagConditions sorts tags into one object that must be contained and the keys that must exist.
func tagConditions(tags []Tag) (contained string, keys []string, possible bool) {
	values := make(map[string]string, len(tags))
	object := []byte{'{'}
	for _, tag := range tags {
		if !tag.HasValue {
			keys = append(keys, tag.Key)
			continue
		}
		value, seen := values[tag.Key]
		if seen && value != tag.Value {
			return "", nil, false
		}
		if seen {
			continue
		}
		values[tag.Key] = tag.Value
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = appendString(object, tag.Key)
		object = append(object, ':')
		object = appendString(object, tag.Value)
	}
	if len(values) == 0 {
		return "", keys, true
	}
	return string(append(object, '}')), keys, true
}

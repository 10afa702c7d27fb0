package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Order is the order of a list. Each has an index that gives it.
type Order uint8

// The orders. Ties are broken by id, in the same direction.
const (
	UpdatedDescending Order = iota
	UpdatedAscending
	NameAscending // by bytes, not by the rules of a language
	NameDescending
)

// ByName reports whether the order is by name rather than by update time.
func (o Order) ByName() bool { return o >= NameAscending }

// orders are the comparisons of each order.
var orders = [...]struct{ key, by, beyond, walkedBy string }{
	UpdatedDescending: {
		"(updated_at, id)", " ORDER BY updated_at DESC, id DESC", " < ",
		" ORDER BY changed DESC, candidate DESC",
	},
	UpdatedAscending: {"(updated_at, id)", " ORDER BY updated_at, id", " > ", " ORDER BY changed, candidate"},
	NameAscending:    {`(name COLLATE "C", id)`, ` ORDER BY name COLLATE "C", id`, " > ", ""},
	NameDescending:   {`(name COLLATE "C", id)`, ` ORDER BY name COLLATE "C" DESC, id DESC`, " < ", ""},
}

// ListPosition is a position in the order of a list: that of the resource with this ID and, depending on the order,
// this update time or name.
type ListPosition struct {
	UpdatedAt int64 // Unix time in microseconds, which is the precision of Postgres
	Name      string
	ID        ID
}

// ListQuery asks for one page of a tenant's resources.
type ListQuery struct {
	Tenant ID
	Filter Filter
	Order  Order
	Fields Fields        // of each resource
	After  *ListPosition // the last resource of the page before; nil for the first page
	Skip   int           // resources to skip. They are read, so After is better than a large Skip
	Limit  int           // resources per page, at least 1
}

// oneIndex reports whether an index holds the matching resources together and in order.
func (q *ListQuery) oneIndex() bool {
	f := &q.Filter
	if q.Order.ByName() && (f.SubscriptionID+f.Type+f.Location+f.ResourceGroup+f.ComplianceStatus != "" ||
		f.TagCount != nil || f.UpdatedSince != 0) {
		return false
	}
	return f.indexed()
}

// AppendResources appends one page as a JSON array to dst. next is the position to continue after; nil after the last
// page. It sees everything committed up to after.
func (s *Store) AppendResources(ctx context.Context, dst []byte, q ListQuery, after LSN) (page []byte,
	next *ListPosition, err error,
) {
	if !q.Filter.possible() {
		return append(dst, "[]"...), nil, nil
	}
	err = s.read(ctx, after, func(conn *pgx.Conn) (err error) {
		if q.hasAccessPaths() {
			page, next, err = appendByAccessPath(ctx, conn, dst, &q)
		} else {
			page, next, err = queryPage(ctx, conn, dst, listStatement(&q), &q)
		}
		return err
	})
	if err != nil {
		return dst, nil, fmt.Errorf("list resources: %w", err)
	}
	return page, next, nil
}

func queryPage(ctx context.Context, conn *pgx.Conn, dst []byte, b *statement, q *ListQuery) (page []byte,
	next *ListPosition, err error,
) {
	rows, err := conn.Query(ctx, b.String(), planned(conn, b.String(), b.args)...)
	if err != nil {
		return dst, nil, err
	}
	row := b.row
	if row == &wholeRow && q.Fields != 0 { // an access path reads all of them
		row = q.Fields.within()
	}
	page, next = appendPage(dst, rows, q, row)
	return page, next, rows.Err()
}

// appendPage appends up to a page of rows. The query returns one more, to show whether there is a next page.
func appendPage(dst []byte, rows pgx.Rows, q *ListQuery, columns *resourceRow) (page []byte, next *ListPosition) {
	defer rows.Close()
	page = append(dst, '[')
	var last ListPosition
	for n := 0; rows.Next(); n++ {
		if n == q.Limit {
			next = &last
			continue
		}
		row := rows.RawValues()
		if n > 0 {
			page = append(page, ',')
		}
		page = columns.append(page, row)
		if n < q.Limit-1 {
			continue
		}
		last.ID = ID(columns.value(row, idColumn))
		if q.Order.ByName() {
			last.Name = string(columns.value(row, nameColumn))
		} else {
			last.UpdatedAt = unixMicro(columns.value(row, updatedAtColumn))
		}
	}
	return append(page, ']'), next
}

// listStatement builds the statement of a query.
func listStatement(q *ListQuery) *statement {
	order := &orders[q.Order]
	row := q.Fields.row(q.Order)
	b := newStatement(row.formats, q.oneIndex())
	b.row = row
	b.WriteString(namePrefix + listResources + "\nSELECT " + row.columns + " FROM resources")
	if q.Skip > 0 {
		// The index alone determines the resources of the page; only these are read from the table.
		b.WriteString(" JOIN (SELECT id AS on_page FROM resources")
	}
	b.where(q.Tenant, &q.Filter)
	b.beyond(q)
	b.WriteString(order.by)
	b.bind(" LIMIT ", q.Limit+1, "")
	if q.Skip > 0 {
		b.bind(" OFFSET ", q.Skip, ") AS page ON id = on_page")
		b.WriteString(order.by)
	}
	return b
}

// beyond adds the condition that a resource comes after the previous page.
func (b *statement) beyond(q *ListQuery) {
	if q.After == nil {
		return
	}
	order := &orders[q.Order]
	b.WriteString(" AND " + order.key + order.beyond)
	if q.Order.ByName() {
		b.bind("(", q.After.Name, "")
	} else {
		b.bind("(", time.UnixMicro(q.After.UpdatedAt), "")
	}
	b.bind(", ", q.After.ID, ")")
}

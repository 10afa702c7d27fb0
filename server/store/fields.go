package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Fields is a set of fields of a resource, by their positions in resourceColumns. The empty set means all.
type Fields uint16

// fieldNames are the columns of a resource, which are the fields of its JSON.
var fieldNames = strings.Split(resourceColumns, ", ")

// FieldNames returns the names of the fields of a resource, in their order.
func FieldNames() []string { return slices.Clone(fieldNames) }

// With returns the set with a field; ok is false when a resource has no such field.
func (f Fields) With(name string) (more Fields, ok bool) {
	at := slices.Index(fieldNames, name)
	if at < 0 {
		return f, false
	}
	return f | 1<<at, true
}

// Names returns the names of the fields in the set, in their order; none for all.
func (f Fields) Names() (names []string) {
	for i, name := range fieldNames {
		if f.has(i) {
			names = append(names, name)
		}
	}
	return names
}

func (f Fields) has(column int) bool { return f&(1<<column) != 0 }

// resourceRow says which columns of a resource a statement returns, and where. It is a value to be made once for a
// statement.
type resourceRow struct {
	columns string
	formats any
	at      []int // by position in resourceColumns; -1 for a column that is not there
	fields  Fields
}

var wholeRow = resourceRow{columns: resourceColumns, formats: resourceFormats}

// row returns the row of a list: the fields, and what a position in the list is made of.
func (f Fields) row(order Order) *resourceRow {
	if f == 0 {
		return &wholeRow
	}
	needed := f | 1<<idColumn
	if order.ByName() {
		needed |= 1 << nameColumn
	} else {
		needed |= 1 << updatedAtColumn
	}
	all := resourceFormats.(pgx.QueryResultFormats)
	r := &resourceRow{at: make([]int, len(fieldNames)), fields: f}
	var columns []string
	var formats pgx.QueryResultFormats
	for i, name := range fieldNames {
		r.at[i] = -1
		if needed.has(i) {
			r.at[i] = len(columns)
			columns, formats = append(columns, name), append(formats, all[i])
		}
	}
	r.columns, r.formats = strings.Join(columns, ", "), formats
	return r
}

// within returns the row that has all columns, of which only the fields are appended.
func (f Fields) within() *resourceRow {
	r := &resourceRow{columns: resourceColumns, formats: resourceFormats, fields: f}
	for i := range fieldNames {
		r.at = append(r.at, i)
	}
	return r
}

// value returns the value of a column that the row has.
func (r *resourceRow) value(row [][]byte, column int) []byte {
	if r.at == nil {
		return row[column]
	}
	return row[r.at[column]]
}

// append appends a row as a JSON object of its fields.
func (r *resourceRow) append(dst []byte, row [][]byte) []byte {
	if r.at == nil {
		return appendResource(dst, row)
	}
	dst = append(dst, '{')
	first := true
	for column, name := range fieldNames {
		if !r.fields.has(column) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
		dst = appendField(dst, column, row[r.at[column]])
	}
	return append(dst, '}')
}

// appendField appends a column in the form that appendResource gives it.
func appendField(dst []byte, column int, value []byte) []byte {
	switch fieldNames[column] {
	case "id":
		dst = append(dst, '"')
		dst = AppendUUID(dst, value)
		return append(dst, '"')
	case "version":
		return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(value)), 10)
	case "properties", "tags":
		return append(dst, value...)
	case "created_at", "updated_at":
		dst = append(dst, '"')
		dst = appendTime(dst, value)
		return append(dst, '"')
	}
	return appendString(dst, value)
}

// AppendResourceFields is [Store.AppendResource] for some fields: only these are read.
func (s *Store) AppendResourceFields(ctx context.Context, dst []byte, tenant, id ID, fields Fields, after LSN) (
	body []byte, err error,
) {
	row := fields.row(UpdatedDescending)
	// As in getSQL, so that only the primary key can serve.
	sql := namePrefix + getResource + "\nSELECT " + row.columns +
		", deleted_at IS NULL FROM resources WHERE id = $1 AND tenant_id = $2"
	formats := append(slices.Clone(row.formats.(pgx.QueryResultFormats)), pgx.BinaryFormatCode)
	alive := true
	err = s.read(ctx, after, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, func(dst []byte, values [][]byte) []byte {
			alive = values[len(values)-1][0] == 1
			return row.append(dst, values)
		}, sql, formats, id, tenant)
		return err
	})
	switch {
	case err != nil:
		return dst, fmt.Errorf("get fields of a resource: %w", err)
	case !alive:
		return dst, ErrNotFound
	}
	return body, nil
}

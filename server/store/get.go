package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/policycortex/headroom/server/tracing"
)

// resourceFormats asks for uuid, integer and timestamptz in binary and for jsonb as text: that is how appendResource
// takes resourceColumns. It is an `any` so that passing it does not allocate.
var resourceFormats any = pgx.QueryResultFormats{
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
	pgx.TextFormatCode, pgx.TextFormatCode,
	pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.BinaryFormatCode,
}

// A resource is read by one of two statements: the first for a single one, the second for many at once. Both are
// measured under the one name: what a gate asks about is how long the database takes to get what was asked for.
//
// Whether it is deleted is looked at here, and not by the statements: with "deleted_at IS NULL" in them every partial
// index could serve, and in a table that has not been analyzed yet the planner takes any of them and reads it from end
// to end. As they are, the primary key alone can serve.
const (
	getSQL = namePrefix + getResource + `
SELECT ` + resourceColumns + `, deleted_at IS NULL FROM resources WHERE id = $1 AND tenant_id = $2`

	getGroupSQL = namePrefix + getResource + `
SELECT ` + resourceColumns + `, deleted_at IS NULL, tenant_id FROM resources WHERE id = ANY ($1)`
)

// The formats of the two results. They are passed to pgconn, a level below what resourceFormats is for: there the
// statements are bound without going through pgx's encoders, and read without its rows.
var (
	getFormats      = append([]int16(resourceFormats.(pgx.QueryResultFormats)), pgx.BinaryFormatCode)
	getGroupFormats = append(getFormats[:len(getFormats):len(getFormats)], pgx.BinaryFormatCode)
	binaryFormat    = []int16{pgx.BinaryFormatCode}
)

// Where the columns are that follow those of a resource.
var (
	aliveColumn  = len(getFormats) - 1
	tenantColumn = len(getGroupFormats) - 1
)

// isAlive reads the column that says whether a resource is not deleted.
func isAlive(row [][]byte) bool { return row[aliveColumn][0] == 1 }

// AppendResource appends the JSON of one resource of a tenant to dst. It returns [ErrNotFound] when the tenant has no
// such resource. It sees everything committed up to after.
//
// Calls that arrive while others are at the database share a query: see getQueue.
func (s *Store) AppendResource(ctx context.Context, dst []byte, tenant, id ID, after LSN) ([]byte, error) {
	g := takeGet()
	g.tenant, g.id, g.after, g.dst, g.begin = tenant, id, after, dst, len(dst)
	if !s.gets.do(ctx, g) {
		return dst, fmt.Errorf("get resource: %w", context.Cause(ctx)) // its group still uses g
	}
	body, found, err := g.dst, g.found, g.err
	g.giveBack()
	switch {
	case err != nil:
		return dst, fmt.Errorf("get resource: %w", err)
	case !found:
		return dst, ErrNotFound
	}
	return body, nil
}

// fetch reads the one resource.
func (g *get) fetch(conn *pgx.Conn) error {
	g.dst, g.found = g.dst[:g.begin], false
	g.parameters = [2][]byte{g.id[:], g.tenant[:]}
	state, start := stateOf(conn), time.Now()
	result := conn.PgConn().ExecStatement(g.ctx, state.get, g.parameters[:], binaryFormat, getFormats)
	if result.NextRow() && isAlive(result.Values()) {
		g.dst, g.found = appendResource(g.dst, result.Values()), true
	}
	took, err := state.end(g.ctx, getSQL, start, result, nil)
	if state.tracer.isSlow(took) {
		state.tracer.queries.slow.keep(getSQL, took, []any{g.id, g.tenant})
	}
	return err
}

// fetch reads the resources of all calls of the group.
func (g *group) fetch(conn *pgx.Conn) error {
	g.reset()
	g.parameters[0] = appendUUIDs(g.parameters[0][:0], g.calls)
	state, start := stateOf(conn), time.Now()
	result := conn.PgConn().ExecStatement(context.Background(), state.getGroup, g.parameters[:], binaryFormat,
		getGroupFormats)
	for result.NextRow() {
		row := result.Values()
		if !isAlive(row) {
			continue
		}
		for _, call := range g.of(ID(row[idColumn])) {
			if call.tenant == ID(row[tenantColumn]) && call.deliver() {
				call.dst, call.found = appendResource(call.dst, row), true
			}
		}
	}
	took, err := state.end(context.Background(), getGroupSQL, start, result, g.calls)
	if state.tracer.isSlow(took) {
		state.tracer.queries.slow.keep(getGroupSQL, took, []any{g.ids()})
	}
	return err
}

func (g *group) ids() []ID {
	ids := make([]ID, len(g.calls))
	for i, call := range g.calls {
		ids[i] = call.id
	}
	return ids
}

// end closes the result and records the query, which pgx's tracer has not seen. calls are those of a group.
func (c *connState) end(ctx context.Context, sql string, start time.Time, result *pgconn.ResultReader,
	calls []*get,
) (took time.Duration, err error) {
	tag, err := result.Close()
	took = time.Since(start)
	c.tracer.record(c.tracer.get, sql, false, took, err)
	if len(calls) > 0 {
		c.tracer.traceGroup(calls, start, tag, err)
	} else if tracing.Records(ctx) {
		c.tracer.trace(ctx, c.tracer.get, start, tag, err, nil)
	}
	return took, err
}

const uuidOID = 2950

// minArray is one more than the number of elements for which Postgres plans when it does not look at the array. To plan
// for fewer would look cheaper to it, and it would do so each time anew, which costs more than the query.
const minArray = 11

// appendUUIDs appends the ids of calls as a uuid[] in Postgres' binary form: dimensions, "has NULLs", type of the
// elements, then length and lower bound of the one dimension, then each element after its length. The last one is
// repeated up to minArray elements; it is still looked up once.
func appendUUIDs(dst []byte, calls []*get) []byte {
	n := max(len(calls), minArray)
	dst = appendInt32s(dst, 1, 0, uuidOID, int32(n), 1)
	for i := range n {
		id := &calls[min(i, len(calls)-1)].id
		dst = appendInt32s(dst, int32(len(id)))
		dst = append(dst, id[:]...)
	}
	return dst
}

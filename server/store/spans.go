package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/server/tracing"
)

// trace makes the span of a query of which ctx says that it is recorded, with the names of OpenTelemetry's semantic
// conventions. The statement is told by its name: its text is in the source, and its parameters are the tenant's.
func (t *queryTracer) trace(ctx context.Context, named *namedQuery, began time.Time, tag pgconn.CommandTag, err error,
	links []trace.Link, more ...attribute.KeyValue,
) {
	role := RolePrimary
	if t.replica {
		role = RoleReplica
	}
	attributes := append([]attribute.KeyValue{
		attribute.String("db.system.name", "postgresql"),
		attribute.String("db.query.summary", named.name),
		attribute.String("headroom.db.role", role),
		attribute.Int64("headroom.db.rows", tag.RowsAffected()), // of a SELECT those that it returned
	}, more...)
	tracing.Past(ctx, "sql "+named.name, began, err, links, attributes...)
}

// traceGroup makes one span for the query of a group, within the span of the first get that is recorded and linked to
// those of the others: it was one query. A get whose caller has left may be among them; its span has ended then, and
// counts no more.
func (t *queryTracer) traceGroup(calls []*get, began time.Time, tag pgconn.CommandTag, err error) {
	var parent context.Context
	var links []trace.Link
	for _, call := range calls {
		switch {
		case !tracing.Records(call.ctx):
		case parent == nil:
			parent = call.ctx
		default:
			links = append(links, trace.LinkFromContext(call.ctx))
		}
	}
	if parent != nil {
		t.trace(parent, t.get, began, tag, err, links, attribute.Int("headroom.db.gets", len(calls)))
	}
}

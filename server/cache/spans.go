package cache

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tracing"
)

// A flight is recorded in the trace of the request that began it, if that request is traced. Requests that joined the
// flight have the span of their wait.

const hitAttribute = attribute.Key("headroom.cache.hit")

func (c *Cache) readL2(ctx context.Context, f *flight) l2Result {
	if !tracing.Records(ctx) {
		return c.l2.get(f)
	}
	_, span := tracing.Child(ctx, "cache l2", attribute.String("headroom.cache.kind", f.key.Kind.String()))
	defer span.End()
	read := c.l2.get(f)
	span.SetAttributes(hitAttribute.Bool(read.hit))
	return read
}

// readL3 makes no span for kinds that are never in L3.
func (c *Cache) readL3(ctx context.Context, f *flight, after store.LSN) l3Result {
	if !tracing.Records(ctx) || !c.l3.has(&f.key) {
		return c.l3.get(ctx, &f.key, after)
	}
	ctx, span := tracing.Child(ctx, "cache l3", attribute.String("headroom.cache.kind", f.key.Kind.String()))
	defer span.End()
	read := c.l3.get(ctx, &f.key, after)
	span.SetAttributes(hitAttribute.Bool(read.hit))
	return read
}

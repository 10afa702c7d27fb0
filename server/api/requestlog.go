package api

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gin-gonic/gin"
)

// logs decides whether a request is logged that is not slow. A request that is not logged costs a random number. That
// it is traced is no reason to log it: its span says more, and a line costs several times as much.
func (p *pipeline) logs(status int) bool {
	return p.logShare > 0 && (status >= 500 || rand.Float64() < p.logShare)
}

// log writes one line about a request. What a client sends is in it only where it has a known form, except for the
// path. Where tokens are asked for, a tenant that nobody has proved to be is not in it.
func (p *pipeline) log(c *gin.Context, x *exchange, level slog.Level, message string, status int, took time.Duration) {
	about := make([]slog.Attr, 0, 10)
	about = append(about,
		slog.String("id", x.id()), slog.String("method", c.Request.Method), slog.String("route", x.route.path),
		slog.String("path", c.Request.URL.Path), slog.Int("status", status), slog.Duration("took", took),
		slog.Int("bytes", max(x.Size(), 0)))
	if p.verifier == nil || x.trusted {
		tenant, err := tenantOf(c.Request)
		if err == nil {
			about = append(about, slog.String("tenant", formatUUID(tenant)))
		}
	}
	if x.lookedUp {
		about = append(about, slog.String("cache", x.level.String()))
	}
	if x.span != nil {
		about = append(about, slog.String("trace", x.span.SpanContext().TraceID().String()))
	}
	p.logger.LogAttrs(context.WithoutCancel(c.Request.Context()), level, message, about...)
}

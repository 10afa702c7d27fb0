package server

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/policy"
	"github.com/policycortex/headroom/server/tracing"
)

// parts are what the API consists of besides store and cache, and what has to be closed.
type parts struct {
	rate   middleware.Rate
	shared *middleware.SharedLimiter // nil when the limit is local
	tracer *tracing.Tracer           // nil when nothing is traced

	verifier *auth.Verifier // nil when requests are not authenticated

	evaluator *policy.Evaluator
}

func openMiddleware(ctx context.Context, o Options) (p parts, err error) {
	if o.RateLimit > 0 {
		p.rate = middleware.Rate{PerSecond: o.RateLimit, Burst: o.RateBurst}
	}
	if o.authenticates() {
		p.verifier, err = auth.New(auth.Options{
			JWKS: o.AuthJWKS, SharedKey: []byte(o.AuthSharedKey), Issuer: o.AuthIssuer, Audience: o.AuthAudience,
			TenantClaim: o.AuthTenantClaim,
		})
		if err != nil {
			return p, fmt.Errorf("HEADROOM_AUTH_JWKS: %w", err)
		}
	}
	p.evaluator, err = policy.NewEvaluator(o.policyLimits())
	if err != nil {
		return p, err
	}
	p.tracer, err = tracing.Open(ctx, o.TraceRatio)
	if err != nil {
		return p, err
	}
	if o.RateLimitShared {
		p.shared, err = middleware.NewSharedLimiter(o.CacheURL, p.rate, o.Logger)
	}
	return p, err
}

func (p parts) close(logger *slog.Logger) {
	p.evaluator.Close()
	if err := p.tracer.Close(); err != nil {
		logger.Warn("closing the trace exporter failed", "error", err)
	}
	if p.shared != nil {
		if err := p.shared.Close(); err != nil {
			logger.Warn("closing the shared rate limit failed", "error", err)
		}
	}
}

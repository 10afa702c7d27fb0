// Package inference tells of a tenant's costs what has no row of its own: what they will be, which days were out of the
// ordinary, and an explanation of both in words. Histories are read for many questions at once. An explanation comes
// from a model server, or from a summary of the same data.
package inference

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/store"
)

// Options configure an Engine.
type Options struct {
	Store  *store.Store
	Logger *slog.Logger
	// Model is the server that is asked for explanations; without a URL, none is.
	Model Model
	// Running is how many explanations may be generated at once, and Queue how many may wait for that; 0 means 16 and
	// 64; a tenant has at most a quarter of either. Wait is how long each may wait; 0 means 2 seconds.
	Running, Queue int
	Wait           time.Duration
}

// Defaults of the options.
const (
	DefaultRunning = 16
	DefaultQueue   = 64
	DefaultWait    = 2 * time.Second
)

// Engine answers questions about costs. It is safe for concurrent use.
type Engine struct {
	histories *batcher
	analysts  chan struct{} // bounds how many analyses compute at once
	places    *places
	model     *modelClient // nil: there is none
	logger    *slog.Logger
	metrics   *metrics
}

// New makes an engine. registry takes its metrics.
func New(o Options, registry prometheus.Registerer) *Engine {
	e := &Engine{
		analysts: make(chan struct{}, runtime.GOMAXPROCS(0)),
		places: newPlaces(cmp.Or(o.Running, DefaultRunning), cmp.Or(o.Queue, DefaultQueue),
			cmp.Or(o.Wait, DefaultWait)),
		logger: cmp.Or(o.Logger, slog.Default()),
	}
	e.metrics = newMetrics(e, registry)
	e.histories = newBatcher(o.Store.CostHistories, e.metrics.batches.Observe)
	if o.Model.URL != "" {
		e.model = newModelClient(o.Model, http.DefaultTransport.(*http.Transport).Clone())
	}
	return e
}

// Question is what is asked about a tenant's costs.
type Question struct {
	Tenant   store.ID
	Service  string    // empty for all services together
	From, To time.Time // the first and the last day of the history
	Horizon  int       // days to forecast
	Level    float64   // of the interval of the forecast, above 0 and below 1
}

func (q *Question) history() store.CostHistoryQuery {
	return store.CostHistoryQuery{Tenant: q.Tenant, Service: q.Service, From: q.From, To: q.To}
}

// analyse runs a computation when few others do.
func (e *Engine) analyse(ctx context.Context, compute func()) error {
	select {
	case e.analysts <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.analysts }()
	compute()
	return nil
}

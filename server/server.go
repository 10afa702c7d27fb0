// Package server is the reference API. It stores resources of cloud tenants in Postgres, caches them at three levels
// and serves them over HTTP. It can be deployed on its own. It offers exact measurements of itself on a separate admin
// listener.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/edge"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

// Limits on connections. Reading a request may take as long as a request may last. The limit for writing is longer,
// because its clock starts before the handler.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 64 << 10
)

// joinGrace is how long a starting server waits for its cache to join those of the other instances.
const joinGrace = time.Second

// Run migrates the database, listens, calls ready with its addresses (adminAddr is empty without an admin listener) and
// serves until ctx is done. Then /readyz answers 503 while everything else is served for another o.DrainDelay, requests
// in progress finish within o.ShutdownGrace, and Run closes cache and pool and returns nil. It returns an error when it
// could not start, when a listener failed, or when requests had to be cut off.
func Run(ctx context.Context, o Options, ready func(addr, adminAddr string)) error {
	started := time.Now()
	o, err := o.check()
	err = errors.Join(err, o.checkServers())
	if err != nil {
		return fmt.Errorf("server options: %w", err)
	}
	defer collectRarely(o.memoryLimit())()
	if err := store.Migrate(ctx, o.PostgresURL); err != nil {
		return err
	}
	db, err := openStore(ctx, o)
	if err != nil {
		return err
	}
	defer db.Close()
	answers, err := openCache(ctx, o, db)
	if err != nil {
		return err
	}
	defer answers.Close()
	parts, err := openMiddleware(ctx, o)
	if err != nil {
		return err
	}
	defer parts.close(o.Logger)
	hub := realtime.New(realtime.Options{
		Store: db, Logger: o.Logger, MaxSubscribers: o.Streams, BufferBytes: o.StreamBufferBytes,
	})
	defer hub.Close()
	edges, err := edge.Open(edge.Options{URLs: listed(o.EdgeURLs), Token: o.EdgeToken, Logger: o.Logger})
	if err != nil {
		return err
	}
	defer edges.Close()
	handler := newAPI(o, db, answers, hub, edges, parts)
	err = mountGraphQL(o, handler)
	if err != nil {
		return err
	}
	jobs := newMaintenance(o, db, answers, handler, parts.verifier)
	tuner := newTuner(o, db, answers, handler)
	answers.OnAdapted(tuner.adapted)
	if err := maintainCosts(ctx, db, o.Logger); err != nil { // before costs arrive
		return err
	}
	if slowdown := o.slowdown(); slowdown.IsSet() {
		o.Logger.Warn("requests are slowed down on purpose", "cpu", slowdown.CPU, "delay", slowdown.Delay,
			"one_in", max(slowdown.Every, 1))
	}
	public, err := listenPublic(ctx, o, newHTTPServer(newSite(o, o.slowdown().Wrap(handler), db), o.Logger))
	if err != nil {
		return err
	}
	defer public.close()
	admin := &listener{}
	if o.AdminAddr != "" {
		admin, err = listen(ctx, "HEADROOM_ADMIN_ADDR", o.AdminAddr,
			newAdminServer(started, o, db, answers, edges, handler, jobs, tuner))
		if err != nil {
			return err
		}
		defer admin.close()
	}
	defer jobs.start(ctx)()
	defer tuner.start(ctx)()
	return serve(ctx, o, handler, public, admin, ready)
}

// CheckAddresses returns an error if [Run] could not listen at its addresses now. Run itself listens only once it has
// its database.
func CheckAddresses(ctx context.Context, o Options) error {
	public, err := listenPublic(ctx, o, &http.Server{})
	if err != nil {
		return err
	}
	defer public.close()
	if o.AdminAddr == "" {
		return nil
	}
	admin, err := listen(ctx, "HEADROOM_ADMIN_ADDR", o.AdminAddr, &http.Server{})
	if err == nil {
		admin.close()
	}
	return err
}

func openStore(ctx context.Context, o Options) (*store.Store, error) {
	return store.Open(ctx, store.Options{
		URL: o.PostgresURL, ReplicaURL: o.PostgresReplicaURL, ReplicaMaxLag: o.PostgresReplicaMaxLag,
		StatementTimeout: o.StatementTimeout, LockTimeout: o.LockTimeout,
		MaxConns: o.PostgresMaxConns, SlowQuery: o.SlowQuery, CostMonths: o.CostMonths, Logger: o.Logger,
	})
}

// openCache waits a moment for L2, so that it serves from the first request. The server also starts without it.
func openCache(ctx context.Context, o Options, db *store.Store) (*cache.Cache, error) {
	ttls, err := cache.ParseTTLs(o.CacheTTL)
	if err != nil {
		return nil, err
	}
	answers, err := cache.Open(cache.Options{
		L2URL: o.CacheURL, L2IsFar: o.CacheIsFar, L1Bytes: o.L1Bytes, L1MinBytes: o.L1MinBytes,
		L1MaxBytes: o.L1MaxBytes, L1TTL: o.L1TTL, TTLs: ttls, PrefetchThreshold: o.PrefetchThreshold,
		CompressionThreshold: o.CompressionThreshold, Store: db, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	joining, cancel := context.WithTimeout(ctx, joinGrace)
	defer cancel()
	if err := answers.Join(joining); err != nil {
		o.Logger.Warn("serving without the shared cache for now", "error", err)
	}
	return answers, nil
}

// newAPI makes the API and starts prefetching for it.
func newAPI(o Options, db *store.Store, answers *cache.Cache, hub *realtime.Hub, edges *edge.Edges,
	parts parts,
) *api.API {
	handler := api.New(api.Options{
		Store: db, Cache: answers, Hub: hub, Logger: o.Logger, CursorKey: []byte(o.CursorKey), EdgeTTL: o.EdgeTTL,
		Edges: edges, Timeout: o.RequestTimeout, SlowRequest: o.SlowRequest, LogRequests: o.LogRequests,
		MaxUnderWay: o.MaxUnderWay, Rate: parts.rate, SharedLimit: parts.shared, Tracer: parts.tracer,
		Evaluator: parts.evaluator, Verifier: parts.verifier, TrustedProxies: o.trustedProxies(),
		ReadyWhenWarm:   o.ReadyWhenWarm && o.WarmResources > 0,
		StreamHeartbeat: o.StreamHeartbeat, StreamWriteTimeout: o.StreamWriteTimeout,
		Explanations: o.explanations(),
	})
	answers.Prefetch(handler.Prefetching())
	return handler
}

// serve runs both listeners until ctx is done or one of them fails, and then lets the requests in progress finish.
func serve(ctx context.Context, o Options, handler *api.API, public, admin *listener,
	ready func(addr, adminAddr string),
) error {
	failed := make(chan error, 2)
	public.serve(failed)
	admin.serve(failed)
	o.Logger.Info("serving", "addr", public.addr(), "admin", admin.addr())
	ready(public.addr(), admin.addr())

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	o.Logger.Info("shutting down", "delay", o.DrainDelay, "grace", o.ShutdownGrace)
	handler.Drain()
	select {
	case err := <-failed:
		return err
	case <-time.After(o.DrainDelay):
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.ShutdownGrace)
	defer cancel()
	handler.EndStreams()
	err := errors.Join(public.server.Shutdown(grace), handler.WaitForStreams(grace))
	if err != nil {
		return fmt.Errorf("shut down: requests were still in progress after %s and were cut off: %w",
			o.ShutdownGrace, err)
	}
	return nil
}

func newHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       api.ConnContext,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// listener is an HTTP server and its socket; the zero value does nothing.
type listener struct {
	server *http.Server
	socket net.Listener
}

// listen binds addr. variable names the setting that changes it.
func listen(ctx context.Context, variable, addr string, server *http.Server) (*listener, error) {
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (set another address with %s; port 0 takes a free port): %w", addr,
			variable, err)
	}
	return &listener{server: server, socket: socket}, nil
}

// listenPublic binds the address of the API, if the options allow that address.
func listenPublic(ctx context.Context, o Options, server *http.Server) (*listener, error) {
	l, err := listen(ctx, "HEADROOM_ADDR", o.Addr, server)
	if err != nil {
		return nil, err
	}
	if err := o.checkReach(l.socket.Addr()); err != nil { // also the address that a name resolved to
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *listener) serve(failed chan<- error) {
	if l.server == nil {
		return
	}
	go func() {
		if err := l.server.Serve(api.WholeWrites(l.socket)); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve at %s: %w", l.addr(), err)
		}
	}()
}

func (l *listener) addr() string {
	if l.socket == nil {
		return ""
	}
	return l.socket.Addr().String()
}

// close cuts off the requests still in progress.
func (l *listener) close() {
	l.server.Close()
	l.socket.Close() // the server knows its socket only once it serves
}

package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/report"
	"github.com/policycortex/headroom/server/edge"
	"github.com/policycortex/headroom/server/store"
)

// snapshot is the state of every measurement since the start. All counts are cumulative, so the difference of two
// snapshots is what happened between them.
type snapshot struct {
	// of this format; incremented when the meaning of a field changes
	Version       int                      `json:"version"`
	At            time.Time                `json:"at"`
	UptimeSeconds float64                  `json:"uptime_seconds"`
	HTTP          map[string]routeSnapshot `json:"http"`              // by route
	DB            map[string]querySnapshot `json:"db"`                // by query name
	DBPool        poolSnapshot             `json:"db_pool"`           // of the primary
	Replica       *replicaSnapshot         `json:"replica,omitempty"` // nil without one
	Cache         cacheSnapshot            `json:"cache"`
	Breakers      map[string]string        `json:"breakers"` // of the shared cache levels: see cache.BreakerStates
	CacheWork     report.Activity          `json:"cache_work"`
	Process       processSnapshot          `json:"process"`
	Maintenance   map[string]jobStats      `json:"maintenance"` // by job
	Tuning        *tuningReport            `json:"tuning,omitempty"`
}

const snapshotVersion = 1

// routeSnapshot is the measurements of a route: see api.RouteStats.
type routeSnapshot struct {
	Requests map[string]int64 `json:"requests"` // by class of status: "2xx"
	// HDR holds the durations of all requests, encoded as in querySnapshot.
	HDR string `json:"hdr"`
}

type querySnapshot struct {
	Count  int64 `json:"count"`  // failed ones included
	Errors int64 `json:"errors"` // how many of them failed
	// Replica is how many of them ran on the replica; the others ran on the primary.
	Replica int64 `json:"replica"`
	// HDR holds the durations in microseconds: an HdrHistogram in V2 compressed encoding, in base64. Its count is
	// Count.
	HDR string `json:"hdr"`
}

type poolSnapshot struct {
	Acquires  int64 `json:"acquires"`
	WaitCount int64 `json:"wait_count"` // acquires that found no idle connection
	WaitUS    int64 `json:"wait_us"`    // what these waited, in microseconds
	MaxConns  int   `json:"max_conns"`
	InUse     int   `json:"in_use"` // now
	// AcquireHDR holds how long queries waited for a connection, encoded as in querySnapshot; empty before the first
	// query.
	AcquireHDR string `json:"acquire_hdr,omitempty"`
	// Breaker is closed while the server answers, else open or half-open.
	Breaker string `json:"breaker"`
}

// replicaSnapshot is the state of the replica: see store.ReplicaStats.
type replicaSnapshot struct {
	Healthy   bool         `json:"healthy"` // reads go to it
	Reason    string       `json:"reason,omitempty"`
	LagMS     float64      `json:"lag_ms"`
	LagBytes  int64        `json:"lag_bytes"`
	Fallbacks int64        `json:"fallbacks"`
	Pool      poolSnapshot `json:"pool"`
}

// cacheSnapshot counts requests: see cache.Stats.
type cacheSnapshot struct {
	L1      levelSnapshot   `json:"l1"`
	L2      levelSnapshot   `json:"l2"`
	L3      levelSnapshot   `json:"l3"`
	Overall overallSnapshot `json:"overall"`
}

type levelSnapshot struct {
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
	Errors uint64 `json:"errors"`
}

type overallSnapshot struct {
	Hits   uint64 `json:"hits"`   // served by any level
	Misses uint64 `json:"misses"` // went to the database
}

// takeSnapshot reads all counts. Without histograms it omits those of routes and queries, which are most of the work.
func takeSnapshot(started time.Time, db *store.Store, answers *cache.Cache, handler *api.API,
	histograms bool,
) (s snapshot, err error) {
	now := time.Now()
	s = snapshot{
		Version:       snapshotVersion,
		At:            now.UTC(),
		UptimeSeconds: now.Sub(started).Seconds(),
		HTTP:          map[string]routeSnapshot{},
		DB:            map[string]querySnapshot{},
	}
	if err := s.takeDatabase(db, histograms); err != nil {
		return snapshot{}, err
	}
	if histograms {
		if err := s.takeRoutes(handler); err != nil {
			return snapshot{}, err
		}
	}
	s.CacheWork = answers.Activity()
	stats := answers.Stats()
	s.Cache = cacheSnapshot{
		L1:      levelSnapshot(stats.L1),
		L2:      levelSnapshot(stats.L2),
		L3:      levelSnapshot(stats.L3),
		Overall: overallSnapshot{Hits: stats.Overall.Hits, Misses: stats.Overall.Misses},
	}
	s.Breakers = map[string]string{}
	s.Breakers["l2"], s.Breakers["l3"] = answers.BreakerStates()
	s.Process, err = takeProcessSnapshot()
	return s, err
}

// takeDatabase fills in the database's measurements, with or without the histograms of queries.
func (s *snapshot) takeDatabase(db *store.Store, histograms bool) error {
	s.DBPool = newPoolSnapshot(db.PoolStats())
	if r := db.ReplicaStats(); r.Configured {
		s.Replica = &replicaSnapshot{
			Healthy: r.Healthy, Reason: r.Reason, LagMS: float64(r.Lag.Microseconds()) / 1e3, LagBytes: r.LagBytes,
			Fallbacks: r.Fallbacks, Pool: newPoolSnapshot(r.Pool),
		}
	}
	if !histograms {
		return nil
	}
	for name, q := range db.QueryStats() {
		encoded, err := q.Durations.EncodeV2()
		if err != nil {
			return fmt.Errorf("encode durations of %s: %w", name, err)
		}
		s.DB[name] = querySnapshot{
			Count: q.Durations.TotalCount(), Errors: q.Errors, Replica: q.Replica,
			HDR: string(encoded),
		}
	}
	for role, times := range db.AcquireTimes() {
		encoded, err := times.EncodeV2()
		if err != nil {
			return fmt.Errorf("encode the waits for connections to the %s: %w", role, err)
		}
		if role == store.RolePrimary {
			s.DBPool.AcquireHDR = string(encoded)
		} else {
			s.Replica.Pool.AcquireHDR = string(encoded)
		}
	}
	return nil
}

func newPoolSnapshot(pool store.PoolStats) poolSnapshot {
	return poolSnapshot{
		Acquires:  pool.Acquires,
		WaitCount: pool.Waits,
		WaitUS:    pool.Waited.Microseconds(),
		MaxConns:  pool.MaxConns,
		InUse:     pool.InUse,
		Breaker:   pool.Breaker,
	}
}

func (s *snapshot) takeRoutes(handler *api.API) error {
	for path, route := range handler.RouteStats() {
		encoded, err := route.Durations.EncodeV2()
		if err != nil {
			return fmt.Errorf("encode durations of %s: %w", path, err)
		}
		s.HTTP[path] = routeSnapshot{Requests: route.Requests, HDR: string(encoded)}
	}
	return nil
}

// newAdminServer serves GET /snapshot (?db=no omits the histograms of routes and queries, which makes it cheap enough
// for once a second), GET /settings (see settings.go), GET /slow and GET /statements (see statements.go), POST
// /cache/invalidate (see invalidate.go), GET /tuning and POST /tuning/undo (see tuningadmin.go), and Go's profiles
// under /debug/pprof/. It has no write timeout, because a profile takes as long as the client requests.
func newAdminServer(started time.Time, o Options, db *store.Store, answers *cache.Cache, edges *edge.Edges,
	handler *api.API, jobs *maintenance, tuner *tuner,
) *http.Server {
	logger := o.Logger
	mux := http.NewServeMux()
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, r *http.Request) {
		s, err := takeSnapshot(started, db, answers, handler, r.URL.Query().Get("db") != "no")
		if err != nil {
			logger.Error("snapshot failed", "error", err)
			adminProblem(w, http.StatusInternalServerError, err.Error())
			return
		}
		s.Maintenance = jobs.snapshot()
		s.Tuning = tuner.report()
		sendAdmin(w, s)
	})
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) { sendAdmin(w, settingsInForce(o)) })
	mux.HandleFunc("GET /slow", slowHandler(db))
	mux.HandleFunc("GET /statements", statementsHandler(db))
	mux.HandleFunc("POST /cache/invalidate", invalidateHandler(db, answers, edges, logger))
	mux.HandleFunc("GET /tuning", func(w http.ResponseWriter, _ *http.Request) { sendAdmin(w, tuner.report()) })
	mux.HandleFunc("POST /tuning/undo", undoHandler(tuner))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           onlyLocal(http.NewCrossOriginProtection().Handler(mux)),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// onlyLocal refuses requests whose Host is not this machine. Otherwise a web page whose name resolves to a loopback
// address (DNS rebinding) could read the listener through a browser on this machine.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			adminProblem(w, http.StatusForbidden,
				"The admin listener answers to localhost and loopback addresses only, not to another Host.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sendAdmin answers with JSON.
func sendAdmin(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer) // an error means that the client has left
}

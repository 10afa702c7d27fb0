package server_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/caarlos0/env/v11"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

func options(t testing.TB) server.Options {
	t.Helper()
	e := containerstest.Shared(t)
	return server.Options{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", PostgresURL: e.PostgresURL, CacheURL: e.CacheURL,
		PostgresMaxConns: 4, Logger: slog.New(slog.DiscardHandler),
	}
}

// running is a server under test.
type running struct {
	addr, admin string
	shutDown    context.CancelFunc
	ended       chan error // gets what Run returned
}

func start(t testing.TB, o server.Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{shutDown: cancel, ended: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		r.ended <- server.Run(ctx, o, func(addr, admin string) {
			r.addr, r.admin = addr, admin
			close(ready)
		})
	}()
	select {
	case <-ready:
	case err := <-r.ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	r.shutDown()
	if err := <-r.ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func newRequest(t testing.TB, method, url, tenant string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", tenant)
	return r
}

func send(t testing.TB, r *http.Request, status int) []byte {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s (error %v)", r.Method, r.URL, response.StatusCode, status, body, err)
	}
	return body
}

const oneResource = `{"resources":[{"azure_resource_id":"a","subscription_id":"s","resource_group_name":"g","name":"n","type":"t","location":"l"}]}`

type level struct{ Hits, Misses, Errors int64 }

type pool struct {
	Acquires   int64
	MaxConns   int64  `json:"max_conns"`
	InUse      int64  `json:"in_use"`
	AcquireHDR string `json:"acquire_hdr"`
	Breaker    string
}

type jobStats struct {
	Runs, Errors int64
	LastFailure  string `json:"last_failure"`
}

type snapshot struct {
	Version       int
	At            time.Time
	UptimeSeconds float64 `json:"uptime_seconds"`
	DB            map[string]struct {
		Count, Errors, Replica int64
		HDR                    string
	}
	DBPool  pool `json:"db_pool"`
	Replica *struct {
		Healthy   bool
		Reason    string
		LagMS     *float64 `json:"lag_ms"`
		LagBytes  *int64   `json:"lag_bytes"`
		Fallbacks int64
		Pool      pool
	}
	Cache       map[string]level
	Maintenance map[string]jobStats
	Process     map[string]float64
}

func takeSnapshot(t testing.TB, r *running) snapshot {
	t.Helper()
	var s snapshot
	if err := json.Unmarshal(send(t, newRequest(t, http.MethodGet, "http://"+r.admin+"/snapshot", "", nil),
		http.StatusOK), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSnapshotAddsUp(t *testing.T) {
	r := start(t, options(t))
	defer r.stop(t)
	first := takeSnapshot(t, r)
	tenant, base := uuid.NewString(), "http://"+r.addr+"/api/v1/resources"
	var created struct{ Created []string }
	if err := json.Unmarshal(send(t,
		newRequest(t, http.MethodPost, base+"/batch", tenant, strings.NewReader(oneResource)), http.StatusCreated),
		&created); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		send(t, newRequest(t, http.MethodGet, base+"/"+created.Created[0], tenant, nil), http.StatusOK)
		send(t, newRequest(t, http.MethodGet, base+"?limit=5", tenant, nil), http.StatusOK)
	}
	for range 3 {
		send(t, newRequest(t, http.MethodGet, base+"/"+uuid.NewString(), tenant, nil), http.StatusNotFound)
	}
	s := takeSnapshot(t, r)

	if s.Version != 1 || !s.At.After(first.At) || s.UptimeSeconds <= first.UptimeSeconds {
		t.Errorf("version %d, at %s and %s, uptime %v and %v", s.Version, first.At, s.At, first.UptimeSeconds,
			s.UptimeSeconds)
	}
	for name, want := range map[string]int64{
		"insert_resources": 1, "get_resource": 1 + 3, "list_resources": 1,
		"read_cache_entry": 1,
	} {
		q := s.DB[name]
		histogram, err := hdrhistogram.Decode([]byte(q.HDR))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if q.Count != want || q.Errors != 0 || histogram.TotalCount() != want || histogram.Min() < 1 ||
			histogram.Max() > 60_000_000 {
			t.Errorf("%s: count %d, errors %d, histogram of %d from %d to %d µs; want %d",
				name, q.Count, q.Errors, histogram.TotalCount(), histogram.Min(), histogram.Max(), want)
		}
	}
	if len(s.DB) != 4 {
		t.Errorf("%d queries were measured, want 4", len(s.DB))
	}
	want := map[string]level{"l1": {Hits: 18, Misses: 5}, "l2": {Misses: 5}, "overall": {Hits: 18, Misses: 5}}
	for name, w := range want {
		if s.Cache[name] != w {
			t.Errorf("cache %s is %+v, want %+v", name, s.Cache[name], w)
		}
	}
	if s.DBPool.MaxConns != 4 || s.DBPool.Acquires-first.DBPool.Acquires != 7 || s.DBPool.InUse != 0 ||
		s.DBPool.Breaker != "closed" {
		t.Errorf("pool went from %v to %v, want 7 more acquires", first.DBPool, s.DBPool)
	}
	// and the maintenance at the start
	if waits, err := hdrhistogram.Decode([]byte(s.DBPool.AcquireHDR)); err != nil || waits.TotalCount() != 8 {
		t.Errorf("%d waits for connections (error %v), want those of 8", waits.TotalCount(), err)
	}
	if s.Process["allocated_bytes"] <= first.Process["allocated_bytes"] {
		t.Errorf("allocated bytes went from %v to %v", first.Process["allocated_bytes"], s.Process["allocated_bytes"])
	}
	if s.Replica != nil {
		t.Errorf("a replica that does not exist is %+v", s.Replica)
	}
	for _, name := range []string{
		"cpu_seconds", "max_rss_bytes", "goroutines", "allocated_bytes", "allocated_objects",
	} {
		if s.Process[name] <= 0 {
			t.Errorf("process %s is %v", name, s.Process[name])
		}
	}
	if _, ok := s.Process["gc_pauses_us_total"]; !ok || s.Process["num_gc"] < 0 {
		t.Errorf("process is %v", s.Process)
	}
}

func TestProfilesAreOnTheAdminListenerOnly(t *testing.T) {
	r := start(t, options(t))
	defer r.stop(t)
	if body := send(t, newRequest(t, http.MethodGet, "http://"+r.admin+"/debug/pprof/goroutine?debug=1", "", nil),
		http.StatusOK); !strings.Contains(string(body), "goroutine profile") {
		t.Errorf("got %.100s", body)
	}
	for _, path := range []string{"/debug/pprof/", "/snapshot"} {
		send(t, newRequest(t, http.MethodGet, "http://"+r.addr+path, "", nil), http.StatusNotFound)
	}
}

func TestTwoServersOnOneDatabase(t *testing.T) {
	first, second := start(t, options(t)), start(t, options(t))
	defer first.stop(t)
	defer second.stop(t)
	tenant := uuid.NewString()
	send(t, newRequest(t, http.MethodPost, "http://"+first.addr+"/api/v1/resources/batch", tenant,
		strings.NewReader(oneResource)), http.StatusCreated)
	body := send(t, newRequest(t, http.MethodGet, "http://"+second.addr+"/api/v1/resources", tenant, nil),
		http.StatusOK)
	if !strings.Contains(string(body), `"azure_resource_id":"a"`) {
		t.Errorf("the second server answers %s", body)
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		change  func(*server.Options)
		mention string
	}{
		"no address":           {func(o *server.Options) { o.Addr = "" }, "HEADROOM_ADDR"},
		"no Postgres":          {func(o *server.Options) { o.PostgresURL = "" }, "HEADROOM_POSTGRES_URL"},
		"no cache":             {func(o *server.Options) { o.CacheURL = "" }, "HEADROOM_CACHE_URL"},
		"a wrong cache":        {func(o *server.Options) { o.CacheURL = "http://x" }, "cache URL"},
		"a Postgres not there": {func(o *server.Options) { o.PostgresURL = "postgres://x@127.0.0.1:1/x" }, "127.0.0.1"},
		"a negative size":      {func(o *server.Options) { o.L1Bytes = -1 }, "HEADROOM_L1_BYTES"},
		"a short cursor key":   {func(o *server.Options) { o.CursorKey = "secret" }, "HEADROOM_CURSOR_KEY"},
		"admin for everybody":  {func(o *server.Options) { o.AdminAddr = ":0" }, "loopback"},
		"admin off loopback":   {func(o *server.Options) { o.AdminAddr = "0.0.0.0:0" }, "loopback"},
		"admin by name":        {func(o *server.Options) { o.AdminAddr = "localhost:0" }, "loopback"},
		"admin without port":   {func(o *server.Options) { o.AdminAddr = "127.0.0.1" }, "HEADROOM_ADMIN_ADDR"},
		"too long a timeout":   {func(o *server.Options) { o.RequestTimeout = time.Hour }, "HEADROOM_REQUEST_TIMEOUT"},
		"a statement that outlasts its request": {
			func(o *server.Options) { o.RequestTimeout, o.StatementTimeout = time.Second, 2*time.Second },
			"HEADROOM_STATEMENT_TIMEOUT",
		},
		"no time for statements": {
			func(o *server.Options) { o.StatementTimeout = time.Millisecond },
			"HEADROOM_STATEMENT_TIMEOUT",
		},
		"a lock that outlasts its statement": {
			func(o *server.Options) { o.LockTimeout = 6 * time.Second },
			"HEADROOM_LOCK_TIMEOUT",
		},
		"a model in clear": {func(o *server.Options) { o.ModelURL = "http://example.com" }, "HEADROOM_MODEL_URL"},
		"a key for nobody": {func(o *server.Options) { o.ModelKey = "k" }, "HEADROOM_MODEL_URL"},
		"a patient client": {func(o *server.Options) { o.ModelTimeout = time.Minute }, "HEADROOM_MODEL_TIMEOUT"},
		"no explanations":  {func(o *server.Options) { o.Explanations = -1 }, "HEADROOM_EXPLANATIONS"},
		"too long a queue": {func(o *server.Options) { o.ExplanationQueue = 10_001 }, "HEADROOM_EXPLANATION_QUEUE"},
		"too long a wait": {
			func(o *server.Options) { o.ExplanationWait = time.Minute }, "HEADROOM_EXPLANATION_WAIT",
		},
		"forecasts backward": {func(o *server.Options) { o.ForecastEvery = -1 }, "HEADROOM_FORECAST_EVERY"},
		"half a second":      {func(o *server.Options) { o.EdgeTTL = 500 * time.Millisecond }, "HEADROOM_EDGE_TTL"},
		"a negative burst":   {func(o *server.Options) { o.RateBurst = -1 }, "HEADROOM_RATE_BURST"},
		"too high a rate":    {func(o *server.Options) { o.RateLimit = 2e6 }, "HEADROOM_RATE_LIMIT"},
		"a class that is none": {
			func(o *server.Options) { o.CacheTTL = "resource=60s,pages=30s" },
			`"pages" is no class; the classes are resource, resources, policy`,
		},
		"more than all requests": {func(o *server.Options) { o.LogRequests = 1.5 }, "HEADROOM_LOG_REQUESTS"},
		"a lifetime without end": {func(o *server.Options) { o.CacheTTL = "costs=48h" }, "from 1s to 24h"},
		"a rate of hits above 1": {
			func(o *server.Options) { o.PrefetchThreshold = 1.5 },
			"HEADROOM_PREFETCH_THRESHOLD",
		},
		"everything compressed": {
			func(o *server.Options) { o.CompressionThreshold = 1 },
			"HEADROOM_COMPRESSION_THRESHOLD",
		},
		"no limit to share": {
			func(o *server.Options) { o.RateLimit, o.RateLimitShared = -1, true },
			"HEADROOM_RATE_LIMIT_SHARED",
		},
		"negative streams":    {func(o *server.Options) { o.Streams = -1 }, "HEADROOM_STREAMS"},
		"too small a buffer":  {func(o *server.Options) { o.StreamBufferBytes = 1000 }, "HEADROOM_STREAM_BUFFER_BYTES"},
		"a negative slowdown": {func(o *server.Options) { o.SlowdownCPU = -1 }, "HEADROOM_SLOWDOWN_CPU"},
		"too long a delay":    {func(o *server.Options) { o.SlowdownDelay = time.Minute }, "HEADROOM_SLOWDOWN_DELAY"},
		"a slowdown of none":  {func(o *server.Options) { o.SlowdownEvery = 100 }, "HEADROOM_SLOWDOWN_EVERY"},
		"one request in -1": {
			func(o *server.Options) { o.SlowdownDelay, o.SlowdownEvery = 1, -1 },
			"HEADROOM_SLOWDOWN_EVERY",
		},
		"more than all traces": {func(o *server.Options) { o.TraceRatio = 1.5 }, "HEADROOM_TRACE_RATIO"},
		"not a ratio":          {func(o *server.Options) { o.TraceRatio = math.NaN() }, "HEADROOM_TRACE_RATIO"},
		"for everybody":        {func(o *server.Options) { o.Addr = ":0" }, "HEADROOM_ALLOW_UNAUTHENTICATED"},
		"off loopback":         {func(o *server.Options) { o.Addr = "0.0.0.0:0" }, "HEADROOM_ALLOW_UNAUTHENTICATED"},
		"two kinds of keys": {
			func(o *server.Options) { o.AuthJWKS, o.AuthSharedKey = "x", strings.Repeat("x", 32) },
			"exclude each other",
		},
		"a short shared key": {func(o *server.Options) { o.AuthSharedKey = "secret" }, "HEADROOM_AUTH_SHARED_KEY"},
		"an issuer alone":    {func(o *server.Options) { o.AuthIssuer = "https://issuer" }, "HEADROOM_AUTH_ISSUER"},
		"keys in the clear": {
			func(o *server.Options) { o.AuthJWKS = "http://issuer.example/keys" },
			"HEADROOM_AUTH_JWKS",
		},
		"an edge that is no URL": {
			func(o *server.Options) {
				o.EdgeTTL, o.EdgeURLs, o.EdgeToken = time.Second, "http://a, b:80", strings.Repeat("x", 16)
			},
			"HEADROOM_EDGE_URLS",
		},
		"an edge that is named twice": {
			func(o *server.Options) {
				o.EdgeTTL, o.EdgeURLs, o.EdgeToken = time.Second, "http://a,http://b, http://a", strings.Repeat("x", 16)
			},
			"http://a twice",
		},
		"an edge that may keep nothing": {
			func(o *server.Options) { o.EdgeURLs, o.EdgeToken = "http://a", strings.Repeat("x", 16) },
			"HEADROOM_EDGE_TTL",
		},
		"an edge without a token": {
			func(o *server.Options) { o.EdgeTTL, o.EdgeURLs = time.Second, "http://a" },
			"HEADROOM_EDGE_TOKEN",
		},
		"a token for no edge": {
			func(o *server.Options) { o.EdgeToken = strings.Repeat("x", 16) },
			"HEADROOM_EDGE_TOKEN",
		},
		"an edge and tokens": {func(o *server.Options) {
			o.AuthSharedKey, o.EdgeTTL = strings.Repeat("x", 32),
				time.Second
		}, "HEADROOM_EDGE_TTL"},
		"tokens and none": {func(o *server.Options) {
			o.AuthSharedKey,
				o.AllowUnauthenticated = strings.Repeat("x", 32), true
		}, "HEADROOM_ALLOW_UNAUTHENTICATED"},
		"a proxy by name": {
			func(o *server.Options) { o.TrustedProxies = "10.0.0.1,proxy" },
			"HEADROOM_TRUSTED_PROXIES",
		},
		"a taken port": {func(o *server.Options) { o.Addr = taken.Addr().String() }, "HEADROOM_ADDR"},
		"a taken admin port": {
			func(o *server.Options) { o.AdminAddr = taken.Addr().String() },
			"HEADROOM_ADMIN_ADDR",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.change(&o)
			err := server.Run(t.Context(), o, func(string, string) { t.Error("it is ready") })
			if err == nil || !strings.Contains(err.Error(), c.mention) {
				t.Errorf("error %v, want one that mentions %s", err, c.mention)
			}
		})
	}
}

func TestWithoutAdminListener(t *testing.T) {
	o := options(t)
	o.AdminAddr = ""
	r := start(t, o)
	defer r.stop(t)
	if r.admin != "" {
		t.Errorf("there is an admin listener at %s", r.admin)
	}
	send(t, newRequest(t, http.MethodGet, "http://"+r.addr+"/healthz", "", nil), http.StatusOK)
}

func TestOptionsFromTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"HEADROOM_ADMIN_ADDR": "127.0.0.1:1", "HEADROOM_POSTGRES_URL": "postgres://p",
		"HEADROOM_POSTGRES_REPLICA_URL": "postgres://q", "HEADROOM_POSTGRES_REPLICA_MAX_LAG": "7s",
		"HEADROOM_SLOW_QUERY": "20ms", "HEADROOM_CACHE_URL": "redis://r", "HEADROOM_LOCK_TIMEOUT": "20ms",
		"HEADROOM_L1_BYTES": "1024", "HEADROOM_POSTGRES_MAX_CONNS": "9", "HEADROOM_SHUTDOWN_GRACE": "3s",
		"HEADROOM_CURSOR_KEY": "k", "HEADROOM_SLOWDOWN_CPU": "5us", "HEADROOM_SLOWDOWN_DELAY": "1ms",
		"HEADROOM_SLOWDOWN_EVERY": "100",
	} {
		t.Setenv(name, value)
	}
	got, err := env.ParseAs[server.Options]()
	want := server.Options{
		Addr: "127.0.0.1:8080", AdminAddr: "127.0.0.1:1", PostgresURL: "postgres://p", CacheURL: "redis://r",
		PostgresReplicaURL: "postgres://q", PostgresReplicaMaxLag: 7 * time.Second, SlowQuery: 20 * time.Millisecond,
		L1Bytes: 1024, PostgresMaxConns: 9, ShutdownGrace: 3 * time.Second, CursorKey: "k", TraceRatio: 0.01,
		LockTimeout: 20 * time.Millisecond, GraphQLIntrospection: true,
		SlowdownCPU: 5 * time.Microsecond, SlowdownDelay: time.Millisecond, SlowdownEvery: 100,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, error %v; want %+v", got, err, want)
	}
}

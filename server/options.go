package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/edge"
	"github.com/policycortex/headroom/server/graphql"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tuning"
)

// Options configure [Run]. The tag of each field names its environment variable, which caarlos0/env reads.
type Options struct {
	// Addr is where the API listens, as host:port. Port 0 takes a free port.
	Addr string `env:"HEADROOM_ADDR" envDefault:"127.0.0.1:8080"`
	// AdminAddr is where the admin listener listens; its host must be a loopback address. Empty means no admin
	// listener.
	AdminAddr string `env:"HEADROOM_ADMIN_ADDR"`
	// PostgresURL (postgres://…) and CacheURL (redis://…) are required.
	PostgresURL string `env:"HEADROOM_POSTGRES_URL"`
	CacheURL    string `env:"HEADROOM_CACHE_URL"`
	// CacheIsFar says that the cache server is in another region: then only invalidations go through it, and values are
	// kept in this process and read from the database's replica.
	CacheIsFar bool `env:"HEADROOM_CACHE_IS_FAR"`
	// L1Bytes is the initial size of the cache in this process, in bytes; 0 means 64 MiB.
	L1Bytes int64 `env:"HEADROOM_L1_BYTES"`
	// L1MinBytes and L1MaxBytes bound its size, in bytes, which adapts to the hit rate; 0 means half and twice L1Bytes.
	L1MinBytes int64 `env:"HEADROOM_L1_MIN_BYTES"`
	L1MaxBytes int64 `env:"HEADROOM_L1_MAX_BYTES"`
	// CacheTTL bounds how long a value may be kept, by class of query, as class=duration separated by commas, such as
	// resource=60s,search=10s. See cache.TTLs; empty bounds nothing.
	CacheTTL string `env:"HEADROOM_CACHE_TTL"`
	// PrefetchThreshold is the overall hit rate, above 0 and at most 1, from which prefetching is tried; 0 means 0.8.
	PrefetchThreshold float64 `env:"HEADROOM_PREFETCH_THRESHOLD"`
	// CompressionThreshold is the size in bytes above which values and responses are compressed, 256 to 1048576; 0
	// means 1024.
	CompressionThreshold int `env:"HEADROOM_COMPRESSION_THRESHOLD"`
	// WarmResources is how many of the most recently updated resources to load into the cache at the start, in addition
	// to the summaries and first list pages of the largest tenants; 0 means none of these. Requests are served
	// meanwhile.
	WarmResources int `env:"HEADROOM_WARM_RESOURCES"`
	// ReadyWhenWarm makes /readyz wait for that.
	ReadyWhenWarm bool `env:"HEADROOM_READY_WHEN_WARM"`
	// PostgresReplicaURL is the URL of a streaming replica of PostgresURL, which reads prefer; empty without one.
	PostgresReplicaURL string `env:"HEADROOM_POSTGRES_REPLICA_URL"`
	// PostgresReplicaMaxLag is the lag beyond which all reads go to the primary; 0 means 5 seconds.
	PostgresReplicaMaxLag time.Duration `env:"HEADROOM_POSTGRES_REPLICA_MAX_LAG"`
	// PostgresMaxConns is the size of each server's connection pool; 0 derives it from the number of CPUs and of free
	// connections.
	PostgresMaxConns int `env:"HEADROOM_POSTGRES_MAX_CONNS"`
	// StatementTimeout is how long a statement of a request may take, 10 ms to RequestTimeout, and LockTimeout how long
	// it may wait for each lock, 1 ms to StatementTimeout, before Postgres gives it up. 0 means 5 seconds and 1 second,
	// or the longest that is allowed if that is shorter.
	StatementTimeout time.Duration `env:"HEADROOM_STATEMENT_TIMEOUT"`
	LockTimeout      time.Duration `env:"HEADROOM_LOCK_TIMEOUT"`
	// L1TTL is the first lifetime in the cache in this process, at most 10 minutes, which adapts too; 0 means 1 minute.
	L1TTL time.Duration `env:"HEADROOM_L1_TTL"`
	// Tuning says what the server may change in its settings while it runs: "off", "advise" (it says what it would do)
	// or "act"; empty means advise. TuningWindow is the time over which it looks at its figures; 0 means 30 seconds.
	Tuning       string        `env:"HEADROOM_TUNING"`
	TuningWindow time.Duration `env:"HEADROOM_TUNING_WINDOW"`
	// SlowQuery is the duration from which queries are listed at GET /slow of the admin listener; 0 means 100 ms.
	SlowQuery time.Duration `env:"HEADROOM_SLOW_QUERY"`
	// ComplianceEvery is the time between refreshes of the compliance summary; 0 means 5 minutes. One of several
	// instances does each refresh.
	ComplianceEvery time.Duration `env:"HEADROOM_COMPLIANCE_EVERY"`
	// CostMonths is how many months of costs to keep before the current one, at most 240; 0 means 24. Older months are
	// detached from the table and remain as separate tables.
	CostMonths int `env:"HEADROOM_COST_MONTHS"`
	// EdgeTTL is how long a cache between this server and its clients (a CDN, a proxy) may serve a response without
	// asking, in whole seconds; 0 forbids it. Such a cache must respect Vary, which names the tenant.
	EdgeTTL time.Duration `env:"HEADROOM_EDGE_TTL"`
	// EdgeURLs are those of such caches that are told what has changed: http://host:port, separated by commas. Package
	// edge describes how. EdgeToken is the secret by which they know this server, 16 characters or more.
	EdgeURLs  string `env:"HEADROOM_EDGE_URLS"`
	EdgeToken string `env:"HEADROOM_EDGE_TOKEN"`
	// RequestTimeout is how long a request may wait for the database; 0 means 30 seconds. The maximum is 50 seconds,
	// because the connection is closed after 60.
	RequestTimeout time.Duration `env:"HEADROOM_REQUEST_TIMEOUT"`
	// SlowRequest is the duration from which requests are logged; 0 means 1 second.
	SlowRequest time.Duration `env:"HEADROOM_SLOW_REQUEST"`
	// LogRequests is the share, 0 to 1, of the requests that are logged, chosen at random; 0 logs slow ones and errors
	// alone. Otherwise those that fail (5xx) are all logged.
	LogRequests float64 `env:"HEADROOM_LOG_REQUESTS"`
	// MaxUnderWay is the maximum number of concurrent requests; further ones are answered with 503 at once. 0 means
	// 2048.
	MaxUnderWay int `env:"HEADROOM_MAX_UNDER_WAY"`
	// RateLimit is how many requests per second a client (a tenant; without one, an address) may sustain, at most
	// 1,000,000. 0 means 200,000, which is high enough not to limit measurements. A negative number removes the limit.
	RateLimit int `env:"HEADROOM_RATE_LIMIT"`
	// RateBurst is how many requests a client may send at once; 0 means those of one second.
	RateBurst int `env:"HEADROOM_RATE_BURST"`
	// RateLimitShared makes all instances on one cache server share the limit, at the cost of a round trip per request.
	RateLimitShared bool `env:"HEADROOM_RATE_LIMIT_SHARED"`
	// GraphQLMaxDepth is how many levels of fields a query of GraphQL may have; 0 means 10. GraphQLMaxCost is how many
	// values its answer may have, with 200 for each read; 0 means 20,000. GraphQLMaxBytes is how long its answer may
	// be; 0 means 16 MiB.
	GraphQLMaxDepth int `env:"HEADROOM_GRAPHQL_MAX_DEPTH"`
	GraphQLMaxCost  int `env:"HEADROOM_GRAPHQL_MAX_COST"`
	GraphQLMaxBytes int `env:"HEADROOM_GRAPHQL_MAX_BYTES"`
	// GraphQLIntrospection answers queries for the schema.
	GraphQLIntrospection bool `env:"HEADROOM_GRAPHQL_INTROSPECTION" envDefault:"true"`
	// GraphQLRegistered is a file with the only queries that are allowed: a JSON object with their texts by their
	// SHA-256. Empty allows all.
	GraphQLRegistered string `env:"HEADROOM_GRAPHQL_REGISTERED"`
	// TraceRatio is the share, 0 to 1, of the requests without a traceparent that are traced. Nothing is traced unless
	// OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT is set.
	TraceRatio float64 `env:"HEADROOM_TRACE_RATIO" envDefault:"0.01"`
	// Streams is how many streams of events may be open at once; further ones are answered with 503. 0 means 10,000.
	Streams int `env:"HEADROOM_STREAMS"`
	// StreamHeartbeat is how often a stream without events is written to; 0 means 15 seconds.
	StreamHeartbeat time.Duration `env:"HEADROOM_STREAM_HEARTBEAT"`
	// StreamWriteTimeout is how long a subscriber may take to accept what is written to it, and is dropped after; 0
	// means 10 seconds.
	StreamWriteTimeout time.Duration `env:"HEADROOM_STREAM_WRITE_TIMEOUT"`
	// StreamBufferBytes is how many bytes of events are kept in memory for streams, of all tenants together; 0 means 32
	// MiB, and the least is 1 MiB. A subscriber who falls behind them is dropped.
	StreamBufferBytes int64 `env:"HEADROOM_STREAM_BUFFER_BYTES"`
	// PolicyTime is how long an evaluation by a policy's rule may take, 100 us to 1 s, for modules counted as an
	// instruction a nanosecond; 0 means 10 ms.
	PolicyTime time.Duration `env:"HEADROOM_POLICY_TIME"`
	// PolicyMemoryPages is how many pages of 64 KiB an instance of a policy's module may have, at most 1024; 0 means
	// 32.
	PolicyMemoryPages int `env:"HEADROOM_POLICY_MEMORY_PAGES"`
	// PolicyModuleBytes is the largest module that can be uploaded, 1 KiB to 1 MiB; 0 means 256 KiB.
	PolicyModuleBytes int `env:"HEADROOM_POLICY_MODULE_BYTES"`
	// PolicyCacheBytes is what compiled modules with their idle instances may take in memory, 1 MiB to 16 GiB,
	// estimated; 0 means 64 MiB.
	PolicyCacheBytes int64 `env:"HEADROOM_POLICY_CACHE_BYTES"`
	// DrainDelay is how long requests are still accepted after the signal to stop, while /readyz answers 503, so that
	// what balances between instances sends the next ones elsewhere; 0 means not at all.
	DrainDelay time.Duration `env:"HEADROOM_DRAIN_DELAY"`
	// ShutdownGrace is how long requests in progress may take to finish; 0 means 15 seconds.
	ShutdownGrace time.Duration `env:"HEADROOM_SHUTDOWN_GRACE"`
	// CursorKey signs the cursors of lists; 32 random characters or more. Without one every process makes its own, and
	// a client that continues a list on another instance, or after a restart, has to start over.
	CursorKey string `env:"HEADROOM_CURSOR_KEY"`
	// AuthJWKS or AuthSharedKey turns authentication on: every request to the API then needs a bearer token, whose
	// tenant decides whose data the request is about. AuthJWKS is where the public keys are: an https:// URL, an
	// http:// URL on loopback, or a file. AuthSharedKey is the secret of tokens signed by HS256, 32 characters or more.
	AuthJWKS      string `env:"HEADROOM_AUTH_JWKS"`
	AuthSharedKey string `env:"HEADROOM_AUTH_SHARED_KEY"`
	// AuthIssuer and AuthAudience are the required iss and aud claims; empty accepts any.
	AuthIssuer   string `env:"HEADROOM_AUTH_ISSUER"`
	AuthAudience string `env:"HEADROOM_AUTH_AUDIENCE"`
	// AuthTenantClaim is the claim that contains the tenant's id; empty means tenant_id.
	AuthTenantClaim string `env:"HEADROOM_AUTH_TENANT_CLAIM"`
	// AllowUnauthenticated serves requests from other machines without authentication. Something in front of the server
	// must authenticate them and set X-Tenant-ID.
	AllowUnauthenticated bool `env:"HEADROOM_ALLOW_UNAUTHENTICATED"`
	// TrustedProxies are the proxies whose X-Forwarded-For names the client: addresses or networks in CIDR notation,
	// separated by commas. Without any, the client is the peer of the connection.
	TrustedProxies string `env:"HEADROOM_TRUSTED_PROXIES"`
	// SlowdownCPU and SlowdownDelay make requests below /api/ slower, for calibrating what is to find such a change:
	// CPU time taken by each, and a delay before each. 0 means none; at most 1 second. SlowdownEvery applies them to
	// one request in so many; 0 means to all.
	SlowdownCPU   time.Duration `env:"HEADROOM_SLOWDOWN_CPU"`
	SlowdownDelay time.Duration `env:"HEADROOM_SLOWDOWN_DELAY"`
	SlowdownEvery int           `env:"HEADROOM_SLOWDOWN_EVERY"`
	// ForecastEvery is the time between computations of forecasts for tenants with new costs; 0 means 1 minute. One of
	// several instances does each.
	ForecastEvery time.Duration `env:"HEADROOM_FORECAST_EVERY"`
	// ModelURL is the base URL of a model server that is compatible with OpenAI's API, https or on loopback; empty
	// without one. ModelKey is its bearer token, and ModelName the model. ModelTimeout is how long it may be silent, at
	// most 50 seconds; 0 means 10 seconds.
	ModelURL     string        `env:"HEADROOM_MODEL_URL"`
	ModelKey     string        `env:"HEADROOM_MODEL_KEY"`
	ModelName    string        `env:"HEADROOM_MODEL_NAME"`
	ModelTimeout time.Duration `env:"HEADROOM_MODEL_TIMEOUT"`
	// Explanations is how many explanations of costs may be generated at once, at most 1024, ExplanationQueue how many
	// may wait, at most 10000, and ExplanationWait how long, at most 30 seconds; 0 means 16, 64 and 2 seconds.
	Explanations     int           `env:"HEADROOM_EXPLANATIONS"`
	ExplanationQueue int           `env:"HEADROOM_EXPLANATION_QUEUE"`
	ExplanationWait  time.Duration `env:"HEADROOM_EXPLANATION_WAIT"`
	// Logger receives the log; nil means slog.Default().
	Logger *slog.Logger `env:"-"`
}

const (
	defaultL1Bytes       = 64 << 20
	defaultShutdownGrace = 15 * time.Second
	defaultCompliance    = 5 * time.Minute
	minCursorKey         = 32
	minSharedKey         = 32
	minEdgeToken         = 16
	defaultTenantClaim   = "tenant_id"
	maxCostMonths        = 240 // each is a partition
	maxRequestTimeout    = 50 * time.Second
	// api.New has the same
	defaultRequestTimeout = 30 * time.Second
	defaultSlowRequest    = time.Second
	defaultMaxUnderWay    = 2048
	defaultRateLimit      = 200_000
	defaultHeartbeat      = 15 * time.Second
	defaultStreamTimeout  = 10 * time.Second
	defaultCompressed     = 1024
	minStreamBuffer       = 1 << 20
	maxRateLimit          = 1_000_000
	maxSlowdown           = time.Second
)

// Check returns all errors in the options, joined. It does not check the URLs of Postgres and the cache, which may not
// be known yet.
func (o Options) Check() error {
	_, err := o.check()
	return err
}

// check returns the options with the defaults filled in, or all errors in them.
func (o Options) check() (Options, error) {
	var faults []error
	if o.Addr == "" {
		faults = append(faults, errors.New("no address to serve at; set HEADROOM_ADDR, for example to 127.0.0.1:8080"))
	}
	if o.L1MinBytes < 0 || o.L1MaxBytes < 0 || o.WarmResources < 0 {
		faults = append(faults, errors.New("HEADROOM_L1_MIN_BYTES, HEADROOM_L1_MAX_BYTES and HEADROOM_WARM_RESOURCES "+
			"must not be negative"))
	}
	if o.L1Bytes < 0 || o.PostgresMaxConns < 0 || o.PostgresReplicaMaxLag < 0 || o.SlowQuery < 0 ||
		o.ShutdownGrace < 0 || o.DrainDelay < 0 {
		faults = append(faults, errors.New("HEADROOM_L1_BYTES, HEADROOM_POSTGRES_MAX_CONNS, "+
			"HEADROOM_POSTGRES_REPLICA_MAX_LAG, HEADROOM_SLOW_QUERY, HEADROOM_DRAIN_DELAY and "+
			"HEADROOM_SHUTDOWN_GRACE must not be negative"))
	}
	if n := len(o.CursorKey); n > 0 && n < minCursorKey {
		faults = append(faults, fmt.Errorf("HEADROOM_CURSOR_KEY has %d characters, and must have %d or more; openssl "+
			"rand -hex 32 makes one", n, minCursorKey))
	}
	if o.AdminAddr != "" {
		if err := checkLoopback(o.AdminAddr); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, o.checkMiddleware()...)
	faults = append(faults, o.checkTimeouts()...)
	faults = append(faults, o.checkPolicies()...)
	faults = append(faults, o.checkCache()...)
	faults = append(faults, o.checkEdges()...)
	faults = append(faults, o.checkExplanations()...)
	faults = append(faults, o.checkAuthentication()...)
	faults = append(faults, o.checkSlowdown()...)
	faults = append(faults, o.checkTuning()...)
	return o.withDefaults(), errors.Join(faults...)
}

// checkServers returns an error for each missing server.
func (o Options) checkServers() error {
	var faults []error
	if o.PostgresURL == "" {
		faults = append(faults, errors.New("no Postgres; set HEADROOM_POSTGRES_URL to "+
			"postgres://user:password@host:port/database"))
	}
	if o.CacheURL == "" {
		faults = append(faults, errors.New("no cache; set HEADROOM_CACHE_URL to redis://host:port/0"))
	}
	return errors.Join(faults...)
}

func (o Options) checkMiddleware() (faults []error) {
	if o.RequestTimeout < 0 || o.RequestTimeout > maxRequestTimeout {
		faults = append(faults, fmt.Errorf("HEADROOM_REQUEST_TIMEOUT is %s; set it to at most %s, or not at "+
			"all for 30s", o.RequestTimeout, maxRequestTimeout))
	}
	if o.ComplianceEvery < 0 || o.CostMonths < 0 || o.CostMonths > maxCostMonths {
		faults = append(faults, fmt.Errorf("HEADROOM_COMPLIANCE_EVERY must not be negative, and HEADROOM_COST_MONTHS "+
			"must be from 0 to %d", maxCostMonths))
	}
	if o.SlowRequest < 0 || o.MaxUnderWay < 0 || o.RateBurst < 0 {
		faults = append(faults, errors.New("HEADROOM_SLOW_REQUEST, HEADROOM_MAX_UNDER_WAY and HEADROOM_RATE_BURST "+
			"must not be negative"))
	}
	if o.Streams < 0 || o.StreamHeartbeat < 0 || o.StreamWriteTimeout < 0 {
		faults = append(faults, errors.New("HEADROOM_STREAMS, HEADROOM_STREAM_HEARTBEAT and "+
			"HEADROOM_STREAM_WRITE_TIMEOUT must not be negative"))
	}
	if o.GraphQLMaxDepth < 0 || o.GraphQLMaxCost < 0 || o.GraphQLMaxBytes < 0 {
		faults = append(faults, errors.New("HEADROOM_GRAPHQL_MAX_DEPTH, HEADROOM_GRAPHQL_MAX_COST and "+
			"HEADROOM_GRAPHQL_MAX_BYTES must not be negative"))
	}
	if o.StreamBufferBytes != 0 && o.StreamBufferBytes < minStreamBuffer {
		faults = append(faults, fmt.Errorf("HEADROOM_STREAM_BUFFER_BYTES is %d; set it to at least %d, the largest "+
			"request, or not at all for %d", o.StreamBufferBytes, minStreamBuffer, realtime.DefaultBufferBytes))
	}
	if o.RateLimit > maxRateLimit {
		faults = append(faults, fmt.Errorf("HEADROOM_RATE_LIMIT is %d; set it to at most %d, or to -1 for no limit",
			o.RateLimit, maxRateLimit))
	}
	if o.RateLimitShared && o.RateLimit < 0 {
		faults = append(faults, errors.New("HEADROOM_RATE_LIMIT_SHARED without a limit; set HEADROOM_RATE_LIMIT to "+
			"the requests a second that a client may send"))
	}
	if !(o.LogRequests >= 0 && o.LogRequests <= 1) { // nor is it NaN
		faults = append(faults, fmt.Errorf("HEADROOM_LOG_REQUESTS is %v; set it to a number from 0 (none) to 1 (all)",
			o.LogRequests))
	}
	if !(o.TraceRatio >= 0 && o.TraceRatio <= 1) { // nor is it NaN
		faults = append(faults, fmt.Errorf("HEADROOM_TRACE_RATIO is %v; set it to a number from 0 (none) to 1 (all)",
			o.TraceRatio))
	}
	return faults
}

func (o Options) checkEdges() (faults []error) {
	if o.EdgeTTL < 0 || o.EdgeTTL%time.Second != 0 {
		faults = append(faults, fmt.Errorf("HEADROOM_EDGE_TTL is %s; set it to whole seconds, such as 5s", o.EdgeTTL))
	}
	all := listed(o.EdgeURLs)
	for i, url := range all {
		if slices.Contains(all[:i], url) {
			faults = append(faults, fmt.Errorf("HEADROOM_EDGE_URLS has %s twice; remove one", url))
		}
		err := edge.CheckURL(url)
		if err != nil {
			faults = append(faults, fmt.Errorf("HEADROOM_EDGE_URLS: %w", err))
		}
	}
	switch urls := len(all) > 0; {
	case urls && o.EdgeTTL == 0:
		faults = append(faults, errors.New("HEADROOM_EDGE_URLS without HEADROOM_EDGE_TTL: the edges may keep nothing; "+
			"set it to how long they may, such as 60s"))
	case urls && len(o.EdgeToken) < minEdgeToken:
		faults = append(faults, fmt.Errorf("HEADROOM_EDGE_TOKEN has %d characters, and must have %d or more; openssl "+
			"rand -hex 32 makes one", len(o.EdgeToken), minEdgeToken))
	case !urls && o.EdgeToken != "":
		faults = append(faults, errors.New("HEADROOM_EDGE_TOKEN without HEADROOM_EDGE_URLS: no edge would be told "+
			"anything"))
	}
	return faults
}

// authenticates reports whether requests need a token.
func (o Options) authenticates() bool { return o.AuthJWKS != "" || o.AuthSharedKey != "" }

func (o Options) checkAuthentication() (faults []error) {
	if o.AuthJWKS != "" && o.AuthSharedKey != "" {
		faults = append(faults, errors.New("HEADROOM_AUTH_JWKS and HEADROOM_AUTH_SHARED_KEY exclude each other: set "+
			"the one by which tokens are signed"))
	}
	if n := len(o.AuthSharedKey); n > 0 && n < minSharedKey {
		faults = append(faults, fmt.Errorf("HEADROOM_AUTH_SHARED_KEY has %d characters, and must have %d or more; "+
			"openssl rand -hex 32 makes one", n, minSharedKey))
	}
	if !o.authenticates() && (o.AuthIssuer != "" || o.AuthAudience != "" || o.AuthTenantClaim != "") {
		faults = append(faults, errors.New("HEADROOM_AUTH_ISSUER, HEADROOM_AUTH_AUDIENCE or "+
			"HEADROOM_AUTH_TENANT_CLAIM without a key: no request would be "+
			"authenticated; set HEADROOM_AUTH_JWKS or HEADROOM_AUTH_SHARED_KEY"))
	}
	if o.authenticates() && o.AllowUnauthenticated {
		faults = append(faults, errors.New("HEADROOM_ALLOW_UNAUTHENTICATED together with authentication: unset it, "+
			"or HEADROOM_AUTH_JWKS and HEADROOM_AUTH_SHARED_KEY"))
	}
	if o.authenticates() && o.EdgeTTL > 0 {
		faults = append(faults, errors.New("HEADROOM_EDGE_TTL together with authentication: a cache in front of this "+
			"server would answer without a token; unset it"))
	}
	for _, proxy := range o.trustedProxies() {
		_, errAddress := netip.ParseAddr(proxy)
		if _, err := netip.ParsePrefix(proxy); err != nil && errAddress != nil {
			faults = append(faults, fmt.Errorf("HEADROOM_TRUSTED_PROXIES has %q; set it to addresses or networks, "+
				"such as 10.0.0.7,192.168.0.0/16", proxy))
		}
	}
	return faults
}

func (o Options) checkSlowdown() (faults []error) {
	for _, setting := range []struct {
		name  string
		value time.Duration
	}{{"HEADROOM_SLOWDOWN_CPU", o.SlowdownCPU}, {"HEADROOM_SLOWDOWN_DELAY", o.SlowdownDelay}} {
		if setting.value < 0 || setting.value > maxSlowdown {
			faults = append(faults, fmt.Errorf("%s is %s; set it to at most %s, or not at all", setting.name,
				setting.value, maxSlowdown))
		}
	}
	switch {
	case o.SlowdownEvery < 0:
		faults = append(faults, errors.New("HEADROOM_SLOWDOWN_EVERY must not be negative; set it to 100 to "+
			"slow down one "+
			"request in 100"))
	case o.SlowdownEvery > 0 && !o.slowdown().IsSet():
		faults = append(faults, errors.New("HEADROOM_SLOWDOWN_EVERY without a slowdown: set HEADROOM_SLOWDOWN_CPU or "+
			"HEADROOM_SLOWDOWN_DELAY"))
	}
	return faults
}

func (o Options) slowdown() middleware.Slowdown {
	return middleware.Slowdown{CPU: o.SlowdownCPU, Delay: o.SlowdownDelay, Every: o.SlowdownEvery}
}

func (o Options) trustedProxies() []string { return listed(o.TrustedProxies) }

// listed returns the parts of a list whose separators are commas.
func listed(list string) (parts []string) {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// checkReach refuses an address that other machines can reach unless requests are authenticated.
func (o Options) checkReach(addr net.Addr) error {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsLoopback() || o.authenticates() || o.AllowUnauthenticated {
		return nil
	}
	return fmt.Errorf("HEADROOM_ADDR is %s, which other machines reach, and without authentication whoever sends a "+
		"tenant's id has its data: "+
		"set HEADROOM_AUTH_JWKS or HEADROOM_AUTH_SHARED_KEY, or a loopback address, or "+
		"HEADROOM_ALLOW_UNAUTHENTICATED=true where "+
		"something in front of this server authenticates requests", o.Addr)
}

func (o Options) withDefaults() Options {
	o.AuthTenantClaim = cmp.Or(o.AuthTenantClaim, defaultTenantClaim)
	o.L1Bytes = cmp.Or(o.L1Bytes, defaultL1Bytes)
	o.PrefetchThreshold = cmp.Or(o.PrefetchThreshold, cache.DefaultPrefetchThreshold)
	o.CompressionThreshold = cmp.Or(o.CompressionThreshold, defaultCompressed)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	o.StatementTimeout = cmp.Or(o.StatementTimeout, min(store.DefaultStatementTimeout, o.RequestTimeout))
	o.LockTimeout = cmp.Or(o.LockTimeout, min(store.DefaultLockTimeout, o.StatementTimeout))
	o.ShutdownGrace = cmp.Or(o.ShutdownGrace, defaultShutdownGrace)
	o.ComplianceEvery = cmp.Or(o.ComplianceEvery, defaultCompliance)
	o = o.withExplanations()
	o.SlowRequest = cmp.Or(o.SlowRequest, defaultSlowRequest)
	o.MaxUnderWay = cmp.Or(o.MaxUnderWay, defaultMaxUnderWay)
	o.RateLimit = cmp.Or(o.RateLimit, defaultRateLimit)
	limits := o.policyLimits().WithDefaults()
	o.PolicyTime, o.PolicyMemoryPages = limits.Time, limits.MemoryPages
	o.PolicyModuleBytes, o.PolicyCacheBytes = limits.ModuleBytes, limits.CacheBytes
	o.Streams = cmp.Or(o.Streams, realtime.DefaultMaxSubscribers)
	o.StreamHeartbeat = cmp.Or(o.StreamHeartbeat, defaultHeartbeat)
	o.StreamWriteTimeout = cmp.Or(o.StreamWriteTimeout, defaultStreamTimeout)
	o.StreamBufferBytes = cmp.Or(o.StreamBufferBytes, realtime.DefaultBufferBytes)
	o.GraphQLMaxDepth = cmp.Or(o.GraphQLMaxDepth, graphql.DefaultMaxDepth)
	o.GraphQLMaxCost = cmp.Or(o.GraphQLMaxCost, graphql.DefaultMaxCost)
	o.GraphQLMaxBytes = cmp.Or(o.GraphQLMaxBytes, graphql.DefaultMaxBytes)
	if o.RateLimit > 0 {
		o.RateBurst = cmp.Or(o.RateBurst, o.RateLimit)
	}
	o.Tuning = cmp.Or(o.Tuning, string(tuning.Advise))
	o.TuningWindow = cmp.Or(o.TuningWindow, defaultTuningWindow)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

// checkLoopback accepts only IP addresses, because a name can resolve to another address later.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("admin address %q: %w; set HEADROOM_ADMIN_ADDR to, for example, 127.0.0.1:8081", addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("admin address %q is not on loopback, and profiles and measurements are for this "+
			"machine only; "+
			"set HEADROOM_ADMIN_ADDR to, for example, 127.0.0.1:8081", addr)
	}
	return nil
}

package scenarios

import "slices"

// MetricName is the name of a metric in thresholds.
type MetricName string

// The metrics. Those of requests are k6's where k6 has one.
const (
	// response time, from the instant at which the request was due
	HTTPReqDuration MetricName = "http_req_duration"
	// service time, from the instant at which it was sent
	HTTPReqServiceDuration MetricName = "http_req_service_duration"
	// from the instant at which it was sent to the first byte of the answer
	HTTPReqWaiting MetricName = "http_req_waiting"
	// the TLS handshake of the connection that a request was the first on
	HTTPReqTLSHandshaking MetricName = "http_req_tls_handshaking"

	HTTPReqs          MetricName = "http_reqs"
	HTTPReqFailed     MetricName = "http_req_failed"
	HTTPReqCacheHit   MetricName = "http_req_cache_hit" // share of the responses whose X-Cache names a cache
	Checks            MetricName = "checks"             // share of the checks that responses passed
	DataSent          MetricName = "data_sent"          // bodies only
	DataReceived      MetricName = "data_received"      // bodies only
	DroppedIterations MetricName = "dropped_iterations"
	ScheduleLag       MetricName = "schedule_lag" // actual minus intended instant of sending
	// of whole flows, from the instant at which the first request was due, with pauses
	IterationDuration MetricName = "iteration_duration"
	DBQueryDuration   MetricName = "db_query_duration" // as the reference server measures it
	CacheHitRatio     MetricName = "cache_hit_ratio"   // as the reference server counts it
	ServerMetric      MetricName = "server_metric"     // of the service's endpoint of metrics, by the tag name

	// Those of requests with streamed answers. Times to the first count from the instant at which the request was due.
	HTTPReqFirstEvent MetricName = "http_req_first_event"
	HTTPReqEventGap   MetricName = "http_req_event_gap"
	HTTPReqEvents     MetricName = "http_req_events"
	HTTPReqFirstToken MetricName = "http_req_first_token"
	HTTPReqTokenGap   MetricName = "http_req_token_gap"
	HTTPReqTokens     MetricName = "http_req_tokens"
	// completions that met the limits of their request, and their share of all requests
	HTTPReqGoodput MetricName = "http_req_goodput"
	HTTPReqGood    MetricName = "http_req_good"

	// Those of subscribers' streams.
	StreamDelivery   MetricName = "stream_delivery"    // receipt of an event minus the time that stands in it
	StreamFirstByte  MetricName = "stream_first_byte"  // from the instant at which a stream was due to be opened
	StreamFirstEvent MetricName = "stream_first_event" // likewise
	StreamGap        MetricName = "stream_gap"         // from an event to the next one of the same subscriber
	StreamEvents     MetricName = "stream_events"
	StreamBreaks     MetricName = "stream_breaks"    // streams that ended before the load did
	StreamConnected  MetricName = "stream_connected" // share of their time for which subscribers had a stream
	StreamRepeated   MetricName = "stream_repeated"  // events whose id was not above those before it
	StreamMissed     MetricName = "stream_missed"    // ids that were left out from an event to the next one

	// Of the pages that a browser loads; package browser of loadgen has their definitions.
	BrowserFCP      MetricName = "browser_fcp"      // first contentful paint
	BrowserLCP      MetricName = "browser_lcp"      // largest contentful paint
	BrowserCLS      MetricName = "browser_cls"      // cumulative layout shift
	BrowserINP      MetricName = "browser_inp"      // interaction to next paint
	BrowserTTFB     MetricName = "browser_ttfb"     // first byte of the document
	BrowserLoad     MetricName = "browser_load"     // end of the load event
	BrowserBytes    MetricName = "browser_bytes"    // received by a page, headers included
	BrowserRequests MetricName = "browser_requests" // that a page sends

	// Of long runs: what the processes hold, once a second of the measured time, and whether it grows.
	GeneratorMemory       MetricName = "generator_memory" // resident
	GeneratorMemoryGrowth MetricName = "generator_memory_growth"
	GeneratorFiles        MetricName = "generator_files" // file descriptors
	GeneratorGoroutines   MetricName = "generator_goroutines"
	ServerMemory          MetricName = "server_memory"
	ServerMemoryGrowth    MetricName = "server_memory_growth"
	ServerFiles           MetricName = "server_files"
	ServerGoroutines      MetricName = "server_goroutines"
	// P95 of the response time near the end over that near the beginning
	P95Drift MetricName = "p95_drift"
)

// Metric is a row of the table of metrics.
type Metric struct {
	Name     MetricName
	Kind     MetricKind
	Unit     string   // of its values: "ms", "B" (bytes), or "" for shares and plain counts
	Tags     []string // that select from it; [RequestTags] stands for all tags of requests
	Windowed []string // the aggregations that can be judged in windows; nil: none
	From     MetricSource
}

// MetricKind decides which aggregations a metric has.
type MetricKind int

// The kinds of metrics.
const (
	Trend   MetricKind = iota // a distribution: avg, min, med, max, p(N)
	Counter                   // count, and rate per second
	Rate                      // rate, a share from 0 to 1
	Single                    // one value of the whole run
	Figure                    // of a kind that is known when the service is asked
)

// MetricSource is where the values of a metric come from.
type MetricSource int

// The sources of metrics.
const (
	FromRequests  MetricSource = iota // what became of each request
	FromSchedule                      // how the schedule of a scenario was kept
	FromServer                        // the reference server's own account
	FromArm                           // the processes of one arm of an experiment
	FromStreams                       // the streams of subscribers
	FromPages                         // what a browser measures of each page
	FromFlows                         // the iterations of flows
	FromGenerator                     // the generator's process
	FromSeconds                       // the seconds of a scenario
	FromMetrics                       // what the service says in the format of Prometheus
)

// duringRun reports whether a run knows the metrics of a source while it goes on.
func (s MetricSource) duringRun() bool {
	switch s {
	case FromRequests, FromSchedule, FromStreams, FromFlows, FromPages:
		return true
	}
	return false
}

// RequestTags in Metric.Tags stands for scenario, name, method, stage, flow and the tags that the file sets.
const RequestTags = "*"

// Tags that metrics know beside those that the file sets.
const (
	tagScenario = "scenario"
	tagName     = "name"
	tagMethod   = "method"
	tagFlow     = "flow"
	tagCheck    = "check"
	tagQuery    = "query"
	tagTier     = "tier"
)

// Metrics are all metrics, in the order of the documentation. A new metric is a row here and a case where package
// judge aggregates those of its source.
var Metrics = []Metric{
	{HTTPReqDuration, Trend, "ms", []string{RequestTags}, aggregations[Trend], FromRequests},
	{HTTPReqServiceDuration, Trend, "ms", []string{RequestTags}, aggregations[Trend], FromRequests},
	{HTTPReqWaiting, Trend, "ms", []string{RequestTags}, nil, FromRequests},
	{HTTPReqTLSHandshaking, Trend, "ms", []string{RequestTags}, nil, FromRequests},
	{HTTPReqs, Counter, "", []string{RequestTags}, []string{"rate"}, FromRequests},
	{HTTPReqFailed, Rate, "", []string{RequestTags}, []string{"rate"}, FromRequests},
	{HTTPReqCacheHit, Rate, "", []string{RequestTags}, nil, FromRequests},
	{Checks, Rate, "", []string{RequestTags, tagCheck}, nil, FromRequests},
	{DataSent, Counter, "B", []string{RequestTags}, nil, FromRequests},
	{DataReceived, Counter, "B", []string{RequestTags}, nil, FromRequests},
	{HTTPReqFirstEvent, Trend, "ms", []string{RequestTags}, nil, FromRequests},
	{HTTPReqEventGap, Trend, "ms", []string{RequestTags}, nil, FromRequests},
	{HTTPReqEvents, Counter, "", []string{RequestTags}, nil, FromRequests},
	{HTTPReqFirstToken, Trend, "ms", []string{RequestTags}, nil, FromRequests},
	{HTTPReqTokenGap, Trend, "ms", []string{RequestTags}, nil, FromRequests},
	{HTTPReqTokens, Counter, "", []string{RequestTags}, nil, FromRequests},
	{HTTPReqGoodput, Counter, "", []string{RequestTags}, nil, FromRequests},
	{HTTPReqGood, Rate, "", []string{RequestTags}, nil, FromRequests},
	{DroppedIterations, Counter, "", []string{tagScenario}, nil, FromSchedule},
	{ScheduleLag, Trend, "ms", []string{tagScenario}, nil, FromSchedule},
	{IterationDuration, Trend, "ms", []string{tagScenario, tagFlow}, nil, FromFlows},
	{DBQueryDuration, Trend, "ms", []string{tagScenario, tagQuery}, nil, FromServer},
	{CacheHitRatio, Rate, "", []string{tagScenario, tagTier}, nil, FromServer},           // without tier: overall
	{ServerMetric, Figure, "", []string{tagScenario}, aggregations[Figure], FromMetrics}, // and by name and any label
	{StreamDelivery, Trend, "ms", []string{tagScenario}, nil, FromStreams},
	{StreamFirstByte, Trend, "ms", []string{tagScenario}, nil, FromStreams},
	{StreamFirstEvent, Trend, "ms", []string{tagScenario}, nil, FromStreams},
	{StreamGap, Trend, "ms", []string{tagScenario}, nil, FromStreams},
	{StreamEvents, Counter, "", []string{tagScenario}, nil, FromStreams},
	{StreamBreaks, Counter, "", []string{tagScenario}, nil, FromStreams},
	{StreamConnected, Rate, "", []string{tagScenario}, nil, FromStreams},
	{StreamRepeated, Counter, "", []string{tagScenario}, nil, FromStreams},
	{StreamMissed, Counter, "", []string{tagScenario}, nil, FromStreams},
	{BrowserFCP, Trend, "ms", []string{RequestTags}, nil, FromPages},
	{BrowserLCP, Trend, "ms", []string{RequestTags}, nil, FromPages},
	{BrowserCLS, Trend, "", []string{RequestTags}, nil, FromPages},
	{BrowserINP, Trend, "ms", []string{RequestTags}, nil, FromPages},
	{BrowserTTFB, Trend, "ms", []string{RequestTags}, nil, FromPages},
	{BrowserLoad, Trend, "ms", []string{RequestTags}, nil, FromPages},
	{BrowserBytes, Trend, "B", []string{RequestTags}, nil, FromPages},
	{BrowserRequests, Trend, "", []string{RequestTags}, nil, FromPages},
	{GeneratorMemory, Trend, "B", nil, nil, FromGenerator},
	{GeneratorMemoryGrowth, Single, "B/min", nil, nil, FromGenerator},
	{GeneratorFiles, Trend, "", nil, nil, FromGenerator},
	{GeneratorGoroutines, Trend, "", nil, nil, FromGenerator},
	{ServerMemory, Trend, "B", nil, nil, FromServer},
	{ServerMemoryGrowth, Single, "B/min", nil, nil, FromServer},
	{ServerFiles, Trend, "", nil, nil, FromServer},
	{ServerGoroutines, Trend, "", nil, nil, FromServer},
	{P95Drift, Single, "", []string{tagScenario}, nil, FromSeconds},
}

// aggregations are those of each kind.
var aggregations = [...][]string{
	Trend:   {"avg", "min", "med", "max", "p(N)"},
	Counter: {"count", "rate"},
	Rate:    {"rate"},
	Single:  {onlyValue},
	Figure:  {"count", "rate", "avg", "min", "med", "max", "p(N)", "last"},
}

// Metric returns the row of a name. ok is false for an unknown name.
func (n MetricName) Metric() (m Metric, ok bool) {
	i := slices.IndexFunc(Metrics, func(m Metric) bool { return m.Name == n })
	if i < 0 {
		return Metric{}, false
	}
	return Metrics[i], true
}

// IsShare reports whether the values of a metric are shares of 1.
func (n MetricName) IsShare() bool {
	m, ok := n.Metric()
	return ok && m.Kind == Rate
}

// PerRequest reports whether a metric is of requests, so that the tags of requests select from it.
func (n MetricName) PerRequest() bool {
	m, ok := n.Metric()
	if !ok {
		compared, _ := n.RegressionMetric()
		m = compared.Metric
	}
	return m.perRequest()
}

func (m Metric) perRequest() bool { return slices.Contains(m.Tags, RequestTags) }

// Streamed is how the answers are streamed that a metric is of; "" for any other metric.
func (n MetricName) Streamed() Streaming {
	switch n {
	case HTTPReqFirstEvent, HTTPReqEventGap, HTTPReqEvents:
		return StreamSSE
	case HTTPReqFirstToken, HTTPReqTokenGap, HTTPReqTokens, HTTPReqGoodput, HTTPReqGood:
		return StreamOpenAI
	}
	return ""
}

// Has reports whether answers that are streamed so have a metric.
func (s Streaming) Has(metric MetricName) bool {
	kind := metric.Streamed()
	return s == kind || s == StreamGRPC && kind == StreamSSE
}

// mayStream reports whether a request may have what metrics of answers are of that are streamed so. Whether a call of
// gRPC streams, its descriptor says, once that is known.
func (q *Request) mayStream(kind Streaming) bool {
	if q.Call != nil {
		return kind == StreamSSE && (q.Stream == StreamGRPC || q.Call.Of == nil)
	}
	return q.Stream == kind
}

// cacheTiers are the values of the tag tier. That of the edge is there only where the environment has one.
var cacheTiers = []string{"l1", "l2", "l3", "overall"}

// EdgeTier is the value of the tag tier for the cache before the service.
const EdgeTier = "edge"

// queryNames are the values of the tag query: the names under which server/store measures its queries, in its order. A
// test holds that the two lists are the same, and that docs/scenarios.md says so.
var queryNames = []string{
	"append_event",
	"compliance_summary",
	"cost_histories",
	"cost_series",
	"cost_totals",
	"count_resources",
	"create_policy",
	"create_resource",
	"delete_cache_entries",
	"delete_policy",
	"delete_resource",
	"estimate_resources",
	"expire_cache_entries",
	"find_cache_entries",
	"follow_events",
	"get_policy",
	"get_policy_module",
	"get_resource",
	"insert_resources",
	"largest_tenants",
	"list_current_evaluations",
	"list_evaluations",
	"list_policies",
	"list_resources",
	"read_cache_entry",
	"read_stream",
	"recent_costs",
	"recent_resources",
	"record_evaluations",
	"refresh_compliance",
	"replace_policy",
	"replace_resource",
	"retire_evaluations",
	"set_policy_rule",
	"upsert_costs",
	"write_cache_entry",
}

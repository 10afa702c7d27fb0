package api

import (
	"net/http"
	"strconv"
	"time"
	"unsafe"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/middleware"
)

// exchange is one request and its response, as the middleware sees them. It is the writer of its gin.Context, and the
// only allocation of the middleware for a request: the values of the headers that belong to this request alone are
// written into it, one after the other. (It cannot be reused, because net/http reads headers after the handler has
// returned.)
type exchange struct {
	gin.ResponseWriter
	began time.Duration // in the time of now
	// What the cache did: the level that answered and how long it took. lookedUp reports whether it was asked.
	level    cache.Level
	lookedUp bool
	lookup   time.Duration
	// performance reports whether the client wants timings in the body too.
	performance bool
	inside      bool // the gate
	trusted     bool // the header X-Tenant-Id is that of a token
	measured    bool
	route       *routeMetrics
	span        trace.Span // nil for a request that is not recorded
	requestID   []string

	used int // of text
	// values has room for the id, the limit twice (by address and then by tenant, where a token is new), the surrogate
	// key, and the timing: tokens and edges exclude each other.
	values [6]string
	filled int // of values
	text   [128]byte
}

// processStart is the origin of times: a monotonic clock that takes half the time of time.Now to read.
var processStart = time.Now()

func now() time.Duration { return time.Since(processStart) }

// exchangeOf returns nil outside of the middleware.
func exchangeOf(c *gin.Context) *exchange {
	x, _ := c.Writer.(*exchange)
	return x
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// space returns the slice to which the next header's text can be appended.
func (x *exchange) space() []byte { return x.text[x.used:x.used] }

// headerValue makes a header's value of what was appended to [exchange.space], without allocating. That part is not
// written again. (Text that outgrew the exchange has moved to its own array, which works too.)
func (x *exchange) headerValue(text []byte) []string {
	if x.used+len(text) <= len(x.text) {
		x.used += len(text)
	}
	x.values[x.filled] = unsafe.String(unsafe.SliceData(text), len(text))
	x.filled++
	return x.values[x.filled-1 : x.filled : x.filled]
}

// WriteHeader adds the headers that are only known now. All senders call it. What L1 answers takes microseconds, and
// has no Server-Timing unless it is asked for: net/http's map of eight headers is one allocation, and so is its copy of
// it. A ninth header would add five, of 1,152 bytes.
func (x *exchange) WriteHeader(status int) {
	fromL1 := x.lookedUp && x.level == cache.L1
	if !x.Written() && x.filled < len(x.values) && (x.performance || !fromL1) {
		x.Header()["Server-Timing"] = x.headerValue(x.appendTiming(x.space()))
	}
	x.ResponseWriter.WriteHeader(status)
}

// appendTiming appends the value of Server-Timing (W3C Server Timing): cache;desc=<level>;dur=<ms>, total;dur=<ms>.
func (x *exchange) appendTiming(b []byte) []byte {
	if x.lookedUp {
		b = append(b, "cache;desc="...)
		b = append(b, cacheLevels[x.level][0]...)
		b = append(b, ";dur="...)
		b = appendMilliseconds(b, x.lookup)
		b = append(b, ", "...)
	}
	b = append(b, "total;dur="...)
	return appendMilliseconds(b, now()-x.began)
}

// appendMilliseconds appends d in milliseconds to three decimals.
func appendMilliseconds(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

// appendPerformance appends the timings as JSON. query_time_ms is the time of a lookup that no level could answer.
func (x *exchange) appendPerformance(b []byte) []byte {
	query := time.Duration(0)
	if x.lookedUp && x.level == cache.Miss {
		query = x.lookup
	}
	b = append(b, `{"query_time_ms":`...)
	b = appendMilliseconds(b, query)
	b = append(b, `,"total_time_ms":`...)
	b = appendMilliseconds(b, now()-x.began)
	if !x.lookedUp {
		return append(b, `,"cache_hit":false}`...)
	}
	b = append(b, `,"cache_hit":`...)
	b = strconv.AppendBool(b, x.level != cache.Miss)
	b = append(b, `,"cache_level":"`...)
	b = append(b, cacheLevels[x.level][0]...)
	return append(b, `"}`...)
}

// wrapped is {"data":<body>,"performance":{…}}.
func (x *exchange) wrapped(body []byte) []byte {
	b := make([]byte, 0, len(body)+160)
	b = append(b, `{"data":`...)
	b = append(b, body...)
	b = append(b, `,"performance":`...)
	return append(x.appendPerformance(b), '}')
}

func (x *exchange) limitHeaders(v middleware.Verdict) {
	header := x.Header()
	header["X-Ratelimit-Remaining"] = x.headerValue(strconv.AppendInt(x.space(), v.Remaining, 10))
	header["X-Ratelimit-Reset"] = x.headerValue(strconv.AppendInt(x.space(), ceilSeconds(v.Reset), 10))
}

func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

package stream

import (
	"net/http"
	"strconv"
	"time"
)

const (
	// leastRetry bounds how often a subscriber of a service tries again that asks it to do so at once.
	leastRetry = 10 * time.Millisecond
	// mostBackoff bounds how far failed attempts, and the Retry-After of their answers, put off the next one.
	mostBackoff = 30 * time.Second
	// manyFailures are no longer counted: no time is doubled so often.
	manyFailures = 32
)

// isTemporary reports whether an answer's status says that the service, or a gateway before it, cannot answer for now
// (RFC 9110, sections 15.6.3 to 15.6.5). An EventSource gives up on these as well. Clients that are to come through a
// restart do not.
func isTemporary(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// backoff is the pause before the next attempt, after so many that failed before the present one failed: the
// reconnection time, doubled with each of them up to mostBackoff. The HTML standard (section 9.2.3) suggests so.
func backoff(reconnection time.Duration, failures uint8) time.Duration {
	pause := max(reconnection, leastRetry)
	for ; failures > 0 && pause < mostBackoff; failures-- {
		pause = min(2*pause, mostBackoff)
	}
	return pause
}

// retryAfter is the time that a Retry-After asks for (RFC 9110, section 10.2.3), up to mostBackoff; 0 where it asks for
// none.
func retryAfter(text string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(text, 10, 64)
	if err == nil {
		return time.Duration(min(seconds, uint64(mostBackoff/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), mostBackoff)
}

package loadgen

import (
	"strings"

	"github.com/policycortex/headroom/results"
)

// The classes of errors, but for "status NNN".
const (
	errorTimeout    = results.ErrorTimeout
	errorUnanswered = results.ErrorUnanswered
	errorRefused    = "connection refused"
	errorReset      = "connection reset"
	errorClosed     = "connection closed before the answer ended"
	errorTurnedAway = "refused by the server: HTTP/2 GOAWAY or REFUSED_STREAM"
	errorLookup     = results.ErrorLookup
	errorNoFiles    = results.ErrorNoFiles
	errorNoPorts    = results.ErrorNoPorts
	errorTLS        = "TLS"
	errorMalformed  = "malformed answer"
	errorRedirects  = "too many redirects"
	errorOther      = results.ErrorOther
	errorCut        = results.ErrorCut
)

// classify finds the class of an error's text; vegeta hands on nothing else. ended tells a request that the end of the
// run cut off from one that gracefulStop did.
func classify(text string, ended bool) string {
	for _, c := range [...]struct{ sign, class string }{
		{"context deadline exceeded", errorTimeout},
		{"i/o timeout", errorTimeout},
		{"context canceled", errorUnanswered},
		{"operation was canceled", errorUnanswered},           // a dial
		{"use of closed network connection", errorUnanswered}, // by us: nobody else closes our end
		{"connection refused", errorRefused},
		{"connection reset", errorReset},
		{"broken pipe", errorReset},
		{"cannot assign requested address", errorNoPorts},
		{"too many open files", errorNoFiles},
		{goneAway, errorTurnedAway},
		{"REFUSED_STREAM", errorTurnedAway},
		{"GOAWAY", errorClosed},
		{notUsable, errorClosed},
		{notEstablished, errorClosed},
		{"client connection lost", errorClosed},
		{"EOF", errorClosed},
		{"server closed idle connection", errorClosed},
		{"no such host", errorLookup},
		{"tls: ", errorTLS},
		{"HTTP response to HTTPS client", errorTLS},
		{"x509: ", errorTLS},
		{"malformed", errorMalformed},
		{"Content-Length", errorMalformed},
		{"transfer encoding", errorMalformed},
		{"chunk", errorMalformed},
		{"trailer", errorMalformed},
		{"response headers exceeded", errorMalformed},
		{tooManyRedirects, errorRedirects},
	} {
		if strings.Contains(text, c.sign) {
			if c.class == errorUnanswered && ended {
				return errorCut
			}
			return c.class
		}
	}
	return errorOther
}

// Package record counts what became of requests.
package record

import (
	"errors"
	"strings"
	"syscall"

	"github.com/policycortex/headroom/results"
)

// The classes of errors other than "status NNN".
const (
	ErrorTimeout    = results.ErrorTimeout
	ErrorUnanswered = results.ErrorUnanswered
	ErrorRefused    = "connection refused"
	ErrorReset      = "connection reset"
	ErrorClosed     = "connection closed before the answer ended"
	ErrorTurnedAway = "refused by the server: HTTP/2 GOAWAY or REFUSED_STREAM"
	ErrorStream     = "HTTP/2 stream reset by the server"
	ErrorLookup     = results.ErrorLookup
	ErrorNoFiles    = results.ErrorNoFiles
	ErrorNoPorts    = results.ErrorNoPorts
	ErrorTLS        = "TLS"
	ErrorMalformed  = "malformed answer"
	ErrorRedirects  = "too many redirects"
	ErrorOther      = results.ErrorOther
	ErrorCut        = results.ErrorCut
)

// ClassOfText is the class of an error's text, which is all that net/http and vegeta leave of many errors. ended
// distinguishes a request that the end of the run cut off from one that the end of gracefulStop did.
func ClassOfText(text string, ended bool) string {
	for _, c := range [...]struct{ sign, class string }{
		{"context deadline exceeded", ErrorTimeout},
		{"i/o timeout", ErrorTimeout},
		{"context canceled", ErrorUnanswered},
		{"operation was canceled", ErrorUnanswered},           // a dial
		{"use of closed network connection", ErrorUnanswered}, // by us: nobody else closes our end
		{"connection refused", ErrorRefused},
		{"connection reset", ErrorReset},
		{"broken pipe", ErrorReset},
		{"cannot assign requested address", ErrorNoPorts},
		{"too many open files", ErrorNoFiles},
		{"graceful shutdown GOAWAY", ErrorTurnedAway},
		{"REFUSED_STREAM", ErrorTurnedAway},
		{"GOAWAY", ErrorClosed},
		{"received from peer", ErrorStream},
		{"stream error: ", ErrorMalformed},     // found by our end
		{"connection error: ", ErrorMalformed}, // the same
		{"http2: frame too large", ErrorMalformed},
		{"http2: failed reading the frame payload", ErrorMalformed},
		{"RST_STREAM", ErrorStream},
		{"client conn not usable", ErrorClosed},
		{"client conn could not be established", ErrorClosed},
		{"client connection lost", ErrorClosed},
		{"transport is closing", ErrorClosed},
		{"connection is draining", ErrorClosed},
		{"cardinality violation", ErrorMalformed}, // of gRPC, and
		{"grpc: failed to", ErrorMalformed},       // likewise, whatever else follows
		{"EOF", ErrorClosed},
		{"server closed idle connection", ErrorClosed},
		{"no such host", ErrorLookup},
		{"tls: ", ErrorTLS},
		{"authentication handshake failed", ErrorTLS},
		{"HTTP response to HTTPS client", ErrorTLS},
		{"x509: ", ErrorTLS},
		{"malformed", ErrorMalformed},
		{"unexpected HTTP status code", ErrorMalformed}, // of gRPC
		{"unexpected content-type", ErrorMalformed},     // likewise
		{"grpc: ", ErrorMalformed},
		{"Content-Length", ErrorMalformed},
		{"transfer encoding", ErrorMalformed},
		{"chunk", ErrorMalformed},
		{"trailer", ErrorMalformed},
		{"response headers exceeded", ErrorMalformed},
		{"header line too long", ErrorMalformed},
		{"redirects were followed, and the answer is another", ErrorRedirects},
	} {
		if strings.Contains(text, c.sign) {
			if c.class == ErrorUnanswered && ended {
				return ErrorCut
			}
			return c.class
		}
	}
	return ErrorOther
}

// ClassOf is the class of an error of a system call.
func ClassOf(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrorRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ErrorReset
	case errors.Is(err, syscall.ETIMEDOUT):
		return ErrorTimeout
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ErrorNoPorts
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return ErrorNoFiles
	}
	return ErrorOther
}

// IsShortage reports whether the generator could not send a request because it had no file descriptor or port left.
func IsShortage(class string) bool { return class == ErrorNoFiles || class == ErrorNoPorts }

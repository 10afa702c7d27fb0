package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/status"
)

// because is an error for a cause, with what the library says of it.
func because(cause error, state *status.Status) error {
	reason := reasonOf(state)
	if strings.Contains(reason, cause.Error()) {
		return errors.New(reason)
	}
	return fmt.Errorf("%w: %s", cause, reason)
}

// madeHere reports whether a message is one of those that grpc-go ends a call with although the service has given it a
// status: what came before the status is no answer. A service that says the very same is misread.
func madeHere(message string) bool {
	return strings.HasPrefix(message, "cardinality violation: ") || strings.HasPrefix(message, "grpc: ") ||
		message == io.ErrUnexpectedEOF.Error()
}

// wrapped is how grpc-go quotes what was wrong with a connection.
var wrapped = regexp.MustCompile(`connection error: desc = ("(?:[^"\\]|\\.)*")`)

// reasonOf is what the library says of a call that was given no status by the service, without its own code.
func reasonOf(state *status.Status) string {
	return wrapped.ReplaceAllStringFunc(state.Message(), func(text string) string {
		quoted := wrapped.FindStringSubmatch(text)[1]
		reason, err := strconv.Unquote(quoted)
		if err != nil {
			return quoted
		}
		return reason
	})
}

// expired reports whether the deadline of ctx has passed. What end the call has then, the service and the client say at
// the same time, and a service whose handler was cancelled by the deadline may say so.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= 0
}

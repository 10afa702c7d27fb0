package scenarios

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// GRPCStatus is what the codes of gRPC begin at among statuses: code c is kept as GRPCStatus+c. HTTP's have three
// digits, so one number says how a request was answered, whichever protocol it was sent by.
const GRPCStatus = 1000

// The statuses of gRPC by which a service refuses requests because of its load.
const (
	GRPCResourceExhausted = GRPCStatus + 8
	GRPCUnavailable       = GRPCStatus + 14
)

// codeNames are the codes of gRPC, by number (github.com/grpc/grpc, doc/statuscodes.md).
var codeNames = []string{
	"OK",
	"CANCELLED",
	"UNKNOWN",
	"INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION",
	"ABORTED",
	"OUT_OF_RANGE",
	"UNIMPLEMENTED",
	"INTERNAL",
	"UNAVAILABLE",
	"DATA_LOSS",
	"UNAUTHENTICATED",
}

// StatusName is a status as thresholds and reports write it: 503, or UNAVAILABLE for a code of gRPC.
func StatusName(status int) string {
	switch code := status - GRPCStatus; {
	case code < 0:
		return strconv.Itoa(status)
	case code < len(codeNames):
		return codeNames[code]
	default: // that gRPC has not
		return "CODE_" + strconv.Itoa(code)
	}
}

// StatusText is a status with what HTTP calls it: 503 Service Unavailable, or UNAVAILABLE.
func StatusText(status int) string {
	return strings.TrimRight(StatusName(status)+" "+http.StatusText(status), " ")
}

// parseStatus is the status of a name, as [StatusName] writes it; 0 stands for no answer.
func parseStatus(name string) (status int, ok bool) {
	if code := slices.Index(codeNames, name); code >= 0 {
		return GRPCStatus + code, true
	}
	status, err := strconv.Atoi(name)
	if err != nil || strconv.Itoa(status) != name || status != 0 && (status < 200 || status > 599) {
		return 0, false
	}
	return status, true
}

// codes reads the names of codes of gRPC: one, or a list.
func (r *reader) codes(n *node) (statuses []int) {
	items := n.items
	if n.kind == scalar {
		items = []*node{n}
	} else if len(items) == 0 {
		r.fault(n, "leave it out for OK", "%s is empty", n.path)
	}
	for _, item := range items {
		name := r.word(item, "", codeNames)
		if status, ok := parseStatus(name); ok && !slices.Contains(statuses, status) {
			statuses = append(statuses, status)
		}
	}
	return statuses
}

package server

import (
	"cmp"
	"fmt"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// The least that the timeouts of statements can be set to. With less hardly any statement would pass.
const (
	minStatementTimeout = 10 * time.Millisecond
	minLockTimeout      = time.Millisecond
)

// checkTimeouts holds a wait for a lock within the statement that waits, and a statement within its request: what is
// longer than that would never be reached, or go on for nobody.
func (o Options) checkTimeouts() (faults []error) {
	request := cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	if t := o.StatementTimeout; t != 0 && (t < minStatementTimeout || t > request) {
		faults = append(faults, fmt.Errorf("HEADROOM_STATEMENT_TIMEOUT is %s; set it to %s or more and at most "+
			"HEADROOM_REQUEST_TIMEOUT, which is %s, or not at all for %s", t, minStatementTimeout, request,
			min(store.DefaultStatementTimeout, request)))
	}
	statement := cmp.Or(o.StatementTimeout, min(store.DefaultStatementTimeout, request))
	if t := o.LockTimeout; t != 0 && (t < minLockTimeout || t > statement) {
		faults = append(faults, fmt.Errorf("HEADROOM_LOCK_TIMEOUT is %s; set it to %s or more and at most "+
			"HEADROOM_STATEMENT_TIMEOUT, which is %s, or not at all for %s", t, minLockTimeout, statement,
			min(store.DefaultLockTimeout, statement)))
	}
	return faults
}

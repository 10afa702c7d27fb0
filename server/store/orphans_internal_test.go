package store

import (
	"testing"
	"time"
)

// An orphan is waited for until it is gone, but not for ever: another process may have got its id.
func TestOrphansAreForgotten(t *testing.T) {
	var o orphans
	lost := time.Now()
	o.add(7)
	for _, c := range []struct {
		after        time.Duration
		alive, waits bool
	}{
		{time.Hour, true, true}, // the primary was away for so long
		{time.Hour + orphanLife, true, true},
		{time.Hour + orphanLife + 1, true, false},
	} {
		if waits := o.notice(7, c.alive, lost.Add(c.after)); waits != c.waits {
			t.Errorf("%s after the loss: it is waited for: %t, want %t", c.after, waits, c.waits)
		}
	}
	o.add(8)
	if o.notice(8, false, lost) || len(o.pids()) != 0 {
		t.Errorf("%v are remembered though they are gone", o.pids())
	}
}

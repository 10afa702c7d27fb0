package store_test

import (
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// What is known of a replica as the positions of both servers come in, at times that the test gives.
func TestLag(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	r := store.NewReplica(100 * time.Millisecond)
	r.IsUp(true)
	for _, step := range []struct {
		ms      int
		primary store.LSN // 0: not asked
		replica store.LSN
		lag     int // ms
		usable  bool
	}{
		{0, 1000, 0, 0, true},
		{10, 0, 1000, 0, true},      // it has everything
		{5000, 1000, 0, 0, true},    // nobody writes for five seconds, which is no lag
		{5010, 2000, 0, 0, true},    // a write
		{5060, 3000, 0, 50, true},   // another one; the first is not there yet
		{5090, 0, 1500, 80, true},   // half of the first is there
		{5100, 0, 2000, 40, true},   // the first is there, the second since 5060 not
		{5170, 3000, 0, 110, false}, // for too long
		{5180, 0, 2999, 120, false},
		{5190, 0, 3000, 0, true}, // all is there
		{5200, 0, 3000, 0, true},
	} {
		if step.primary > 0 {
			r.PrimaryIsAt(step.primary, at(step.ms))
		}
		if step.replica > 0 {
			r.ReplicaIsAt(step.replica, at(step.ms))
		}
		lag, usable := r.Lag(at(step.ms)), r.Usable()
		if lag != time.Duration(step.lag)*time.Millisecond || usable != step.usable {
			t.Errorf("at %d ms the lag is %s, usable %t; want %d ms, %t", step.ms, lag, usable, step.lag, step.usable)
		}
	}
	if !r.Serves(3000) || r.Serves(3001) {
		t.Error("a replica that has everything up to 3000 serves exactly those reads that demand no more")
	}
	r.IsUp(false)
	if r.Serves(0) {
		t.Error("a replica that is not up serves")
	}
}

// A replica that never catches up must not take ever more memory, and its lag is counted from the beginning.
func TestLagWithoutEnd(t *testing.T) {
	start := time.Now()
	r := store.NewReplica(time.Hour)
	for i := range 20_000 {
		r.PrimaryIsAt(store.LSN(i+1), start.Add(time.Duration(i)*time.Second))
	}
	if n := r.Samples(); n > 5000 {
		t.Errorf("%d samples are kept", n)
	}
	if lag := r.Lag(start.Add(20_000 * time.Second)); lag != 20_000*time.Second {
		t.Errorf("the lag is %s, want 20,000 s", lag)
	}
}

package policy

import (
	"context"
	"errors"
	"testing"

	. "github.com/policycortex/headroom/server/policy/assemble"
)

// TestTenantsTakeTurns: whoever has much to do delays another tenant by a turn.
func TestTenantsTakeTurns(t *testing.T) {
	turns := newTurns(1, 10)
	busy, other := [16]byte{1}, [16]byte{2}
	join := func(tenant [16]byte) chan struct{} {
		turn, err := turns.join(tenant)
		if err != nil {
			t.Fatal(err)
		}
		return turn
	}
	if join(busy) != nil {
		t.Fatal("the first one has to wait")
	}
	var waiting []chan struct{}
	for range 10 {
		waiting = append(waiting, join(busy))
	}
	_, err := turns.join(busy)
	if !errors.Is(err, ErrBusy) {
		t.Errorf("one too many gets the error %v", err)
	}
	late := join(other)
	entered := func(turn chan struct{}) bool {
		select {
		case <-turn:
			return true
		default:
			return false
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	err = turns.enter(gone, other)
	if !errors.Is(err, ErrBusy) {
		t.Errorf("who leaves gets the error %v", err)
	}
	turns.leave()
	if !entered(waiting[0]) || entered(late) {
		t.Error("the first one of those who wait is not the first one")
	}
	turns.leave()
	if !entered(late) || entered(waiting[1]) {
		t.Error("the other tenant has to wait for more than one turn")
	}
	for range 10 {
		turns.leave()
	}
	if !entered(waiting[9]) || len(turns.lines) != 0 || turns.free != 1 {
		t.Errorf("at the end %d tenants wait and %d turns are free", len(turns.lines), turns.free)
	}
}

// TestTenantsShareTheCache: a tenant with many modules gives up its own for another one, and no other tenant's.
func TestTenantsShareTheCache(t *testing.T) {
	e := newEvaluator(t, Limits{CacheBytes: 4 << 20})
	upload := func(tenant [16]byte, n int) []byte {
		m := ruled(0, Packed(0, int32(len(yes))))
		m.Globals = []int32{int32(n)}
		_, err := e.CheckModule(t.Context(), tenant, m.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return m.Bytes()
	}
	module := upload([16]byte{2}, 0)
	for n := range 30 {
		upload([16]byte{1}, n)
	}
	if e.Stats().Evicted == 0 {
		t.Error("nothing was given up")
	}
	_, err := e.EvaluateModule(t.Context(), [16]byte{2}, sumOf(module), func(context.Context) ([]byte, error) {
		t.Error("the other tenant's module was given up")
		return module, nil
	}, []byte("{}"))
	if err != nil {
		t.Error(err)
	}
}

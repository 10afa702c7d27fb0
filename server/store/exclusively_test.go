package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// Work that nobody else may do meanwhile leaves the pool to what it does, even where that has one connection.
func TestExclusiveWorkLeavesThePool(t *testing.T) {
	t.Parallel()
	s := openStoreWith(t, store.Options{MaxConns: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ran, err := s.Exclusively(ctx, "leaves the pool", func(ctx context.Context) error {
		again, err := s.Exclusively(ctx, "leaves the pool", func(context.Context) error { return nil })
		if err != nil || again {
			t.Errorf("it runs twice at once: %t, error %v", again, err)
		}
		return s.Ping(ctx)
	})
	if err != nil || !ran {
		t.Errorf("it ran: %t, error %v", ran, err)
	}
}

package store

import (
	"context"
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// bulkLoads decides when to ANALYZE the resources: after many inserts. Until then plans fit the former table: an empty
// one is best read sequentially, and a prepared statement keeps such a plan until the next ANALYZE. Autovacuum would
// run within a minute, and until then everything would be slow.
type bulkLoads struct {
	inserted atomic.Int64 // by this process
	due      chan struct{}
}

// analyzeFrom is the number of rows after which ANALYZE first runs. It runs again after each doubling, so it costs
// little compared with the inserts.
const analyzeFrom = 1000

func (b *bulkLoads) add(rows int) {
	now := b.inserted.Add(int64(rows))
	before := now - int64(rows)
	if bits.Len64(uint64(now/analyzeFrom)) == bits.Len64(uint64(before/analyzeFrom)) {
		return
	}
	select {
	case b.due <- struct{}{}:
	default: // one is due already
	}
}

// BulkLoaded signals that [Store.Analyze] is due.
func (s *Store) BulkLoaded() <-chan struct{} { return s.loads.due }

// Analyze runs ANALYZE on the resources. Several instances may call it at once; they wait for each other.
func (s *Store) Analyze(ctx context.Context) error {
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		return analyzing.transaction(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "ANALYZE resources")
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("analyze the resources (until it is done, or autovacuum comes, plans may be bad): %w", err)
	}
	return nil
}

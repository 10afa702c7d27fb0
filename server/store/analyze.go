package store

import (
	"context"
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// bulkLoads says when Postgres should look at the resources again: when many have been inserted. Until it has, plans are those for
// the table as it was: an empty one is best read from end to end, and a prepared statement keeps such a plan
// until the next ANALYZE. Autovacuum would come within a minute; in that minute everything is slow.
type bulkLoads struct {
	inserted atomic.Int64 // by this process
	due      chan struct{}
}

// analyzeFrom is the number of rows after which it is done for the first time; it is done again when it has doubled, so
// it costs little beside the inserts.
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

// BulkLoaded is sent to when so many resources have been inserted that [Store.Analyze] is due.
func (s *Store) BulkLoaded() <-chan struct{} { return s.loads.due }

// Analyze has Postgres look at the resources. It is safe to be done by several instances at once: one waits for the other.
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

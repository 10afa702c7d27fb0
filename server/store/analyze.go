package store

import (
	"context"
	"log/slog"
	"math/bits"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// bulkLoads makes Postgres look at the resources again when many have been inserted. Until it has, plans are those for
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

// analyzeWhenDue runs until ctx is done.
func (s *Store) analyzeWhenDue(ctx context.Context, logger *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.loads.due:
		}
		err := s.aside(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "ANALYZE resources")
			return err
		})
		if err != nil && ctx.Err() == nil {
			logger.Warn("ANALYZE after a bulk load failed; plans may be bad until autovacuum comes", "error", err)
		}
	}
}

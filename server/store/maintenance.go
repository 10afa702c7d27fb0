package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a statement of maintenance may take and wait for locks. The timeouts of the connections are for
// statements that requests wait for.
type patience struct{ statement, lock time.Duration }

// Timeouts of maintenance by kind. Where requests wait for the same locks, maintenance waits no longer than they do.
var (
	// ANALYZE reads about 30,000 rows, on a machine that is busy with the load after which it is due. Its lock blocks
	// no request. Autovacuum may hold that lock, and gives it up after a second.
	analyzing = patience{5 * time.Minute, 30 * time.Second}
	// A refresh of the compliance summary took 0.8 s for a million resources. Its lock blocks no request either.
	refreshing = patience{time.Minute, 30 * time.Second}
	// Up to MaxBatch rows are changed, or read for the cache.
	cleaning = patience{30 * time.Second, time.Second}
	warming  = patience{time.Minute, time.Second}
	// See maintainCostsSQL.
	partitioning = patience{time.Minute, 30 * time.Second}
)

// transaction runs do in a transaction with these timeouts.
func (p patience) transaction(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true), "+
			"set_config('lock_timeout', $2, true)",
			milliseconds(p.statement), milliseconds(p.lock)); err != nil {
			return err
		}
		return do(tx)
	})
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// DefaultCostMonths is the default of Options.CostMonths, which allows comparing two years.
const DefaultCostMonths = 24

// costMonthsAhead are the months for which costs can be stored before they have begun.
const costMonthsAhead = 2

// period is from one day to before another one.
type period struct{ from, until time.Time }

// keptCosts is the period whose costs are kept at a time: the months of the options, the present one and those ahead.
func (s *Store) keptCosts(now time.Time) period {
	year, month, _ := now.UTC().Date()
	present := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return period{from: present.AddDate(0, -s.costMonths, 0), until: present.AddDate(0, costMonthsAhead+1, 0)}
}

// CostPartitions describes changes of the partitions of costs.
type CostPartitions struct {
	Made     int      // partitions of months that had none
	Detached []string // tables that are no partitions any more; their rows are in them
	// Misplaced counts rows in the default partition: costs of a month that had no partition when they arrived. The
	// next call moves them to the partition of their month if that month is kept.
	Misplaced int64
}

// It has no name and is not measured, as migrations are not.
const maintainCostsSQL = `
SELECT ensure_cost_partitions($1, $2), detach_cost_partitions($1)`

// beforeMaintenance waits for another instance that is at it, which may take its time, and then for the locks on tables
// only as long as anybody else would: while it waits for one, others wait for it.
var beforeMaintenance = []string{
	"SELECT pg_advisory_xact_lock(hashtext('cost_partitions'))",
	"SET LOCAL lock_timeout = '1s'",
}

// MaintainCosts creates the partitions of all kept months and detaches older ones. It may be called at any time and on
// several instances at once.
func (s *Store) MaintainCosts(ctx context.Context) (CostPartitions, error) {
	kept := s.keptCosts(time.Now())
	months := s.costMonths + 1 + costMonthsAhead
	var done CostPartitions
	_, err := s.write(ctx, func(conn *pgx.Conn) error {
		err := partitioning.transaction(ctx, conn, func(tx pgx.Tx) error {
			for _, prepare := range beforeMaintenance {
				if _, err := tx.Exec(ctx, prepare); err != nil {
					return err
				}
			}
			return tx.QueryRow(ctx, maintainCostsSQL, kept.from, months).Scan(&done.Made, &done.Detached)
		})
		if err != nil {
			return err
		}
		// its own: the one before has locks that requests wait for
		return partitioning.transaction(ctx, conn, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "SELECT count(*) FROM cost_data_default").Scan(&done.Misplaced)
		})
	})
	if err != nil {
		return CostPartitions{}, fmt.Errorf("maintain the partitions of costs: %w", err)
	}
	return done, nil
}

const expireEntriesSQL = namePrefix + expireCacheEntries + `
DELETE FROM cache_entries WHERE key IN (
  SELECT key FROM cache_entries WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`

// ExpireCacheEntries deletes up to [MaxBatch] expired entries of the cache's level 3 and returns their number. Other
// instances' deletions do not wait for it.
func (s *Store) ExpireCacheEntries(ctx context.Context) (int64, error) {
	var deleted int64
	_, err := s.write(ctx, func(conn *pgx.Conn) error {
		return cleaning.transaction(ctx, conn, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, expireEntriesSQL, MaxBatch)
			deleted = tag.RowsAffected()
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("delete expired cache entries: %w", err)
	}
	s.expired.Add(deleted)
	return deleted, nil
}

// ExpiredCacheEntries returns how many rows this store has deleted by [Store.ExpireCacheEntries].
func (s *Store) ExpiredCacheEntries() int64 { return s.expired.Load() }

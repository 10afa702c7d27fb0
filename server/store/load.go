package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Load is what the database has had to do since Open, in a few numbers that cost nearly nothing to read.
type Load struct {
	Queries   int64 // named ones, on all servers
	QueryTime time.Duration
	Slow      int64 // those that took at least Options.SlowQuery
	SlowTime  time.Duration
	// Of the pools of all servers: see PoolStats.
	Acquires, Waits int64
	Waited          time.Duration

	ReplicaReads, Fallbacks int64 // reads that went to the replica, and those that failed there
	ReplicaChanges          int64 // how often reads began or ceased to go there because of its health or its lag
}

// Load returns what the database has had to do.
func (s *Store) Load() Load {
	q := s.queries
	l := Load{Queries: q.count.Load(), QueryTime: time.Duration(q.nanos.Load())}
	q.slow.mu.Lock()
	l.Slow, l.SlowTime = q.slow.count, q.slow.total
	q.slow.mu.Unlock()
	for _, n := range s.nodes() {
		stats := n.stats()
		l.Acquires += stats.Acquires
		l.Waits += stats.Waits
		l.Waited += stats.Waited
	}
	if r := s.replica; r != nil {
		for _, named := range q.named {
			l.ReplicaReads += named.replica.Load()
		}
		l.Fallbacks, l.ReplicaChanges = r.fallbacks.Load(), r.changes.Load()
	}
	return l
}

// Trips returns how long the last health check of each server took, a question as small as there are. That of the
// replica is 0 without one.
func (s *Store) Trips() (primary, replica time.Duration) {
	if s.replica != nil {
		replica = time.Duration(s.replica.trip.Load())
	}
	return time.Duration(s.primary.trip.Load()), replica
}

// ShareReads says whether reads may go to the replica, as far as its health and its lag allow it.
func (s *Store) ShareReads(share bool) {
	if s.replica != nil {
		s.replica.away.Store(!share)
	}
}

// SharesReads reports what ShareReads has said; true before.
func (s *Store) SharesReads() bool { return s.replica == nil || !s.replica.away.Load() }

// MaxLag returns the lag beyond which the replica is left out.
func (s *Store) MaxLag() time.Duration {
	if s.replica == nil {
		return 0
	}
	return s.replica.maxLag
}

// TableStatistics is what Postgres knows of the statistics of a table.
type TableStatistics struct {
	Name     string
	Rows     float64 // of it and its partitions
	Changed  float64 // since the last ANALYZE
	Never    bool    // it was never analyzed
	Analyzed int     // how often by AnalyzeTable of this store
}

// Partitions count for the table that they belong to. It has statistics of its own, which autovacuum does not make, but
// those of its partitions say as much about its age.
const tableStatisticsSQL = `
SELECT coalesce(parent.relname, s.relname)::text AS name, sum(s.n_live_tup)::float8, sum(s.n_mod_since_analyze)::float8,
       bool_and(s.last_analyze IS NULL AND s.last_autoanalyze IS NULL)
  FROM pg_stat_user_tables s
  LEFT JOIN pg_inherits i ON i.inhrelid = s.relid
  LEFT JOIN pg_class parent ON parent.oid = i.inhparent
 WHERE coalesce(parent.relname, s.relname) = ANY ($1) AND s.schemaname = current_schema()
 GROUP BY 1 ORDER BY 1`

var tablesRead = regexp.MustCompile(`(?i)\b(?:from|join|update|into)\s+([a-z_]+)`)

// StatisticsOf returns the statistics of the tables that statements read or write.
func (s *Store) StatisticsOf(ctx context.Context, statements []string) ([]TableStatistics, error) {
	var names []string
	for _, sql := range statements {
		for _, found := range tablesRead.FindAllStringSubmatch(sql, -1) {
			names = append(names, found[1])
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var all []TableStatistics
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, tableStatisticsSQL, names)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t TableStatistics, err error) {
			err = row.Scan(&t.Name, &t.Rows, &t.Changed, &t.Never)
			if n, known := s.analyzed.Load(t.Name); known {
				t.Analyzed = n.(int)
			}
			return t, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the statistics of tables: %w", err)
	}
	return all, nil
}

// AnalyzeTable runs ANALYZE on a table of this database. Requests do not wait for it.
func (s *Store) AnalyzeTable(ctx context.Context, table string) error {
	err := s.aside(ctx, func(conn *pgx.Conn) error {
		return analyzing.transaction(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "ANALYZE "+pgx.Identifier{table}.Sanitize())
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("analyze %s: %w", table, err)
	}
	n, _ := s.analyzed.LoadOrStore(table, 0)
	s.analyzed.Store(table, n.(int)+1)
	return nil
}

// TablesAnalyzed returns how often AnalyzeTable has succeeded.
func (s *Store) TablesAnalyzed() (n int) {
	s.analyzed.Range(func(_, times any) bool {
		n += times.(int)
		return true
	})
	return n
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// CacheEntry is a row of the cache's level 3.
type CacheEntry struct {
	Key      string
	Tenant   ID
	Version  int64 // the tenant's version, read before the data of the value
	Value    []byte
	Lifetime time.Duration
}

// CacheRead is what [Store.ReadCacheEntry] found.
type CacheRead struct {
	// Value is nil when no valid one exists.
	Value []byte
	// Version is the tenant's version on the server that answered; 0 for a tenant without data.
	Version int64
	// LSN is a lower bound of that server's LSN. A value that is computed from reads at or after it can be stored under
	// Version.
	LSN LSN
}

// A volatile function is evaluated after the statement took its snapshot, so the LSN covers what the statement sees.
const readEntrySQL = namePrefix + readCacheEntry + `
SELECT v.version, e.value,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn)::bigint
  FROM tenant_versions v
  LEFT JOIN cache_entries e ON e.key = $1 AND e.tenant_id = v.tenant_id AND e.version = v.version AND e.expires_at > now()
 WHERE v.tenant_id = $2`

// ReadCacheEntry reads the value under a key if it is valid: the tenant still has the version under which the value was
// stored, on a server that has replayed everything up to after.
func (s *Store) ReadCacheEntry(ctx context.Context, tenant ID, key string, after LSN) (CacheRead, error) {
	var r CacheRead
	err := s.read(ctx, after, func(conn *pgx.Conn) error {
		r = CacheRead{}
		return conn.QueryRow(ctx, readEntrySQL, key, tenant).Scan(&r.Version, &r.Value, &r.LSN)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return CacheRead{}, nil
	}
	if err != nil {
		return CacheRead{}, fmt.Errorf("read cache entry: %w", err)
	}
	return r, nil
}

const writeEntrySQL = namePrefix + writeCacheEntry + `
INSERT INTO cache_entries AS e (key, tenant_id, version, value, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
ON CONFLICT (key) DO UPDATE
   SET tenant_id = EXCLUDED.tenant_id, version = EXCLUDED.version, value = EXCLUDED.value,
       created_at = now(), expires_at = EXCLUDED.expires_at
 WHERE e.version <= EXCLUDED.version`

// WriteCacheEntry stores a value, unless one of a later version exists.
func (s *Store) WriteCacheEntry(ctx context.Context, e CacheEntry) error {
	_, err := s.write(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, writeEntrySQL, e.Key, e.Tenant, e.Version, e.Value, e.Lifetime.Seconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("write cache entry: %w", err)
	}
	return nil
}

const (
	findEntriesSQL = namePrefix + findCacheEntries + `
SELECT key FROM cache_entries WHERE starts_with(key, $1)`
	deleteEntriesSQL = namePrefix + deleteCacheEntries + `
DELETE FROM cache_entries WHERE key = ANY($1)`
)

// DeleteCacheEntries deletes the entries whose keys begin with prefix and satisfy matches. It returns their number, and
// an LSN at which reads no longer see them.
func (s *Store) DeleteCacheEntries(ctx context.Context, prefix string, matches func(key string) bool) (int, LSN,
	error,
) {
	deleted := 0
	position, err := s.write(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, findEntriesSQL, prefix)
		if err != nil {
			return err
		}
		var found []string
		var key string
		if _, err := pgx.ForEachRow(rows, []any{&key}, func() error {
			if matches(key) {
				found = append(found, key)
			}
			return nil
		}); err != nil || len(found) == 0 {
			return err
		}
		tag, err := conn.Exec(ctx, deleteEntriesSQL, found)
		deleted = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("delete cache entries: %w", err)
	}
	return deleted, position, nil
}

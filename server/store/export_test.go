package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// What the external tests may see.
var (
	DocumentFault      = documentFault
	AppendResourceJSON = appendResource
	ResourceFormats    = resourceFormats
)

// ListStatement returns the statement for a page and its parameters, and whether its plan is kept.
func ListStatement(q *ListQuery) (sql string, params []any, kept bool) {
	b := listStatement(q)
	return b.String(), b.params(), !b.anew
}

const (
	GetSQL          = getSQL
	ResourceColumns = resourceColumns
	GetGroupSQL     = getGroupSQL
)

func (s *Store) Pool() *pgxpool.Pool { return s.primary.pool.Load() }

// Read is what every read of the package goes through.
func (s *Store) Read(ctx context.Context, after LSN, query func(*pgx.Conn) error) error {
	return s.read(ctx, after, query)
}

// Pools returns the pool of each server.
func (s *Store) Pools() map[string]*pgxpool.Pool {
	pools := map[string]*pgxpool.Pool{}
	for _, n := range s.nodes() {
		pools[n.role] = n.pool.Load()
	}
	return pools
}

var (
	HotStatements = hotStatements
	PoolSize      = poolSize
)

// SlowQueries is the list of slow queries by itself.
type SlowQueries struct{ slowQueries }

func NewSlowQueries() *SlowQueries { return &SlowQueries{} }

func (s *SlowQueries) Note(sql string, took time.Duration, replica bool, now time.Time) {
	s.note(sql, true, took, replica, now)
}

func (s *SlowQueries) Keep(sql string, took time.Duration, args ...any) { s.keep(sql, took, args) }

func (s *SlowQueries) List() []SlowQuery { return s.list() }

// Replica is what is known of a replica, without a server.
type Replica struct{ replica }

func NewReplica(maxLag time.Duration) *Replica {
	r := &Replica{replica{node: &node{}, maxLag: maxLag}}
	r.size.Store(1)
	return r
}

func (r *Replica) IsUp(up bool)                       { r.isUp(up, nil) }
func (r *Replica) PrimaryIsAt(lsn LSN, now time.Time) { r.primaryIsAt(lsn, now) }
func (r *Replica) ReplicaIsAt(lsn LSN, now time.Time) { r.replicaIsAt(lsn, now) }
func (r *Replica) Lag(now time.Time) time.Duration    { return r.lag(now) }
func (r *Replica) Usable() bool                       { return r.usable.Load() }
func (r *Replica) Serves(after LSN) bool              { return r.serves(after) }
func (r *Replica) Samples() int                       { return len(r.ahead) }

var MigrationFiles = migrationFiles

// The access paths to a page.
const (
	Walk           = walk
	Gather         = gather
	GatherInTenant = gatherInTenant
)

// BestAccessPath returns the access path by which a page is found; choice is false when there is only one.
func BestAccessPath(ctx context.Context, conn *pgx.Conn, q *ListQuery) (best accessPath, choice bool, err error) {
	if !q.hasAccessPaths() {
		return 0, false, nil
	}
	expected, err := expectFrequencies(ctx, conn, q)
	return expected.best(q.Limit + 1), true, err
}

// AccessPathStatement is ListStatement for one access path.
func AccessPathStatement(q *ListQuery, by accessPath) (sql string, params []any, kept bool) {
	b := accessPathStatement(q, by)
	return b.String(), b.params(), !b.anew
}

// AppendByAccessPath is what AppendResources does when it has chosen this access path.
func AppendByAccessPath(
	ctx context.Context, conn *pgx.Conn, q *ListQuery, by accessPath,
) (page []byte, next *ListPosition, err error) {
	return queryPage(ctx, conn, nil, accessPathStatement(q, by), q)
}

// BestOf returns the access path that is chosen for frequencies.
func BestOf(tenant, anywhere, matching float64, rows int) accessPath {
	return frequencies{tenant, anywhere, matching}.best(rows)
}

package store

import "github.com/jackc/pgx/v5/pgxpool"

// What the external tests may see.
var (
	DocumentFault      = documentFault
	AppendResourceJSON = appendResource
	ResourceFormats    = resourceFormats
)

// ListStatement returns the statement for a page and its parameters, and whether its plan is kept.
func ListStatement(q *ListQuery) (sql string, params []any, kept bool) {
	b, _ := listStatement(q)
	return b.String(), b.params(), !b.anew
}

const GetSQL = getSQL

func (s *Store) Pool() *pgxpool.Pool { return s.primary.pool }

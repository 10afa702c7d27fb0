package store

import "github.com/jackc/pgx/v5/pgxpool"

// What the external tests may see.
var DocumentFault = documentFault

// ListStatement returns the statement for a page and its parameters, and whether its plan is kept.
func ListStatement(q *ListQuery) (sql string, params []any, kept bool) {
	sql, args, _ := listStatement(q)
	return sql, args[optionArgs:], args[1] == planKept
}

func (s *Store) Pool() *pgxpool.Pool { return s.pool }

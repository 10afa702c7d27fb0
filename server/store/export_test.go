package store

import "github.com/jackc/pgx/v5/pgxpool"

// What the external tests may see.
var (
	DocumentFault = documentFault
	ListStatement = listStatement
)

func (s *Store) Pool() *pgxpool.Pool { return s.pool }

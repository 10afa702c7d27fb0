package store

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The defaults of Options.StatementTimeout and Options.LockTimeout.
const (
	DefaultStatementTimeout = 5 * time.Second
	DefaultLockTimeout      = time.Second
)

// IsStatementTimeout reports whether Postgres gave up a statement because it took too long.
func IsStatementTimeout(err error) bool { return hasCode(err, "57014") } // query_canceled

// IsLockTimeout reports whether Postgres gave up a statement because it waited too long for a lock.
func IsLockTimeout(err error) bool { return hasCode(err, "55P03") } // lock_not_available

func hasCode(err error, code string) bool {
	var fromPostgres *pgconn.PgError
	return errors.As(err, &fromPostgres) && fromPostgres.Code == code
}

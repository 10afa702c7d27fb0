package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A batch is one statement, so Postgres refuses all of it and does not say which element it could not store. Validation
// leaves nothing for it to refuse by the tables of this package, but whoever runs the database may add constraints and
// triggers.

// refused returns what Postgres has refused about the data of a statement; nil for any other error.
func refused(err error) *pgconn.PgError {
	var fromPostgres *pgconn.PgError
	if !errors.As(err, &fromPostgres) || len(fromPostgres.Code) != 5 {
		return nil
	}
	switch fromPostgres.Code[:2] {
	case "22", "23", "P0": // data exceptions, violations of constraints, and what a trigger raises
		return fromPostgres
	}
	return nil
}

// refusalText names a constraint, which whoever made it has named for a reason, and no values.
func refusalText(refusal *pgconn.PgError) string {
	if refusal.ConstraintName != "" {
		return fmt.Sprintf("the database refuses it by its constraint %s", refusal.ConstraintName)
	}
	return fmt.Sprintf("the database refuses it (SQLSTATE %s)", refusal.Code)
}

// eachFault is called with the error of a batch. If Postgres refused the batch for its data, the elements are tried one
// at a time, each by itself and none to stay, and those that are refused become a [*ValidationError]. Otherwise, and if
// that finds none, it returns the error as it is. The tenant's other changes wait meanwhile.
func (s *Store) eachFault(ctx context.Context, elements int, batch error,
	try func(conn *pgx.Conn, element int) error,
) error {
	if refused(batch) == nil {
		return batch
	}
	var faults []Fault
	err := s.primary.run(ctx, func(conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx) // if it fails, the connection has, and nothing was committed
		for i := range elements {
			refusal, err := tryOne(ctx, tx, func() error { return try(conn, i) })
			if err != nil {
				return err
			}
			if refusal != nil {
				faults = append(faults, Fault{Index: i, Message: refusalText(refusal)})
			}
		}
		return nil
	})
	if err != nil || len(faults) == 0 {
		return batch
	}
	return refusal(faults)
}

// tryOne has one element tried in a savepoint, to which it returns.
func tryOne(ctx context.Context, tx pgx.Tx, try func() error) (refusal *pgconn.PgError, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	err = try()
	refusal = refused(err)
	if err != nil && refusal == nil {
		return nil, err
	}
	return refusal, savepoint.Rollback(ctx)
}

package store_test

import (
	"database/sql"
	"io/fs"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/policycortex/headroom/server/store"
)

// Each migration is undone by its own Down, and can then be done again.
func TestMigrationsGoDownAndUp(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := fs.Sub(store.MigrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	migrations, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRow(`SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind IN ('r', 'p', 'm') AND relname <> 'goose_db_version'`).Scan(&left); err != nil || left > 0 {
		t.Errorf("%d tables and views are left (error %v)", left, err)
	}
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Errorf("up again: %v", err)
	}
}

package api_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// TestTimeoutsOfStatements: a change of a resource that another transaction holds, and a statement that the database
// does not finish, are given up after the times in the options, and the client hears why and that it may try again.
func TestTimeoutsOfStatements(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	s := newServiceWith(t, store.Options{
		URL: database, StatementTimeout: 400 * time.Millisecond, LockTimeout: 100 * time.Millisecond,
	}, cache.Options{L2URL: servers(t).CacheURL})
	tenant := newTenant()
	id := s.insert(t, tenant, 0, 1)[0].String()
	conn := connectTo(t, database)
	change := func(because string) {
		t.Helper()
		began := time.Now()
		w := s.call(t, http.MethodPut, tenant, resourcesPath+"/"+id, newResource(7))
		p := expectProblem(t, w, http.StatusGatewayTimeout)
		if !strings.Contains(p.Detail, because) || w.Header().Get("Retry-After") == "" ||
			time.Since(began) > 4*time.Second {
			t.Errorf("after %s, with the headers %v: %s", time.Since(began), w.Header(), p.Detail)
		}
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM resources WHERE id = $1 FOR UPDATE", id); err != nil {
		t.Fatal(err)
	}
	change("locked by another one")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
		 $$ BEGIN PERFORM pg_sleep(10); RETURN NEW; END $$`,
		`CREATE TRIGGER slowly BEFORE UPDATE ON resources FOR EACH ROW EXECUTE FUNCTION slowly()`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	change("took too long")
	var found struct{ Name string }
	decode(t, s.get(t, tenant, resourcesPath+"/"+id), http.StatusOK, &found)
	if found.Name != "vm-0" {
		t.Errorf("a change that was given up has been made: %+v", found)
	}
}

// newDatabase makes a migrated database of its own on the shared server, for tests that change its tables.
func newDatabase(t testing.TB) (postgresURL string) {
	t.Helper()
	name := "db_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") })
	address, err := url.Parse(servers(t).PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + name
	if err := store.Migrate(t.Context(), address.String()); err != nil {
		t.Fatal(err)
	}
	return address.String()
}

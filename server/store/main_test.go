package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/store"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

var migrated sync.Once

// postgresURL is that of the database that the tests share, each with tenants of its own.
func postgresURL(t testing.TB) string {
	t.Helper()
	url := containerstest.Shared(t).PostgresURL
	migrated.Do(func() {
		if err := store.Migrate(context.Background(), url); err != nil {
			t.Fatal(err)
		}
	})
	return url
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	return openStoreWith(t, store.Options{MaxConns: 4})
}

// openStoreWith opens the shared database, unless o says another.
func openStoreWith(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.URL == "" {
		o.URL = postgresURL(t)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// newDatabase makes an empty database for one test.
func newDatabase(t testing.TB) (address string) {
	t.Helper()
	return databaseURL(t, createDatabase(t, "template1"))
}

// pattern is the database of which newMigrated makes copies; nobody may be connected to it then.
var pattern struct {
	sync.Mutex
	name string
}

// newMigrated makes a database with empty tables for one test, in less time than the migrations take.
func newMigrated(t testing.TB) (address string) {
	t.Helper()
	pattern.Lock()
	defer pattern.Unlock()
	if pattern.name == "" {
		name := createDatabase(t, "template1")
		if err := store.Migrate(t.Context(), databaseURL(t, name)); err != nil {
			t.Fatal(err)
		}
		pattern.name = name
	}
	return databaseURL(t, createDatabase(t, pattern.name))
}

func createDatabase(t testing.TB, template string) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", rand.Uint64())
	mustExec(t, connect(t, postgresURL(t)), "CREATE DATABASE "+name+" TEMPLATE "+template)
	return name
}

func databaseURL(t testing.TB, name string) string {
	t.Helper()
	address, err := url.Parse(postgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + name
	return address.String()
}

func mustExec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func newID() store.ID { return uuid.New() }

// newResource is valid; its azure_resource_id is made from n.
func newResource(n int) store.NewResource {
	return store.NewResource{
		AzureResourceID: fmt.Sprintf("/subscriptions/s1/vm-%d", n), SubscriptionID: "s1", ResourceGroupName: "rg1",
		Name: fmt.Sprintf("vm-%d", n), Type: "Microsoft.Compute/virtualMachines", Location: "westeurope",
	}
}

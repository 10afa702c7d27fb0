package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/server/store"
)

// database starts a Postgres when the first test asks for it (a fuzzing worker never does) and migrates it. The tests
// share it, each with tenants of its own.
var database = sync.OnceValues(func() (*containers.Environment, error) {
	env, err := containers.Start(context.Background(), containers.Options{})
	if err != nil {
		return nil, err
	}
	stop = env.Stop
	return env, store.Migrate(context.Background(), env.PostgresURL)
})

var stop = func(context.Context) error { return nil }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func postgresURL(t testing.TB) string {
	t.Helper()
	env, err := database()
	if err != nil {
		t.Fatal(err)
	}
	return env.PostgresURL
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: postgresURL(t), MaxConns: 4})
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
func newDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", rand.Uint64())
	mustExec(t, connect(t, postgresURL(t)), "CREATE DATABASE "+name)
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

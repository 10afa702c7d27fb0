package cache_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// TestMain is another instance when it is started as one: see frozen_test.go.
func TestMain(m *testing.M) {
	if parent := os.Getenv(secondInstanceAt); parent != "" {
		if err := runSecondInstance(parent, os.Getenv(secondInstanceL2)); err != nil {
			fmt.Fprintln(os.Stderr, "the second instance:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	containerstest.Main(m)
}

// databases are those of the server of L2 that the tests share: instances on one know nothing of those on another.
var (
	databases  = sync.OnceValue(freeDatabases)
	databaseOf sync.Map // by the name of the test that has it
)

func freeDatabases() chan int {
	const most = 16 // by default
	free := make(chan int, most)
	for n := range most {
		free <- n
	}
	return free
}

// l2URL is that of an L2 that no other test has meanwhile. What earlier ones left is of other tenants.
func l2URL(t testing.TB) string {
	t.Helper()
	server := strings.TrimSuffix(containerstest.Shared(t).CacheURL, "/0")
	n, has := databaseOf.Load(t.Name())
	if !has {
		n = <-databases()
		databaseOf.Store(t.Name(), n)
		t.Cleanup(func() {
			databaseOf.Delete(t.Name())
			databases() <- n.(int)
		})
	}
	return fmt.Sprintf("%s/%d", server, n)
}

func openCache(t testing.TB, l2URL string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(cache.Options{L2URL: l2URL, L1Bytes: 16 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	joinCache(t, c)
	return c
}

func joinCache(t testing.TB, c *cache.Cache) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Join(ctx); err != nil {
		t.Fatal(err)
	}
}

// redisClient is a client of the L2 at a URL.
func redisClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

// waitForL2 waits until L2 has a value for key: writing to it is not waited for.
func waitForL2(t testing.TB, client *redis.Client, key cache.Key) {
	t.Helper()
	eventually(t, "the value in L2", func() bool {
		n, err := client.Exists(t.Context(), cache.L2Name(key)).Result()
		return err == nil && n == 1
	})
}

// keepInL2 loads a value that no level has, and waits until L2 has it. The cache may do without L2 for a moment, on a
// machine that has others to serve: then the value is not written, and is loaded again.
func keepInL2(t testing.TB, c *cache.Cache, client *redis.Client, key cache.Key, value string) {
	t.Helper()
	tries := 0
	eventually(t, "the value in L2", func() bool {
		tries++
		if tries%200 == 1 {
			c.ForgetL1(key)
			if got, from, err := c.Get(t.Context(), key, returning(value)); err != nil || string(got.Body) != value ||
				tries == 1 && from != cache.Miss {
				t.Fatalf("got %q from %s, error %v; want %q", got.Body, from, err, value)
			}
		}
		n, err := client.Exists(t.Context(), cache.L2Name(key)).Result()
		return err == nil && n == 1
	})
}

// eventually waits for what has to happen some time.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for range 2000 {
		if happened() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func newID() [16]byte { return uuid.New() }

func itemKey(tenant, id [16]byte) cache.Key {
	return cache.Key{Kind: cache.Resource, Tenant: tenant, ID: id}
}

func listKey(tenant [16]byte, query string) cache.Key {
	return cache.Key{Kind: cache.Resources, Tenant: tenant, Query: query}
}

func invalidateLists(t *testing.T, c *cache.Cache, tenant [16]byte) {
	t.Helper()
	if err := c.Invalidate(t.Context(), 0, cache.Scope{Tenant: tenant, Kind: cache.Resources}); err != nil {
		t.Error(err)
	}
}

// returning makes a load function that returns value.
func returning(value string) cache.LoadFunc {
	return func(context.Context, cache.Key, store.LSN) ([]byte, error) { return []byte(value), nil }
}

// expect gets key and checks what comes and from where.
func expect(t *testing.T, c *cache.Cache, key cache.Key, load cache.LoadFunc, value string, level cache.Level) {
	t.Helper()
	got, from, err := c.Get(t.Context(), key, load)
	if err != nil {
		t.Errorf("got error %v from %s; want %q from %s", err, from, value, level)
	} else if string(got.Body) != value || from != level {
		t.Errorf("got %q from %s; want %q from %s", got.Body, from, value, level)
	}
}

// expectGzip checks that an entry has the body in both forms.
func expectGzip(t *testing.T, e *cache.Entry, body string) {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(e.Gzip))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil || string(plain) != body || string(e.Body) != body {
		t.Errorf("%d and %d bytes, want %d (error %v)", len(plain), len(e.Body), len(body), err)
	}
	if e.GzipLength[0] != strconv.Itoa(len(e.Gzip)) || e.ContentLength[0] != strconv.Itoa(len(body)) {
		t.Errorf("header values %s and %s for %d and %d bytes", e.GzipLength, e.ContentLength, len(e.Gzip), len(body))
	}
}

func uuidString(id [16]byte) string { return uuid.UUID(id).String() }

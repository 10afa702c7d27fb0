package cache_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/report"
)

func TestL2StopsWhileInUse(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	c := openCache(t, env.CacheURL)
	defer c.Close()
	tenant := newID()
	key := itemKey(tenant, newID())
	expect(t, c, key, returning("with"), "with", cache.Miss)
	expect(t, c, key, returning("no"), "with", cache.L1)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, _ := c.BreakerStates(); state != "closed" {
		t.Errorf("with L2 its breaker is %s", state)
	}
	if err := env.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the lease", func() bool { return !c.Trusted() })
	expect(t, c, key, returning("from the database"), "from the database", cache.Miss)
	expectServiceWithoutL2(t, c, tenant)
	if state, l3 := c.BreakerStates(); state != "open" || l3 != "" {
		t.Errorf("without L2 and L3 their breakers are %q and %q", state, l3)
	}
	r := c.Report()
	if advised := slices.ContainsFunc(r.Recommendations,
		func(r report.Recommendation) bool { return r.Code == "l2_fails" }); r.Breakers["l2"] != "open" || !advised {
		t.Errorf("without L2 the report has its breaker as %s, and recommends %v", r.Breakers["l2"], r.Recommendations)
	}
}

// The breaker of L2 shows the outage of a server that is killed without anyone's asking it, and its end.
func TestBreakerShowsTheOutage(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	c := openCache(t, env.CacheURL)
	defer c.Close()
	is := func(wanted string) func() bool {
		return func() bool { state, _ := c.BreakerStates(); return state == wanted }
	}
	for _, action := range []containers.Action{containers.ActionKill, containers.ActionPause} {
		eventually(t, "a closed breaker", is("closed"))
		if err := env.Fault(t.Context(), containers.TargetCache, action); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an open breaker after "+string(action), is("open"))
		end := map[containers.Action]containers.Action{
			containers.ActionKill:  containers.ActionRestart,
			containers.ActionPause: containers.ActionResume,
		}[action]
		if err := env.Fault(t.Context(), containers.TargetCache, end); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a half-open breaker", is("half-open"))
		eventually(t, "a closed breaker again", is("closed"))
	}
}

func TestL2DoesNotAnswer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and nothing is ever said
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, err := cache.Open(cache.Options{
		L2URL: "redis://" + silent.Addr().String(), L1Bytes: 16 << 20,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	expectServiceWithoutL2(t, c, newID())
}

// expectServiceWithoutL2 checks that every request is a load, that an invalidation takes about the time of a lease once
// and then none, and that it says that it was not acknowledged.
func expectServiceWithoutL2(t *testing.T, c *cache.Cache, tenant [16]byte) {
	t.Helper()
	for range 5 {
		key := itemKey(tenant, newID())
		expect(t, c, key, returning("without"), "without", cache.Miss)
		expect(t, c, key, returning("again"), "again", cache.Miss)
	}
	list := listKey(tenant, "limit=20")
	for range 3 {
		expect(t, c, list, returning("list"), "list", cache.Miss)
		err := c.Invalidate(t.Context(), 0, cache.Scope{Tenant: tenant, Kind: cache.Resources})
		if !errors.Is(err, cache.ErrUnacknowledged) {
			t.Errorf("an invalidation without L2 returned %v", err)
		}
	}
	expect(t, c, list, returning("new list"), "new list", cache.Miss)
	if c.Stats().L2.Errors == 0 {
		t.Error("no errors of L2 were counted")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Ping(ctx); err == nil {
		t.Error("L2 answers a ping")
	}
	if _, err := c.InvalidatePattern(t.Context(), 0, "*"); !errors.Is(err, cache.ErrUnacknowledged) {
		t.Errorf("the invalidation of a pattern without L2 returned %v", err)
	}
}

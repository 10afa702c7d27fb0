package api_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// TestEventsOfALaggingReplica: who has made a change finds its event at once, in its stream and in the feed, at another
// instance too, though reads go to a replica that has not replayed it.
func TestEventsOfALaggingReplica(t *testing.T) {
	env := containerstest.SharedWithReplica(t)
	if err := store.Migrate(t.Context(), env.PostgresURL); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	instance := func() *service {
		s := new(service)
		var err error
		if s.store, err = store.Open(t.Context(), store.Options{URL: env.PostgresURL, ReplicaURL: env.ReplicaURL, MaxConns: 4, ReplicaMaxLag: time.Hour}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.store.Close)
		if s.cache, err = cache.Open(cache.Options{L2URL: env.CacheURL, L1Bytes: 16 << 20, Store: s.store, Logger: logger}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.cache.Close() })
		if err := s.cache.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the replica in use", func() bool { return s.store.ReplicaStats().Healthy })
		s.API = api.New(api.Options{Store: s.store, Cache: s.cache, Logger: logger})
		return s
	}
	writer, reader, tenant := instance(), instance(), newTenant()
	containerstest.PauseReplay(t, env.ReplicaURL)

	p := writer.createPolicy(t, tenant, "p")
	for name, s := range map[string]*service{"the writer": writer, "another instance": reader} {
		if got := s.get(t, tenant, "/api/v1/events?stream="+p.ID.String()).Body.String(); !strings.Contains(got, "policy.created") {
			t.Errorf("%s has in the stream %s", name, got)
		}
		// Another test's transaction may hold the feed back for a moment; the replica would for as long as it is stopped.
		eventually(t, "the event in the feed of "+name, func() bool {
			return strings.Contains(s.get(t, tenant, "/api/v1/events").Body.String(), "policy.created")
		})
	}
	old, _, _, err := reader.store.AppendStream(t.Context(), nil, store.ID(uuid.MustParse(tenant)), store.ID(p.ID), 0, 1, 0)
	if err != nil || string(old) != "[]" {
		t.Errorf("the replica has %s (error %v): this shows nothing", old, err)
	}
}

package coherence_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/coherence"
	"github.com/policycortex/headroom/server/cache/key"
	"github.com/policycortex/headroom/server/store"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

// member is an instance with only its bus, and what the bus asked of it.
type member struct {
	*coherence.Bus
	forgotten atomic.Int64
	dropped   chan string
}

func join(t *testing.T) *member {
	t.Helper()
	address, err := redis.ParseURL(containerstest.Shared(t).CacheURL)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{dropped: make(chan string, 1)}
	m.Bus = coherence.Open(coherence.Options{
		Address: address, Forget: func() { m.forgotten.Add(1) }, Drop: func(pattern string) { m.dropped <- pattern },
		Failed: func(operation string, err error) { t.Logf("%s: %v", operation, err) },
	})
	t.Cleanup(m.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := m.Join(ctx); err != nil {
		t.Fatal(err)
	}
	return m
}

func newKey() key.Key { return key.Key{Kind: key.Resource, Tenant: uuid.New(), ID: uuid.New()} }

// When Invalidate returns, every instance has raised the epoch of the stripe, and loads must see the change.
func TestInvalidateReachesEveryInstance(t *testing.T) {
	first, second := join(t), join(t)
	if first.forgotten.Load() != 1 {
		t.Errorf("L1 was emptied %d times on joining, want once", first.forgotten.Load())
	}
	for n := range 3 {
		k := newKey()
		_, here := first.Stripes.Of(&k)
		_, there := second.Stripes.Of(&k)
		before := [2]uint64{here.Epoch(), there.Epoch()}
		const changed = 4711
		if err := first.Invalidate(t.Context(), changed, k.Scope()); err != nil {
			t.Fatal(err)
		}
		if here.Epoch() == before[0] || there.Epoch() == before[1] {
			t.Errorf("invalidation %d: epochs %d and %d, before it %v", n, here.Epoch(), there.Epoch(), before)
		}
		// [store.OnPrimary], which an instance without its lease requires, is larger too.
		if lsn := second.RequiredLSN(k.Scope()); lsn < changed {
			t.Errorf("the other instance reads from LSN %d on, want %d", lsn, changed)
		}
	}
}

func TestDropReachesEveryInstance(t *testing.T) {
	first, second := join(t), join(t)
	if err := first.PublishDrop(t.Context(), first.Contact(), 0, "a*b"); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*member{first, second} {
		if pattern := <-m.dropped; pattern != "a*b" {
			t.Errorf("dropped %q", pattern)
		}
	}
}

// Without L2 nothing may be served, reads go to the primary, and an invalidation returns ErrUnacknowledged after
// LeaseTime + LeaseMargin at most.
func TestWithoutL2(t *testing.T) {
	b := coherence.Open(coherence.Options{
		Address: &redis.Options{Addr: "127.0.0.1:1"}, Forget: func() {}, Drop: func(string) {},
		Failed: func(string, error) {},
	})
	defer b.Close()
	k := newKey()
	began := time.Now()
	if err := b.Invalidate(t.Context(), 0, k.Scope()); !errors.Is(err, coherence.ErrUnacknowledged) {
		t.Errorf("got error %v", err)
	}
	if took := time.Since(began); took > coherence.LeaseTime+coherence.LeaseMargin+5*time.Second {
		t.Errorf("it took %s", took)
	}
	if b.Trusted(clock.Now()) || b.Serving() != nil || b.Contact() != nil {
		t.Error("an instance without L2 may serve")
	}
	if lsn := b.RequiredLSN(k.Scope()); lsn != store.OnPrimary {
		t.Errorf("a read must see LSN %d, want those of the primary", lsn)
	}
	if err := b.Ping(t.Context()); err == nil {
		t.Error("L2 answers a ping")
	}
}

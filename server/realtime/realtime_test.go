package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

const (
	never   = 24 * time.Hour
	patient = time.Minute // bounds what a test waits for in vain
)

func newStore(t testing.TB) *store.Store {
	t.Helper()
	url := containerstest.Shared(t).PostgresURL
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{
		URL: url, MaxConns: 4, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newHub makes a hub over a store of its own: an instance.
func newHub(t testing.TB, o realtime.Options, sweep time.Duration) (*realtime.Hub, *store.Store) {
	t.Helper()
	o.Store, o.Logger = newStore(t), slog.New(slog.DiscardHandler)
	h := realtime.NewWithSweep(o, sweep)
	t.Cleanup(h.Close)
	return h, o.Store
}

// subscriber is a subscription with what it has got.
type subscriber struct {
	*realtime.Subscription
	got []string // the types of events
}

func subscribe(t testing.TB, h *realtime.Hub, tenant store.ID, after *store.EventPosition) *subscriber {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	s, err := h.Subscribe(ctx, tenant, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &subscriber{Subscription: s}
}

// take waits for the next events.
func (s *subscriber) take(ctx context.Context, t testing.TB) error {
	t.Helper()
	events, err := s.Next(ctx, nil)
	for _, e := range events {
		_, rest, _ := strings.Cut(string(e.JSON()), `"type":"`)
		kind, _, _ := strings.Cut(rest, `"`)
		s.got = append(s.got, kind)
		if want := fmt.Sprintf("id: %s\ndata: %s\n\n", e.Position, e.JSON()); string(e.ServerSent()) != want {
			t.Errorf("sent as %q, want %q", e.ServerSent(), want)
		}
	}
	return err
}

// read reads until it has got n events in all.
func (s *subscriber) read(t testing.TB, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	for len(s.got) < n {
		if err := s.take(ctx, t); err != nil {
			t.Fatalf("after %v: %v", s.got, err)
		}
	}
}

func (s *subscriber) expect(t testing.TB, want ...string) {
	t.Helper()
	s.read(t, len(want))
	if !slices.Equal(s.got, want) {
		t.Errorf("got %v, want %v", s.got, want)
	}
}

func add(t testing.TB, s *store.Store, tenant store.ID, kind string) {
	t.Helper()
	if _, err := s.AppendEvent(t.Context(), tenant, uuid.New(), 0, kind, nil); err != nil {
		t.Fatal(err)
	}
}

// names are n different names that begin with prefix.
func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

// TestOtherInstanceIsTold of a change by the announcement: nobody here looks of itself.
func TestOtherInstanceIsTold(t *testing.T) {
	here, db := newHub(t, realtime.Options{}, never)
	there, _ := newHub(t, realtime.Options{}, never)
	tenant := uuid.New()
	s := subscribe(t, there, tenant, nil)
	added := 0
	for len(s.got) == 0 { // the first may be announced before both listen
		if added > 600 {
			t.Fatalf("it has not heard of %d events", added)
		}
		add(t, db, tenant, fmt.Sprintf("e%d", added))
		added++
		here.Changed(tenant)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := s.take(ctx, t)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	for range 20 {
		add(t, db, tenant, fmt.Sprintf("e%d", added))
		added++
		here.Changed(tenant)
	}
	s.expect(t, names("e", added)...)
}

// TestNobodyIsToldWhoDoesNotAsk: without subscribers elsewhere a change is not announced. The first of them has it
// announced, and misses nothing that was changed before that was heard of.
func TestNobodyIsToldWhoDoesNotAsk(t *testing.T) {
	here, db := newHub(t, realtime.Options{}, never)
	there, _ := newHub(t, realtime.Options{}, never)
	deadline := time.Now().Add(patient)
	becomes := func(tells bool) {
		t.Helper()
		for here.Tells() != tells {
			if time.Now().After(deadline) {
				t.Fatalf("it has not become %v that it tells", tells)
			}
			time.Sleep(time.Millisecond)
		}
	}
	becomes(true) // until it knows that nobody asks
	becomes(false)
	tenant := uuid.New()
	here.Changed(tenant)
	if here.HasNews() {
		t.Error("a change is to be announced that nobody has asked for")
	}
	s := subscribe(t, there, tenant, nil)
	add(t, db, tenant, "e0")
	here.Changed(tenant)
	s.expect(t, "e0")
	becomes(true)
}

// TestAnyProgramCanAnnounce, also one that names no tenant.
func TestAnyProgramCanAnnounce(t *testing.T) {
	h, db := newHub(t, realtime.Options{}, never)
	tenant := uuid.New()
	s := subscribe(t, h, tenant, nil)
	for i, payload := range []string{"", "something", tenant.String(), uuid.NewString() + "," + tenant.String()} {
		add(t, db, tenant, fmt.Sprintf("e%d", i))
		stop := notify(t, payload)
		s.expect(t, names("e", i+1)...)
		stop()
	}
}

// notify announces again and again, since the hub may not listen yet.
func notify(t testing.TB, payload string) (stop func()) {
	t.Helper()
	conn := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			conn.Exec(ctx, "SELECT pg_notify('headroom_events', $1)", payload)
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), containerstest.Shared(t).PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestUnannouncedEventsAreFound by the look at every tenant.
func TestUnannouncedEventsAreFound(t *testing.T) {
	h, db := newHub(t, realtime.Options{}, 10*time.Millisecond)
	tenant := uuid.New()
	s := subscribe(t, h, tenant, nil)
	for i := range 5 {
		add(t, db, tenant, fmt.Sprintf("e%d", i))
		s.expect(t, names("e", i+1)...)
	}
}

// TestHeldBackEvents: an event waits for an older transaction, which may still add one before it, and is delivered when
// that has ended, though nobody tells of it.
func TestHeldBackEvents(t *testing.T) {
	h, db := newHub(t, realtime.Options{}, never)
	for _, commits := range []bool{true, false} {
		tenant := uuid.New()
		s := subscribe(t, h, tenant, nil)
		tx, err := connect(t).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tx.Rollback(context.Background()) })
		if _, err := tx.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
			t.Fatal(err)
		}
		add(t, db, tenant, "late")
		h.Changed(tenant)
		follows := db.QueryStats()["follow_events"].Durations.TotalCount()
		for db.QueryStats()["follow_events"].Durations.TotalCount() == follows { // until it has looked
			h.Changed(tenant)
			time.Sleep(time.Millisecond)
		}
		if _, err := tx.Exec(t.Context(), "INSERT INTO events (tenant_id, stream_id, version, type, payload) "+
			"VALUES ($1, $2, 1, 'early', '{}')", tenant, uuid.New()); err != nil {
			t.Fatal(err)
		}
		if commits {
			err = tx.Commit(t.Context())
		} else {
			err = tx.Rollback(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if commits {
			s.expect(t, "early", "late")
		} else {
			s.expect(t, "late")
		}
	}
}

// TestSubscriberWhoFallsBehind is told so, and continues from its position without a gap or a double, while others go
// on. What is kept is bounded.
func TestSubscriberWhoFallsBehind(t *testing.T) {
	const kept = 20_000 // bytes: some 80 events
	h, db := newHub(t, realtime.Options{BufferBytes: kept}, never)
	tenant := uuid.New()
	slow, quick := subscribe(t, h, tenant, nil), subscribe(t, h, tenant, nil)
	const events = 300
	for i := range events {
		add(t, db, tenant, fmt.Sprintf("e%d", i))
		h.Changed(tenant)
		quick.read(t, i+1)
		if i == 4 {
			slow.read(t, 5)
			atOnce := make(chan time.Time)
			close(atOnce)
			for !slow.Current() { // until it has found that there is nothing more
				if rest, err := slow.Next(t.Context(), atOnce); err != nil || len(rest) > 0 {
					t.Fatalf("got %d events, error %v", len(rest), err)
				}
			}
		}
	}
	if want := names("e", events); !slices.Equal(quick.got, want) {
		t.Errorf("the quick one got %v", quick.got)
	}
	if got, err := slow.Next(t.Context(), nil); !errors.Is(err, realtime.ErrSlow) {
		t.Fatalf("the slow one got %d events, error %v", len(got), err)
	}
	at := slow.At()
	again := subscribe(t, h, tenant, &at)
	again.got = slow.got
	again.expect(t, names("e", events)...)
}

// TestCatchingUp from before everything, in a topic that others have begun, while events are added.
func TestCatchingUp(t *testing.T) {
	h, db := newHub(t, realtime.Options{}, never)
	for name, before := range map[string]int{"a page": 20, "many pages": 700} {
		tenant := uuid.New()
		for i := range before {
			add(t, db, tenant, fmt.Sprintf("e%d", i))
		}
		var first []*subscriber // the first one begins the topic
		for range 3 {
			first = append(first, subscribe(t, h, tenant, &store.EventPosition{}))
		}
		now := subscribe(t, h, tenant, nil)
		const more = 30
		var adding sync.WaitGroup
		adding.Go(func() {
			for i := range more {
				add(t, db, tenant, fmt.Sprintf("e%d", before+i))
				h.Changed(tenant)
			}
		})
		for _, s := range first {
			s.read(t, before+more)
			if want := names("e", before+more); !slices.Equal(s.got, want) {
				t.Errorf("%s: got %v", name, s.got)
			}
		}
		now.read(t, more)
		// An open transaction of somebody else may have held back the last events from before.
		for last := fmt.Sprintf("e%d", before+more-1); now.got[len(now.got)-1] != last; {
			now.read(t, len(now.got)+1)
		}
		if all := names("e", before+more); !slices.Equal(now.got, all[len(all)-len(now.got):]) {
			t.Errorf("%s: who began later got %v", name, now.got)
		}
		adding.Wait()
	}
}

// TestQuietSubscribersMoveOn: without events, the position of a subscriber moves on, so that it can be continued from
// even when many other tenants have changed since.
func TestQuietSubscribersMoveOn(t *testing.T) {
	h, db := newHub(t, realtime.Options{}, 5*time.Millisecond)
	s := subscribe(t, h, uuid.New(), nil)
	began := s.At()
	add(t, db, uuid.New(), "another")
	quiet := time.NewTicker(time.Millisecond)
	defer quiet.Stop()
	deadline := time.Now().Add(patient)
	for s.At().Compare(began) <= 0 {
		events, err := s.Next(t.Context(), quiet.C)
		if err != nil || len(events) > 0 || time.Now().After(deadline) {
			t.Fatalf("got %d events, error %v, at %s since %s", len(events), err, s.At(), began)
		}
	}
}

func TestSubscribersAreBounded(t *testing.T) {
	h, _ := newHub(t, realtime.Options{MaxSubscribers: 2}, never)
	tenant := uuid.New()
	one := subscribe(t, h, tenant, nil)
	subscribe(t, h, uuid.New(), nil)
	if _, err := h.Subscribe(t.Context(), tenant, nil); !errors.Is(err, realtime.ErrFull) {
		t.Errorf("a third subscriber: %v", err)
	}
	if n := h.Subscribers(); n != 2 {
		t.Errorf("%d subscribers", n)
	}
	h.Drain()
	if _, err := one.Next(t.Context(), nil); !errors.Is(err, realtime.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := h.Subscribe(t.Context(), tenant, nil); !errors.Is(err, realtime.ErrClosed) {
		t.Errorf("a new one after the end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with subscribers there, Wait returned %v", err)
	}
}

// TestSubscribingWithoutADatabase fails at once, and is tried again for the next subscriber.
func TestSubscribingWithoutADatabase(t *testing.T) {
	h, db := newHub(t, realtime.Options{}, never)
	db.Close()
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		_, err := h.Subscribe(ctx, uuid.New(), nil)
		cancel()
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	if n := h.Subscribers(); n != 0 {
		t.Errorf("%d subscribers", n)
	}
}

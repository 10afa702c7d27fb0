package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// followed is what EventsAfter gives for one follow.
type followed struct {
	json []string
	held int
	last store.EventPosition
}

func eventsAfter(t testing.TB, s *store.Store, follows []store.Follow, limit int) (all []followed, horizon uint64) {
	t.Helper()
	all = make([]followed, len(follows))
	horizon, err := s.EventsAfter(t.Context(), follows, limit, func(e *store.FollowedEvent) {
		f := &all[e.Index]
		if e.Held {
			f.held++
			return
		}
		f.json = append(f.json, string(e.JSON))
		f.last = e.Position
		var read struct {
			Place      string
			OccurredAt time.Time `json:"occurred_at"`
		}
		if err := json.Unmarshal(e.JSON, &read); err != nil || read.Place != e.Position.String() ||
			read.OccurredAt.UnixMicro() != e.OccurredAt {
			t.Errorf("%+v with JSON %s (error %v)", e, e.JSON, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, horizon
}

// TestEventsAfterForManyTenants gives each what AppendEvents gives it alone, page by page.
func TestEventsAfterForManyTenants(t *testing.T) {
	s := openStore(t)
	follows := make([]store.Follow, 5)
	for i := range follows {
		follows[i].Tenant = newID()
		for k := range i * 3 { // the first has none
			if _, err := s.AppendEvent(t.Context(), follows[i].Tenant, newID(), 0, fmt.Sprintf("e%d", k),
				json.RawMessage(`{"a":"\u2028\n"}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	waitFor(t, func() bool { // others' transactions may hold the last ones back
		all, _ := eventsAfter(t, s, follows, 100)
		return !slices.ContainsFunc(all, func(f followed) bool { return f.held > 0 })
	})
	got := make([][]string, len(follows))
	for range 4 {
		all, horizon := eventsAfter(t, s, follows, 4)
		for i, f := range all {
			got[i] = append(got[i], f.json...)
			if len(f.json) > 0 {
				follows[i].After = f.last
			}
			if f.last.Transaction >= horizon {
				t.Errorf("%s is not before the horizon %d", f.last, horizon)
			}
		}
	}
	for i := range follows {
		want, _, _, err := s.AppendEvents(t.Context(), nil, follows[i].Tenant, store.EventPosition{}, 100, 0)
		if err != nil || "["+strings.Join(got[i], ",")+"]" != string(want) {
			t.Errorf("tenant %d: got %s, want %s (error %v)", i, got[i], want, err)
		}
		if slices.ContainsFunc(got[i], func(e string) bool { return strings.Contains(e, "\n") }) {
			t.Errorf("an event of several lines: %s", got[i])
		}
	}
}

func waitFor(t testing.TB, happened func() bool) {
	t.Helper()
	for range 2000 {
		if happened() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}

// TestEventsAfterHoldsBack what comes after an open transaction, and says so.
func TestEventsAfterHoldsBack(t *testing.T) {
	s, tenant := openStore(t), newID()
	tx, err := connect(t, postgresURL(t)).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	var open uint64
	if err := tx.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text::bigint").Scan(&open); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendEvent(t.Context(), tenant, newID(), 0, "late", nil); err != nil {
		t.Fatal(err)
	}
	follows := []store.Follow{{Tenant: tenant}}
	all, horizon := eventsAfter(t, s, follows, 10)
	if len(all[0].json) > 0 || all[0].held != 1 || horizon > open {
		t.Errorf("got %+v before %d, while %d is open", all[0], horizon, open)
	}
	oldest, next, err := s.EventHorizon(t.Context())
	if err != nil || oldest > open || next <= open {
		t.Errorf("the oldest open transaction is %d and the next one %d (error %v); %d is open", oldest, next,
			err, open)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		all, horizon = eventsAfter(t, s, follows, 10)
		return len(all[0].json) == 1
	})
	if horizon <= open || all[0].held != 0 {
		t.Errorf("got %+v before %d", all[0], horizon)
	}
}

// TestListeners hear what others announce, and not what they announce themselves; a wait that is given up loses
// nothing.
func TestListeners(t *testing.T) {
	s := openStoreWith(t, store.Options{URL: newMigrated(t), MaxConns: 2})
	var listeners []*store.Listener
	for range 2 {
		l, err := s.Listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		listeners = append(listeners, l)
	}
	one, other := listeners[0], listeners[1]
	many := make([]store.ID, 450)
	for i := range many {
		many[i] = newID()
	}
	for _, tenants := range [][]store.ID{many[:1], many, nil} {
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if heard, err := other.Wait(short); err == nil {
			t.Errorf("heard %v of nobody", heard)
		}
		cancel()
		if err := one.Announce(t.Context(), tenants); err != nil {
			t.Fatal(err)
		}
		var heard []store.ID
		for again := true; again; again = len(heard) < len(tenants) {
			long, cancel := context.WithTimeout(t.Context(), time.Minute)
			some, err := other.Wait(long)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, some.Tenants...)
		}
		if !slices.Equal(heard, tenants) {
			t.Errorf("heard of %d tenants, not of the %d", len(heard), len(tenants))
		}
	}
	if err := other.Announce(t.Context(), many[:1]); err != nil {
		t.Fatal(err)
	}
	// It has heard of its own announcements by now, and passes on the other's alone.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if heard, err := one.Wait(ctx); err != nil || !slices.Equal(heard.Tenants, many[:1]) || heard.Asks {
		t.Errorf("heard %v, error %v", heard, err)
	}
	if err := other.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if heard, err := one.Wait(ctx); err != nil || len(heard.Tenants) != 0 || !heard.Asks {
		t.Errorf("heard %v, error %v", heard, err)
	}
}

func FuzzParseAnnouncement(f *testing.F) {
	for _, seed := range []string{
		"", ",", "0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51", "x", "0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51,",
		"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51,6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30", "listening",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		var texts []string
		heard := store.ParseAnnouncement(payload)
		for _, tenant := range heard.Tenants {
			texts = append(texts, uuid.UUID(tenant).String())
		}
		if heard.Asks != (payload == "listening") {
			t.Errorf("%q: asks %v", payload, heard.Asks)
		}
		if texts != nil && strings.Join(texts, ",") != strings.ToLower(payload) {
			t.Errorf("%q was read as %q", payload, texts)
		}
	})
}

// BenchmarkEventsAfter reads for 128 tenants that have nothing new: a share of the look at every tenant.
func BenchmarkEventsAfter(b *testing.B) {
	s := openStore(b)
	horizon, _, err := s.EventHorizon(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	follows := make([]store.Follow, 128)
	for i := range follows {
		follows[i] = store.Follow{Tenant: newID(), After: store.EventPosition{Transaction: horizon}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.EventsAfter(b.Context(), follows, 200, func(*store.FollowedEvent) {}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNotifyInTransaction compares eight writers of events whose transactions notify, with eight whose do not: the
// reason why changes are announced after their commit.
func BenchmarkNotifyInTransaction(b *testing.B) {
	url := postgresURL(b)
	const insert = "INSERT INTO events (tenant_id, stream_id, version, type, payload) VALUES ($1, $2, 1, 'e', '{}')"
	for name, sql := range map[string]string{
		"without": insert,
		"with":    "WITH e AS (" + insert + " RETURNING 1) SELECT pg_notify('headroom_test', 'x') FROM e",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(max(8/runtime.GOMAXPROCS(0), 1))
			b.RunParallel(func(pb *testing.PB) {
				conn, err := pgx.Connect(b.Context(), url)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close(context.Background())
				for pb.Next() {
					if _, err := conn.Exec(b.Context(), sql, newID(), newID()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkAnnounce tells other listeners of a tenant. A server does so at most once in 5 ms, and only when one of them
// has asked for it.
func BenchmarkAnnounce(b *testing.B) {
	l, err := openStore(b).Listen(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	tenants := []store.ID{newID()}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Announce(b.Context(), tenants); err != nil {
			b.Fatal(err)
		}
	}
}

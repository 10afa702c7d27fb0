package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// event is what a store appends for one.
type event struct {
	Place      string
	StreamID   uuid.UUID `json:"stream_id"`
	Version    int
	Type       string
	Payload    json.RawMessage
	OccurredAt string `json:"occurred_at"`
}

func decodeEvents(t testing.TB, body []byte) (events []event) {
	t.Helper()
	if err := json.Unmarshal(body, &events); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return events
}

func TestOneOfTwoAppendsAtAVersion(t *testing.T) {
	s, tenant, stream := openStore(t), newID(), newID()
	const appenders, versions = 4, 20
	var wait sync.WaitGroup
	var stale atomic.Int32
	for range appenders {
		wait.Go(func() {
			for version := int32(0); version < versions; {
				_, err := s.AppendEvent(t.Context(), tenant, stream, version, "test.happened",
					json.RawMessage(`{"a":1}`))
				switch {
				case errors.Is(err, store.ErrVersion):
					stale.Add(1)
				case err != nil:
					t.Error(err)
					return
				}
				version++ // this one's or another's
			}
		})
	}
	wait.Wait()
	if stale.Load() != (appenders-1)*versions {
		t.Errorf("%d of %d appends were stale, want all but %d", stale.Load(), appenders*versions, versions)
	}
	checkStream(t, s, tenant, stream, slices.Repeat([]string{"test.happened"}, versions)...)
}

func TestAppendEventRefuses(t *testing.T) {
	s, tenant, stream := openStore(t), newID(), newID()
	add := func(tenant store.ID, version int32, payload string) error {
		_, err := s.AppendEvent(t.Context(), tenant, stream, version, "test.happened", json.RawMessage(payload))
		return err
	}
	if err := add(tenant, 0, `{}`); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a version that is taken":   add(tenant, 0, `{}`),
		"a gap":                     add(tenant, 2, `{}`),
		"another tenant's stream":   add(newID(), 1, `{}`),
		"another tenant's, at zero": add(newID(), 0, `{}`),
	} {
		if !errors.Is(err, store.ErrVersion) {
			t.Errorf("%s: %v, want ErrVersion", name, err)
		}
	}
	var fault *store.ValidationError
	if err := add(tenant, 1, `[]`); !errors.As(err, &fault) {
		t.Errorf("a payload that is no object: %v", err)
	}
	conn := connect(t, postgresURL(t))
	for _, sql := range []string{
		"UPDATE events SET type = 'x' WHERE tenant_id = $1",
		"DELETE FROM events WHERE tenant_id = $1",
	} {
		if _, err := conn.Exec(t.Context(), sql, tenant); err == nil {
			t.Errorf("%s was executed", sql)
		}
	}
	checkStream(t, s, tenant, stream, "test.happened")
}

// follower asks again and again for what follows the last event that it got.
type follower struct {
	s      *store.Store
	tenant store.ID
	at     store.EventPosition
	got    []string
}

func (f *follower) follow(t *testing.T, limit int) (more bool) {
	t.Helper()
	body, last, more, err := f.s.AppendEvents(t.Context(), nil, f.tenant, f.at, limit, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range decodeEvents(t, body) {
		f.got = append(f.got, e.Type)
		if at, err := store.ParseEventPosition(e.Place); err != nil || e.Place != at.String() {
			t.Errorf("place %s was read as %s, error %v", e.Place, at, err)
		}
	}
	f.at = last
	return more
}

// Transactions commit in another order than they began, and take positions in yet another one. A follower gets every
// event nevertheless. It is the case that following the position alone would lose: an event of a later transaction that
// took an earlier position and commits last.
func TestFollowerMissesNoLateCommitter(t *testing.T) {
	s, tenant := openStore(t), newID()
	f := &follower{s: s, tenant: tenant}
	begin := func() pgx.Tx {
		tx, err := connect(t, postgresURL(t)).Begin(t.Context())
		if err == nil {
			_, err = tx.Exec(t.Context(), "SELECT pg_current_xact_id()")
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tx.Rollback(context.Background()) })
		return tx
	}
	add := func(tx pgx.Tx, kind string) {
		_, err := tx.Exec(t.Context(),
			"INSERT INTO events (tenant_id, stream_id, version, type, payload) VALUES ($1, $2, 1, $3, '{}')", tenant,
			newID(), kind)
		if err != nil {
			t.Fatal(err)
		}
	}
	commit := func(tx pgx.Tx) {
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, want ...string) {
		t.Helper()
		f.follow(t, 100)
		if !slices.Equal(f.got, want) {
			t.Errorf("%s: the follower has %v, want %v", when, f.got, want)
		}
	}

	early, late := begin(), begin() // in the order of their numbers
	add(late, "late")               // takes the first position
	add(early, "early")
	expect("both are open")
	commit(early)
	expect("one is open that may add before nothing that was committed", "early")
	commit(late)
	expect("both have ended", "early", "late")

	long, short := begin(), begin()
	add(short, "short")
	commit(short)
	expect("an older one is open", "early", "late")
	add(long, "long")
	commit(long)
	expect("it has ended", "early", "late", "long", "short")
}

func TestFollowersOfConcurrentWritersGetEveryEventOnce(t *testing.T) {
	s, tenant := openStore(t), newID()
	const writers, each = 3, 60
	want := map[string]int{}
	var wait sync.WaitGroup
	for w := range writers {
		for i := range each {
			want[fmt.Sprintf("w%d.%d", w, i)] = 1
		}
		wait.Go(func() {
			for i := range each {
				if _, err := s.AppendEvent(t.Context(), tenant, newID(), 0, fmt.Sprintf("w%d.%d", w, i),
					nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	f := &follower{s: s, tenant: tenant}
	for ended := false; ; {
		more := f.follow(t, 7)
		// Other tests' transactions may be open: then the last events come a little later.
		if ended && !more && len(f.got) >= writers*each {
			break
		}
		select {
		case <-done:
			ended = true
		default:
		}
		if t.Context().Err() != nil || t.Failed() {
			break
		}
	}
	got := map[string]int{}
	for _, kind := range f.got {
		got[kind]++
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %d events of %d kinds, want each of %d once", len(f.got), len(got), len(want))
	}
}

func FuzzParseEventPosition(f *testing.F) {
	for _, seed := range []string{"7421-183", "0-0", "-", "1", "1-2-3", "9223372036854775808-1", "+1-1", "01-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := store.ParseEventPosition(s)
		if err != nil {
			return
		}
		if back, err := store.ParseEventPosition(p.String()); err != nil || back != p || p.Position < 0 {
			t.Errorf("%q became %+v and then %+v, error %v", s, p, back, err)
		}
	})
}

func BenchmarkAppendEvents(b *testing.B) {
	s, tenant := openStore(b), newID()
	for range 50 {
		if _, err := s.AppendEvent(b.Context(), tenant, newID(), 0, "test.happened",
			json.RawMessage(`{"a":1}`)); err != nil {
			b.Fatal(err)
		}
	}
	buffer := make([]byte, 0, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := s.AppendEvents(b.Context(), buffer, tenant, store.EventPosition{}, 50, 0); err != nil {
			b.Fatal(err)
		}
	}
}

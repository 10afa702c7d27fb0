package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// stored is the JSON of a resource.
type stored struct {
	store.NewResource
	ID        uuid.UUID
	Version   int
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func parse(t *testing.T, body []byte) stored {
	t.Helper()
	var r stored
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if version, err := store.ResourceVersion(body); err != nil || version != r.Version {
		t.Errorf("ResourceVersion is %d (error %v), want %d", version, err, r.Version)
	}
	return r
}

// resourceEvent is a row of the event store.
type resourceEvent struct {
	Version int
	Type    string
	Payload store.NewResource
}

func resourceEvents(t *testing.T, tenant, stream store.ID) []resourceEvent {
	t.Helper()
	rows, _ := connect(t, postgresURL(t)).Query(t.Context(),
		"SELECT version, type, payload FROM events WHERE tenant_id = $1 AND stream_id = $2 ORDER BY version",
		tenant, stream)
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[resourceEvent])
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestLifeOfAResource(t *testing.T) {
	s, tenant := openStore(t), newID()
	first, second := newResource(1), newResource(1)
	first.Tags, second.Location = map[string]string{"env": "prod"}, "northeurope"
	second.Properties = json.RawMessage(`{"size": 3}`)

	body, id, _, err := s.CreateResource(t.Context(), []byte("before"), tenant, &first)
	if err != nil || !strings.HasPrefix(string(body), "before{") {
		t.Fatalf("%s, error %v", body, err)
	}
	created := parse(t, body[len("before"):])
	if created.ID != uuid.UUID(id) || created.Version != 1 || created.Tags["env"] != "prod" {
		t.Errorf("created %+v", created)
	}
	if read, err := s.AppendResource(t.Context(), []byte("before"), tenant, id, 0); err != nil ||
		string(read) != string(body) {
		t.Errorf("read %s (error %v), want what creating returned: %s", read, err, body)
	}

	body, _, err = s.ReplaceResource(t.Context(), nil, tenant, id, 1, &second)
	if err != nil {
		t.Fatal(err)
	}
	replaced := parse(t, body)
	if replaced.Version != 2 || replaced.Location != "northeurope" || len(replaced.Tags) != 0 ||
		!sameJSON(t, replaced.Properties, second.Properties) ||
		!replaced.CreatedAt.Equal(created.CreatedAt) || !replaced.UpdatedAt.After(created.UpdatedAt) {
		t.Errorf("replaced %+v by %+v, got %+v", created, second, replaced)
	}
	body, _, err = s.ReplaceResource(t.Context(), nil, tenant, id, store.AnyVersion, &second)
	if err != nil || parse(t, body).Version != 3 {
		t.Errorf("the same again: %s, error %v, want version 3", body, err)
	}

	if _, err := s.DeleteResource(t.Context(), tenant, id, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("reading the deleted one: %v", err)
	}
	want := []resourceEvent{
		{1, "resource.created", first},
		{2, "resource.updated", second},
		{3, "resource.updated", second},
		{4, "resource.deleted", store.NewResource{}},
	}
	want[0].Payload.Properties = json.RawMessage(`{}`)
	want[1].Payload.Tags, want[2].Payload.Tags = map[string]string{}, map[string]string{}
	if got := resourceEvents(t, tenant, id); !reflect.DeepEqual(got, want) {
		t.Errorf("events are %+v, want %+v", got, want)
	}
	if _, _, _, err := s.CreateResource(t.Context(), nil, tenant, &first); err != nil {
		t.Errorf("the name of the deleted one should be free: %v", err)
	}
}

func TestRefusedChangesChangeNothing(t *testing.T) {
	s, tenant := openStore(t), newID()
	r, other, bad := newResource(1), newResource(2), newResource(3)
	bad.Name = ""
	before, id, _, err := s.CreateResource(t.Context(), nil, tenant, &r)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := s.CreateResource(t.Context(), nil, tenant, &other); err != nil {
		t.Fatal(err)
	}
	var invalid *store.ValidationError
	for name, c := range map[string]struct {
		change func() error
		want   func(error) bool
	}{
		"create what exists": {func() error {
			_, _, _,
				err := s.CreateResource(t.Context(), nil, tenant, &r)
			return err
		}, is(store.ErrConflict)},
		"create an invalid one": {func() error {
			_, _, _,
				err := s.CreateResource(t.Context(), nil, tenant, &bad)
			return err
		}, func(err error) bool { return errors.As(err, &invalid) }},
		"replace an old version": {replacing(t, s, tenant, id, 7, r), is(store.ErrVersion)},
		"replace by an invalid": {
			replacing(t, s, tenant, id, 1, bad),
			func(err error) bool { return errors.As(err, &invalid) },
		},
		"replace by another's key": {replacing(t, s, tenant, id, 1, other), is(store.ErrConflict)},
		"replace an unknown one":   {replacing(t, s, tenant, newID(), store.AnyVersion, r), is(store.ErrNotFound)},
		"replace another tenant's": {replacing(t, s, newID(), id, 1, r), is(store.ErrNotFound)},
		"delete an old version": {func() error {
			_,
				err := s.DeleteResource(t.Context(), tenant, id, 7)
			return err
		}, is(store.ErrVersion)},
		"delete an unknown one": {func() error {
			_,
				err := s.DeleteResource(t.Context(), tenant, newID(), 1)
			return err
		}, is(store.ErrNotFound)},
		"delete another tenant's": {func() error {
			_,
				err := s.DeleteResource(t.Context(), newID(), id, store.AnyVersion)
			return err
		}, is(store.ErrNotFound)},
	} {
		if err := c.change(); !c.want(err) {
			t.Errorf("%s: error %v", name, err)
		}
		if after, err := s.AppendResource(t.Context(), nil, tenant, id, 0); err != nil ||
			string(after) != string(before) {
			t.Errorf("%s changed it to %s (error %v)", name, after, err)
		}
		if events := resourceEvents(t, tenant, id); len(events) != 1 {
			t.Errorf("%s left events %+v", name, events)
		}
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func replacing(t *testing.T, s *store.Store, tenant, id store.ID, version int, r store.NewResource) func() error {
	return func() error {
		_, _, err := s.ReplaceResource(t.Context(), nil, tenant, id, version, &r)
		return err
	}
}

// Of all that change one version at the same time, exactly one does.
func TestOneOfManyConcurrentChangesWins(t *testing.T) {
	s, tenant := openStore(t), newID()
	r := newResource(1)
	_, id, _, err := s.CreateResource(t.Context(), nil, tenant, &r)
	if err != nil {
		t.Fatal(err)
	}
	for version := 1; version <= 20; version++ {
		var won atomic.Int32
		var changes sync.WaitGroup
		for n := range 4 {
			changes.Go(func() {
				mine := newResource(1)
				mine.Name = fmt.Sprintf("of %d", n)
				switch _, _, err := s.ReplaceResource(t.Context(), nil, tenant, id, version, &mine); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrVersion):
					t.Error(err)
				}
			})
		}
		changes.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d changes of version %d were made, want 1", won.Load(), version)
		}
	}
	if events := resourceEvents(t, tenant, id); len(events) != 21 || events[20].Version != 21 {
		t.Errorf("%d events, want one for each version", len(events))
	}
}

func TestBatchRecordsItsEvents(t *testing.T) {
	s, tenant := openStore(t), newID()
	inserted, _, err := s.InsertResources(t.Context(), tenant,
		[]store.NewResource{newResource(1), newResource(2), newResource(1)})
	if err != nil || len(inserted.Created) != 2 {
		t.Fatalf("%+v, error %v", inserted, err)
	}
	for i, id := range inserted.Created {
		want := newResource(i + 1)
		if events := resourceEvents(t, tenant, id); len(events) != 1 || events[0].Version != 1 ||
			events[0].Type != "resource.created" || events[0].Payload.Name != want.Name {
			t.Errorf("events of %d are %+v", i, events)
		}
	}
	var all int
	err = connect(t, postgresURL(t)).QueryRow(t.Context(), "SELECT count(*) FROM events WHERE tenant_id = $1",
		tenant).Scan(&all)
	if err != nil || all != 2 {
		t.Errorf("%d events (error %v), want none for the conflict", all, err)
	}
}

// Postgres has a limit on what it can search in; what is beyond it must be refused before.
func TestLargestDescriptionIsTaken(t *testing.T) {
	s, tenant := openStore(t), newID()
	r := newResource(1)
	var words strings.Builder
	for i := 0; words.Len() < 99_900; i++ { // short words that differ make the largest vector for a text
		fmt.Fprintf(&words, "%x ", i)
	}
	r.Properties = json.RawMessage(`{"description":"` + words.String() + `"}`)
	if _, _, _, err := s.CreateResource(t.Context(), nil, tenant, &r); err != nil {
		t.Errorf("a description of %d bytes: %v", words.Len(), err)
	}
	r.Properties, r.AzureResourceID = describedByNumbers(), "/numbers"
	if _, _, _, err := s.CreateResource(t.Context(), nil, tenant, &r); err != nil {
		t.Errorf("a description of numbers: %v", err)
	}
	r.Properties = json.RawMessage(`{"description":"` + strings.Repeat("x", 100_001) + `"}`)
	var invalid *store.ValidationError
	if _, _, _, err := s.CreateResource(t.Context(), nil, tenant, &r); !errors.As(err, &invalid) {
		t.Errorf("a description that is too long: %v", err)
	}
}

// describedByNumbers is a description that is no text and is much longer when it is read than when it is sent.
func describedByNumbers() json.RawMessage {
	b := []byte(`{"description":[`)
	for i := range 100 {
		b = fmt.Appendf(b, "%de1000,", 1+i)
	}
	for i := range 10_000 {
		b = fmt.Appendf(b, "%de32,", 10_000+i)
	}
	return append(b, "0]}"...)
}

func BenchmarkReplaceResource(b *testing.B) {
	s, tenant := openStore(b), newID()
	r := newResource(1)
	_, id, _, err := s.CreateResource(b.Context(), nil, tenant, &r)
	if err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.ReplaceResource(b.Context(), buffer, tenant, id, store.AnyVersion, &r); err != nil {
			b.Fatal(err)
		}
	}
}

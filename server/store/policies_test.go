package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

// policy is what a store appends for one.
type policy struct {
	ID uuid.UUID
	store.NewPolicy
	Version   int32
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func newPolicy(n int) *store.NewPolicy {
	return &store.NewPolicy{
		Name: fmt.Sprintf("policy %d", n), Type: "Microsoft.Storage/storageAccounts",
		Category: "security", Severity: "high",
	}
}

func createPolicy(t testing.TB, s *store.Store, tenant store.ID, p *store.NewPolicy) store.ID {
	t.Helper()
	_, id, _, err := s.CreatePolicy(t.Context(), nil, tenant, p)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func decodePolicy(t testing.TB, body []byte) (p policy) {
	t.Helper()
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return p
}

func TestPolicyLives(t *testing.T) {
	s, tenant := openStore(t), newID()
	off := false
	first := &store.NewPolicy{
		Name: "no \"public\" access\n", Type: "t", Category: "c", Severity: "critical", Enabled: &off,
		Definition: json.RawMessage(`{"if": {"field": "x\u00e9"}, "n": 1.50}`),
	}
	body, id, _, err := s.CreatePolicy(t.Context(), []byte("before"), tenant, first)
	if err != nil {
		t.Fatal(err)
	}
	created := decodePolicy(t, body[len("before"):])
	if created.ID != uuid.UUID(id) || created.Version != 1 || created.Name != first.Name ||
		created.Severity != "critical" ||
		*created.Enabled || !sameJSON(t, created.Definition, first.Definition) || created.CreatedAt.IsZero() {
		t.Errorf("created %s", body)
	}
	read, err := s.AppendPolicy(t.Context(), []byte("before"), tenant, id, 0)
	if err != nil || string(read) != string(body) {
		t.Errorf("read %s (error %v), created %s", read, err, body)
	}
	second := newPolicy(2)
	body, _, err = s.ReplacePolicy(t.Context(), nil, tenant, id, 1, second)
	if err != nil {
		t.Fatal(err)
	}
	replaced := decodePolicy(t, body)
	if replaced.Version != 2 || replaced.Name != second.Name || !*replaced.Enabled ||
		string(replaced.Definition) != "{}" ||
		!replaced.CreatedAt.Equal(created.CreatedAt) || !replaced.UpdatedAt.After(created.UpdatedAt) {
		t.Errorf("replaced %s", body)
	}
	if _, _, err := s.ReplacePolicy(t.Context(), nil, tenant, id, 1, second); !errors.Is(err, store.ErrVersion) {
		t.Errorf("replacing an old version: %v, want ErrVersion", err)
	}
	if _, err := s.DeletePolicy(t.Context(), tenant, id, 1); !errors.Is(err, store.ErrVersion) {
		t.Errorf("deleting an old version: %v, want ErrVersion", err)
	}
	if _, _, err := s.ReplacePolicy(t.Context(), nil, tenant, id, 0, second); err != nil {
		t.Errorf("replacing whatever there is: %v", err)
	}
	if _, err := s.DeletePolicy(t.Context(), newID(), id, 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting another tenant's: %v, want ErrNotFound", err)
	}
	if _, err := s.DeletePolicy(t.Context(), tenant, id, 3); err != nil {
		t.Error(err)
	}
	_, readErr := s.AppendPolicy(t.Context(), nil, tenant, id, 0)
	_, _, replaceErr := s.ReplacePolicy(t.Context(), nil, tenant, id, 0, second)
	_, deleteErr := s.DeletePolicy(t.Context(), tenant, id, 0)
	for _, err := range []error{readErr, replaceErr, deleteErr} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the deletion: %v, want ErrNotFound", err)
		}
	}
	checkStream(t, s, tenant, id, "policy.created", "policy.updated", "policy.updated", "policy.deleted")
}

// checkStream holds a stream's events, in order, with versions from 1.
func checkStream(t *testing.T, s *store.Store, tenant, stream store.ID, kinds ...string) {
	t.Helper()
	body, last, more, err := s.AppendStream(t.Context(), nil, tenant, stream, 0, 100, 0)
	if err != nil || more || int(last) != len(kinds) {
		t.Fatalf("stream ends at %d, more %t (error %v), want %d: %s", last, more, err, len(kinds), body)
	}
	for i, e := range decodeEvents(t, body) {
		if e.Type != kinds[i] || e.Version != i+1 || e.StreamID != uuid.UUID(stream) {
			t.Errorf("event %d is %+v, want %s", i, e, kinds[i])
		}
	}
}

func TestPolicyNamesAreUniqueAmongTheLivingOfATenant(t *testing.T) {
	s, tenant := openStore(t), newID()
	first := createPolicy(t, s, tenant, newPolicy(1))
	second := createPolicy(t, s, tenant, newPolicy(2))
	createPolicy(t, s, newID(), newPolicy(1))
	if _, _, _, err := s.CreatePolicy(t.Context(), nil, tenant, newPolicy(1)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("creating a second one: %v, want ErrConflict", err)
	}
	if _, _, err := s.ReplacePolicy(t.Context(), nil, tenant, second, 1, newPolicy(1)); !errors.Is(err,
		store.ErrConflict) {
		t.Errorf("renaming to it: %v, want ErrConflict", err)
	}
	if _, err := s.DeletePolicy(t.Context(), tenant, first, 0); err != nil {
		t.Fatal(err)
	}
	createPolicy(t, s, tenant, newPolicy(1))
}

func TestPolicyFaults(t *testing.T) {
	s, tenant := openStore(t), newID()
	bad := &store.NewPolicy{
		Type: "a\x00", Category: strings.Repeat("x", 257), Severity: "extreme",
		Definition: json.RawMessage("[]"),
	}
	_, _, _, err := s.CreatePolicy(t.Context(), nil, tenant, bad)
	var faults *store.ValidationError
	if !errors.As(err, &faults) || len(faults.Faults) != 5 {
		t.Errorf("error %v, want five faults", err)
	}
	id := createPolicy(t, s, tenant, newPolicy(1))
	if _, _, err := s.ReplacePolicy(t.Context(), nil, tenant, id, 0, bad); !errors.As(err, &faults) {
		t.Errorf("error %v, want faults", err)
	}
	checkStream(t, s, tenant, id, "policy.created")
}

// Of many that change the same version at once, one succeeds.
func TestPolicyIsReplacedOnceAVersion(t *testing.T) {
	s, tenant := openStore(t), newID()
	id := createPolicy(t, s, tenant, newPolicy(1))
	var wait sync.WaitGroup
	var succeeded, stale atomic.Int32
	for i := range 8 {
		wait.Go(func() {
			switch _, _, err := s.ReplacePolicy(t.Context(), nil, tenant, id, 1, newPolicy(10+i)); {
			case err == nil:
				succeeded.Add(1)
			case errors.Is(err, store.ErrVersion):
				stale.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if succeeded.Load() != 1 || stale.Load() != 7 {
		t.Errorf("%d succeeded and %d were stale, want 1 and 7", succeeded.Load(), stale.Load())
	}
	checkStream(t, s, tenant, id, "policy.created", "policy.updated")
}

func TestPoliciesByPages(t *testing.T) {
	s, tenant := openStore(t), newID()
	off := false
	want := map[store.ID]bool{}
	for i := range 12 {
		p := newPolicy(i)
		if i%2 == 1 {
			p.Enabled, p.Severity = &off, "low"
		}
		if i%4 == 3 {
			p.Category, p.Type = "cost", "t"
		}
		id := createPolicy(t, s, tenant, p)
		want[id] = true
	}
	createPolicy(t, s, newID(), newPolicy(1))
	// All in one instant: the id alone decides.
	mustExec(t, connect(t, postgresURL(t)),
		"UPDATE policies SET updated_at = '2026-01-01' WHERE tenant_id = $1", tenant)
	q := store.PolicyQuery{Tenant: tenant, Limit: 5}
	for pages := 1; ; pages++ {
		body, next, err := s.AppendPolicies(t.Context(), nil, q, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range decodePolicies(t, body) {
			if !want[store.ID(p.ID)] {
				t.Errorf("policy %s comes twice or is not the tenant's", p.ID)
			}
			delete(want, store.ID(p.ID))
		}
		q.After = next
		if next == nil {
			if pages != 3 || len(want) > 0 {
				t.Errorf("%d pages, %d policies were not in them; want 3 and 0", pages, len(want))
			}
			break
		}
	}
	on := true
	for _, c := range []struct {
		filter store.PolicyFilter
		want   int
	}{
		{store.PolicyFilter{Enabled: &on}, 6},
		{store.PolicyFilter{Enabled: &off}, 6},
		{store.PolicyFilter{Severity: "low", Enabled: &off}, 6},
		{store.PolicyFilter{Category: "cost"}, 3},
		{store.PolicyFilter{Type: "t", Category: "cost", Severity: "low", Enabled: &off}, 3},
		{store.PolicyFilter{Type: "t", Enabled: &on}, 0},
	} {
		body, _, err := s.AppendPolicies(t.Context(), nil,
			store.PolicyQuery{Tenant: tenant, Filter: c.filter, Limit: 20}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(decodePolicies(t, body)); got != c.want {
			t.Errorf("%+v selects %d policies, want %d", c.filter, got, c.want)
		}
	}
}

func decodePolicies(t testing.TB, body []byte) (all []policy) {
	t.Helper()
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return all
}

func BenchmarkAppendPolicies(b *testing.B) {
	s, tenant := openStore(b), newID()
	for i := range 30 {
		createPolicy(b, s, tenant, newPolicy(i))
	}
	buffer := make([]byte, 0, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.AppendPolicies(b.Context(), buffer, store.PolicyQuery{Tenant: tenant, Limit: 20},
			0); err != nil {
			b.Fatal(err)
		}
	}
}

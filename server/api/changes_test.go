package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
)

// send sends a change with headers, given as names and values in turn.
func (s *service) send(t testing.TB, method, tenant, target, body string,
	headers ...string,
) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("X-Tenant-ID", tenant)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return s.answer(t, r)
}

// resourceJSON is a valid body.
func resourceJSON(azureID, name string) string {
	return fmt.Sprintf(
		`{"azure_resource_id":%q,"subscription_id":"s1","resource_group_name":"rg1","name":%q,"type":"t","location":"l","tags":{"env":"prod"}}`, azureID, name)
}

// expectNames checks that the list has these resources, newest first: it is what a client sees after a change.
func (s *service) expectNames(t testing.TB, tenant string, want ...string) {
	t.Helper()
	var page list
	decode(t, s.get(t, tenant, resourcesPath), http.StatusOK, &page)
	got := []string{}
	for _, r := range page.Data {
		got = append(got, r.Name)
	}
	if !reflect.DeepEqual(got, append([]string{}, want...)) {
		t.Errorf("the list has %v, want %v", got, want)
	}
}

func TestCreateReplaceDelete(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.expectNames(t, tenant)
	w := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first"))
	var r resource
	decode(t, w, http.StatusCreated, &r)
	target := w.Header().Get("Location")
	if r.Version != 1 || r.Name != "first" || target != resourcesPath+"/"+r.ID.String() {
		t.Errorf("created %s at %s", w.Body, target)
	}
	s.expectNames(t, tenant, "first")
	read := s.get(t, tenant, target)
	if read.Body.String() != w.Body.String() || read.Header().Get("ETag") != w.Header().Get("ETag") {
		t.Errorf("read %s, want what creating returned: %s", read.Body, w.Body)
	}

	w = s.send(t, http.MethodPut, tenant, target, resourceJSON("b", "second"), "If-Match", w.Header().Get("ETag"))
	decode(t, w, http.StatusOK, &r)
	if r.Version != 2 || r.Name != "second" {
		t.Errorf("replaced by %s", w.Body)
	}
	s.expectNames(t, tenant, "second")
	read = s.get(t, tenant, target)
	if read.Body.String() != w.Body.String() {
		t.Errorf("read %s, want what replacing returned: %s", read.Body, w.Body)
	}

	w = s.send(t, http.MethodDelete, tenant, target, "", "If-Match", `"2"`)
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("delete: status %d, %s", w.Code, w.Body)
	}
	s.expectNames(t, tenant)
	expectProblem(t, s.get(t, tenant, target), http.StatusNotFound)
	expectProblem(t, s.send(t, http.MethodDelete, tenant, target, ""), http.StatusNotFound)
	expectProblem(t, s.send(t, http.MethodPut, tenant, target, resourceJSON("b", "third")), http.StatusNotFound)
}

func TestRefusedChanges(t *testing.T) {
	s, tenant := newService(t), newTenant()
	w := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first"))
	target, etag := w.Header().Get("Location"), w.Header().Get("ETag")
	s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("b", "other"))
	good := resourceJSON("a", "again")
	for name, c := range map[string]struct {
		w      *httptest.ResponseRecorder
		status int
	}{
		"created twice": {s.send(t, http.MethodPost, tenant, resourcesPath, good), http.StatusConflict},
		"another's key": {
			s.send(t, http.MethodPut, tenant, target, resourceJSON("b", "first")),
			http.StatusConflict,
		},
		"an old version": {
			s.send(t, http.MethodPut, tenant, target, good, "If-Match", `"2"`),
			http.StatusPreconditionFailed,
		},
		"another ETag": {
			s.send(t, http.MethodPut, tenant, target, good, "If-Match", `W/"abc"`),
			http.StatusPreconditionFailed,
		},
		"an ETag with a comma": {
			s.send(t, http.MethodPut, tenant, target, good, "If-Match", `"a,b"`),
			http.StatusPreconditionFailed,
		},
		"delete an old version": {
			s.send(t, http.MethodDelete, tenant, target, "", "If-Match", `"2"`),
			http.StatusPreconditionFailed,
		},
		"only if there is none": {
			s.send(t, http.MethodPut, tenant, target, good, "If-None-Match", "*"),
			http.StatusPreconditionFailed,
		},
		"If-None-Match, the ETag": {
			s.send(t, http.MethodDelete, tenant, target, "", "If-None-Match", `"abc", `+etag),
			http.StatusPreconditionFailed,
		},
		"If-Match without quotes": {
			s.send(t, http.MethodPut, tenant, target, good, "If-Match", "1"),
			http.StatusBadRequest,
		},
		"If-Match that is empty": {
			s.send(t, http.MethodPut, tenant, target, good, "If-Match", ""),
			http.StatusBadRequest,
		},
		"If-Match of nothing": {s.send(t, http.MethodPut, tenant, resourcesPath+"/"+newTenant(), good, "If-Match",
			"*"), http.StatusNotFound},
		"If-Match of an unknown": {s.send(t, http.MethodPut, tenant, resourcesPath+"/"+newTenant(), good, "If-Match",
			`"1"`), http.StatusNotFound},
		"another tenant's":        {s.send(t, http.MethodPut, newTenant(), target, good), http.StatusNotFound},
		"delete another tenant's": {s.send(t, http.MethodDelete, newTenant(), target, ""), http.StatusNotFound},
		"no UUID": {
			s.send(t, http.MethodDelete, tenant, resourcesPath+"/42", ""),
			http.StatusBadRequest,
		},
		"no JSON": {s.send(t, http.MethodPost, tenant, resourcesPath, "{"), http.StatusBadRequest},
		"a list":  {s.send(t, http.MethodPost, tenant, resourcesPath, "[]"), http.StatusBadRequest},
		"an unknown field": {
			s.send(t, http.MethodPost, tenant, resourcesPath, `{"nome":1}`),
			http.StatusBadRequest,
		},
		"too large": {s.send(t, http.MethodPost, tenant, resourcesPath,
			`{"name":"`+strings.Repeat("x", 1<<20)+`"}`), http.StatusRequestEntityTooLarge},
		"no tenant": {s.send(t, http.MethodPost, "", resourcesPath, good), http.StatusBadRequest},
	} {
		if c.w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, c.w.Code, c.status, c.w.Body)
			continue
		}
		expectProblem(t, c.w, c.status)
	}
	s.expectNames(t, tenant, "other", "first")
	if w := s.send(t, http.MethodPut, tenant, target, good, "If-Match", `W/"abc", `+etag, "If-None-Match",
		`"abc"`); w.Code != http.StatusOK {
		t.Errorf("one of two ETags is right: status %d, %s", w.Code, w.Body)
	}
}

func TestFieldErrors(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for body, want := range map[string][]fieldFault{
		strings.Replace(resourceJSON("", "n"), `"location":"l"`, `"location":"`+strings.Repeat("x", 257)+`"`, 1): {
			{"azure_resource_id", "azure_resource_id is missing"},
			{"location", "location has 257 bytes, at most 256 are allowed"},
		},
		`{"name":5}`: {{"name", "name: a number is not allowed here"}},
	} {
		w := s.send(t, http.MethodPost, tenant, resourcesPath, body)
		var p struct{ Errors []fieldFault }
		decode(t, w, http.StatusUnprocessableEntity, &p)
		if !reflect.DeepEqual(p.Errors, want) {
			t.Errorf("errors are %+v, want %+v", p.Errors, want)
		}
	}
}

type fieldFault struct{ Field, Error string }

// Of many clients that have read one version and replace it, one succeeds, and all see its change afterwards.
func TestOneOfManyConcurrentPutsWins(t *testing.T) {
	s, tenant := newService(t), newTenant()
	target := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first")).Header().Get("Location")
	for round := range 10 {
		etag := s.get(t, tenant, target).Header().Get("ETag")
		var won atomic.Int32
		var winner atomic.Value
		var clients sync.WaitGroup
		for n := range 4 {
			clients.Go(func() {
				name := fmt.Sprintf("round %d of %d", round, n)
				switch w := s.send(t, http.MethodPut, tenant, target, resourceJSON("a", name), "If-Match",
					etag); w.Code {
				case http.StatusOK:
					won.Add(1)
					winner.Store(name)
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("status %d, %s", w.Code, w.Body)
				}
			})
		}
		clients.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d changes were made, want 1", round, won.Load())
		}
		s.expectNames(t, tenant, winner.Load().(string))
	}
}

// A change that failed may have been made all the same, so nothing is served from before it.
func TestFailedChangeInvalidates(t *testing.T) {
	s, tenant := newService(t), newTenant()
	target := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first")).Header().Get("Location")
	s.expectNames(t, tenant, "first")
	s.get(t, tenant, target)
	tx, err := connect(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "UPDATE resources SET name = 'second' WHERE tenant_id = $1", tenant); err != nil {
		t.Fatal(err)
	}
	// lock_timeout: 1 s
	expectProblem(t, s.send(t, http.MethodPut, tenant, target, resourceJSON("a", "third")), http.StatusGatewayTimeout)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.expectNames(t, tenant, "second")
	var r resource
	decode(t, s.get(t, tenant, target), http.StatusOK, &r)
	if r.Name != "second" {
		t.Errorf("the resource is %+v, want it as it is now", r)
	}
}

// A client that leaves does not end its change: cut off while it is being committed, it would become visible after its
// invalidation, and what was cached in between would be served until it expires.
func TestChangeOfAClientThatLeaves(t *testing.T) {
	s, tenant := newService(t), newTenant()
	target := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first")).Header().Get("Location")
	conn := connect(t)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "SELECT FROM resources WHERE tenant_id = $1 FOR UPDATE", tenant); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPut, target, strings.NewReader(resourceJSON("a", "second")))
	r.Header.Set("X-Tenant-ID", tenant)
	var change sync.WaitGroup
	change.Go(func() { s.ServeHTTP(httptest.NewRecorder(), r) })
	observer := connect(t)
	eventually(t, "the change waits for the row", func() bool {
		var waits bool
		err := observer.QueryRow(t.Context(),
			"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)))",
			conn.PgConn().PID()).Scan(&waits)
		return err == nil && waits
	})
	leave()
	s.get(t, tenant, target)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	change.Wait()
	s.expectNames(t, tenant, "second")
}

// A batch that failed may have been stored all the same, so nothing is served from before it, nor read from a replica
// that has not heard of it.
func TestFailedBatchInvalidates(t *testing.T) {
	s, tenant := newReplicatedService(t), newTenant()
	primary := connectTo(t, containerstest.SharedWithReplica(t).PostgresURL)
	policy := s.createPolicy(t, tenant, "p")
	target := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first")).Header().Get("Location")
	id := strings.TrimPrefix(target, resourcesPath+"/")
	s.expectNames(t, tenant, "first")
	s.get(t, tenant, target)
	containerstest.PauseReplay(t, containerstest.SharedWithReplica(t).ReplicaURL)
	tx, err := primary.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "UPDATE resources SET name = 'second' WHERE tenant_id = $1", tenant); err != nil {
		t.Fatal(err)
	}
	evaluation := fmt.Sprintf(`{"evaluations":[{"resource_id":%q,"policy_id":%q,"result":"compliant"}]}`, id, policy.ID)
	// lock_timeout: 1 s
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/evaluations", evaluation), http.StatusGatewayTimeout)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.expectNames(t, tenant, "second")
	var r resource
	decode(t, s.get(t, tenant, target), http.StatusOK, &r)
	if r.Name != "second" {
		t.Errorf("the resource is %+v, want it as it is now", r)
	}
}

// What one instance has created, one of another region has at once, however far behind the replica is that it reads
// from.
func TestCreatedIsThereInOtherRegions(t *testing.T) {
	s, tenant := newReplicatedService(t), newTenant()
	other := newReplicatedServiceWith(t, cache.Options{L2IsFar: true})
	containerstest.PauseReplay(t, containerstest.SharedWithReplica(t).ReplicaURL)
	one := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "one")).Header().Get("Location")
	targets := []string{
		one,
		resourcesPath + "/" + s.insert(t, tenant, 1, 1)[0].String(),
		"/api/v1/policies/" + s.createPolicy(t, tenant, "p").ID.String(),
	}
	for _, target := range targets {
		if w := other.get(t, tenant, target); w.Code != http.StatusOK {
			t.Errorf("GET %s on the other instance: %d %s", target, w.Code, w.Body)
		}
	}
	if w := other.get(t, newTenant(), one); w.Code != http.StatusNotFound {
		t.Errorf("another tenant's GET: %d %s", w.Code, w.Body)
	}
}

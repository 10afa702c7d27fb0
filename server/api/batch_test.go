package api_test

import (
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

const batchPath = "/api/v1/resources/batch"

func TestBatchWithConflicts(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 1, 1)
	w := s.call(t, http.MethodPost, tenant, batchPath,
		batch{[]store.NewResource{newResource(0), newResource(1), newResource(2), newResource(2)}})
	var answer struct {
		Created []uuid.UUID
		Errors  []store.Fault
	}
	decode(t, w, http.StatusMultiStatus, &answer)
	const exists = "a resource with this azure_resource_id exists already"
	if want := []store.Fault{{Index: 1, Message: exists}, {Index: 3, Message: exists}}; len(answer.Created) != 2 ||
		!reflect.DeepEqual(answer.Errors, want) {
		t.Errorf("got %s, want two created and conflicts at 1 and 3", w.Body)
	}
	if w := s.call(t, http.MethodPost, tenant, batchPath,
		batch{[]store.NewResource{newResource(5)}}); !strings.HasSuffix(w.Body.String(), `"errors":[]}`) {
		t.Errorf("without conflicts, errors should be an empty list: %s", w.Body)
	}
}

func TestBatchReportsEveryFault(t *testing.T) {
	s, tenant := newService(t), newTenant()
	const good = `{"azure_resource_id":"a","subscription_id":"s","resource_group_name":"r","name":"n","type":"t","location":"l"}`
	body := `{"resources":[` + strings.Join([]string{
		good,
		strings.Replace(good, `"name":"n"`, `"name":5`, 1),
		strings.Replace(good, `"name":"n"`, `"nome":"n"`, 1),
		strings.Replace(good, `"l"}`, `"","properties":{"a":"\u0000"},"tags":{"k":"v"}}`, 1),
		strings.Replace(good, `"l"}`, `"l","tags":{"k":1}}`, 1),
		`7`,
	}, ",") + `]}`
	p := expectProblem(t, s.call(t, http.MethodPost, tenant, batchPath, strings.NewReader(body)),
		http.StatusUnprocessableEntity)
	want := []store.Fault{
		{Index: 1, Field: "name", Message: "name: a number is not allowed here"},
		{Index: 2, Message: `unknown field "nome"`},
		{Index: 3, Field: "location", Message: "location is missing"},
		{Index: 3, Field: "properties", Message: `properties contains \u0000, which Postgres cannot store`},
		{Index: 4, Field: "tags", Message: "tags: a number is not allowed here"},
		{Index: 5, Message: "a number where an object was expected"},
	}
	if !reflect.DeepEqual(p.Errors, want) {
		t.Errorf("errors are %+v, want %+v", p.Errors, want)
	}
	var page list
	decode(t, s.get(t, tenant, resourcesPath), http.StatusOK, &page)
	if len(page.Data) != 0 {
		t.Errorf("%d resources were inserted, want none", len(page.Data))
	}
}

func TestBadBatches(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for body, status := range map[string]int{
		"":                                    http.StatusBadRequest,
		"{":                                   http.StatusBadRequest,
		"[]":                                  http.StatusBadRequest,
		`{"items":[]}`:                        http.StatusBadRequest,
		`{"resources":[{}]} {"resources":[]}`: http.StatusBadRequest,
		`{"resources":[]}`:                    http.StatusUnprocessableEntity,
		`{"resources":[` + strings.Repeat("{},", 1000) + `{}]}`: http.StatusUnprocessableEntity,
		`{"resources":["` + strings.Repeat("x", 1<<20) + `"]}`:  http.StatusRequestEntityTooLarge,
	} {
		w := s.call(t, http.MethodPost, tenant, batchPath, strings.NewReader(body))
		if w.Code != status {
			t.Errorf("%.40q: status %d, want %d: %s", body, w.Code, status, w.Body)
			continue
		}
		expectProblem(t, w, status)
	}
}

// Once a batch is acknowledged, every list of its tenant has it, whatever was cached or being loaded before.
func TestListsAreFreshAfterABatch(t *testing.T) {
	s, tenant := newService(t), newTenant()
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					s.get(t, tenant, resourcesPath+"?limit=100")
				}
			}
		})
	}
	for n := range 50 {
		s.insert(t, tenant, n, 1)
		var page list
		decode(t, s.get(t, tenant, resourcesPath+"?limit=100"), http.StatusOK, &page)
		if len(page.Data) != n+1 {
			t.Errorf("after %d inserts the list has %d resources", n+1, len(page.Data))
			break
		}
	}
	close(done)
	readers.Wait()
}

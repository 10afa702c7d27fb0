package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

type evaluation struct {
	ResourceID uuid.UUID `json:"resource_id"`
	PolicyID   uuid.UUID `json:"policy_id"`
	Result     string    `json:"result"`
}

func evaluationsJSON(evaluations ...evaluation) map[string]any {
	return map[string]any{"evaluations": evaluations}
}

// An evaluation changes what is cached of its resource, and of nothing else's.
func TestEvaluationsThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	ids := s.insert(t, tenant, 0, 2)
	p, q := s.createPolicy(t, tenant, "p"), s.createPolicy(t, tenant, "q")
	status := func(id uuid.UUID) string {
		var r struct {
			Status string `json:"compliance_status"`
		}
		decode(t, s.get(t, tenant, "/api/v1/resources/"+id.String()), http.StatusOK, &r)
		return r.Status
	}
	failing := "/api/v1/resources?compliance_status=non_compliant&limit=10"
	if status(ids[0]) != "unknown" || len(all[policy](t, s, tenant, failing)) != 0 ||
		len(all[evaluation](t, s, tenant, "/api/v1/evaluations?limit=5")) != 0 {
		t.Fatal("there is something at the start")
	}
	status(ids[1])
	w := s.call(t, http.MethodPost, tenant, "/api/v1/evaluations",
		evaluationsJSON(evaluation{ids[0], p.ID, "compliant"}, evaluation{ids[0], q.ID, "error"}))
	var answer struct{ Recorded int }
	decode(t, w, http.StatusCreated, &answer)
	if answer.Recorded != 2 {
		t.Errorf("answer %s", w.Body)
	}
	if got := status(ids[0]); got != "non_compliant" || len(all[policy](t, s, tenant, failing)) != 1 {
		t.Errorf("after the evaluation the resource is %s, and %d are in the list", got,
			len(all[policy](t, s, tenant, failing)))
	}
	if w := s.get(t, tenant, "/api/v1/resources/"+ids[1].String()); w.Header().Get("X-Cache") != "l1" {
		t.Errorf("the other resource comes from %s, want l1", w.Header().Get("X-Cache"))
	}
	s.call(t, http.MethodPost, tenant, "/api/v1/evaluations",
		evaluationsJSON(evaluation{ids[0], q.ID, "exempt"}, evaluation{ids[1], q.ID, "exempt"}))
	for target, want := range map[string]int{
		"?limit=2":                                                                    4,
		"?resource_id=" + ids[0].String():                                             3,
		"?limit=1&policy_id=" + q.ID.String():                                         3,
		"?latest=true&policy_id=" + p.ID.String():                                     1,
		"?limit=1&latest=true&policy_id=" + q.ID.String():                             2,
		"?limit=1&latest=true&resource_id=" + ids[0].String():                         2,
		"?resource_id=" + ids[0].String() + "&policy_id=" + q.ID.String():             2,
		"?latest=true&resource_id=" + ids[0].String() + "&policy_id=" + q.ID.String(): 1,
	} {
		if got := all[evaluation](t, s, tenant, "/api/v1/evaluations"+target); len(got) != want {
			t.Errorf("%s has %d evaluations, want %d", target, len(got), want)
		}
	}
	for _, target := range []string{"?latest=true", "?resource_id=x", "?latest=yes", "?cursor=x", "?result=error"} {
		expectProblem(t, s.get(t, tenant, "/api/v1/evaluations"+target), http.StatusBadRequest)
	}
	// A deleted policy decides nothing any more, also not from the cache.
	s.call(t, http.MethodPost, tenant, "/api/v1/evaluations", evaluationsJSON(evaluation{ids[0], q.ID, "error"}))
	if got := status(ids[0]); got != "non_compliant" {
		t.Errorf("before the deletion the resource is %s", got)
	}
	s.call(t, http.MethodDelete, tenant, "/api/v1/policies/"+q.ID.String(), nil)
	for {
		n, err := s.RetireEvaluations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if got := status(ids[0]); got != "compliant" {
		t.Errorf("after the deletion of the failed policy the resource is %s", got)
	}
}

func TestBatchesOfElements(t *testing.T) {
	s, tenant := newService(t), newTenant()
	ids := s.insert(t, tenant, 0, 1)
	p := s.createPolicy(t, tenant, "p")
	good := fmt.Sprintf(`{"resource_id":"%s","policy_id":"%s","result":"compliant"}`, ids[0], p.ID)
	for body, want := range map[string][]int{ // indexes of the faults
		`{"evaluations":[` + good + `,{"result":1},{"resource_id":"x"},{"nothing":1},` + good +
			`,{}]}`: {1, 2, 3, 5, 5, 5},
		`{"evaluations":[{"resource_id":"` + uuid.NewString() + `","policy_id":"` + p.ID.String() +
			`","result":"exempt"},` + good + `]}`: {0},
	} {
		got := expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/evaluations", body),
			http.StatusUnprocessableEntity)
		var indexes []int
		for _, e := range got.Errors {
			indexes = append(indexes, e.Index)
		}
		if fmt.Sprint(indexes) != fmt.Sprint(want) {
			t.Errorf("%s: faults %+v, want at %v", body, got.Errors, want)
		}
	}
	for body, status := range map[string]int{
		``: http.StatusBadRequest, `[]`: http.StatusBadRequest, `{"costs":[1]}`: http.StatusBadRequest,
		`{"evaluations":[{}],"more":[]}`: http.StatusBadRequest, `{"evaluations":[]}`: http.StatusUnprocessableEntity,
		`{"evaluations":[` + strings.Repeat("{},", 1000) + `{}]}`: http.StatusUnprocessableEntity,
		`{"evaluations":["` + strings.Repeat("x", 1<<20) + `"]}`:  http.StatusRequestEntityTooLarge,
	} {
		expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/evaluations", body), status)
	}
	if got := all[evaluation](t, s, tenant, "/api/v1/evaluations?limit=5"); len(got) != 0 {
		t.Errorf("recorded %+v", got)
	}
}

package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestComplianceThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	ids := s.insert(t, tenant, 0, 4)
	p := s.createPolicy(t, tenant, "p")
	type answer struct {
		Data  []json.RawMessage
		Total struct {
			Resources  int      `json:"total_resources"`
			Percentage *float64 `json:"compliance_percentage"`
		}
		RefreshedAt *time.Time `json:"refreshed_at"`
	}
	summary := func(query string) (a answer) {
		decode(t, s.get(t, tenant, "/api/v1/compliance/summary"+query), http.StatusOK, &a)
		return a
	}
	refresh := func() (at time.Time) {
		var done struct {
			RefreshedAt time.Time `json:"refreshed_at"`
			TookMS      float64   `json:"took_ms"`
		}
		decode(t, s.call(t, http.MethodPost, tenant, "/api/v1/compliance/refresh", nil), http.StatusOK, &done)
		if done.TookMS <= 0 {
			t.Errorf("took %v ms", done.TookMS)
		}
		return done.RefreshedAt
	}
	if got := summary(""); got.Total.Resources != 0 {
		t.Errorf("before the refresh: %+v", got)
	}
	refresh()
	if got := summary(""); got.Total.Resources != 4 || got.Total.Percentage != nil || len(got.Data) != 2 {
		t.Errorf("never evaluated: %+v", got)
	}
	s.call(t, http.MethodPost, tenant, "/api/v1/evaluations",
		evaluationsJSON(evaluation{ids[0], p.ID, "compliant"}, evaluation{ids[1], p.ID, "error"}))
	at := refresh()
	got := summary("?subscription_id=s1")
	if got.Total.Resources != 4 || got.Total.Percentage == nil || *got.Total.Percentage != 50 ||
		!got.RefreshedAt.Equal(at) {
		t.Errorf("after the evaluation and a refresh at %s: %+v", at, got)
	}
	if got := summary("?type=" + url.QueryEscape("Microsoft.Compute/virtualMachines")); len(got.Data) != 1 ||
		*got.Total.Percentage != 100 {
		t.Errorf("of one type: %+v", got)
	}
	if w := s.get(t, tenant, "/api/v1/compliance/summary?subscription_id=s1"); w.Header().Get("X-Cache") != "l1" {
		t.Errorf("the summary is not cached: %s", w.Header().Get("X-Cache"))
	}
	expectProblem(t, s.get(t, tenant, "/api/v1/compliance/summary?x=1"), http.StatusBadRequest)
	expectProblem(t, s.call(t, http.MethodPost, tenant, "/api/v1/compliance/refresh?x=1", nil), http.StatusBadRequest)

	tx, err := connect(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock(hashtext('mv_compliance_summary'))"); err != nil {
		t.Fatal(err)
	}
	expectProblem(t, s.call(t, http.MethodPost, tenant, "/api/v1/compliance/refresh", nil), http.StatusConflict)
}

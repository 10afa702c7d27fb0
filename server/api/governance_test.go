package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

type policy struct {
	ID      uuid.UUID
	Version int
	store.NewPolicy
}

type page[T any] struct {
	Data       []T
	Pagination struct {
		NextCursor  *string `json:"next_cursor"`
		HasNextPage bool    `json:"has_next_page"`
	}
}

func policyJSON(name string) string {
	return `{"name":"` + name + `","type":"t","category":"c","severity":"low","definition":{"a":1}}`
}

func (s *service) createPolicy(t testing.TB, tenant, name string) policy {
	t.Helper()
	var p policy
	decode(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", policyJSON(name)), http.StatusCreated, &p)
	return p
}

// all walks a list by its cursors.
func all[T any](t testing.TB, s *service, tenant, target string) (found []T) {
	t.Helper()
	cursor := ""
	for {
		var p page[T]
		decode(t, s.get(t, tenant, target+cursor), http.StatusOK, &p)
		found = append(found, p.Data...)
		if !p.Pagination.HasNextPage {
			return found
		}
		cursor = "&cursor=" + url.QueryEscape(*p.Pagination.NextCursor)
	}
}

func TestPolicyThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	w := s.send(t, http.MethodPost, tenant, "/api/v1/policies", policyJSON("one"))
	var created, read policy
	decode(t, w, http.StatusCreated, &created)
	path := "/api/v1/policies/" + created.ID.String()
	if w.Header().Get("Location") != path || created.Version != 1 {
		t.Errorf("Location %s, %s", w.Header().Get("Location"), w.Body)
	}
	first := s.get(t, tenant, path)
	decode(t, first, http.StatusOK, &read)
	if second := s.get(t, tenant, path); second.Header().Get("X-Cache") != "l1" || second.Body.String() != w.Body.String() {
		t.Errorf("the second answer is from %s: %s", second.Header().Get("X-Cache"), second.Body)
	}
	if got := len(all[policy](t, s, tenant, "/api/v1/policies?limit=1")); got != 1 {
		t.Errorf("%d policies in the list", got)
	}
	// What was cached is gone when the change is acknowledged.
	etag := first.Header().Get("ETag")
	decode(t, s.send(t, http.MethodPut, tenant, path, policyJSON("two"), "If-Match", etag), http.StatusOK, &read)
	var again policy
	decode(t, s.get(t, tenant, path), http.StatusOK, &again)
	list := all[policy](t, s, tenant, "/api/v1/policies?limit=1")
	if read.Version != 2 || again.Name != "two" || again.Version != 2 || len(list) != 1 || list[0].Name != "two" {
		t.Errorf("after the change: %+v, %+v, list %+v", read, again, list)
	}
	expectProblem(t, s.send(t, http.MethodPut, tenant, path, policyJSON("three"), "If-Match", etag), http.StatusPreconditionFailed)
	expectProblem(t, s.send(t, http.MethodDelete, tenant, path, "", "If-Match", `"1"`), http.StatusPreconditionFailed)
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", policyJSON("two")), http.StatusConflict)
	if w := s.send(t, http.MethodDelete, tenant, path, "", "If-Match", `"2"`); w.Code != http.StatusNoContent {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		expectProblem(t, s.call(t, method, tenant, path, nil), http.StatusNotFound)
	}
	if got := all[policy](t, s, tenant, "/api/v1/policies?limit=1"); len(got) != 0 {
		t.Errorf("after the deletion the list has %+v", got)
	}
}

func TestPolicyListThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for i := range 7 {
		s.createPolicy(t, tenant, fmt.Sprint("p", i))
	}
	names := map[string]bool{}
	for _, p := range all[policy](t, s, tenant, "/api/v1/policies?enabled=true&severity=low&type=t&category=c&limit=3") {
		names[p.Name] = true
	}
	if len(names) != 7 {
		t.Errorf("%d policies by pages of 3, want 7", len(names))
	}
	if got := all[policy](t, s, tenant, "/api/v1/policies?enabled=false"); len(got) != 0 {
		t.Errorf("disabled ones: %+v", got)
	}
	var first page[policy]
	decode(t, s.get(t, tenant, "/api/v1/policies?limit=3"), http.StatusOK, &first)
	cursor := url.QueryEscape(*first.Pagination.NextCursor)
	for name, target := range map[string]string{
		"of another list":   "/api/v1/policies?limit=2&cursor=" + cursor,
		"of another path":   "/api/v1/evaluations?limit=3&cursor=" + cursor,
		"a changed one":     "/api/v1/policies?limit=3&cursor=" + cursor[:20] + string('A'+(cursor[20]-'A'+1)%2) + cursor[21:],
		"no cursor":         "/api/v1/policies?limit=3&cursor=x",
		"another parameter": "/api/v1/policies?color=red",
		"a wrong severity":  "/api/v1/policies?severity=extreme",
		"a wrong enabled":   "/api/v1/policies?enabled=1",
		"a wrong limit":     "/api/v1/policies?limit=0",
		"one twice":         "/api/v1/policies?type=a&type=b",
		"a query for one":   "/api/v1/policies/" + uuid.NewString() + "?a=b",
		"no id":             "/api/v1/policies/x",
	} {
		t.Run(name, func(t *testing.T) { expectProblem(t, s.get(t, tenant, target), http.StatusBadRequest) })
	}
	expectProblem(t, s.get(t, newTenant(), "/api/v1/policies?limit=3&cursor="+cursor), http.StatusBadRequest)
}

func TestPolicyBodiesThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	p := expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", `{"name":"","severity":"x","type":"t","definition":[]}`), http.StatusUnprocessableEntity)
	if len(p.Errors) != 4 {
		t.Errorf("errors %+v, want those of name, category, severity and definition", p.Errors)
	}
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", `{"name":1}`), http.StatusUnprocessableEntity)
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", `{"colour":1}`), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", ``), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPost, "", "/api/v1/policies", policyJSON("x")), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPut, tenant, "/api/v1/policies/"+uuid.NewString(), policyJSON("x"), "If-Match", "x"), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPut, tenant, "/api/v1/policies/"+uuid.NewString(), policyJSON("x"), "If-Match", `"1"`), http.StatusNotFound)
}

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
	if status(ids[0]) != "unknown" || len(all[policy](t, s, tenant, failing)) != 0 || len(all[evaluation](t, s, tenant, "/api/v1/evaluations?limit=5")) != 0 {
		t.Fatal("there is something at the start")
	}
	status(ids[1])
	w := s.call(t, http.MethodPost, tenant, "/api/v1/evaluations", evaluationsJSON(evaluation{ids[0], p.ID, "compliant"}, evaluation{ids[0], q.ID, "error"}))
	var answer struct{ Recorded int }
	if decode(t, w, http.StatusCreated, &answer); answer.Recorded != 2 {
		t.Errorf("answer %s", w.Body)
	}
	if got := status(ids[0]); got != "non_compliant" || len(all[policy](t, s, tenant, failing)) != 1 {
		t.Errorf("after the evaluation the resource is %s, and %d are in the list", got, len(all[policy](t, s, tenant, failing)))
	}
	if w := s.get(t, tenant, "/api/v1/resources/"+ids[1].String()); w.Header().Get("X-Cache") != "l1" {
		t.Errorf("the other resource comes from %s, want l1", w.Header().Get("X-Cache"))
	}
	s.call(t, http.MethodPost, tenant, "/api/v1/evaluations", evaluationsJSON(evaluation{ids[0], q.ID, "exempt"}, evaluation{ids[1], q.ID, "exempt"}))
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
		`{"evaluations":[` + good + `,{"result":1},{"resource_id":"x"},{"nothing":1},` + good + `,{}]}`:                                   {1, 2, 3, 5, 5, 5},
		`{"evaluations":[{"resource_id":"` + uuid.NewString() + `","policy_id":"` + p.ID.String() + `","result":"exempt"},` + good + `]}`: {0},
	} {
		got := expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/evaluations", body), http.StatusUnprocessableEntity)
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
	s.call(t, http.MethodPost, tenant, "/api/v1/evaluations", evaluationsJSON(evaluation{ids[0], p.ID, "compliant"}, evaluation{ids[1], p.ID, "error"}))
	at := refresh()
	got := summary("?subscription_id=s1")
	if got.Total.Resources != 4 || got.Total.Percentage == nil || *got.Total.Percentage != 50 || !got.RefreshedAt.Equal(at) {
		t.Errorf("after the evaluation and a refresh at %s: %+v", at, got)
	}
	if got := summary("?type=" + url.QueryEscape("Microsoft.Compute/virtualMachines")); len(got.Data) != 1 || *got.Total.Percentage != 100 {
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

func TestCostsThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	if _, err := s.store.MaintainCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := s.insert(t, tenant, 0, 2)
	day := func(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	cost := func(r int, service string, ago int, amount string) string {
		return fmt.Sprintf(`{"resource_id":"%s","service_name":"%s","date":"%s","cost":%s}`, ids[r], service, day(ago), amount)
	}
	put := func(costs ...string) {
		t.Helper()
		w := s.send(t, http.MethodPost, tenant, "/api/v1/costs", `{"costs":[`+strings.Join(costs, ",")+`]}`)
		var answer struct{ Stored int }
		if decode(t, w, http.StatusOK, &answer); answer.Stored != len(costs) {
			t.Errorf("answer %s", w.Body)
		}
	}
	type point struct {
		Date, Period string
		Service      string `json:"service_name"`
		Cost         json.Number
	}
	type answer struct {
		Data     []point
		From, To string
	}
	read := func(target string) (a answer) {
		t.Helper()
		decode(t, s.get(t, tenant, "/api/v1/costs"+target), http.StatusOK, &a)
		return a
	}
	first, second := "?resource_id="+ids[0].String(), "?resource_id="+ids[1].String()
	put(cost(0, "compute", 1, "1.5"), cost(1, "compute", 1, "2"), cost(0, "storage", 1, "4"), cost(0, "compute", 50, "8"))
	if got := read(first); len(got.Data) != 2 || got.Data[0].Cost != "1.5000" || got.From != day(29) || got.To != day(0) {
		t.Errorf("the last month: %+v", got)
	}
	if got := read(second); len(got.Data) != 1 {
		t.Errorf("the other resource: %+v", got)
	}
	if got := read("/totals?service_name=compute"); len(got.Data) != 1 || got.Data[0].Cost != "3.5000" {
		t.Errorf("totals: %+v", got)
	}
	put(cost(0, "compute", 1, "2.5"))
	if got := read(first + "&from=" + day(60) + "&service_name=compute"); len(got.Data) != 2 || got.Data[0].Cost != "2.5000" || got.Data[1].Cost != "8.0000" {
		t.Errorf("two months after a change: %+v", got)
	}
	if got := read("/totals?service_name=compute"); len(got.Data) != 1 || got.Data[0].Cost != "4.5000" {
		t.Errorf("totals after a change: %+v", got)
	}
	if got := read("/totals?period=month&from=" + day(60) + "&to=" + day(0)); len(got.Data) < 3 || len(got.Data[0].Period) != len("2026-01") {
		t.Errorf("by month: %+v", got)
	}
	// A change of one resource's costs leaves the other's where they are.
	if w := s.get(t, tenant, "/api/v1/costs"+second); w.Header().Get("X-Cache") != "l1" {
		t.Errorf("the other resource's costs come from %s", w.Header().Get("X-Cache"))
	}
	for _, target := range []string{
		"", "?resource_id=x", first + "&from=yesterday", first + "&from=" + day(1) + "&to=" + day(2), first + "&to=" + day(0) + "&from=" + day(400),
		first + "&period=day", "/totals" + first, "/totals?period=week", "/totals?service_name=",
	} {
		expectProblem(t, s.get(t, tenant, "/api/v1/costs"+target), http.StatusBadRequest)
	}
	p := expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/costs", `{"costs":[`+cost(0, "x", 1, `"NaN"`)+`,`+cost(0, "x", 9999, `1`)+`,{"cost":{}}]}`), http.StatusUnprocessableEntity)
	if len(p.Errors) != 3 || p.Errors[2].Index != 2 {
		t.Errorf("errors %+v", p.Errors)
	}
	_, err := connect(t).Exec(t.Context(), `INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
		SELECT $1::text::uuid, $2, 's' || n, current_date - d, 1 FROM generate_series(1, 101) n, generate_series(1, 100) d`, tenant, ids[1])
	if err != nil {
		t.Fatal(err)
	}
	expectProblem(t, s.get(t, tenant, "/api/v1/costs"+second+"&from="+day(120)), http.StatusUnprocessableEntity)
}

func TestEventsThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	p := s.createPolicy(t, tenant, "p")
	s.send(t, http.MethodPut, tenant, "/api/v1/policies/"+p.ID.String(), policyJSON("q"))
	s.call(t, http.MethodDelete, tenant, "/api/v1/policies/"+p.ID.String(), nil)
	type answer struct {
		Data []struct {
			Place, Type string
			Version     int
			Payload     struct{ Name string }
		}
		NextAfter string `json:"next_after"`
		HasMore   bool   `json:"has_more"`
	}
	read := func(query string) (a answer) {
		t.Helper()
		decode(t, s.get(t, tenant, "/api/v1/events?"+query), http.StatusOK, &a)
		return a
	}
	var kinds []string
	for after, place := "", ""; len(kinds) < 3; { // another test's transaction may hold the last ones back
		got := read("limit=2" + after)
		for _, e := range got.Data {
			kinds = append(kinds, e.Type+" "+e.Payload.Name)
			place = e.Place
		}
		if len(got.Data) > 0 && got.NextAfter != place {
			t.Errorf("next_after %s, last place %s", got.NextAfter, place)
		}
		after = "&after=" + got.NextAfter
	}
	if want := "[policy.created p policy.updated q policy.deleted ]"; fmt.Sprint(kinds) != want {
		t.Errorf("events %v, want %s", kinds, want)
	}
	stream := "stream=" + p.ID.String()
	if got := read(stream + "&limit=2"); len(got.Data) != 2 || got.NextAfter != "2" || !got.HasMore {
		t.Errorf("the stream's first page is %+v", got)
	}
	if got := read(stream + "&after=2"); len(got.Data) != 1 || got.Data[0].Version != 3 || got.HasMore {
		t.Errorf("the stream's second page is %+v", got)
	}
	if got := read(stream + "&after=3"); len(got.Data) != 0 || got.NextAfter != "3" {
		t.Errorf("after the stream's end: %+v", got)
	}
	if w := s.get(t, newTenant(), "/api/v1/events?"+stream); !strings.Contains(w.Body.String(), `"data":[]`) {
		t.Errorf("another tenant is shown %s", w.Body)
	}
	for _, query := range []string{"after=x", "after=-1", stream + "&after=1-2", "stream=x", "limit=1001", "x=y"} {
		expectProblem(t, s.get(t, tenant, "/api/v1/events?"+query), http.StatusBadRequest)
	}
}

// Whatever is asked, the answer is no failure of the server.
func FuzzGovernanceQueries(f *testing.F) {
	for _, path := range governancePaths {
		for _, query := range []string{
			"", "limit=5&cursor=AwAA", "type=a%00b&enabled=true", "resource_id=" + uuid.NewString() + "&latest=true", "from=2026-01-01&to=2026-02-30",
			"after=7-9", "after=18446744073709551615-1", "stream=" + uuid.NewString() + "&after=2147483648", "service_name=%ff&period=month",
		} {
			f.Add(path, query)
		}
	}
	s, tenant := newService(f), newTenant()
	f.Fuzz(func(t *testing.T, path, query string) {
		target, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(path, "/api/v1/") {
			return
		}
		target.RawQuery = query
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL = target
		r.Header.Set("X-Tenant-ID", tenant)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s: status %d: %s", target, w.Code, w.Body)
		}
	})
}

var governancePaths = []string{
	"/api/v1/policies", "/api/v1/evaluations", "/api/v1/compliance/summary", "/api/v1/costs", "/api/v1/costs/totals", "/api/v1/events",
}

func FuzzGovernanceBatches(f *testing.F) {
	id := uuid.NewString()
	for _, body := range []string{
		`{"evaluations":[{"resource_id":"` + id + `","policy_id":"` + id + `","result":"exempt","evaluated_at":"2026-01-01T00:00:00Z"}]}`,
		`{"evaluations":[{"evaluated_at":"0001-01-01T00:00:00Z"}]}`, `{"costs":[{"resource_id":"` + id + `","service_name":"s","date":"2026-11-01","cost":1.5}]}`,
		`{"costs":[{"cost":"1e400","date":"9999-99-99","currency":"usd"}]}`, `{"costs":[null]}`, policyJSON("x"),
	} {
		f.Add([]byte(body))
	}
	s, tenant := newService(f), newTenant()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/api/v1/evaluations", "/api/v1/costs", "/api/v1/policies"} {
			if w := s.call(t, http.MethodPost, tenant, path, bytes.NewReader(body)); w.Code >= 500 {
				t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
			}
		}
	})
}

func BenchmarkCachedGovernance(b *testing.B) {
	s, tenant := newService(b), newTenant()
	for i := range 20 {
		s.createPolicy(b, tenant, fmt.Sprint("p", i))
	}
	id := s.createPolicy(b, tenant, "one").ID.String()
	for _, target := range []string{"/api/v1/policies/" + id, "/api/v1/policies?limit=20", "/api/v1/evaluations", "/api/v1/compliance/summary", "/api/v1/costs/totals"} {
		b.Run(target[:min(len(target), 30)], func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, nil)
			r.Header.Set("X-Tenant-ID", tenant)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

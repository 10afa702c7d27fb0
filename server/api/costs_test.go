package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCostsThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	if _, err := s.store.MaintainCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := s.insert(t, tenant, 0, 2)
	day := func(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	cost := func(r int, service string, ago int, amount string) string {
		return fmt.Sprintf(`{"resource_id":"%s","service_name":"%s","date":"%s","cost":%s}`, ids[r], service,
			day(ago), amount)
	}
	put := func(costs ...string) {
		t.Helper()
		w := s.send(t, http.MethodPost, tenant, "/api/v1/costs", `{"costs":[`+strings.Join(costs, ",")+`]}`)
		var answer struct{ Stored int }
		decode(t, w, http.StatusOK, &answer)
		if answer.Stored != len(costs) {
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
	put(cost(0, "compute", 1, "1.5"), cost(1, "compute", 1, "2"), cost(0, "storage", 1, "4"),
		cost(0, "compute", 50, "8"))
	if got := read(first); len(got.Data) != 2 || got.Data[0].Cost != "1.5000" || got.From != day(29) ||
		got.To != day(0) {
		t.Errorf("the last month: %+v", got)
	}
	if got := read(second); len(got.Data) != 1 {
		t.Errorf("the other resource: %+v", got)
	}
	if got := read("/totals?service_name=compute"); len(got.Data) != 1 || got.Data[0].Cost != "3.5000" {
		t.Errorf("totals: %+v", got)
	}
	put(cost(0, "compute", 1, "2.5"))
	if got := read(first + "&from=" + day(60) + "&service_name=compute"); len(got.Data) != 2 ||
		got.Data[0].Cost != "2.5000" || got.Data[1].Cost != "8.0000" {
		t.Errorf("two months after a change: %+v", got)
	}
	if got := read("/totals?service_name=compute"); len(got.Data) != 1 || got.Data[0].Cost != "4.5000" {
		t.Errorf("totals after a change: %+v", got)
	}
	if got := read("/totals?period=month&from=" + day(60) + "&to=" + day(0)); len(got.Data) < 3 ||
		len(got.Data[0].Period) != len("2026-01") {
		t.Errorf("by month: %+v", got)
	}
	// A change of one resource's costs leaves the other's where they are.
	if w := s.get(t, tenant, "/api/v1/costs"+second); w.Header().Get("X-Cache") != "l1" {
		t.Errorf("the other resource's costs come from %s", w.Header().Get("X-Cache"))
	}
	for _, target := range []string{
		"", "?resource_id=x", "?resource_id=00000000-0000-0000-0000-000000000000", first + "&from=yesterday",
		first + "&from=" + day(1) + "&to=" + day(2),
		first + "&to=" + day(0) + "&from=" + day(400),
		first + "&period=day", "/totals" + first, "/totals?period=week", "/totals?service_name=",
	} {
		expectProblem(t, s.get(t, tenant, "/api/v1/costs"+target), http.StatusBadRequest)
	}
	p := expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/costs",
		`{"costs":[`+cost(0, "x", 1, `"NaN"`)+`,`+cost(0, "x", 9999, `1`)+`,{"cost":{}}]}`),
		http.StatusUnprocessableEntity)
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

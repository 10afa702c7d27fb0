package api_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/forecast"
)

type outlook struct {
	Data []struct {
		Currency  string
		Last      string
		Days      int
		Points    []struct{ Date, Cost, Low, High any }
		Anomalies []struct {
			Date                  string
			Cost, Expected, Score float64
		}
	}
	Horizon int
}

// costsOf are those of a service, for so many days up to yesterday: a week and noise, and what is added to single days.
func costsOf(days int, level float64, added map[int]float64) []float64 {
	daily := make([]float64, days)
	for i := range daily {
		daily[i] = level + float64(i*7919%17)/2 + added[i]
		if i%7 < 2 {
			daily[i] -= level / 4
		}
	}
	return daily
}

// spend stores the costs of a service in requests of 200.
func (s *service) spend(t testing.TB, tenant string, resource uuid.UUID, name string, daily []float64) {
	t.Helper()
	for chunk := range slices.Chunk(daily, 200) {
		var costs []string
		for i := range chunk {
			at := len(daily) - i
			costs = append(costs, fmt.Sprintf(`{"resource_id":"%s","service_name":"%s","date":"%s","cost":%.4f}`, resource,
				name, dayAgo(at), daily[i]))
		}
		daily = daily[len(chunk):]
		w := s.call(t, http.MethodPost, tenant, "/api/v1/costs",
			strings.NewReader(`{"costs":[`+strings.Join(costs, ",")+`]}`))
		decode(t, w, http.StatusOK, &struct{}{})
	}
}

func dayAgo(n int) string { return time.Now().UTC().AddDate(0, 0, -n).Format(time.DateOnly) }

// TestForecastsThroughTheAPI: what the package computes of the tenant's costs up to yesterday, from the cache until
// they change.
func TestForecastsThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	_, err := s.store.MaintainCosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := s.insert(t, tenant, 0, 2)
	compute, storage := costsOf(120, 100, nil), costsOf(120, 40, map[int]float64{100: 300})
	s.spend(t, tenant, ids[0], "compute", compute)
	s.spend(t, tenant, ids[1], "storage", storage)
	both := make([]float64, len(compute))
	for i := range both {
		both[i] = compute[i] + storage[i]
	}
	today := fmt.Sprintf(`{"costs":[{"resource_id":"%s","service_name":"compute","date":"%s","cost":1}]}`, ids[0],
		dayAgo(0))
	decode(t, s.call(t, http.MethodPost, tenant, "/api/v1/costs", strings.NewReader(today)), http.StatusOK, &struct{}{})
	read := func(target string) (o outlook) {
		t.Helper()
		decode(t, s.get(t, tenant, "/api/v1/costs/"+target), http.StatusOK, &o)
		return o
	}
	for target, daily := range map[string][]float64{
		"forecast?horizon=14&level=0.8": both, "forecast?service_name=storage&level=.8&horizon=14": storage,
	} {
		got := read(target)
		want, err := forecast.Analyse(daily)
		if err != nil || len(got.Data) != 1 || len(got.Data[0].Points) != 14 || got.Data[0].Last != dayAgo(1) ||
			got.Data[0].Points[0].Date != dayAgo(0) {
			t.Fatalf("%s: %+v, %v", target, got, err)
		}
		for h, p := range want.Forecast(14, .8) {
			g := got.Data[0].Points[h]
			if math.Abs(g.Cost.(float64)-p.Mean) > .001 || math.Abs(g.Low.(float64)-p.Low) > .001 ||
				math.Abs(g.High.(float64)-p.High) > .001 {
				t.Errorf("%s: day %d is %+v, want %+v", target, h, g, p)
			}
		}
	}
	found := read("anomalies").Data[0].Anomalies
	if len(found) != 1 || found[0].Date != dayAgo(20) || found[0].Score < 10 ||
		found[0].Cost != math.Round(both[100]*1e4)/1e4 {
		t.Errorf("anomalies %+v, want one, %s", found, dayAgo(20))
	}
	if short := read("forecast?from=" + dayAgo(10)); short.Data[0].Days != 10 || len(short.Data[0].Points) > 0 {
		t.Errorf("ten days: %+v", short)
	}
	if partial := read("forecast?to=" + dayAgo(0)); partial.Data[0].Last != dayAgo(0) {
		t.Errorf("up to today: %+v", partial)
	}
	if none := read("anomalies?service_name=none"); len(none.Data) > 0 {
		t.Errorf("no costs: %+v", none)
	}
	other := s.get(t, newTenant(), "/api/v1/costs/forecast")
	if strings.Contains(other.Body.String(), "currency") {
		t.Errorf("another tenant gets %s", other.Body)
	}

	again := func() string { return s.get(t, tenant, "/api/v1/costs/anomalies").Header().Get("X-Cache") }
	if level := again(); level != "l1" {
		t.Errorf("asked again, the answer comes from %s", level)
	}
	s.spend(t, tenant, ids[0], "compute", []float64{900})
	if level := again(); level != "miss" {
		t.Errorf("after a change, the answer comes from %s", level)
	}
	if found := read("anomalies").Data[0].Anomalies; len(found) != 2 || found[0].Date != dayAgo(1) {
		t.Errorf("after a change: %+v", found)
	}
	for _, target := range []string{
		"forecast?horizon=0", "forecast?horizon=91", "forecast?level=1", "forecast?level=NaN", "forecast?resource_id=x",
		"forecast?from=" + dayAgo(1) + "&to=" + dayAgo(2), "anomalies?horizon=3",
		"anomalies?from=" + dayAgo(400) + "&to=" + dayAgo(0),
	} {
		expectProblem(t, s.get(t, tenant, "/api/v1/costs/"+target), http.StatusBadRequest)
	}
}

// TestForecastsAreReadTogether: requests that come together, of several tenants and services, share a statement.
func TestForecastsAreReadTogether(t *testing.T) {
	s := newOwnService(t)
	var wait sync.WaitGroup
	const requests = 24
	for i := range requests {
		wait.Go(func() {
			w := s.get(t, newTenant(), fmt.Sprintf("/api/v1/costs/forecast?service_name=s%d", i))
			if w.Code != http.StatusOK {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
	wait.Wait()
	statements := s.store.QueryStats()["cost_histories"].Durations.TotalCount()
	if statements > requests/2 {
		t.Errorf("%d statements for %d requests", statements, requests)
	}
	t.Logf("%d statements for %d requests", statements, requests)
}

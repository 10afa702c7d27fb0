package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

type page[T any] struct {
	Data       []T
	Pagination struct {
		NextCursor  *string `json:"next_cursor"`
		HasNextPage bool    `json:"has_next_page"`
	}
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

// Whatever is asked, the answer is no failure of the server.
func FuzzGovernanceQueries(f *testing.F) {
	for _, path := range governancePaths {
		for _, query := range []string{
			"", "limit=5&cursor=AwAA", "type=a%00b&enabled=true", "resource_id=" + uuid.NewString() + "&latest=true",
			"from=2026-01-01&to=2026-02-30",
			"after=7-9", "after=18446744073709551615-1", "stream=" + uuid.NewString() + "&after=2147483648",
			"service_name=%ff&period=month",
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
	"/api/v1/policies", "/api/v1/evaluations", "/api/v1/compliance/summary", "/api/v1/costs", "/api/v1/costs/totals",
	"/api/v1/events",
}

func FuzzGovernanceBatches(f *testing.F) {
	id := uuid.NewString()
	for _, body := range []string{
		`{"evaluations":[{"resource_id":"` + id + `","policy_id":"` + id +
			`","result":"exempt","evaluated_at":"2026-01-01T00:00:00Z"}]}`,
		`{"evaluations":[{"evaluated_at":"0001-01-01T00:00:00Z"}]}`,
		`{"costs":[{"resource_id":"` + id + `","service_name":"s","date":"2026-11-01","cost":1.5}]}`,
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
	for _, target := range []string{
		"/api/v1/policies/" + id, "/api/v1/policies?limit=20", "/api/v1/evaluations",
		"/api/v1/compliance/summary", "/api/v1/costs/totals",
	} {
		b.Run(target[:min(len(target), 30)], func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, nil)
			r.Header.Set("X-Tenant-ID", tenant)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
)

const resourcesPath = "/api/v1/resources"

type resource struct {
	ID               uuid.UUID
	Version          int
	Name, Type       string
	ComplianceStatus string `json:"compliance_status"`
	Tags             map[string]string
}

type list struct {
	Data       []resource
	Pagination struct {
		Limit           int
		NextCursor      *string `json:"next_cursor"`
		HasNextPage     bool    `json:"has_next_page"`
		Page            int
		HasPreviousPage bool   `json:"has_previous_page"`
		TotalItems      int    `json:"total_items"`
		TotalPages      int    `json:"total_pages"`
		Total           string `json:"total"`
	}
}

func TestGet(t *testing.T) {
	s, tenant := newService(t), newTenant()
	id := s.insert(t, tenant, 7, 1)[0]
	for _, level := range []string{"miss", "l1"} {
		w := s.get(t, tenant, resourcesPath+"/"+id.String())
		var got resource
		decode(t, w, http.StatusOK, &got)
		if got.ID != id || got.Name != "vm-7" || got.Tags["env"] != "dev" || got.ComplianceStatus != "unknown" {
			t.Errorf("got %s", w.Body)
		}
		if w.Header().Get("X-Cache") != level || w.Header().Get("Cache-Control") != "private, no-cache" {
			t.Errorf("headers are %v, want X-Cache %s", w.Header(), level)
		}
	}
	for _, level := range []string{"miss", "l1"} {
		w := s.get(t, tenant, resourcesPath+"/"+uuid.NewString()[:35]+"0")
		expectProblem(t, w, http.StatusNotFound)
		if level == "miss" && w.Header().Get("X-Cache") != level {
			t.Errorf("X-Cache %s, want %s", w.Header().Get("X-Cache"), level)
		}
	}
}

func TestWalkThroughPages(t *testing.T) {
	s, tenant := newService(t), newTenant()
	want := s.insert(t, tenant, 0, 57) // one batch: all have the same updated_at
	slices.Reverse(want)               // the ids of a batch grow, and the list is newest first
	var got []uuid.UUID
	target := resourcesPath + "?limit=10"
	for {
		var page list
		decode(t, s.get(t, tenant, target), http.StatusOK, &page)
		for _, r := range page.Data {
			got = append(got, r.ID)
		}
		p := page.Pagination
		if p.Limit != 10 || p.HasNextPage != (p.NextCursor != nil) {
			t.Fatalf("pagination is %+v", p)
		}
		if !p.HasNextPage {
			break
		}
		target = resourcesPath + "?limit=10&cursor=" + *p.NextCursor
	}
	if !slices.Equal(got, want) {
		t.Errorf("walked %v, want %v", got, want)
	}
}

func TestOrders(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for n := range 12 { // each with its own updated_at
		s.insert(t, tenant, (n*5+3)%12, 1)
	}
	updated, named := []string{}, []string{
		"vm-0", "vm-1", "vm-10", "vm-11", "vm-2", "vm-3", "vm-4", "vm-5", "vm-6",
		"vm-7", "vm-8", "vm-9",
	}
	for n := range 12 {
		updated = append(updated, fmt.Sprintf("vm-%d", (n*5+3)%12))
	}
	reversed := func(names []string) []string {
		r := slices.Clone(names)
		slices.Reverse(r)
		return r
	}
	for order, want := range map[string][]string{
		"updated_at": updated, "-updated_at": reversed(updated), "name": named,
		"-name": reversed(named),
	} {
		var got []string
		for target := resourcesPath + "?limit=5&order_by=" + order; target != ""; {
			var page list
			decode(t, s.get(t, tenant, target), http.StatusOK, &page)
			for _, r := range page.Data {
				got = append(got, r.Name)
			}
			target = ""
			if next := page.Pagination.NextCursor; next != nil {
				target = resourcesPath + "?limit=5&order_by=" + order + "&cursor=" + *next
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", order, got, want)
		}
	}
}

func TestCursorsBelongToTheirList(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 0, 5)
	var page list
	decode(t, s.get(t, tenant, resourcesPath+"?limit=2&tag=env"), http.StatusOK, &page)
	cursor := "&cursor=" + *page.Pagination.NextCursor
	// the size of a page may change
	decode(t, s.get(t, tenant, resourcesPath+"?limit=3&tag=env"+cursor), http.StatusOK, &page)
	if len(page.Data) != 3 || page.Pagination.HasNextPage {
		t.Errorf("got %+v, want the last three", page)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"filter":  s.get(t, tenant, resourcesPath+"?limit=2"+cursor),
		"order":   s.get(t, tenant, resourcesPath+"?limit=2&tag=env&order_by=updated_at"+cursor),
		"tenant":  s.get(t, newTenant(), resourcesPath+"?limit=2&tag=env"+cursor),
		"process": newService(t).get(t, tenant, resourcesPath+"?limit=2&tag=env"+cursor),
		"page":    s.get(t, tenant, resourcesPath+"?limit=2&tag=env&page=2"+cursor),
	} {
		if p := expectProblem(t, w, http.StatusBadRequest); !strings.Contains(p.Detail, "cursor") {
			t.Errorf("another %s: %s", name, p.Detail)
		}
	}
	// A page that another process has left in L2 has a cursor that only that process takes.
	again := newService(t)
	decode(t, again.get(t, tenant, resourcesPath+"?limit=2&tag=env"), http.StatusOK, &page)
	decode(t, again.get(t, tenant, resourcesPath+"?limit=2&tag=env&cursor="+*page.Pagination.NextCursor),
		http.StatusOK, &page)
}

func TestNumberedPages(t *testing.T) {
	s, tenant := newService(t), newTenant()
	want := s.insert(t, tenant, 0, 23)
	slices.Reverse(want)
	var got []uuid.UUID
	for number := 1; number <= 3; number++ {
		var page list
		decode(t, s.get(t, tenant, fmt.Sprintf("%s?limit=10&page=%d", resourcesPath, number)), http.StatusOK, &page)
		for _, r := range page.Data {
			got = append(got, r.ID)
		}
		p := page.Pagination
		if p.Page != number || p.TotalItems != 23 || p.TotalPages != 3 || p.Total != "exact" ||
			p.HasPreviousPage != (number > 1) || p.HasNextPage != (number < 3) {
			t.Errorf("pagination of page %d is %+v", number, p)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var page list
	decode(t, s.get(t, tenant, resourcesPath+"?total=estimate"), http.StatusOK, &page)
	if page.Pagination.Total != "estimate" || page.Pagination.Page != 0 {
		t.Errorf("pagination is %+v, want an estimate", page.Pagination)
	}
	decode(t, s.get(t, tenant, resourcesPath+"?total=exact&tag=env:dev"), http.StatusOK, &page)
	if page.Pagination.Total != "exact" || page.Pagination.TotalItems != 11 {
		t.Errorf("pagination is %+v, want 11 counted", page.Pagination)
	}
}

func TestFilters(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 0, 10)
	for query, want := range map[string]int{
		"":                   10,
		"subscription_id=s1": 10,
		"subscription_id=s2": 0,
		"type=" + url.QueryEscape("Microsoft.Compute/virtualMachines"): 5,
		"location=westeurope":                10,
		"resource_group=rg1":                 10,
		"resource_group=rg2":                 0,
		"compliance_status=unknown":          10,
		"compliance_status=exempt":           0,
		"tag=env:prod":                       5,
		"tag=env%3Aprod":                     5,
		"tag=env":                            10,
		"tag=env&tag=env:dev":                5,
		"tag=env:prod&tag=env:dev":           0,
		"tag=env:dev&location=westeurope":    5,
		"tag=absent":                         0,
		"limit=3&subscription_id=s1&tag=env": 3,
		"q=vm":                               10,
		"q=storage":                          0,
		"q=%22and%22":                        0, // a word that English does not count
		"tag_count=1":                        10,
		"tag_count=0":                        0,
		"updated_since=2020-01-01T00:00:00Z": 10,
		"updated_since=2100-01-01T00:00:00Z": 0,
	} {
		var page list
		decode(t, s.get(t, tenant, resourcesPath+"?"+query), http.StatusOK, &page)
		if len(page.Data) != want || page.Data == nil {
			t.Errorf("%s: %d resources, want %d", query, len(page.Data), want)
		}
	}
}

// However a query is written, it is one list in the cache.
func TestSpellingsOfAQueryShareTheCache(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 0, 4)
	for i, query := range []string{
		"tag=env&tag=env:dev&limit=20", "tag=env%3Adev&tag=env",
		"&tag=env:dev&tag=env&tag=env:dev&",
	} {
		level := s.get(t, tenant, resourcesPath+"?"+query).Header().Get("X-Cache")
		if want := [3]string{"miss", "l1", "l1"}[i]; level != want {
			t.Errorf("%s came from %s, want %s", query, level, want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for target, mention := range map[string]string{
		resourcesPath + "?colour=red":                            `"colour"`,
		resourcesPath + "?limit=0":                               "limit",
		resourcesPath + "?limit=101":                             "limit",
		resourcesPath + "?limit=ten":                             "limit",
		resourcesPath + "?limit=5&limit=6":                       "limit",
		resourcesPath + "?type=":                                 "type",
		resourcesPath + "?type=%00":                              "type",
		resourcesPath + "?type=%ff":                              "type",
		resourcesPath + "?type=%zz":                              "type",
		resourcesPath + "?location=" + strings.Repeat("x", 1025): "location",
		resourcesPath + "?compliance_status=fine":                "compliance_status",
		resourcesPath + "?cursor=abc":                            "cursor",
		resourcesPath + "?order_by=size":                         "-updated_at, updated_at, name, -name",
		resourcesPath + "?order_by=":                             "order_by",
		resourcesPath + "?total=some":                            "exact, estimate",
		resourcesPath + "?page=0":                                "page",
		resourcesPath + "?page=501":                              "up to 500",
		resourcesPath + "?page=101&limit=100":                    "up to 100",
		resourcesPath + "?updated_since=yesterday":               "2026-10-01T00:00:00Z",
		resourcesPath + "?tag_count=51":                          "tag_count",
		resourcesPath + "?q=" + strings.Repeat("x", 257):         "256",
		resourcesPath + "?tag=a&tag=b&tag=c&tag=d&tag=e&tag=f&tag=g&tag=h&tag=i&tag=j&tag=k": "tag",
		resourcesPath + "/42":                      `"42"`,
		resourcesPath + "/" + newTenant() + "?x=1": "query",
	} {
		if p := expectProblem(t, s.get(t, tenant, target), http.StatusBadRequest); !strings.Contains(p.Detail,
			mention) {
			t.Errorf("%s: %q does not mention %s", target, p.Detail, mention)
		}
	}
	for _, bad := range []string{
		"", "42", "{" + tenant[:34] + "}", strings.ReplaceAll(tenant, "-", ""),
		"urn:uuid:" + tenant,
	} {
		for _, w := range []*httptest.ResponseRecorder{
			s.get(t, bad, resourcesPath), s.get(t, bad, resourcesPath+"/"+newTenant()),
			s.call(t, http.MethodPost, bad, resourcesPath+"/batch", batch{}),
		} {
			if p := expectProblem(t, w, http.StatusBadRequest); !strings.Contains(p.Detail, "X-Tenant-ID") {
				t.Errorf("tenant %q: %q does not name the header", bad, p.Detail)
			}
		}
	}
	expectProblem(t, s.get(t, tenant, "/api/v2/resources"), http.StatusNotFound)
	w := s.call(t, http.MethodDelete, tenant, resourcesPath, nil)
	expectProblem(t, w, http.StatusMethodNotAllowed)
	if allow := w.Header().Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow is %q, want GET, HEAD and POST", allow)
	}
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	s, mine, theirs := newService(t), newTenant(), newTenant()
	id := s.insert(t, mine, 0, 3)[0]
	for range 2 { // the second time, everything comes from the cache
		expect := map[string]struct {
			get, list int
		}{mine: {http.StatusOK, 3}, theirs: {http.StatusNotFound, 0}}
		for tenant, want := range expect {
			if w := s.get(t, tenant, resourcesPath+"/"+id.String()); w.Code != want.get {
				t.Errorf("get has status %d, want %d", w.Code, want.get)
			}
			for _, query := range []string{"", "?tag=env", "?subscription_id=s1"} {
				var page list
				decode(t, s.get(t, tenant, resourcesPath+query), http.StatusOK, &page)
				if len(page.Data) != want.list {
					t.Errorf("list%s has %d resources, want %d", query, len(page.Data), want.list)
				}
			}
		}
	}
	s.insert(t, theirs, 0, 3) // which would conflict, were they one tenant
}

func TestServiceGoesOnWithoutL2(t *testing.T) {
	t.Parallel()
	main := servers(t)
	env := containerstest.Own(t)
	s, tenant := newServiceOn(t, main.PostgresURL, env.CacheURL), newTenant()
	ids := s.insert(t, tenant, 0, 5)
	decode(t, s.get(t, tenant, resourcesPath+"/"+ids[0].String()), http.StatusOK, &resource{})
	if err := env.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		decode(t, s.get(t, tenant, resourcesPath+"/"+id.String()), http.StatusOK, &resource{})
	}
	s.insert(t, tenant, 5, 5)
	var page list
	decode(t, s.get(t, tenant, resourcesPath), http.StatusOK, &page)
	if len(page.Data) != 10 {
		t.Errorf("the list has %d resources, want 10", len(page.Data))
	}
	var ready struct{ Status, Postgres, Cache string }
	decode(t, s.get(t, "", "/readyz"), http.StatusOK, &ready)
	if ready.Status != "ready" || ready.Postgres != "ok" || ready.Cache != "unreachable" {
		t.Errorf("readiness is %+v, want ready with an unreachable cache", ready)
	}
}

// What a client looks for may contain what the keys of pages end with.
func TestFilterThatContainsTheCursorKeysID(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 0, 1)
	var page list
	decode(t, s.get(t, tenant, resourcesPath+"?resource_group=rg1%23"+s.CursorKeyID()), http.StatusOK, &page)
	if len(page.Data) != 0 {
		t.Errorf("%d resources of another group are listed", len(page.Data))
	}
}

package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"golang.org/x/net/http/httpguts"

	modules "github.com/policycortex/headroom/server/policy/examples"
)

// Queries, identifiers and bodies that have broken services before.
var (
	hostileQueries = []string{
		"", "limit=0", "limit=-1", "limit=99999999999999999999", "limit=1e3", "page=0", "page=99999999999999999",
		"page=2&cursor=AAAA",
		"cursor=", "cursor=AAAA", "cursor=%00", "cursor=Ag" + strings.Repeat("A", 600),
		"cursor=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"after=-1", "after=18446744073709551616", "total=exact", "total=maybe", "order_by=name", "sort=-updated_at",
		"order=name",
		"tag=a:b&tag=a:c", "tag=:", "tag=%00", "tag=%ff%fe", "tag=" + strings.Repeat("x", 2000), "tag_key=env",
		"q=%27+OR+1%3D1--", "search=%26%7C%21%3A%2A",
		"subscription_id=%ff", "type=%F0%9F%92%A9", "compliance_status=x", "limit=1&limit=2", "&&&", "%zz=1", "a=%",
		"=1", "no_such=1",
		"from=2026-02-30", "from=0000-01-01&to=9999-12-31", "from=2026-11-01&to=2026-10-01", "from=-292277022399-01-01",
		"from=infinity", "from=2026-01-01T00:00:00Z",
		"resource_id=0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51", "resource_id=(resource)", "stream=(policy)&after=0",
		"latest=true&policy_id=(policy)", "fields=id,name", "metered=true", "horizon=90&level=0.99",
		"after=9223372036854775807-1",
		"updated_since=0000-01-01T00:00:00Z", "updated_since=9999-12-31T23:59:59.999999999-23:59",
		"policy_id=00000000-0000-0000-0000-000000000000",
		"stream_id=nil", "enabled=maybe", "severity=",
		"period=month&group_by=service", "group_by=%00", "since=0", "history=true", "details=true", "performance=true",
		"include=performance",
	}
	hostileIDs = []string{
		"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51", "00000000-0000-0000-0000-000000000000",
		"0190A6F4-3C1E-7D2B-9A10-5F3E8C7B6A51",
		"{0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51}", "0190a6f43c1e7d2b9a105f3e8c7b6a51",
		"urn:uuid:0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51", "..", "\x00", "\xff\xfe", "batch", "1", "%00",
	}
	hostileBodies = []string{
		"", "null", "[]", "{}", `""`, "1e999", "{", `{"resources":null}`, `{"resources":[]}`,
		`{"resources":[null,1,"x",[],{}]}`, "\x00", "\xff\xfe", "\xef\xbb\xbf{}", `{"a":1}{"b":2}`,
		`{"resources":[{"azure_resource_id":"a\u0000","subscription_id":"\ud800","resource_group_name":"","name":1,"type":null,"location":[]}]}`,
		`{"azure_resource_id":"/x","subscription_id":"s","resource_group_name":"g","name":"n","type":"t","location":"l","properties":{"n":1e400000,"d":"\u0000"},"tags":{"":"", "a":null}}`,
		`{"azure_resource_id":"/x","subscription_id":"s","resource_group_name":"g","name":"n","type":"t","location":"l","properties":{"d":` + strings.Repeat(`{"d":`, 500) + "1" + strings.Repeat("}", 501) + `}`,
		`{"azure_resource_id":"/fuzz/1","subscription_id":"s","resource_group_name":"g","name":"n","type":"t","location":"l","properties":{},"tags":{"k":"v"}}`,
		`{"name":"p","type":"t","category":"c","severity":"high","enabled":true,"definition":{}}`,
		`{"name":"p","severity":"worst","definition":[]}`,
		`{"evaluations":[{"resource_id":"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51","policy_id":"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51","status":"compliant","evaluated_at":"2026-02-30T00:00:00Z"}]}`,
		`{"evaluations":[{"resource_id":"x","policy_id":null,"status":7,"evaluated_at":"9999-99-99"}]}`,
		`{"costs":[{"resource_id":"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51","date":"0000-00-00","service":"vm","cost":1e30,"currency":"EUR"}]}`,
		`{"costs":[{"resource_id":"0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51","date":"9999-12-31","service_name":"vm","amount":"-1","cost_amount":"1e1000","currency":"€"}]}`,
		`{"keys":["a"],"pattern":"*"}`, strings.Repeat("[", 10000), string(modules.Owner),
		`{"expression":"resource.name.matches('^v') && resource.tags.exists(k, k == 'env')"}`, `{"expression":"\u0000"}`,
		`{"resource_id":"(resource)","record":true}`, `{"resource":{"n":1e400}}`,
		`{"evaluations":[{"resource_id":"(resource)","policy_id":"(policy)","result":"exempt","evaluated_at":"2026-01-01T00:00:00+23:59"}]}`,
		`{"costs":[{"resource_id":"(resource)","date":"2026-11-01","service_name":"vm","cost":-9999999999.9999,"currency":"EUR"}]}`,
		`{"from":"1970-01-01","to":"1970-12-31","horizon":90,"level":0.5,"question":"\u0000"}`,
		`{"azure_resource_id":"/fuzz/2","subscription_id":"s","resource_group_name":"g","name":"n","type":"t","location":"l","properties":{"description":[` + strings.Repeat("1e999,", 150) + `1]}}`,
	}
	hostileHeaders = []string{"", `"1"`, `W/"x"`, "*", `"99999999999999999999"`, `"-1"`, `",", ,`, "gzip;q=0.5, *;q=0"}
)

// fuzzed is the tenant of the seeds, which have the ids of its resource and of its policy as words.
const (
	fuzzed           = "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"
	itsOne, itsOther = "(resource)", "(policy)"
)

// target is what there is to be read, changed and evaluated.
type target struct {
	*service
	resource, policy string
	made             int
}

func (x *target) makeResource(t testing.TB) {
	x.made++
	x.resource = x.insert(t, fuzzed, 1_000_000+x.made, 1)[0].String()
}

func (x *target) makePolicy(t testing.TB) {
	x.policy = x.createPolicy(t, fuzzed, newTenant()).ID.String()
	w := x.send(t, http.MethodPut, fuzzed, "/api/v1/policies/"+x.policy+"/expression",
		`{"expression":"resource.n < 1"}`)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
}

// named has the ids in the place of the words.
func (x *target) named(text string) string {
	return strings.NewReplacer(itsOne, x.resource, itsOther, x.policy).Replace(text)
}

// seeds are added for each route what it looks at.
func seeds(f *testing.F, routes gin.RoutesInfo) {
	for i, route := range routes {
		id := itsOne
		if strings.Contains(route.Path, "/policies") {
			id = itsOther
		}
		add := func(id, query, tenant, condition string, body []byte) {
			f.Add(byte(i), id, query, tenant, condition, body)
		}
		switch {
		case route.Method == http.MethodHead, !strings.HasPrefix(route.Path, "/api/"),
			strings.HasSuffix(route.Path, "/refresh"):
			add(id, "", fuzzed, hostileHeaders[1], nil)
			add(id, "a=%", fuzzed[1:], "", nil)
			continue
		case route.Method == http.MethodGet:
			for k, query := range hostileQueries {
				add(id, query, fuzzed, hostileHeaders[k%len(hostileHeaders)], nil)
			}
		default:
			for k, body := range hostileBodies {
				add(id, "", fuzzed, hostileHeaders[k%len(hostileHeaders)], []byte(body))
			}
		}
		for _, wrong := range hostileIDs {
			if strings.Contains(route.Path, ":id") {
				add(wrong, "", fuzzed, "", []byte("{}"))
			}
		}
		add(id, "", hostileIDs[3], "", nil)
	}
	f.Add(byte(len(routes)), "/no/such/path", "", fuzzed, "", []byte(nil))
}

// FuzzAPI: whatever is asked of any route is answered, with a problem when it is refused, and never with the server's
// own failure.
func FuzzAPI(f *testing.F) {
	s := newService(f)
	routes := s.Routes()
	seeds(f, routes)
	x := &target{service: s}
	x.makeResource(f)
	x.makePolicy(f)
	f.Fuzz(func(t *testing.T, route byte, id, query, tenant, condition string, body []byte) {
		if !httpguts.ValidHeaderFieldValue(tenant) || !httpguts.ValidHeaderFieldValue(condition) ||
			strings.ContainsAny(query, " #") {
			return // net/http refuses these before a handler sees them
		}
		method, path := http.MethodGet, id
		if int(route) < len(routes) {
			method = routes[route].Method
			path = strings.ReplaceAll(routes[route].Path, ":id", id)
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(x.named(string(body))))
		r.URL = &url.URL{Path: "/" + strings.TrimPrefix(x.named(path), "/"), RawQuery: x.named(query)}
		r.Header.Set("X-Tenant-ID", tenant)
		r.Header.Set("If-Match", condition)
		r.Header.Set("If-None-Match", condition)
		r.Header.Set("Accept-Encoding", condition)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		describe(t).check(t, r, w)
		checkAnyAnswer(t, w)
		if t.Failed() {
			t.Logf("%s %q, tenant %q, body %.300q\nlog: %.2000s", method, r.URL, tenant, body, s.log)
		}
		s.log.Reset()
		if method == http.MethodDelete && w.Code == http.StatusNoContent {
			if strings.Contains(path, "/policies") {
				x.makePolicy(t)
			} else {
				x.makeResource(t)
			}
		}
	})
}

func checkAnyAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	contentType := w.Header().Get("Content-Type")
	switch {
	case w.Code >= 500:
		t.Errorf("status %d: %s", w.Code, w.Body)
	case w.Code >= 400:
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code ||
			contentType != "application/problem+json" {
			t.Errorf("status %d, %s, is no problem (error %v): %s", w.Code, contentType, err, w.Body)
		}
		if !utf8.Valid(w.Body.Bytes()) {
			t.Errorf("a problem that is not UTF-8: %q", w.Body)
		}
	case contentType == "application/json" && w.Header().Get("Content-Encoding") == "" && !json.Valid(w.Body.Bytes()):
		t.Errorf("status %d with JSON that is none: %.500s", w.Code, w.Body)
	}
}

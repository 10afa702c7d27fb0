package api_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/api"
)

// HEAD is answered as GET is, without the body, by every route that has GET.
func TestHeadOverHTTP(t *testing.T) {
	s, tenant := newService(t), newTenant()
	ids := s.insert(t, tenant, 0, 30)
	server := serveWith(t, s, api.Options{})
	for _, path := range []string{
		resourcesPath + "/" + ids[0].String(), resourcesPath + "?limit=20", resourcesPath + "?limit=3",
		resourcesPath + "/" + newTenant(),
		resourcesPath + "?limit=x", "/api/v1/events", "/api/v1/cache/report", "/openapi.json", "/healthz",
	} {
		for range 2 { // from the database and from L1
			read, body := over(t, http.MethodGet, server.URL+path, nil, "X-Tenant-ID", tenant, "Accept-Encoding",
				"identity")
			head, nothing := over(t, http.MethodHead, server.URL+path, nil, "X-Tenant-ID", tenant, "Accept-Encoding",
				"identity")
			if head.StatusCode != read.StatusCode || nothing != "" {
				t.Errorf("HEAD %s: status %d and %d bytes; GET has status %d", path, head.StatusCode, len(nothing),
					read.StatusCode)
			}
			// the report is another one each time
			if path != "/api/v1/cache/report" && head.ContentLength != int64(len(body)) {
				t.Errorf("HEAD %s: Content-Length %d for %d bytes", path, head.ContentLength, len(body))
			}
			for _, name := range []string{"Content-Type", "Etag", "Cache-Control", "Vary"} {
				if head.Header.Get(name) != read.Header.Get(name) {
					t.Errorf("HEAD %s: %s is %q; GET has %q", path, name, head.Header.Get(name), read.Header.Get(name))
				}
			}
			if tag := read.Header.Get("Etag"); tag != "" {
				same, _ := over(t, http.MethodHead, server.URL+path, nil, "X-Tenant-ID", tenant, "If-None-Match", tag)
				if same.StatusCode != http.StatusNotModified || same.Header.Get("Etag") != tag {
					t.Errorf("HEAD %s with its ETag: status %d, headers %v", path, same.StatusCode, same.Header)
				}
			}
		}
	}
}

// TestOtherMethods: what a path does not take is refused, and Allow says what it takes.
func TestOtherMethods(t *testing.T) {
	s := newService(t)
	taken := map[string][]string{}
	for _, route := range s.Routes() {
		path := strings.ReplaceAll(route.Path, ":id", "0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51")
		taken[path] = append(taken[path], route.Method)
	}
	for path, methods := range taken {
		if path == batchPath { // which GET takes for the id of a resource
			continue
		}
		for _, method := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
			http.MethodPatch, http.MethodDelete, "FROB",
		} {
			if slices.Contains(methods, method) {
				continue
			}
			w := s.call(t, method, newTenant(), path, nil)
			expectProblem(t, w, http.StatusMethodNotAllowed)
			allowed := map[string]bool{}
			for name := range strings.SplitSeq(w.Header().Get("Allow"), ",") {
				allowed[strings.TrimSpace(name)] = true
			}
			if got := slices.Sorted(maps.Keys(allowed)); !slices.Equal(got, slices.Sorted(slices.Values(methods))) {
				t.Errorf("%s %s: Allow is %v, want %v", method, path, got, methods)
			}
		}
	}
}

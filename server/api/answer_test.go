package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/api"
)

// ask sends a GET with headers, given as name and value in turn.
func (s *service) ask(t testing.TB, tenant, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header.Set("X-Tenant-ID", tenant)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestRevalidation(t *testing.T) {
	s, tenant := newService(t), newTenant()
	target := resourcesPath + "/" + s.insert(t, tenant, 0, 1)[0].String()
	tag := s.ask(t, tenant, target).Header().Get("ETag")
	if len(tag) < 6 {
		t.Fatalf("ETag is %q", tag)
	}
	for sent, status := range map[string]int{
		tag: http.StatusNotModified, tag[len("W/"):]: http.StatusNotModified, `"a", ` + tag: http.StatusNotModified,
		"*":   http.StatusNotModified,
		`"a"`: http.StatusOK, "": http.StatusOK, `W/"` + tag: http.StatusOK,
	} {
		w := s.ask(t, tenant, target, "If-None-Match", sent)
		if w.Code != status {
			t.Errorf("If-None-Match %s: status %d, want %d", sent, w.Code, status)
		}
		header := w.Header()
		if header.Get("ETag") != tag || header.Get("Cache-Control") == "" {
			t.Errorf("status %d has headers %v", w.Code, header)
		}
		if status == http.StatusNotModified &&
			(w.Body.Len() > 0 || header.Get("Content-Type") != "" || header.Get("Content-Length") != "") {
			t.Errorf("304 has a body of %d bytes and headers %v", w.Body.Len(), header)
		}
	}
	s.insert(t, tenant, 1, 1)
	list := s.ask(t, tenant, resourcesPath).Header().Get("ETag")
	s.insert(t, tenant, 2, 1)
	if w := s.ask(t, tenant, resourcesPath, "If-None-Match", list); w.Code != http.StatusOK ||
		w.Header().Get("ETag") == list {
		t.Errorf("after a change: status %d, ETag %s, before it %s", w.Code, w.Header().Get("ETag"), list)
	}
}

func TestWhatTheEdgeMayKeep(t *testing.T) {
	s, tenant := newService(t), newTenant()
	edge := api.New(api.Options{Store: s.store, Cache: s.cache, EdgeTTL: 5 * time.Second})
	for want, handler := range map[string]http.Handler{
		"private, no-cache": s,
		"max-age=0, s-maxage=5, stale-while-revalidate=5, stale-if-error=300": edge,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, resourcesPath, nil)
		r.Header.Set("X-Tenant-ID", tenant)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("Cache-Control"); w.Code != http.StatusOK || got != want {
			t.Errorf("status %d, Cache-Control %q, want %q", w.Code, got, want)
		}
	}
	for _, target := range []string{resourcesPath + "/" + newTenant(), resourcesPath + "?limit=0"} {
		if got := s.ask(t, tenant, target).Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("a refusal has Cache-Control %q", got)
		}
	}
}

package api_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/policycortex/headroom/server/api"
)

// Who takes gzip gets a cached list in that form, once it is ready, and who does not gets the same bytes plain.
func TestCachedListsAreSentCompressed(t *testing.T) {
	s, tenant := newService(t), newTenant()
	s.insert(t, tenant, 0, 30)
	plain := s.get(t, tenant, resourcesPath)
	eventually(t, "a compressed answer", func() bool {
		return s.ask(t, tenant, resourcesPath, "Accept-Encoding", "br, gzip").Header().Get("Content-Encoding") == "gzip"
	})
	w := s.ask(t, tenant, resourcesPath, "Accept-Encoding", "gzip")
	size := w.Body.Len()
	// Of short bodies net/http finds out the length by itself.
	if length := w.Header().Get("Content-Length"); length != "" && length != strconv.Itoa(size) ||
		size >= plain.Body.Len() || w.Header().Get("ETag") != plain.Header().Get("ETag") {
		t.Errorf("%d bytes with headers %v, plain %d", size, w.Header(), plain.Body.Len())
	}
	unpacked, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(unpacked); err != nil || string(body) != plain.Body.String() {
		t.Errorf("unpacked: %d bytes, error %v, want %d", len(body), err, plain.Body.Len())
	}
	for _, refused := range []string{"gzip;q=0", "identity"} {
		w := s.ask(t, tenant, resourcesPath, "Accept-Encoding", refused)
		if w.Header().Get("Content-Encoding") != "" || w.Body.String() != plain.Body.String() {
			t.Errorf("%s: headers %v", refused, w.Header())
		}
	}
}

// Without the database the answer says when to try again.
func TestUnavailableSaysWhenToTryAgain(t *testing.T) {
	s := newOwnService(t)
	s.store.Close()
	w := s.get(t, newTenant(), resourcesPath)
	if seconds, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != http.StatusServiceUnavailable ||
		err != nil || seconds < 1 {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
}

// A request that may take no time at all is refused, though the database has time for it.
func TestRequestTimeout(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for timeout, status := range map[time.Duration]int{
		time.Nanosecond: http.StatusGatewayTimeout,
		0:               http.StatusCreated,
	} {
		server := serveWith(t, s, api.Options{Timeout: timeout})
		response, body := over(t, http.MethodPost, server.URL+"/api/v1/policies", strings.NewReader(policyJSON("p")),
			"X-Tenant-ID", tenant)
		if response.StatusCode != status {
			t.Errorf("with a timeout of %s: status %d, want %d: %s", timeout, response.StatusCode, status, body)
		}
	}
}

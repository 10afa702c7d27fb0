package containers

import (
	"context"
	"errors"
	"expvar"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAllocated(t *testing.T) {
	var kept [][]byte
	mux := http.NewServeMux()
	mux.Handle("GET /debug/vars", expvar.Handler())
	mux.HandleFunc("GET /work", func(http.ResponseWriter, *http.Request) {
		for range 1000 {
			kept = append(kept, make([]byte, 1000))
		}
	})
	for path, body := range map[string]string{"/other": `{"a":1}`, "/page": "<html>"} {
		mux.HandleFunc("GET "+path+"/debug/vars", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, body)
		})
	}
	service := httptest.NewServer(mux)
	defer service.Close()

	bytes, objects, err := Allocated(t.Context(), service.URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(service.URL + "/work")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	moreBytes, moreObjects, err := Allocated(t.Context(), service.URL)
	if err != nil || moreBytes-bytes < 1_000_000 || moreObjects-objects < 1000 {
		t.Errorf("%d bytes and %d objects more after 1000 of 1000 bytes, %v", moreBytes-bytes, moreObjects-objects, err)
	}
	if len(kept) != 1000 {
		t.Errorf("%d were allocated", len(kept))
	}

	gone := httptest.NewServer(mux)
	gone.Close()
	for url, want := range map[string]string{
		service.URL + "/none":  "404 Not Found: the service does not publish Go's expvar",
		service.URL + "/other": "without memstats",
		service.URL + "/page":  "does not answer with Go's expvar", gone.URL: "read what the service allocated",
		":": "read what the service allocated",
	} {
		if _, _, err := Allocated(t.Context(), url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", url, err, want)
		}
	}
}

// TestAllocatedOfSilentService: a service that takes connections and never answers does not hold up the experiment.
func TestAllocatedOfSilentService(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, _, err = Allocated(t.Context(), "http://"+silent.Addr().String())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

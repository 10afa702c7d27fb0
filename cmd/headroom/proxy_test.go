package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestProxy sends through a real proxy, to a server of HTTP and to one of HTTPS to which the first redirects.
func TestProxy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := freeAddress(t)
	log := startTinyproxy(t, dir, address)

	var pages, moved atomic.Int64
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		pages.Add(1)
		_, _ = io.WriteString(w, "a page")
	}))
	defer secure.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		moved.Add(1)
		http.Redirect(w, r, secure.URL+r.URL.Path, http.StatusMovedPermanently)
	}))
	defer plain.Close()

	file, out := filepath.Join(dir, "proxy.yaml"), filepath.Join(dir, "run")
	content := fmt.Sprintf(`target: {url: "%s", proxy: "http://%s"}
scenarios:
  pages:
    executor: constant-arrival-rate
    rate: 50
    duration: 1s
    requests: [{name: page, path: /page, redirects: 1, expectedStatus: 200, checks: [{name: whole, bodySize: {min: 6, max: 6}}]}]
thresholds:
  http_req_failed: rate==0
  checks: rate==1
`, plain.URL, address)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	p := headroom(t, "run", file, "--out", out)
	p.trusts(t, secure.Certificate())
	p.exits(t, exitOK, exitInvalid) // on a busy machine it may be INVALID
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	series, want := run.Measurements.Series[0], "vegeta v12 (HTTP/1.1, TLS, through a proxy)"
	if series.Requests != 50 || series.Failed != 0 || moved.Load() != 50 || pages.Load() != 50 ||
		run.Measurements.Engine != want {
		t.Errorf("%d requests, %d failed: %v; the servers saw %d and %d; engine %q, want %q",
			series.Requests, series.Failed, series.ErrorSamples, moved.Load(), pages.Load(),
			run.Measurements.Engine, want)
	}
	logged := text(t, log)
	if n := strings.Count(logged, "GET "+plain.URL+"/page"); n != 50 ||
		!strings.Contains(logged, "CONNECT "+strings.TrimPrefix(secure.URL, "https://")) {
		t.Errorf("the proxy logged %d of 50 requests to the plain server:\n%.2000s", n, logged)
	}
	says(t, p.stdout.String(), plain.URL+" through the proxy http://"+address+" (your service)")

	gone := headroom(t, "run", file, "--set", "target.proxy=http://"+freeAddress(t))
	gone.exits(t, exitError)
	says(t, gone.stderr.String(), "the proxy http://127.0.0.1:", "does not answer", "correct target.proxy")
}

// startTinyproxy starts a proxy at the address, and returns its log.
func startTinyproxy(t *testing.T, dir, address string) (log string) {
	t.Helper()
	log = filepath.Join(dir, "tinyproxy.log")
	config := filepath.Join(dir, "tinyproxy.conf")
	host, port, _ := strings.Cut(address, ":")
	content := fmt.Sprintf("Listen %s\nPort %s\nTimeout 60\nMaxClients 200\nLogLevel Connect\nLogFile %q\n", host,
		port, log)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, address, nil, "tinyproxy", "-d", "-c", config)
	return log
}

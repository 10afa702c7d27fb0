package main

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestHTTP2Refusals loads an nginx that takes ten requests a connection and refuses, by GOAWAY, what else of a burst
// comes on it. What is refused is sent at once on another connection: net/http waits for 1, 2, 4 and 8 s after the
// second refusal.
func TestHTTP2Refusals(t *testing.T) {
	t.Parallel()
	address, dir := freeAddress(t), t.TempDir()
	certificate := nginxOfTLS(t, dir, address, "keepalive_requests 10;")
	file := write(t, dir, "bursts.yaml", fmt.Sprintf(`target: {url: "https://%s"}
engine: vegeta
scenarios:
  bursts:
    executor: burst-arrival-rate
    size: 50
    every: 500ms
    duration: 2s
    requests: [{name: page, path: /}]
thresholds:
  http_req_failed: rate==0
`, address))
	out := filepath.Join(dir, "run")
	p := headroom(t, "run", file, "--quiet", "--out", out)
	p.trusts(t, certificate)
	p.exits(t, exitOK, exitInvalid) // on a busy machine it may be INVALID
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	series, want := run.Measurements.Series[0], "vegeta v12 (HTTP/2.0, TLS)"
	if series.Requests != 200 || series.Failed != 0 || run.Measurements.Engine != want {
		t.Errorf("%d requests, %d failed: %v; engine %q, want %q", series.Requests, series.Failed, series.ErrorSamples,
			run.Measurements.Engine, want)
	}
	if served := strings.Count(text(t, filepath.Join(dir, "access.log")), `"GET / HTTP/2.0" 200`); served != 200 {
		t.Errorf("nginx answered %d times", served)
	}
	// Most of a burst is refused twice: a quarter and more of the requests held the first wait.
	if p75 := series.Response.Percentile(75); p75 >= 1000 {
		t.Errorf("P75 %.0f ms, max %.0f ms: a wait of the client's own is in it", p75, series.Response.Max())
	}
}

// TestHTTP2OverTCP loads the same nginx without TLS, by the wire engine: each request is answered once, and what was
// refused is told.
func TestHTTP2OverTCP(t *testing.T) {
	t.Parallel()
	address, dir := freeAddress(t), t.TempDir()
	startNginx(t, dir, address, fmt.Sprintf(`access_log %[1]s/access.log;
  server { listen %[2]s http2; keepalive_requests 10; return 200; }`, dir, address))
	file := write(t, dir, "bursts.yaml", fmt.Sprintf(`target: {url: "http://%s"}
http: {version: 2}
scenarios:
  bursts:
    executor: burst-arrival-rate
    size: 50
    every: 500ms
    duration: 2s
    requests: [{name: page, path: "/page/{{iteration}}", method: POST, body: x}]
thresholds:
  http_req_failed: rate==0
`, address))
	out := filepath.Join(dir, "run")
	p := headroom(t, "run", file, "--quiet", "--out", out)
	p.exits(t, exitOK, exitInvalid) // on a busy machine it may be INVALID
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	m := run.Measurements
	if s := m.Series[0]; s.Requests != 200 || s.Failed != 0 || !strings.HasSuffix(m.Engine, ", HTTP/2)") {
		t.Errorf("%d requests, %d failed: %v; engine %q", s.Requests, s.Failed, s.ErrorSamples, m.Engine)
	}
	log := text(t, filepath.Join(dir, "access.log"))
	if served := strings.Count(log, `HTTP/2.0" 200`); served != 200 || m.Loads[0].Resent == 0 {
		t.Errorf("nginx answered %d times; %d requests were sent again", served, m.Loads[0].Resent)
	}
}

// nginxOfTLS starts an nginx that answers by HTTP/2, with more of its settings, and returns its certificate.
func nginxOfTLS(t *testing.T, dir, address, settings string) *x509.Certificate {
	t.Helper()
	certificate := writeCertificate(t, dir)
	startNginx(t, dir, address, fmt.Sprintf(`access_log %[1]s/access.log;
  server { listen %[2]s ssl http2; ssl_certificate %[1]s/certificate.pem; ssl_certificate_key %[1]s/key.pem; %[3]s return 200; }`,
		dir, address, settings))
	return certificate
}

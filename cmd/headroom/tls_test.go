package main

import (
	"crypto/x509"
	"encoding/pem"
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

// TestHTTPS loads a server by HTTPS, whose certificate the environment names, by either version of HTTP. The run says which,
// and without the certificate every request fails.
func TestHTTPS(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(strings.ReplaceAll(protocol, "/", " "), func(t *testing.T) {
			var seen, other atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if seen.Add(1); r.Proto != protocol {
					other.Add(1)
				}
				_, _ = io.WriteString(w, "a page")
			}))
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()

			out := loadTLS(t, server, []*x509.Certificate{server.Certificate()}, exitOK, exitInvalid)
			run, err := results.Read(out)
			if err != nil {
				t.Fatal(err)
			}
			load, want := run.Measurements.Loads[0], "vegeta v12 ("+protocol+", TLS)"
			if load.Sent != 100 || seen.Load() != 100 || other.Load() != 0 || run.Measurements.Series[0].Failed != 0 || run.Measurements.Engine != want {
				t.Errorf("sent %d of 100 by %q, want %q; the server saw %d, of which %d by another protocol; %d failed",
					load.Sent, run.Measurements.Engine, want, seen.Load(), other.Load(), run.Measurements.Series[0].Failed)
			}
			loadTLS(t, server, nil, exitCrossed, exitInvalid)
		})
	}
}

// loadTLS runs the program against the server and returns where the run was saved. On a busy machine the run may be INVALID,
// with 125: what it was is told all the same.
func loadTLS(t *testing.T, server *httptest.Server, trusted []*x509.Certificate, codes ...int) (out string) {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "tls.yaml"), filepath.Join(dir, "run")
	scenario := fmt.Sprintf(`target: {url: "%s"}
scenarios:
  pages:
    executor: constant-arrival-rate
    rate: 100
    duration: 1s
    requests: [{name: page, path: /}]
thresholds:
  http_req_failed: "rate<0.01"
`, server.URL)
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	p := headroom(t, "run", file, "--quiet", "--out", out)
	p.trusts(t, trusted...)
	p.exits(t, codes...)
	return out
}

// trusts has the program trust these certificates and no others.
func (p *program) trusts(t *testing.T, certificates ...*x509.Certificate) {
	t.Helper()
	var content []byte
	for _, c := range certificates {
		content = append(content, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	file := filepath.Join(p.Dir, "certificates.pem")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	p.Env = append(os.Environ(), "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+p.Dir+"/none")
}

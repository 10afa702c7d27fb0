package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestHTTPS loads a server by HTTPS, whose certificate the environment names, by the version of HTTP that it offers.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(strings.ReplaceAll(protocol, "/", " "), func(t *testing.T) {
			var seen, other atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen.Add(1)
				if r.Proto != protocol {
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
			load, want := run.Measurements.Loads[0], ", TLS)"
			if protocol == "HTTP/2.0" {
				want = ", HTTP/2, TLS)"
			}
			if load.Sent != 100 || seen.Load() != 100 || other.Load() != 0 || run.Measurements.Series[0].Failed != 0 ||
				!strings.HasPrefix(run.Measurements.Engine, "wire (") ||
				!strings.HasSuffix(run.Measurements.Engine, want) {
				t.Errorf("sent %d of 100 by %q, want %q; the server saw %d, of which %d by another protocol; %d failed",
					load.Sent, run.Measurements.Engine, want, seen.Load(), other.Load(),
					run.Measurements.Series[0].Failed)
			}
		})
	}
}

// TestCertificates: what is wrong with a target is told before the load, in words, and no request is sent.
func TestCertificates(t *testing.T) {
	t.Parallel()
	proxy := freeAddress(t)
	startTinyproxy(t, t.TempDir(), proxy)
	for name, tt := range map[string]struct {
		from, to  time.Duration // the certificate's validity, from now
		host      string        // that it is for
		untrusted bool
		proxy     string
		say       []string
	}{
		"untrusted": {
			-time.Hour, time.Hour, "127.0.0.1", true, "",
			[]string{"does not trust", "x509: certificate signed by unknown authority", "tls.ca or SSL_CERT_FILE"},
		},
		"through a proxy": {
			-time.Hour, time.Hour, "127.0.0.1", true, "http://" + proxy,
			[]string{"the target ", "does not trust", "x509: certificate signed by unknown authority"},
		},
		"expired": {
			-2 * time.Hour, -time.Hour, "127.0.0.1", false, "",
			[]string{"not valid today", "x509: certificate has expired", "renew it"},
		},
		"not yet valid": {
			time.Hour, 2 * time.Hour, "127.0.0.1", false, "",
			[]string{"not valid today", "not yet valid", "clock"},
		},
		"other name": {
			-time.Hour, time.Hour, "192.0.2.1", false, "",
			[]string{"for another name", "x509: certificate is valid for 192.0.2.1", "target.url", "tls.serverName"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter,
				*http.Request,
			) {
				requests.Add(1)
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			pair := newCertificate(t, tt.host, tt.from, tt.to)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			args := []string{"run", scenario(t, server.URL, closed, `http_reqs: count>0`)}
			if tt.proxy != "" {
				args = append(args, "--set", "target.proxy="+tt.proxy)
			}
			p := headroom(t, args...)
			if tt.untrusted {
				p.trusts(t, newCertificate(t, tt.host, tt.from, tt.to).Leaf)
			} else {
				p.trusts(t, pair.Leaf)
			}
			p.exits(t, exitError)
			says(t, p.stderr.String(), append(tt.say, server.URL)...)
			if requests.Load() > 0 {
				t.Errorf("%d requests were sent", requests.Load())
			}
		})
	}
}

// TestTargetOfAnotherKind: so is a target that speaks no TLS, and one that says nothing does not hold the run up.
func TestTargetOfAnotherKind(t *testing.T) {
	t.Parallel()
	plain := "https://" + strings.TrimPrefix(service(t), "http://")
	p := headroom(t, "run", scenario(t, plain, closed, `http_reqs: count>0`))
	p.exits(t, exitError)
	says(t, p.stderr.String(), plain, "does not speak TLS", "write http:// in target.url")

	p = headroom(t, "run", scenario(t, service(t), closed, `http_reqs: count>0`), "--set", "http={version: 2}")
	p.exits(t, exitError)
	says(t, p.stderr.String(), "does not speak HTTP/2", "write version: 1.1 or auto under http")

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // of ten seconds
	defer cancel()
	err = reachable(ctx, &scenarios.Plan{Target: scenarios.Target{URL: "https://" + silent.Addr().String()}})
	if err == nil || !strings.Contains(err.Error(), "does not answer: the TLS handshake has not ended: ") {
		t.Error(err)
	}
}

// TestValidateReadsCertificates: the files of the section tls are read with the scenario, as feeders are.
func TestValidateReadsCertificates(t *testing.T) {
	t.Parallel()
	file := scenario(t, "https://127.0.0.1:1", closed, `http_reqs: count>0`)
	for given, want := range map[string]string{
		"{ca: none.pem}":                    "none.pem: no such file or directory",
		"{ca: /dev/zero}":                   "tls.ca: /dev/zero is no regular file",
		"{cert: /dev/zero, key: /dev/zero}": "tls.cert: /dev/zero is no regular file",
	} {
		p := headroom(t, "validate", file, "--set", "tls="+given)
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), "tls.", want)
	}
}

// newCertificate makes one that signs itself.
func newCertificate(t *testing.T, host string, from, to time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "headroom test"}, NotBefore: time.Now().Add(from),
		NotAfter:    time.Now().Add(to),
		IPAddresses: []net.IP{net.ParseIP(host)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// loadTLS runs the program against the server and returns where the run was saved. On a busy machine the run may be
// INVALID, with 125: what it was is told all the same.
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

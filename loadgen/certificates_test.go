package loadgen

import (
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

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// secureSenders are the ways to send by HTTPS.
func secureSenders() []wire.Backend { return append(wire.Backends(), byPlain) }

// authority issues certificates for as long as a test runs.
type authority struct {
	dir, file string // its own certificate is in file
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	pool      *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert, a.key = a.sign(t, "authority", &x509.Certificate{IsCA: true, BasicConstraintsValid: true})
	a.file = filepath.Join(a.dir, "authority.pem")
	a.pool.AddCert(a.cert)
	return a
}

// sign writes a certificate and its key to NAME.pem and NAME-key.pem. The authority's own signs itself.
func (a *authority) sign(t *testing.T, name string, form *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form.SerialNumber, form.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	if form.NotAfter.IsZero() {
		form.NotBefore, form.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := form, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, form, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+"-key.pem", "PRIVATE KEY", secret)
	return cert, key
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(a.dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair is a certificate for a host or address, and its key.
func (a *authority) pair(t *testing.T, name, host string, from, to time.Duration) tls.Certificate {
	t.Helper()
	form := &x509.Certificate{NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to)}
	if ip := net.ParseIP(host); ip != nil {
		form.IPAddresses = []net.IP{ip}
	} else {
		form.DNSNames = []string{host}
	}
	cert, key := a.sign(t, name, form)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// named is a file of the authority as a scenario names it.
func (a *authority) named(name string) scenarios.File {
	return scenarios.File{Name: filepath.Join(a.dir, name)}
}

// serveTLS answers by HTTPS what f does, over connections that it counts.
func serveTLS(t *testing.T, config *tls.Config, http2 bool, f http.HandlerFunc) (url string,
	connections *atomic.Int64,
) {
	t.Helper()
	realTime(t)
	connections = &atomic.Int64{}
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.TLS, s.EnableHTTP2 = config, http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, connections
}

// TestCertificatesAndKeys: what the section tls asks for is what the connections have; what is wrong with a certificate
// fails each request as TLS, in words that say what.
func TestCertificatesAndKeys(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for name, tt := range map[string]struct {
		host     string // that the certificate is for; empty: 127.0.0.1
		to       time.Duration
		server   *tls.Config // nil: the default
		client   func(a *authority) scenarios.TLS
		protocol uint16 // that the server sees; 0: any
		says     string // why all requests fail; empty: they do not
	}{
		"ca": {client: func(a *authority) scenarios.TLS { return scenarios.TLS{CA: a.named("authority.pem")} }},
		"nobody trusts it": {
			client: func(*authority) scenarios.TLS { return scenarios.TLS{} }, says: "unknown authority",
		},
		"whoever it is": {
			host: "other.example", to: -hour,
			client: func(*authority) scenarios.TLS { return scenarios.TLS{InsecureSkipVerify: true} },
		},
		"other host": {
			host: "other.example", says: "x509: ",
			client: func(a *authority) scenarios.TLS { return scenarios.TLS{CA: a.named("authority.pem")} },
		},
		"server name": {
			host: "other.example", client: func(a *authority) scenarios.TLS {
				return scenarios.TLS{CA: a.named("authority.pem"), ServerName: "other.example"}
			},
		},
		"expired": {
			to: -time.Minute, says: "expired",
			client: func(a *authority) scenarios.TLS { return scenarios.TLS{CA: a.named("authority.pem")} },
		},
		"client certificate": {
			server: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}, client: func(a *authority) scenarios.TLS {
				return scenarios.TLS{
					CA: a.named("authority.pem"), Cert: a.named("user.pem"), Key: a.named("user-key.pem"),
				}
			},
		},
		"client certificate, TLS 1.2": {
			server:   &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12},
			protocol: tls.VersionTLS12, client: func(a *authority) scenarios.TLS {
				return scenarios.TLS{
					CA: a.named("authority.pem"), Cert: a.named("user.pem"), Key: a.named("user-key.pem"),
				}
			},
		},
		"no client certificate": {
			server: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}, says: "certificate required",
			client: func(a *authority) scenarios.TLS { return scenarios.TLS{CA: a.named("authority.pem")} },
		},
		"TLS 1.2": {
			server: &tls.Config{MaxVersion: tls.VersionTLS12}, protocol: tls.VersionTLS12,
			client: func(a *authority) scenarios.TLS { return scenarios.TLS{CA: a.named("authority.pem")} },
		},
		"TLS 1.3 asked for": {
			protocol: tls.VersionTLS13, client: func(a *authority) scenarios.TLS {
				return scenarios.TLS{CA: a.named("authority.pem"), MinVersion: scenarios.TLS13}
			},
		},
		"TLS 1.3 not had": {
			server: &tls.Config{MaxVersion: tls.VersionTLS12}, says: "protocol version",
			client: func(a *authority) scenarios.TLS {
				return scenarios.TLS{CA: a.named("authority.pem"), MinVersion: scenarios.TLS13}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			host, to := tt.host, tt.to
			if host == "" {
				host = "127.0.0.1"
			}
			if to == 0 {
				to = hour
			}
			config := &tls.Config{}
			if tt.server != nil {
				config = tt.server.Clone()
			}
			config.Certificates = []tls.Certificate{a.pair(t, "server", host, -2*hour, to)}
			config.ClientCAs = a.pool
			a.pair(t, "user", "user.example", -hour, hour)
			var version atomic.Uint32
			url, _ := serveTLS(t, config, false, func(_ http.ResponseWriter, r *http.Request) {
				version.Store(uint32(r.TLS.Version))
			})
			sideBySide(t, secureSenders(), func(t *testing.T, by wire.Backend) {
				plan := tenRequests(scenarios.Target{
					URL: url, TLS: tt.client(a), HTTP: scenarios.HTTP{Version: scenarios.HTTP1},
				})
				m := runBy(t, t.Context(), by, plan, url)
				s := m.Series[0]
				if tt.says == "" {
					allAnswered(t, m)
					if tt.protocol != 0 && version.Load() != uint32(tt.protocol) {
						t.Errorf("it was by TLS %x, want %x", version.Load(), tt.protocol)
					}
					return
				}
				if s.Failed != 10 || s.Errors[record.ErrorTLS] != 10 ||
					!strings.Contains(fmt.Sprint(s.ErrorSamples), tt.says) {
					t.Errorf("%d of %d failed, %v %v; want TLS, which says %q", s.Failed, s.Requests, s.Errors,
						s.ErrorSamples, tt.says)
				}
			})
		})
	}
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pemFile writes a certificate and, if it is there, its key to a file.
func pemFile(t *testing.T, pair tls.Certificate) string {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	if pair.PrivateKey != nil {
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	}
	path := filepath.Join(t.TempDir(), "pair.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAttackOverTLS: vegeta's flags about TLS and HTTP/2 do what they do there, against a server that asks for a
// certificate and answers with the protocol.
func TestAttackOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Protocol", r.Proto)
		if len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	own := newCertificate(t, "127.0.0.1", -time.Hour, time.Hour)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := pemFile(t, tls.Certificate{Certificate: own.Certificate})
	client := pemFile(t, newCertificate(t, "127.0.0.1", -time.Hour, time.Hour))
	for name, tt := range map[string]struct {
		args           []string
		code, protocol string
		fails          string
	}{
		"not trusted": {nil, "0", "", "certificate"},
		"insecure":    {[]string{"-insecure"}, "403", "HTTP/2.0", ""},
		"root-certs":  {[]string{"-root-certs", roots}, "403", "HTTP/2.0", ""},
		"HTTP/1.1":    {[]string{"-insecure", "-http2=false", "-connections", "1"}, "403", "HTTP/1.1", ""},
		"cert":        {[]string{"-root-certs", roots, "-cert", client}, "200", "HTTP/2.0", ""},
		"cert, key":   {[]string{"-insecure", "-cert", client, "-key", client}, "200", "HTTP/2.0", ""},
	} {
		p := headroom(t, append([]string{"attack", "-rate", "20", "-duration", "250ms", "-encoding", "json"},
			tt.args...)...)
		p.Stdin = strings.NewReader("GET " + server.URL + "/")
		p.exits(t, exitOK)
		got := p.stdout.String()
		m := metricsOf(t, &p.stdout)
		if m.Requests != 5 || m.StatusCodes[tt.code] != 5 || tt.protocol != "" && !strings.Contains(got, tt.protocol) {
			t.Errorf("%s: %d requests, %v, want 5 of %s by %s:\n%s", name, m.Requests, m.StatusCodes, tt.code,
				tt.protocol, got)
		}
		says(t, p.stderr.String(), tt.fails)
	}
}

// TestAttackFollowsRedirects as often as it may; with -1, a redirect is the answer.
func TestAttackFollowsRedirects(t *testing.T) {
	t.Parallel()
	url := serviceOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/c" {
			http.Redirect(w, r, map[string]string{"/a": "/b", "/b": "/c"}[r.URL.Path], http.StatusFound)
		}
	})
	for redirects, code := range map[string]string{"-1": "302", "1": "302", "2": "200"} {
		p := headroom(t, "attack", "-rate", "20", "-duration", "250ms", "-redirects="+redirects)
		p.Stdin = strings.NewReader("GET " + url + "/a")
		p.exits(t, exitOK)
		m := metricsOf(t, &p.stdout)
		failed := strings.Contains(p.stderr.String(), "stopped after 1 redirects")
		if redirects != "1" && m.StatusCodes[code] != 5 || failed != (redirects == "1") {
			t.Errorf("-redirects=%s: %v\n%s", redirects, m.StatusCodes, &p.stderr)
		}
	}
}

// TestHostsInOtherScripts: the name of a host may have any letters; DNS gets those of ASCII. Wide Latin letters are
// the same as the others there, so that a name that every machine knows can be written with them.
func TestHostsInOtherScripts(t *testing.T) {
	t.Parallel()
	server := newCounting(t, "127.0.0.1:0")
	wide := strings.Replace(server.url, "127.0.0.1", "ｌｏｃａｌｈｏｓｔ", 1)
	p := headroom(t, "attack", "-rate", "20", "-duration", "250ms")
	p.Stdin = strings.NewReader("GET " + wide + "/attack")
	p.exits(t, exitOK)
	if got := server.take(); len(got) != 5 {
		t.Errorf("attack: the service got %q\n%s", got, &p.stderr)
	}
	for _, engine := range []string{"wire", "vegeta"} {
		headroom(t, "try", scenario(t, wide, closed, "http_reqs: count>0"), "--set", "engine="+engine).exits(t, exitOK)
		headroom(t, "run", "--quiet", scenario(t, wide, closed, "http_req_failed: rate==0"), "--set",
			"engine="+engine).exits(t, exitOK, exitInvalid)
		if len(server.take()) < 2 {
			t.Errorf("%s: the service got nothing", engine)
		}
	}
}

func TestAttackTLSMistakes(t *testing.T) {
	t.Parallel()
	empty := write(t, t.TempDir(), "empty.pem", "nothing\n")
	for want, args := range map[string][]string{
		"--key goes with --cert":            {"-key", empty},
		"--cert: ":                          {"-cert", empty},
		"has no certificate in PEM":         {"-root-certs", empty},
		"--root-certs: open ":               {"-root-certs", "none.pem"},
		"--redirects must be at least -1":   {"-redirects=-2"},
		"and --connections above 0":         {"-connections", "0"},
		`invalid argument "x" for "--http2`: {"-http2=x"},
	} {
		p := headroom(t, append([]string{"attack"}, args...)...)
		p.Stdin = strings.NewReader("GET http://127.0.0.1:1/")
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), want)
	}
}

package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// djangoScenario logs users in as a browser would, and uploads a file as each of them.
const djangoScenario = `target: {url: "%[1]s"}
engine: %[2]s
tls: {ca: certificate.pem}
http: {version: 1.1}
feeders: {users: {csv: users.csv, choice: sequential}}
scenarios:
  shop:
    executor: per-vu-iterations
    vus: 3
    iterations: 2
    cookies: true
    headers: {Referer: "%[1]s/home/"}
    login:
      values: {user: {feeder: users, column: user}, password: {feeder: users, column: password}}
      steps:
        - name: form
          path: /login/
          extract: {csrf: {regex: 'name="csrfmiddlewaretoken" value="([^"]*)"', decode: html}}
        - name: enter
          method: POST
          path: /login/
          form: {csrfmiddlewaretoken: "{{csrf}}", username: "{{user}}", password: "{{password}}"}
          redirects: 1
          checks: [{name: is at home, regex: 'user\d</form>'}]
    requests:
      - name: visit
        values: {title: {list: ['O"Neil & Söhne + x=%%20']}}
        steps:
          - name: home
            path: /home/
            extract:
              token: {regex: 'name="csrfmiddlewaretoken" value="([^"]*)"'}
              me: {regex: '>(user\d)</form>'}
          - name: upload
            method: POST
            path: /upload/?of={{me}}
            headers: {X-CSRFToken: "{{token}}"}
            multipart: {title: "{{title}}", file: {file: photo, filename: photo.jpg, contentType: image/jpeg}}
            checks:
              - {name: whole, json: $.files.file.sha256, equals: "%[3]x"}
              - {name: title, json: $.title, equals: 'O"Neil & Söhne + x=%%20'}
thresholds:
  http_req_failed: rate==0
  checks: rate==1
  http_reqs{name:upload}: count==6
  http_reqs{status:200}: count==12
`

// TestDjango: users log in to a real Django site, with its CSRF token, its two cookies, and its redirect, and what they
// upload arrives byte for byte: by both engines, with and without TLS.
func TestDjango(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // that of the distribution, for which Django is packaged
	if err := exec.Command(python, "-c", "import django").Run(); err != nil && os.Getenv("CI") == "" {
		t.Skip("no Django here; CI has it")
	}
	dir := t.TempDir()
	writeCertificate(t, dir)
	photo := make([]byte, 300_000)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(photo)
	photo = append(photo, "\r\n--headroom\r\n\x00\x1a"...)
	users := "user,password\n"
	for i := 1; i <= 3; i++ {
		users += fmt.Sprintf("user%[1]d,\"p&w=%%+ \"\"%[1]d\"\"\"\n", i)
	}
	write(t, dir, "users.csv", users)
	write(t, dir, "photo", string(photo))
	plain, secure := freeAddress(t), freeAddress(t)
	_, plainPort, _ := net.SplitHostPort(plain)
	_, securePort, _ := net.SplitHostPort(secure)
	startServer(t, plain, nil, python, filepath.Join("testdata", "shop.py"), dir, plainPort, securePort)
	for _, url := range []string{"http://" + plain, "https://" + secure} {
		for _, engine := range []string{"wire", "vegeta"} {
			t.Run(url[:5]+" "+engine, func(t *testing.T) {
				scenario := fmt.Sprintf(djangoScenario, url, engine, sha256.Sum256(photo))
				if url == "http://"+plain { // tls goes with HTTPS only
					scenario = string(bytes.Replace([]byte(scenario), []byte("tls: {ca: certificate.pem}\n"), nil, 1))
				}
				file := write(t, dir, "shop.yaml", scenario)
				out := filepath.Join(t.TempDir(), "run")
				p := headroom(t, "run", file, "--quiet", "--out", out)
				p.exits(t, exitOK)
				for user := 1; user <= 3; user++ {
					stored := filepath.Join(dir, fmt.Sprintf("user%d-file", user))
					if got, err := os.ReadFile(stored); err != nil || !bytes.Equal(got, photo) {
						t.Errorf("user %d stored %d bytes: %v", user, len(got), err)
					}
					_ = os.Remove(stored)
				}
			})
		}
	}
}

// writeCertificate writes one for 127.0.0.1, with its key, to certificate.pem and key.pem.
func writeCertificate(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	pair := newCertificate(t, "127.0.0.1", -time.Hour, time.Hour)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"certificate.pem": {Type: "CERTIFICATE", Bytes: pair.Leaf.Raw}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair.Leaf
}

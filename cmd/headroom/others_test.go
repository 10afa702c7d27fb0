package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/results"
)

// TestServicesOfOthers loads servers that are not ours, with no reference server, by both engines. What they say in
// their access logs is what the run says it sent.
func TestServicesOfOthers(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]struct {
		start  func(t *testing.T, dir, address string) (log string)
		secure bool
	}{
		"nginx":         {start: nginxOfFiles},
		"nginx, TLS1.2": {nginxByTLS("TLSv1.2"), true},
		"nginx, TLS1.3": {nginxByTLS("TLSv1.3"), true},
		"http.server":   {start: startPython},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte(strings.Repeat("a page ", 100)),
				0o644); err != nil {
				t.Fatal(err)
			}
			address := freeAddress(t)
			log := server.start(t, dir, address)
			target := fmt.Sprintf("target: {url: \"http://%s\"}", address)
			if server.secure {
				target = fmt.Sprintf("target: {url: \"https://%s\"}\ntls: {ca: \"%s/cert.pem\"}\nhttp: {version: 1.1}",
					address, dir)
			}
			for _, engine := range []string{"wire", "vegeta"} {
				before := strings.Count(text(t, log), "GET /page.html")
				out := loadPages(t, target, engine)
				run, err := results.Read(out)
				if err != nil {
					t.Fatal(err)
				}
				sent := run.Measurements.Loads[0].Sent
				if by := run.Measurements.Engine; !strings.HasPrefix(by, engine) ||
					strings.Contains(by, "TLS") != server.secure {
					t.Errorf("it was sent by %s, want %s", by, engine)
				}
				deadline := time.Now().Add(30 * time.Second) // the log may come a moment after the answer
				for int64(strings.Count(text(t, log), "GET /page.html")-before) != sent && time.Now().Before(deadline) {
					time.Sleep(50 * time.Millisecond)
				}
				if logged := int64(strings.Count(text(t, log), "GET /page.html") - before); sent != 200 ||
					logged != sent {
					t.Errorf("%s sent %d of 200 requests, and the server logged %d", engine, sent, logged)
				}
			}
		})
	}
}

// loadPages loads the service that a section target names, and returns where the run was saved.
func loadPages(t *testing.T, target, engine string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pages.yaml")
	scenario := fmt.Sprintf(`%s
engine: %s
scenarios:
  pages:
    executor: constant-arrival-rate
    rate: 100
    duration: 2s
    maxVUs: 20
    requests:
      - name: page
        path: /page.html?n={{iteration}}
        checks: [{name: is 200, status: 200}, {name: is whole, bodySize: {min: 700B, max: 700B}}]
thresholds:
  http_req_failed: rate==0
  checks: rate==1
  http_reqs: count==200
`, target, engine)
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	p := headroom(t, "run", file, "--out", "out")
	out := filepath.Join(p.Dir, "out")
	p.holds(t, out)
	return out
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// nginxOfFiles serves dir, and returns its access log.
func nginxOfFiles(t *testing.T, dir, address string) string {
	t.Helper()
	log := filepath.Join(dir, "access.log")
	startNginx(t, dir, address, fmt.Sprintf("access_log %s; server { listen %s; root %s; }", log, address, dir))
	return log
}

// nginxByTLS is nginxOfFiles by that version of TLS. Each connection takes ten requests.
func nginxByTLS(version string) func(t *testing.T, dir, address string) string {
	return func(t *testing.T, dir, address string) string {
		t.Helper()
		pair := newCertificate(t, "127.0.0.1", -time.Hour, time.Hour)
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for name, block := range map[string]pem.Block{
			"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
			"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
		} {
			if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		log := filepath.Join(dir, "access.log")
		startNginx(t, dir, address, fmt.Sprintf(`access_log %[1]s; keepalive_requests 10; server { listen %[2]s ssl;
ssl_certificate %[3]s/cert.pem; ssl_certificate_key %[3]s/key.pem; ssl_protocols %[4]s; root %[3]s; }`, log, address,
			dir, version))
		return log
	}
}

// startNginx starts an nginx of one process that does what the text, in its own language, says of HTTP. dir is for its
// files.
func startNginx(t *testing.T, dir, address, http string) {
	t.Helper()
	config := filepath.Join(dir, "nginx.conf")
	content := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 256; }
http {
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  %[2]s
}
`, dir, http)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, address, nil, "nginx", "-e", filepath.Join(dir, "error.log"), "-c", config)
}

// startPython serves dir by HTTP/1.0, a connection for each request, and returns its access log.
func startPython(t *testing.T, dir, address string) string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	host, port, _ := net.SplitHostPort(address)
	startServer(t, address, log, "python3", "-u", "-m", "http.server", port, "--bind", host, "--directory", dir)
	return log.Name()
}

// needTool is the path of a program, without which a test is skipped, but not in CI, which installs it.
func needTool(t *testing.T, name string) (path string) {
	t.Helper()
	path, err := sidebyside.Find(name)
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("no " + name + " here; CI has it")
	} else if err != nil {
		t.Fatal(err)
	}
	return path
}

// startServer runs a server of the machine's until the end of the test, and waits until it takes connections. CI
// installs them.
func startServer(t *testing.T, address string, log *os.File, name string, args ...string) {
	t.Helper()
	path := needTool(t, name)
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, path, args...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 5 * time.Second
	if log != nil {
		c.Stderr = log
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = c.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", name, err)
		}
	}
}

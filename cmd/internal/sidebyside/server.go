package sidebyside

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/policycortex/headroom/containers"
)

const startLimit = 30 * time.Second

// StartServer starts a program on the server's CPU and returns the first line that it prints, which is to say that it
// answers. Its log is where its standard error goes.
func StartServer(ctx context.Context, log *os.File, env []string, command ...string) (*containers.Child, string,
	error,
) {
	ready := make(chan string, 1)
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: "taskset", Args: append([]string{"-c", ServerCPU}, command...),
		Env: append(append(os.Environ(), "GOMAXPROCS=1"), env...), Stdout: &lineWriter{line: ready}, Stderr: log,
	})
	if err != nil {
		return nil, "", err
	}
	starting, cancel := withStartLimit(ctx)
	defer cancel()
	select {
	case line := <-ready:
		return child, line, nil
	case <-child.Done():
		err = ended(child)
	case <-starting.Done():
		err = context.Cause(starting)
	}
	err = fmt.Errorf("start %v: %w; its log is %s", command, err, log.Name())
	return nil, "", errors.Join(err, child.Stop(context.WithoutCancel(ctx)))
}

func withStartLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it was not ready after %v", startLimit))
}

// ended says how a server ended that should not have.
func ended(child *containers.Child) error {
	if err := child.Err(); err != nil {
		return err
	}
	return errors.New("it ended before it answered")
}

// lineWriter hands on the first line that is written to it.
type lineWriter struct {
	mu   sync.Mutex
	text strings.Builder
	line chan string
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line != nil {
		l.text.Write(p)
		if first, _, ok := strings.Cut(l.text.String(), "\n"); ok {
			l.line <- first + "\n"
			l.line = nil
		}
	}
	return len(p), nil
}

// nginxConfig serves from memory, by one process in the foreground, like a server in production but for the number of
// requests that a connection may send.
const nginxConfig = `daemon off; master_process off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; default_type application/json;
  open_file_cache max=100; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s;
  uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server {
    listen %[2]s;
    %[3]s
  }
}
`

// StartNginx starts an nginx with these locations (in its own language) on the server's CPU, and returns its URL when
// it answers. dir is for its files, and readable by the user as which it may run.
func StartNginx(ctx context.Context, dir string, log *os.File, locations string) (*containers.Child, string, error) {
	return startNginx(ctx, dir, log, "", locations)
}

// StartNginxHTTP2 starts one that speaks HTTP/2 alone, over plain TCP.
func StartNginxHTTP2(ctx context.Context, dir string, log *os.File, locations string) (*containers.Child, string,
	error,
) {
	return startNginx(ctx, dir, log, " http2", locations)
}

// StartNginxHTTPS2 starts one that speaks HTTP/2 over TLS, with a certificate that it has signed itself.
func StartNginxHTTPS2(ctx context.Context, dir string, log *os.File, locations string) (*containers.Child, string,
	error,
) {
	files, err := writeCertificate(dir)
	if err != nil {
		return nil, "", err
	}
	child, url, err := startNginx(ctx, dir, log, " ssl http2", files+locations)
	return child, strings.Replace(url, "http:", "https:", 1), err
}

// writeCertificate writes a certificate for this machine and its key to a directory, and returns what tells nginx so.
func writeCertificate(dir string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "server.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	return fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %[1]s; ", file), os.WriteFile(file, text, 0o600)
}

// startNginx starts one that listens with these parameters.
func startNginx(ctx context.Context, dir string, log *os.File, parameters, locations string,
) (*containers.Child, string, error) {
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := free.Addr().String()
	free.Close()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, addr+parameters, locations), 0o644); err != nil {
		return nil, "", err
	}
	program, err := Find("nginx")
	if err != nil {
		return nil, "", err
	}
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: "taskset", Args: []string{"-c", ServerCPU, program, "-p", dir, "-c", config}, Stdout: log, Stderr: log,
	})
	if err != nil {
		return nil, "", err
	}
	if err := awaitAnswer(ctx, child, addr); err != nil {
		err = fmt.Errorf("start nginx: %w; its log is %s", err, filepath.Join(dir, "nginx.log"))
		return nil, "", errors.Join(err, child.Stop(context.WithoutCancel(ctx)))
	}
	return child, "http://" + addr, nil
}

// awaitAnswer waits until a server takes connections.
func awaitAnswer(ctx context.Context, child *containers.Child, addr string) error {
	ctx, cancel := withStartLimit(ctx)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr); err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-child.Done():
			return ended(child)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

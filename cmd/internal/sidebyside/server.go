package sidebyside

import (
	"context"
	"fmt"
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
func StartServer(ctx context.Context, log *os.File, env []string, command ...string) (*containers.Child, string, error) {
	ready := make(chan string, 1)
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: "taskset", Args: append([]string{"-c", ServerCPU}, command...),
		Env: append(append(os.Environ(), "GOMAXPROCS=1"), env...), Stdout: &lineWriter{line: ready}, Stderr: log,
	})
	if err != nil {
		return nil, "", err
	}
	select {
	case line := <-ready:
		return child, line, nil
	case <-child.Done():
		return nil, "", fmt.Errorf("%v ended at its start (%w); its log is %s", command, child.Err(), log.Name())
	case <-time.After(startLimit):
		return nil, "", fmt.Errorf("%v was not ready after %v; its log is %s", command, startLimit, log.Name())
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
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

// StartNginx starts an nginx with these locations (in its own language) on the server's CPU, and returns its URL when it
// answers. dir is for its files, and readable by the user as which it may run.
func StartNginx(ctx context.Context, dir string, log *os.File, locations string) (*containers.Child, string, error) {
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := free.Addr().String()
	free.Close()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, addr, locations), 0o644); err != nil {
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
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return child, "http://" + addr, conn.Close()
		}
		if child.Err() != nil {
			break
		}
	}
	return nil, "", fmt.Errorf("nginx does not answer (%v); its log is %s", child.Err(), filepath.Join(dir, "nginx.log"))
}

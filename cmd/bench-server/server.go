package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/policycortex/headroom/containers"
)

const (
	startLimit = 30 * time.Second
	cursorKey  = "bench-server: not a secret, but long enough"
)

// running is a server process that answers.
type running struct {
	child      *containers.Child
	url, admin string
}

// start starts a contender's server on the server's CPU.
func (b *bench) start(ctx context.Context, c *contender) (*running, error) {
	if c.serve == "" {
		return b.startNginx(ctx)
	}
	ready := make(chan string, 1)
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: "taskset", Args: []string{"-c", serverCPU, b.self, "serve", c.serve},
		Env: append(append(os.Environ(),
			"GOMAXPROCS=1", varDir+"="+b.dir, varPostgres+"="+b.servers.PostgresURL, varCache+"="+b.servers.CacheURL,
			"HEADROOM_ADDR=127.0.0.1:0", "HEADROOM_ADMIN_ADDR=127.0.0.1:0",
			"HEADROOM_CURSOR_KEY="+cursorKey, // without one, every process would write other cursors into the same list
			fmt.Sprintf("HEADROOM_POSTGRES_MAX_CONNS=%d", postgresConns)), c.env...),
		Stdout: &lineWriter{line: ready}, Stderr: b.log,
	})
	if err != nil {
		return nil, err
	}
	r := &running{child: child}
	select {
	case line := <-ready:
		if _, err := fmt.Sscanf(line, readyFormat, &r.url, &r.admin); err != nil {
			return nil, fmt.Errorf("%s said %q: %w", c.name, line, err)
		}
		r.url = "http://" + r.url
		return r, nil
	case <-child.Done():
		return nil, fmt.Errorf("%s ended at its start (%v); its log is %s", c.name, child.Err(), b.log.Name())
	case <-time.After(startLimit):
		return nil, fmt.Errorf("%s was not ready after %v; its log is %s", c.name, startLimit, b.log.Name())
	case <-ctx.Done():
		return nil, ctx.Err()
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

// nginxConfig serves files from memory, by one process in the foreground, like a server in production but for the
// number of requests that a connection may send.
const nginxConfig = `daemon off; master_process off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; default_type application/json;
  open_file_cache max=100; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s;
  uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server {
    listen %[2]s;
    location = ` + listRoute + ` { alias %[1]s/` + listFile + `; }
    location = %[3]s { alias %[1]s/` + itemFile + `; }
  }
}
`

func (b *bench) startNginx(ctx context.Context) (*running, error) {
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := free.Addr().String()
	free.Close()
	config := filepath.Join(b.dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, b.dir, addr, b.paths[0]), 0o644); err != nil {
		return nil, err
	}
	program, err := find("nginx")
	if err != nil {
		return nil, err
	}
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: "taskset", Args: []string{"-c", serverCPU, program, "-p", b.dir, "-c", config}, Stdout: b.log, Stderr: b.log,
	})
	if err != nil {
		return nil, err
	}
	r := &running{child: child, url: "http://" + addr}
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return r, conn.Close()
		}
		if child.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("nginx does not answer (%v); its log is %s", child.Err(), filepath.Join(b.dir, "nginx.log"))
}

// get asks for a path and returns the body and the cache level that answered, if it said so.
func (b *bench) get(ctx context.Context, url string) (body []byte, level string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("X-Tenant-ID", b.tenant)
	r.Header.Set("Accept-Encoding", "identity") // wrk does not ask for compression either
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %.200s", url, response.Status, body)
	}
	return body, response.Header.Get("X-Cache"), err
}

// served counts requests by the level that answered them, since the server's start.
type served map[string]float64

func (r *running) served(ctx context.Context) (served, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/snapshot", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	type hits struct {
		Hits float64 `json:"hits"`
	}
	var s struct {
		Cache struct {
			L1      hits `json:"l1"`
			L2      hits `json:"l2"`
			L3      hits `json:"l3"`
			Overall struct {
				Misses float64 `json:"misses"`
			} `json:"overall"`
		} `json:"cache"`
	}
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil {
		return nil, fmt.Errorf("snapshot of the server: %w", err)
	}
	c := s.Cache
	return served{"l1": c.L1.Hits, "l2": c.L2.Hits, "l3": c.L3.Hits, "miss": c.Overall.Misses}, nil
}

// share is the part of the requests between two readings that one level answered.
func share(before, after served, level string) float64 {
	all := 0.0
	for l := range after {
		all += after[l] - before[l]
	}
	if all == 0 {
		return 0
	}
	return (after[level] - before[level]) / all
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// serverStart bounds the reference server's start.
const serverStart = 30 * time.Second

// readyPath is where an instance of the reference server says whether it is to get requests.
const readyPath = "/readyz"

// referenceSpec says how the reference server is started.
type referenceSpec struct {
	program   string         // a headroom binary, of this version or another
	variables []string       // NAME=value, besides those of this process
	log       string         // the file of its messages; it is removed when it stays empty
	traces    *traceReceiver // of its spans; nil: none
	addr      string         // host:port at which it listens; empty takes a free port
}

// referenceServer is the reference server in a process of its own, so that its CPU time and pauses are separate from
// the generator's.
type referenceServer struct {
	spec       referenceSpec
	url, admin string // admin is the URL of its admin listener
	log        *os.File
	settings   map[string]string                // in force, without the addresses at which it listens
	latest     atomic.Pointer[results.Snapshot] // that was taken
	figures    *scraper                         // of its metrics; nil where no threshold is about them

	mu     sync.Mutex // guards what follows, which faults change
	child  *containers.Child
	before *results.Snapshot // the account of the processes before this one; nil without any
	frozen *results.Snapshot // the account while a fault keeps it from answering; else nil
}

// startReference starts the reference server and waits until it is ready. What was started when it fails is stopped.
func startReference(ctx context.Context, spec referenceSpec) (_ *referenceServer, err error) {
	s := &referenceServer{spec: spec}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start the reference server: %w", err), s.stop(context.WithoutCancel(ctx)))
		}
	}()
	s.log, err = os.Create(spec.log)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, s.askSettings(ctx)
}

// start starts the process and waits until it is ready.
func (s *referenceServer) start(ctx context.Context) error {
	ready := &firstLine{line: make(chan string, 1)}
	child, err := containers.StartChild(ctx, containers.ChildSpec{
		Path: s.spec.program,
		Args: []string{"serve", "--addr", cmp.Or(s.spec.addr, "127.0.0.1:0"), "--admin", "127.0.0.1:0"},
		// Not by flags: other users of the machine can read a process's arguments.
		Env:    slices.Concat(os.Environ(), s.spec.variables),
		Stdout: ready, Stderr: s.log, KillAfter: drainLimit,
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.child = child
	s.mu.Unlock()
	select {
	case line := <-ready.line:
		var url, admin string
		if _, err := fmt.Sscanf(line, "serving %s admin %s", &url, &admin); err != nil {
			return fmt.Errorf("unexpected first line: %q: %w", line, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.url, s.admin = url, admin
		return nil
	case <-child.Done():
		return fmt.Errorf("it ended: %w\n%s", child.Err(), containers.LogTail(s.spec.log))
	case <-time.After(serverStart):
		return fmt.Errorf("it was not ready after %v\n%s", serverStart, containers.LogTail(s.spec.log))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// process is the process that serves now, nil before it was started.
func (s *referenceServer) process() *containers.Child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child
}

// askSettings asks for the settings in force.
func (s *referenceServer) askSettings(ctx context.Context) error {
	body, err := fetch(ctx, s.admin+"/settings")
	if err != nil {
		return fmt.Errorf("ask for its settings: %w", err)
	}
	if err := json.Unmarshal(body, &s.settings); err != nil {
		return fmt.Errorf("read its settings: %w", err)
	}
	delete(s.settings, "HEADROOM_ADDR") // they were chosen for this run
	delete(s.settings, "HEADROOM_ADMIN_ADDR")
	return nil
}

// snapshot is the server's account of itself since its start.
func (s *referenceServer) snapshot(ctx context.Context) (results.Snapshot, error) {
	return s.take(ctx, "/snapshot")
}

// sample is the snapshot without the queries, which costs little.
func (s *referenceServer) sample(ctx context.Context) (results.Snapshot, error) {
	return s.take(ctx, "/snapshot?db=no")
}

// take asks for an account, to which that of the processes before this one is added. While a fault keeps the server
// from answering, the account stays as it was.
func (s *referenceServer) take(ctx context.Context, path string) (results.Snapshot, error) {
	s.mu.Lock()
	frozen := s.frozen
	s.mu.Unlock()
	if frozen != nil {
		return *frozen, nil
	}
	return s.ask(ctx, path)
}

// ask is take of a server that answers.
func (s *referenceServer) ask(ctx context.Context, path string) (results.Snapshot, error) {
	s.mu.Lock()
	admin, before := s.admin, s.before
	s.mu.Unlock()
	body, err := fetch(ctx, admin+path)
	if err != nil {
		return results.Snapshot{}, err
	}
	taken, err := results.ParseSnapshot(body)
	if err == nil && before != nil {
		taken, err = taken.Continuing(*before)
	}
	if err == nil {
		s.latest.Store(&taken)
	}
	return taken, err
}

// stop stops the server, as far as it was started.
func (s *referenceServer) stop(ctx context.Context) error {
	var faults []error
	if child := s.process(); child != nil {
		faults = append(faults, child.Stop(ctx))
	}
	if s.log != nil {
		faults = append(faults, s.log.Close())
		if info, err := os.Stat(s.log.Name()); err == nil && info.Size() == 0 {
			faults = append(faults, os.Remove(s.log.Name()))
		}
	}
	return errors.Join(faults...)
}

// addressVariables are the environment variables that tell the reference server where its servers are.
func addressVariables(e *containers.Environment) []string {
	return []string{
		"HEADROOM_POSTGRES_URL=" + e.PostgresURL,
		"HEADROOM_POSTGRES_REPLICA_URL=" + e.ReplicaURL,
		"HEADROOM_CACHE_URL=" + e.CacheURL,
	}
}

// instanceVariables are those of instances that stand side by side, or behind something: they accept each other's
// cursors, know that a balancer names their clients, and give it time to notice that they end. What the environment of
// the settings of the scenario and the environment of this process say goes before it.
func instanceVariables(e scenarios.Environment, settings []string, cursorKey string) []string {
	var vars []string
	set := func(name, value string) {
		if !isSet(settings, name) {
			vars = append(vars, name+"="+value)
		}
	}
	if e.Servers() > 1 {
		set("HEADROOM_CURSOR_KEY", cursorKey)
	}
	if e.Balancer != "" {
		set("HEADROOM_DRAIN_DELAY", drainDelay.String())
		set("HEADROOM_TRUSTED_PROXIES", "127.0.0.1")
	}
	return vars
}

// fetch reads a URL of the admin listener.
func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s responded with %s", url, resp.Status)
	}
	return body, nil
}

// firstLine is a writer that sends the first line written to it.
type firstLine struct {
	mu   sync.Mutex
	text []byte
	sent bool
	line chan string
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent {
		return len(p), nil
	}
	f.text = append(f.text, p...)
	if line, _, ok := bytes.Cut(f.text, []byte("\n")); ok {
		f.line <- string(line)
		f.sent = true
	}
	return len(p), nil
}

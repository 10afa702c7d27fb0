package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/fixtures"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
	"github.com/policycortex/headroom/server"
)

// system is the service under load: the user's own service, or the reference server in its own process with the servers
// that it needs.
type system struct {
	url      string
	admin    string // URL of the reference server's admin listener
	keys     func(name string) (request.KeySet, error)
	snapshot func(ctx context.Context) (results.Snapshot, error)
	sample   func(ctx context.Context) (results.Snapshot, error) // without the queries
	record   results.Environment
	latest   atomic.Pointer[results.Snapshot] // that was taken

	environment *containers.Environment // nil for an own service
	server      *containers.Child
	log         *os.File
}

const (
	serverStart = 30 * time.Second // bounds the reference server's start
	lastSample  = 2 * time.Second  // bounds the question how the server is at the end
)

// startSystem starts the plan's target, or checks that the user's own service can be reached.
func (r *runner) startSystem(ctx context.Context, plan *scenarios.Plan, dir string) (_ *system, err error) {
	s := &system{record: results.Environment{Machine: machine(), GeneratorSettings: server.GoSettings()}}
	if plan.Target.URL != "" {
		s.url, s.record.Target, s.record.Proxy, s.record.Own = plan.Target.URL, plan.Target.URL, plan.Target.Proxy, true
		return s, reachable(ctx, plan.Target)
	}
	defer func() {
		if err != nil {
			err = errors.Join(roomHint(s.withIncidents(ctx, err)), s.stop(ctx))
		}
	}()
	say := func(m string) { fmt.Fprintln(r.progress, m) }
	s.environment, err = containers.Start(ctx, containers.Options{
		Provider: r.provider, PostgresImage: plan.Environment.PostgresImage, CacheImage: plan.Environment.CacheImage,
		Replica: plan.Environment.Replica || r.replica != "", PostgresURL: r.postgres, ReplicaURL: r.replica,
		CacheURL: r.cache, PostgresSettings: plan.Environment.Postgres, Progress: say,
	})
	if err != nil {
		return nil, err
	}
	say(environmentLine(s.environment))
	if err := s.checkFaults(plan.Faults); err != nil {
		return nil, err
	}
	fixture := fixtures.Options{
		Seed: plan.Seed, Resources: plan.Environment.Resources,
		Progress: fixtureProgress(r.progress),
	}
	loaded, err := fixtures.Load(ctx, s.environment.PostgresURL, fixture)
	if err != nil {
		return nil, err
	}
	say(fixtureSummary(loaded))
	s.keys = func(name string) (request.KeySet, error) {
		set, err := fixtures.Keys(name, fixture)
		return request.KeySet{Len: set.Len, Append: set.Append}, err
	}
	settings := plan.Environment.Server
	if settings.GOMAXPROCS == 0 { // the generator gets the other half
		settings.GOMAXPROCS = max(1, runtime.NumCPU()/2)
	}
	if err := s.startServer(ctx, settings, dir); err != nil {
		return nil, err
	}
	s.describe(plan, settings, loaded)
	return s, nil
}

// roomHint adds a hint to the error of a full file system.
func roomHint(err error) error {
	if !strings.Contains(strings.ToLower(err.Error()), "no space left on device") {
		return err
	}
	return fmt.Errorf("%w\nthe servers keep their data in %s: free some space, or set TMPDIR to a directory with "+
		"more space", err, os.TempDir())
}

func environmentLine(e *containers.Environment) string {
	replica := ""
	if e.ReplicaURL != "" {
		replica = " with a replica"
	}
	return fmt.Sprintf("environment: %s, %s %s%s and %s %s (%s)", e.Provider, e.Postgres.Name, e.Postgres.Version,
		replica,
		e.Cache.Name, e.Cache.Version, e.Reason)
}

// checkFaults fails before the load if the environment cannot inject the faults of the scenario.
func (s *system) checkFaults(faults []scenarios.Fault) error {
	for _, f := range faults {
		if err := s.environment.CheckFault(containers.Target(f.Target), containers.Action(f.Action)); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) fault(ctx context.Context, f scenarios.Fault) error {
	return s.environment.Fault(ctx, containers.Target(f.Target), containers.Action(f.Action))
}

// startServer starts the reference server in its own process, so that its CPU time and pauses are separate from the
// generator's.
func (s *system) startServer(ctx context.Context, settings scenarios.ServerSettings, dir string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the reference server: %w", err)
	}
	s.log, err = os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return fmt.Errorf("start the reference server: %w", err)
	}
	ready := &firstLine{line: make(chan string, 1)}
	s.server, err = containers.StartChild(ctx, containers.ChildSpec{
		Path: self, Args: []string{"serve", "--addr", "127.0.0.1:0", "--admin", "127.0.0.1:0"},
		// Not by flags: other users of the machine can read a process's arguments.
		Env:    slices.Concat(os.Environ(), addressVariables(s.environment), settingVariables(settings)),
		Stdout: ready, Stderr: s.log,
	})
	if err != nil {
		return fmt.Errorf("start the reference server: %w", err)
	}
	select {
	case line := <-ready.line:
		if err := s.connect(line); err != nil {
			return err
		}
		return s.askSettings(ctx)
	case <-s.server.Done():
		return fmt.Errorf("the reference server ended while starting: %w\n%s", s.server.Err(),
			containers.LogTail(s.log.Name()))
	case <-time.After(serverStart):
		return fmt.Errorf("the reference server was not ready after %v\n%s", serverStart,
			containers.LogTail(s.log.Name()))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addressVariables are the environment variables that tell the reference server where its servers are.
func addressVariables(e *containers.Environment) []string {
	return []string{
		"HEADROOM_POSTGRES_URL=" + e.PostgresURL,
		"HEADROOM_POSTGRES_REPLICA_URL=" + e.ReplicaURL,
		"HEADROOM_CACHE_URL=" + e.CacheURL,
	}
}

// settingVariables are the environment variables of the settings that the scenario gives, in alphabetical order.
func settingVariables(settings scenarios.ServerSettings) []string {
	var vars []string
	for name, n := range map[string]int64{
		"HEADROOM_L1_BYTES": settings.L1Bytes, "HEADROOM_POSTGRES_MAX_CONNS": int64(settings.PostgresMaxConns),
		"GOGC": int64(settings.GOGC), "GOMAXPROCS": int64(settings.GOMAXPROCS),
	} {
		if n > 0 {
			vars = append(vars, name+"="+strconv.FormatInt(n, 10))
		}
	}
	slices.Sort(vars)
	return vars
}

// connect reads the server's ready line.
func (s *system) connect(line string) error {
	var url, admin string
	if _, err := fmt.Sscanf(line, "serving %s admin %s", &url, &admin); err != nil {
		return fmt.Errorf("unexpected first line of the reference server: %q: %w", line, err)
	}
	s.url, s.admin, s.record.Target = url, admin, url
	taking := func(path string) func(context.Context) (results.Snapshot, error) {
		return func(ctx context.Context) (results.Snapshot, error) {
			taken, err := fetchSnapshot(ctx, admin+path)
			if err == nil {
				s.latest.Store(&taken)
			}
			return taken, err
		}
	}
	s.snapshot, s.sample = taking("/snapshot"), taking("/snapshot?db=no")
	return nil
}

// askSettings records the settings of the reference server, without the addresses that were chosen for this run.
func (s *system) askSettings(ctx context.Context) error {
	body, err := fetch(ctx, s.admin+"/settings")
	if err != nil {
		return fmt.Errorf("ask the reference server for its settings: %w", err)
	}
	if err := json.Unmarshal(body, &s.record.ServerSettings); err != nil {
		return fmt.Errorf("read the settings of the reference server: %w", err)
	}
	chosen := []string{"HEADROOM_ADDR", "HEADROOM_ADMIN_ADDR"}
	if s.environment.Provider != "external" {
		chosen = append(chosen, "HEADROOM_POSTGRES_URL", "HEADROOM_POSTGRES_REPLICA_URL", "HEADROOM_CACHE_URL")
	}
	for _, name := range chosen {
		delete(s.record.ServerSettings, name)
	}
	return nil
}

func fetchSnapshot(ctx context.Context, url string) (results.Snapshot, error) {
	body, err := fetch(ctx, url)
	if err != nil {
		return results.Snapshot{}, err
	}
	return results.ParseSnapshot(body)
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

// describe completes the record of a reference system.
func (s *system) describe(plan *scenarios.Plan, settings scenarios.ServerSettings, fixture fixtures.Summary) {
	e := s.environment
	s.record.Provider, s.record.Reason = e.Provider, e.Reason
	for _, known := range []struct {
		role   string
		server containers.Server
	}{{"postgres", e.Postgres}, {"replica", e.Replica}, {"cache", e.Cache}} {
		server := known.server
		if server.Name == "" { // there is no replica
			continue
		}
		s.record.Servers = append(s.record.Servers, results.Server{
			Role: known.role, Name: server.Name, Version: server.Version, Answer: server.Answer,
			Standby: server.Standby,
			Image:   server.Image, Digest: server.ImageDigest, Binary: server.Binary,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(plan.Environment.Postgres)) {
		s.record.Settings = append(s.record.Settings, "postgres "+name+"="+plan.Environment.Postgres[name])
	}
	for _, v := range settingVariables(settings) {
		s.record.Settings = append(s.record.Settings, "server "+v)
	}
	s.record.Fixture = fmt.Sprintf("%d resources, seed %d", fixture.Resources, plan.Seed)
}

// warnings are what a reader of the results must know about the system.
func (s *system) warnings(ctx context.Context) []string {
	if s.environment == nil {
		return nil
	}
	out := s.environment.Warnings
	select {
	case <-s.server.Done(): // an incident
	default:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSample)
		defer cancel()
		s.sample(ctx) // if it fails, the previous sample has to do
	}
	if latest := s.latest.Load(); latest != nil {
		out = append(out, latest.MaintenanceWarnings()...)
	}
	return out
}

// processes reports whether the processes of the system are known. They are if the servers are children of this
// process; processes in containers are not.
func (s *system) processes() results.Processes {
	switch {
	case s.environment != nil && (s.environment.Provider == "process" || s.environment.Provider == "embedded"):
		return results.ProcessesChildren
	case s.environment == nil && elsewhere(s.url):
		return results.ProcessesElsewhere
	}
	return results.ProcessesUnknown
}

// elsewhere reports whether no address of the target is in a directly connected network. Such networks may belong to
// containers on this machine.
func elsewhere(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	ips, err := net.LookupIP(u.Hostname())
	if err != nil {
		return false
	}
	networks, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, network := range networks {
		n, ok := network.(*net.IPNet)
		if !ok || slices.ContainsFunc(ips, n.Contains) {
			return false
		}
	}
	return true
}

// stop stops everything that was started.
func (s *system) stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var faults []error
	if s.server != nil {
		faults = append(faults, s.server.Stop(ctx))
	}
	if s.log != nil {
		faults = append(faults, s.log.Close())
		if info, err := os.Stat(s.log.Name()); err == nil && info.Size() == 0 {
			faults = append(faults, os.Remove(s.log.Name()))
		}
	}
	if s.environment != nil {
		faults = append(faults, s.environment.Stop(ctx))
	}
	return errors.Join(faults...)
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

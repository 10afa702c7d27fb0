package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/fixtures"
	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
	"github.com/policycortex/headroom/server"
)

// system is the service under load: the user's own service, or the reference server in its own process with the servers
// that it needs.
type system struct {
	url      string
	others   []string          // the URLs of further instances
	regions  map[string]string // the URL that the users of each region have; nil without regions
	keys     func(name string) (request.KeySet, error)
	snapshot func(ctx context.Context) (results.Snapshot, error)
	sample   func(ctx context.Context) (results.Snapshot, error) // without the queries
	record   results.Environment

	environment *containers.Environment // nil for an own service
	servers     referenceServers
	traces      *traceReceiver        // nil: nobody receives spans
	edges       []containers.EdgeSpec // before them, whether started or not
}

// lastSample bounds the question how the reference server is at the end.
const lastSample = 2 * time.Second

// startSystem starts the plan's target, or checks that the user's own service can be reached.
func (r *runner) startSystem(ctx context.Context, plan *scenarios.Plan, dir string) (_ *system, err error) {
	defer collectSooner()()
	s := &system{record: environmentOf()}
	if plan.Target.URL != "" {
		s.isAt(plan.Target.URLs())
		s.record.Proxy, s.record.Own = plan.Target.Proxy, true
		err := reachable(ctx, plan)
		if err != nil {
			return s, err
		}
		return s, s.watchFigures(ctx, plan, func(m string) { fmt.Fprintln(r.progress, m) })
	}
	defer func() {
		if err != nil {
			err = errors.Join(roomHint(s.withIncidents(ctx, err)), s.stop(ctx))
		}
	}()
	say := func(m string) { fmt.Fprintln(r.progress, m) }
	s.environment, err = containers.Start(ctx, r.environmentOptions(plan))
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
	s.keys = fixtureKeys(fixture)
	settings := settingVariables(plan)
	if err := s.startServers(ctx, settings, plan, dir); err != nil {
		return nil, err
	}
	if err := errors.Join(s.startFronts(ctx, plan.Environment, say), s.openRegions(say)); err != nil {
		return nil, err
	}
	s.describe(plan, settings, loaded)
	return s, s.watchFigures(ctx, plan, say)
}

// isAt notes where the service is: the URLs of its instances.
func (s *system) isAt(urls []string) {
	s.url, s.others = urls[0], urls[1:]
	s.record.Target, s.record.Others = s.url, s.others
}

// urls are those of all instances of the service.
func (s *system) urls() []string { return append([]string{s.url}, s.others...) }

// isLocal reports whether the service, or an instance of it, runs on this machine.
func (s *system) isLocal() bool { return slices.ContainsFunc(s.urls(), isLocal) }

// environmentOf is what is known of the machine and the generator before the load.
func environmentOf() results.Environment {
	return results.Environment{Machine: machine(), GeneratorSettings: server.GoSettings()}
}

// settingsOfLoad are the settings of Go's runtime that held while the last load was made.
func settingsOfLoad() map[string]string {
	settings := server.GoSettings()
	maps.Copy(settings, loadgen.Settings())
	return settings
}

// fixtureKeys resolves the key sets of a fixture.
func fixtureKeys(fixture fixtures.Options) func(name string) (request.KeySet, error) {
	return func(name string) (request.KeySet, error) {
		set, err := fixtures.Keys(name, fixture)
		return request.KeySet{Len: set.Len, Append: set.Append}, err
	}
}

// environmentOptions are the servers that a plan asks for.
func (r *runner) environmentOptions(plan *scenarios.Plan) containers.Options {
	return containers.Options{
		Provider: r.provider, PostgresImage: plan.Environment.PostgresImage, CacheImage: plan.Environment.CacheImage,
		Replica: plan.Environment.Replica || r.replica != "", PostgresURL: r.postgres, ReplicaURL: r.replica,
		CacheURL: r.cache, PostgresSettings: plan.Environment.Postgres,
		Balancer: plan.Environment.Balancer, BalancerImage: plan.Environment.BalancerImage,
		Edge: plan.Environment.Edge, EdgeImage: plan.Environment.EdgeImage, Regions: regionsOf(plan.Environment),
		Progress: func(m string) { fmt.Fprintln(r.progress, m) },
	}
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
	switch {
	case e.ReplicaURL != "":
		replica = " with a replica"
	case len(e.Regions) > 0:
		replica = fmt.Sprintf(" with a replica in each of %d regions", len(e.Regions))
	}
	return fmt.Sprintf("environment: %s, %s %s%s and %s %s (%s)", e.Provider, e.Postgres.Name, e.Postgres.Version,
		replica,
		e.Cache.Name, e.Cache.Version, e.Reason)
}

// checkFaults fails before the load if the environment cannot inject the faults of the scenario.
func (s *system) checkFaults(faults []scenarios.Fault) error {
	for _, f := range faults {
		if isOfInstance(f) {
			continue // they are processes of this program, whatever the provider
		}
		if err := s.environment.CheckFault(serverOf(f), containers.Action(f.Action)); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) fault(ctx context.Context, f scenarios.Fault) error {
	switch {
	case isOfInstance(f):
		return s.servers.fault(ctx, f)
	case f.Target == scenarios.TargetRegion:
		return s.regionFault(ctx, f)
	}
	return s.environment.Fault(ctx, serverOf(f), containers.Action(f.Action))
}

// serverOf is the server of the environment that a fault happens to.
func serverOf(f scenarios.Fault) containers.Target {
	if f.Target == scenarios.TargetRegion {
		return containers.ReplicaOf(f.Region)
	}
	return containers.Target(f.Target)
}

// startServers starts the instances of the reference server.
func (s *system) startServers(ctx context.Context, settings []string, plan *scenarios.Plan, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the reference server: %w", err)
	}
	s.traces, err = listenForTraces(plan, os.Getenv)
	if err != nil {
		return err
	}
	e := plan.Environment
	cursorKey := fmt.Sprintf("cursors-of-a-run-with-seed-%020d", plan.Seed) // runs of one seed have the same settings
	if e.Edge != "" {
		s.edges, err = edgeSpecs(max(1, len(e.Regions)))
		if err != nil {
			return err
		}
	}
	spec := referenceSpec{
		program: self, log: filepath.Join(dir, "server.log"), traces: s.traces,
		variables: slices.Concat(addressVariables(s.environment), settings,
			instanceVariables(e, settings, cursorKey), edgeVariables(e.Edge, s.edges, settings)),
	}
	if len(e.Regions) > 0 {
		err = s.startInRegions(ctx, spec, e.Edge, settings)
	} else {
		s.servers, err = startReferences(ctx, spec, e.Instances)
	}
	if err != nil {
		return err
	}
	s.isAt(s.servers.urls())
	s.record.ServerSettings = s.servers[0].settings
	s.snapshot, s.sample = s.servers.snapshot, s.servers.sample
	chosen := append([]string{"HEADROOM_EDGE_URLS", "HEADROOM_EDGE_TOKEN"}, ofThisRun...)
	if s.environment.Provider != "external" {
		chosen = append(chosen, "HEADROOM_POSTGRES_URL", "HEADROOM_POSTGRES_REPLICA_URL", "HEADROOM_CACHE_URL")
	}
	for _, name := range chosen {
		delete(s.record.ServerSettings, name)
	}
	return nil
}

// describe completes the record of a reference system.
func (s *system) describe(plan *scenarios.Plan, settings []string, fixture fixtures.Summary) {
	e := s.environment
	s.record.Provider, s.record.Reason = e.Provider, e.Reason
	for _, known := range []struct {
		role   string
		server containers.Server
	}{
		{"edge", e.Edge},
		{"balancer", e.Balancer},
		{"postgres", e.Postgres},
		{"replica", e.Replica},
		{"cache", e.Cache},
	} {
		if known.server.Name != "" { // there is one
			s.record.Servers = append(s.record.Servers, recordOf(known.role, known.server))
		}
	}
	for _, r := range e.Regions {
		s.record.Servers = append(s.record.Servers, recordOf("replica in "+r.Name, r.Replica))
	}
	for _, name := range slices.Sorted(maps.Keys(plan.Environment.Postgres)) {
		s.record.Settings = append(s.record.Settings, "postgres "+name+"="+plan.Environment.Postgres[name])
	}
	s.noteSettings(settings)
	if e.Balancer.Name != "" { // else the addresses say how many there are
		s.record.Settings = append(s.record.Settings, fmt.Sprintf("instances=%d", plan.Environment.Instances))
	}
	if ratio := plan.SampledRatio(); ratio > 0 {
		s.record.Settings = append(s.record.Settings, fmt.Sprintf("trace.ratio=%g", ratio))
	}
	s.record.Settings = append(s.record.Settings, regionTexts(plan.Environment.Regions)...)
	s.record.Fixture = fmt.Sprintf("%d resources, seed %d", fixture.Resources, plan.Seed)
}

// recordOf is what the record of a run says of a server.
func recordOf(role string, server containers.Server) results.Server {
	return results.Server{
		Role: role, Name: server.Name, Version: server.Version, Answer: server.Answer, Standby: server.Standby,
		Image: server.Image, Digest: server.ImageDigest, Binary: server.Binary,
	}
}

// warnings are what a reader of the results must know about the system.
func (s *system) warnings(ctx context.Context) []string {
	if s.environment == nil {
		return nil
	}
	out := s.environment.Warnings
	if !s.servers.ended() { // else it is an incident
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSample)
		defer cancel()
		s.sample(ctx) // if it fails, the previous sample has to do
	}
	if latest, ok := s.servers.latest(); ok {
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
	case s.environment == nil && !slices.ContainsFunc(s.urls(), func(url string) bool { return !elsewhere(url) }):
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
	faults := []error{s.servers.stop(ctx), s.traces.close()}
	if s.environment != nil {
		faults = append(faults, s.environment.Stop(ctx))
	}
	return errors.Join(faults...)
}

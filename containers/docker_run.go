package containers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

const (
	// createLimit bounds the creation of a container, which is not interrupted.
	createLimit = time.Minute
	// environmentLabel marks the containers of one environment with a random value.
	environmentLabel = "com.policycortex.headroom.environment"
	// sharedMemory is the size of /dev/shm in PostgreSQL's container; 64 MB, the engine's default, is too little for
	// parallel queries.
	sharedMemory = 256 << 20

	postgresPort = 5432 // in a container with a network of its own
	cachePort    = 6379
)

// dockerRun holds the containers of one environment.
type dockerRun struct {
	engine     *engine
	mark       string // the value of environmentLabel
	containers []testcontainers.Container
	warnings   []string

	primary  *dockerServer
	settings map[string]string // of the primary
	password string            // of both databases
}

func startDocker(ctx context.Context, o Options) (*Environment, error) {
	e, err := dialEngine(ctx)
	if err != nil {
		return nil, err
	}
	r := &dockerRun{engine: e, mark: newPassword()}
	env := &Environment{stop: r.close, docker: r}
	return env.orStopped(ctx, r.fill(ctx, env, o))
}

func (r *dockerRun) fill(ctx context.Context, env *Environment, o Options) error {
	if err := r.pullMissing(ctx, o, neededImages(o)...); err != nil {
		return err
	}
	o.Progress("starting postgres (docker: " + o.PostgresImage + ")")
	if err := r.startPostgres(ctx, env, o); err != nil {
		return fmt.Errorf("start PostgreSQL from image %s: %w", o.PostgresImage, err)
	}
	if o.Replica {
		o.Progress("starting replica (docker: " + o.PostgresImage + ")")
		if err := r.startReplica(ctx, env, o); err != nil {
			return fmt.Errorf("start the replica from image %s: %w", o.PostgresImage, err)
		}
	}
	o.Progress("starting cache (docker: " + o.CacheImage + ")")
	if err := r.startCache(ctx, env, o.CacheImage); err != nil {
		return fmt.Errorf("start the cache from image %s: %w", o.CacheImage, err)
	}
	env.Warnings = append(r.warnings, r.networkWarnings()...)
	return nil
}

func (r *dockerRun) networkWarnings() []string {
	var warnings []string
	if !r.engine.hostNetwork {
		warnings = append(warnings, "the servers are reached through mapped ports: every latency includes "+
			"Docker's proxy, "+
			"which can triple the time of a short query")
	}
	if !r.engine.local {
		warnings = append(warnings, "the Docker engine is on another machine: every latency includes the "+
			"network, and the "+
			"cache has no password and is open to everyone who can reach that machine")
	}
	if testcontainers.ReadConfig().RyukDisabled {
		warnings = append(warnings, "the reaper of testcontainers is disabled: a killed run leaves its "+
			"containers behind")
	}
	return warnings
}

func (r *dockerRun) pullMissing(ctx context.Context, o Options, images ...string) error {
	missing, err := r.engine.missingImages(ctx, images)
	if err != nil || len(missing) == 0 {
		return err
	}
	p, err := testcontainers.NewDockerProvider()
	if err != nil {
		return fmt.Errorf("prepare to pull images: %w", err)
	}
	defer func() { _ = p.Close() }()
	for _, image := range missing {
		o.Progress("pulling image " + image)
		if err := p.PullImage(ctx, image); err != nil {
			return fmt.Errorf("pull image %s: %w", image, err)
		}
	}
	return nil
}

// request is one container: what differs between the servers.
type request struct {
	image      string
	port       int // the server's own
	hostPort   int // where it is mapped to, unless it is on the host's network
	user       string
	entrypoint []string // empty: the image's
	env        map[string]string
	args       []string
	files      []testcontainers.ContainerFile
	links      []string
	sharedMem  int64
}

// run creates and starts a container. The creation is not interrupted when ctx ends: a container that the engine makes
// for a client that has gone would be known to nobody.
func (r *dockerRun) run(ctx context.Context, q request) (testcontainers.Container, error) {
	create, cancel := context.WithTimeout(context.WithoutCancel(ctx), createLimit)
	defer cancel()
	exposed := network.MustParsePort(strconv.Itoa(q.port) + "/tcp")
	ctr, err := testcontainers.GenericContainer(create, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image: q.image, Env: q.env, Entrypoint: q.entrypoint, Cmd: q.args, Files: q.files,
			Labels:         map[string]string{environmentLabel: r.mark},
			ExposedPorts:   r.exposedPorts(exposed),
			ConfigModifier: func(config *container.Config) { config.User = q.user },
			HostConfigModifier: func(host *container.HostConfig) {
				host.ShmSize = q.sharedMem
				switch {
				case r.engine.hostNetwork:
					host.NetworkMode = "host"
				case r.engine.local:
					// A fixed port, so that a container that is started again is where it was.
					host.PortBindings = network.PortMap{exposed: {{
						HostIP: netip.MustParseAddr(loopback), HostPort: strconv.Itoa(q.hostPort),
					}}}
				}
				if !r.engine.hostNetwork {
					host.Links = q.links
				}
			},
		},
	})
	if ctr != nil {
		r.containers = append(r.containers, ctr)
	}
	if err != nil {
		return nil, err
	}
	if err := ctr.Start(ctx); err != nil {
		if text := err.Error(); strings.Contains(text, "port is already allocated") ||
			strings.Contains(text, "address already in use") {
			err = fmt.Errorf("%w: %w", errPortTaken, err)
		}
		return nil, err
	}
	return ctr, nil
}

func (r *dockerRun) exposedPorts(port network.Port) []string {
	if r.engine.hostNetwork {
		return nil
	}
	return []string{port.String()}
}

// serve starts a container and waits for its server to answer. ask is given the host and port to reach it at.
func (r *dockerRun) serve(ctx context.Context, env *Environment, target Target, q request,
	ask func(ctx context.Context, host string, port int) (Server, error),
) (*dockerServer, Server, error) {
	ctr, err := r.run(ctx, q)
	if err != nil {
		return nil, Server{}, err
	}
	s := &dockerServer{run: r, image: q.image, container: ctr, inside: q.port, ask: ask}
	if err := s.locate(ctx); err != nil {
		return nil, Server{}, err
	}
	server, err := s.await(ctx)
	if err != nil {
		return nil, Server{}, err
	}
	env.breakable(target, s)
	server.Image = q.image
	server.ImageDigest, err = r.digest(ctx, q.image)
	return s, server, err
}

// digest identifies an image: by the digest that its repository knows it by, or by its ID if it came from none.
func (r *dockerRun) digest(ctx context.Context, image string) (string, error) {
	inspected, err := r.engine.client.ImageInspect(ctx, image)
	if err != nil {
		return "", fmt.Errorf("ask the engine for the digest of %s: %w", image, err)
	}
	if len(inspected.RepoDigests) > 0 {
		return inspected.RepoDigests[0], nil
	}
	return inspected.ID, nil
}

// listen is the address and port for a server: a free port of loopback on the host's network, or every address of the
// container's own network, where the engine forwards to it.
func (r *dockerRun) listen(hostPort, containerPort int) (address string, port int) {
	if r.engine.hostNetwork {
		return loopback, hostPort
	}
	return "0.0.0.0", containerPort
}

func (r *dockerRun) startPostgres(ctx context.Context, env *Environment, o Options) error {
	password := newPassword()
	start := func(statements bool) error {
		return onFreePort(func(free int) error {
			address, port := r.listen(free, postgresPort)
			r.settings = postgresSettings(o.PostgresSettings, statements)
			r.settings["listen_addresses"], r.settings["port"] = address, strconv.Itoa(port)
			q := request{
				image: o.PostgresImage, port: port, hostPort: free, sharedMem: sharedMemory,
				args: append([]string{"postgres"}, settingArgs(r.settings)...),
				env: map[string]string{
					"POSTGRES_USER": databaseUser, "POSTGRES_PASSWORD": password, "POSTGRES_DB": databaseName,
					"POSTGRES_INITDB_ARGS": "--no-sync --encoding=UTF8 --locale=C",
					// for the image's own clients, while it prepares the cluster
					"PGPORT": strconv.Itoa(port),
				},
			}
			if o.Replica {
				q.files = []testcontainers.ContainerFile{allowReplication()}
			}
			s, server, err := r.serve(ctx, env, TargetPrimary, q,
				func(ctx context.Context, host string, port int) (Server, error) {
					return identifyPostgres(ctx, postgresURL(host, port, password, databaseName))
				})
			if err != nil {
				return err
			}
			r.primary, r.password = s, password
			env.PostgresURL, env.Postgres = postgresURL(s.host, s.port, password, databaseName), server
			return nil
		})
	}
	err := start(true)
	if err != nil && strings.Contains(err.Error(), `"pg_stat_statements"`) {
		r.warnings = append(r.warnings,
			"the image "+o.PostgresImage+" has no pg_stat_statements: statements are not counted")
		err = start(false)
	}
	return err
}

// startCache starts the image with Dragonfly's flags, and if its server ends at once, with those of Redis and Valkey:
// an image does not say which server it has.
func (r *dockerRun) startCache(ctx context.Context, env *Environment, image string) error {
	start := func(args func(address string, port int) []string) error {
		return onFreePort(func(free int) error {
			address, port := r.listen(free, cachePort)
			q := request{image: image, port: port, hostPort: free, args: args(address, port)}
			s, server, err := r.serve(ctx, env, TargetCache,
				q, func(ctx context.Context, host string, port int) (Server, error) {
					return identifyCache(ctx, cacheURL(host, port))
				})
			if err != nil {
				return err
			}
			env.CacheURL, env.Cache = cacheURL(s.host, s.port), server
			return nil
		})
	}
	asDragonfly := start(dragonflyArgs)
	if asDragonfly == nil || ctx.Err() != nil {
		return asDragonfly
	}
	if err := start(redisArgs); err != nil {
		return fmt.Errorf("with the flags of Dragonfly: %w; with those of Redis: %w", asDragonfly, err)
	}
	r.warnings = append(r.warnings,
		"the image "+image+" does not know Dragonfly's flags; it was started with those of Redis")
	return nil
}

// close removes all containers of the environment with their volumes: first those that the library returned, then any
// others with the environment's label.
func (r *dockerRun) close(ctx context.Context) error {
	defer func() { _ = r.engine.client.Close() }()
	for _, ctr := range r.containers {
		// An error shows in the list below, if it matters.
		_ = ctr.Terminate(ctx, testcontainers.StopTimeout(0))
	}
	left, err := r.engine.client.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", environmentLabel+"="+r.mark),
	})
	if err != nil {
		return fmt.Errorf("list the containers that are left: %w", err)
	}
	var errs []error
	for _, c := range left.Items {
		_, err := r.engine.client.ContainerRemove(ctx, c.ID,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		// Gone by now, or going.
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			errs = append(errs, fmt.Errorf("remove container %s: %w", c.ID, err))
		}
	}
	return errors.Join(errs...)
}

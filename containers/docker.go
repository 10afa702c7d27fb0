package containers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

const (
	// engineLimit is how long a Docker engine may take to answer, registryLimit how long a registry.
	engineLimit   = 2 * time.Second
	registryLimit = 2500 * time.Millisecond
)

// prepareTestcontainers makes the settings of the library that have to be made before it is used.
var prepareTestcontainers = sync.OnceFunc(func() {
	tclog.SetDefault(debugLog{})
	// In a machine that looks like a container the library dials the machine's gateway instead of loopback.
	if _, set := os.LookupEnv("TESTCONTAINERS_HOST_OVERRIDE"); !set && localEngine(os.Getenv("DOCKER_HOST")) {
		_ = os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", loopback)
	}
	// The library gives all children of one shell the same session, and its reaper waits for the last of a session.
	// With a session of our own, our containers go when we go. Children of ours must not inherit it.
	const session = "TESTCONTAINERS_SESSION_ID"
	if os.Getenv(session) == "" {
		_ = os.Setenv(session, strings.ToLower(newPassword()))
		testcontainers.SessionID() // reads the configuration, once and for all
		_ = os.Unsetenv(session)
	}
})

// debugLog takes the library's log lines to slog.
type debugLog struct{}

func (debugLog) Printf(format string, args ...any) {
	slog.Debug(strings.TrimSpace(fmt.Sprintf(format, args...)), "from", "testcontainers")
}

// localEngine says whether an address of an engine is one on this machine.
func localEngine(host string) bool {
	return host == "" || strings.HasPrefix(host, "unix://")
}

// engine is a Docker engine that answers.
type engine struct {
	client *testcontainers.DockerClient
	// local says that the engine is reached by a socket on this machine; hostNetwork that in addition its containers
	// can share this machine's network, so that no proxy stands between the load and the servers.
	local, hostNetwork bool
	name               string // version and API version
}

func dialEngine(ctx context.Context) (*engine, error) {
	prepareTestcontainers()
	ctx, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	unavailable := func(err error) error {
		return &UnavailableError{
			Provider: providerDocker, Detail: "no Docker engine answers: " + oneLine(err),
			Todo: "start Docker (systemctl start docker, or Docker Desktop), join the group that may use its socket, " +
				"or set DOCKER_HOST to the engine's address",
		}
	}
	// An engine that the user names is the one that is meant: the library would go on to look for others.
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		if err := pingHost(ctx); err != nil {
			return nil, unavailable(fmt.Errorf("DOCKER_HOST is %s: %w", host, err))
		}
	}
	c, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	version, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return nil, unavailable(err)
	}
	info, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, unavailable(err)
	}
	e := &engine{
		client: c, local: localEngine(c.DaemonHost()),
		name: "engine " + version.Version + ", API " + version.APIVersion,
	}
	// Docker Desktop runs in a virtual machine, and rootless engines in a network of their own.
	e.hostNetwork = e.local && runtime.GOOS == "linux" && info.Info.OperatingSystem != "Docker Desktop" &&
		!slices.Contains(info.Info.SecurityOptions, "name=rootless")
	return e, nil
}

func pingHost(ctx context.Context) error {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Ping(ctx, client.PingOptions{})
	return err
}

// neededImages are the images of the servers and, unless the user has turned it off, of the library's reaper.
func neededImages(o Options) []string {
	images := []string{o.PostgresImage, o.CacheImage}
	if o.Balancer != "" {
		images = append(images, o.BalancerImage)
	}
	if o.Edge != "" {
		images = append(images, o.EdgeImage)
	}
	config := testcontainers.ReadConfig()
	if !config.RyukDisabled {
		//lint:ignore SA1019 deprecated, but the library has no other name for it
		images = append(images, hubImage(testcontainers.ReaperDefaultImage, config.Config.HubImageNamePrefix))
	}
	return images
}

// hubImage is where the library takes an image of Docker Hub from when a mirror is configured.
func hubImage(image, mirror string) string {
	if mirror == "" {
		return image
	}
	return strings.TrimSuffix(mirror, "/") + "/" + image
}

// missingImages returns those images that the engine does not have.
func (e *engine) missingImages(ctx context.Context, images []string) ([]string, error) {
	var missing []string
	for _, image := range images {
		_, err := e.client.ImageInspect(ctx, image)
		if errdefs.IsNotFound(err) {
			missing = append(missing, image)
		} else if err != nil {
			return nil, fmt.Errorf("ask the engine for the image %s: %w", image, err)
		}
	}
	return missing, nil
}

// pullable asks, by way of the engine, the registry of every image for the image, and returns an error for those that
// could not be had.
func (e *engine) pullable(ctx context.Context, images []string) error {
	ctx, cancel := context.WithTimeout(ctx, registryLimit)
	defer cancel()
	errs := make([]error, len(images))
	var all sync.WaitGroup
	for i, image := range images {
		all.Go(func() {
			var options client.DistributionInspectOptions
			if _, login, err := testcontainers.DockerImageAuth(ctx, image); err == nil {
				options.EncodedRegistryAuth, _ = authconfig.Encode(login)
			}
			if _, err := e.client.DistributionInspect(ctx, image, options); err != nil {
				errs[i] = fmt.Errorf("%s: %w", image, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func checkDocker(ctx context.Context, o Options) (string, error) {
	e, err := dialEngine(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = e.client.Close() }()
	missing, err := e.missingImages(ctx, neededImages(o))
	if err != nil {
		return "", err
	}
	if len(missing) == 0 {
		return e.name + ", images present: " + o.PostgresImage + ", " + o.CacheImage, nil
	}
	if err := e.pullable(ctx, missing); err != nil {
		return "", &UnavailableError{
			Provider: providerDocker,
			Detail: e.name + " answers, but it has not all images and cannot pull those that are missing: " +
				oneLine(err),
			Todo: "docker pull " + strings.Join(missing, " ") +
				" where there is a registry, or name images that are present",
		}
	}
	return e.name + ", to be pulled: " + strings.Join(missing, ", "), nil
}

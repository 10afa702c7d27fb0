//go:build docker

// These tests need a Docker engine and the images postgres:15, DefaultCacheImage and the reaper's:
//
//	go test -tags docker ./containers/...
package containers

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// requireNoContainer waits until the engine has no container of ours of a session of testcontainers, in any state.
func requireNoContainer(t *testing.T, session string) {
	t.Helper()
	e, err := dialEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		left, err := e.client.ContainerList(t.Context(), client.ContainerListOptions{
			All: true, Filters: make(client.Filters).Add("label", environmentLabel,
				"org.testcontainers.sessionId="+session),
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(left.Items) > 0 {
			return "a container is left: " + left.Items[0].Image + " " + left.Items[0].Status
		}
		return ""
	})
}

// listenersOf are the local addresses, in the kernel's hexadecimal form, at which somebody listens on a port.
func listenersOf(t *testing.T, address string) []string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			const listening = "0A"
			fields := strings.Fields(lines.Text())
			host, hexPort, ok := strings.Cut(fields[1], ":")
			if p, err := strconv.ParseInt(hexPort, 16, 32); ok && err == nil && int(p) == port &&
				fields[3] == listening {
				found = append(found, host)
			}
		}
		_ = file.Close()
	}
	return found
}

func TestDockerServesAndLeavesNothing(t *testing.T) {
	env := mustStart(t, Options{Provider: "docker", PostgresSettings: map[string]string{"work_mem": "8MB"}})
	requireServes(t, env)
	for _, s := range []Server{env.Postgres, env.Cache} {
		if s.Image == "" || !strings.Contains(s.ImageDigest, "sha256:") {
			t.Errorf("image and digest are missing: %+v", s)
		}
	}
	for setting, want := range map[string]string{
		"work_mem": "8MB", "max_connections": "200", "jit": "off", "fsync": "on", "lc_collate": "C",
		"listen_addresses": "127.0.0.1", "shared_preload_libraries": "pg_stat_statements",
	} {
		var got string
		query(t, env.PostgresURL, "SHOW "+setting, &got)
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	for _, address := range []string{env.PostgresURL, env.CacheURL} {
		if got := listenersOf(t, address); !slices.Equal(got, []string{"0100007F"}) {
			t.Errorf("%s: somebody listens at %v, want 127.0.0.1 only (0100007F)", address, got)
		}
	}
	client, err := dialCache(t.Context(), env.CacheURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if memory, err := client.ConfigGet(t.Context(), "maxmemory").Result(); err != nil ||
		memory["maxmemory"] != "268435456" {
		t.Errorf("the cache's memory is %v, %v", memory, err)
	}
	mustStop(t, env)
	requireNoContainer(t, testcontainers.SessionID())
	if listens(t, env.PostgresURL) || listens(t, env.CacheURL) {
		t.Error("a server still listens")
	}
}

func TestDockerReplicaAndFaults(t *testing.T) {
	env := mustStart(t, Options{Provider: "docker", Replica: true})
	requireServes(t, env)
	if env.Replica.Image != DefaultPostgresImage || !strings.Contains(env.Replica.ImageDigest, "sha256:") {
		t.Errorf("image and digest of the replica are missing: %+v", env.Replica)
	}
	if got := listenersOf(t, env.ReplicaURL); !slices.Equal(got, []string{"0100007F"}) {
		t.Errorf("the replica listens at %v, want 127.0.0.1 only (0100007F)", got)
	}
	requireFaults(t, env)
	requireEmptyAfterRestart(t, env)
	for _, target := range []Target{TargetCache, TargetReplica, TargetPrimary} {
		mustFault(t, env, target, ActionPause)
	}
	mustStop(t, env) // although they are paused
	requireNoContainer(t, testcontainers.SessionID())
}

func TestDockerLeavesNothingWhenKilledWithPausedServers(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startHelper(t, "docker", dir, "", replicaVariable+"=1", pauseVariable+"=1")
	r := h.report(t)
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	h.kill(t)
	requireNoContainer(t, r.Session)
	requireNothingLeft(t, dir, r.Environment.PostgresURL, r.Environment.ReplicaURL, r.Environment.CacheURL)
}

// Elsewhere than on Linux, containers are reached through mapped ports.
func TestDockerWithMappedPorts(t *testing.T) {
	e, err := dialEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.hostNetwork = false
	o, err := Options{Provider: "docker", Replica: true}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := &dockerRun{engine: e, mark: newPassword()}
	env := &Environment{stop: r.close}
	t.Cleanup(func() { _ = env.Stop(context.Background()) })
	if err := r.fill(bounded(t), env, o); err != nil {
		t.Fatal(err)
	}
	requireServes(t, env)
	for _, address := range []string{env.PostgresURL, env.ReplicaURL, env.CacheURL} {
		if got := listenersOf(t, address); !slices.Equal(got, []string{"0100007F"}) {
			t.Errorf("%s: somebody listens at %v, want 127.0.0.1 only (0100007F)", address, got)
		}
	}
	requireFaults(t, env)
	if !slices.ContainsFunc(env.Warnings, func(w string) bool { return strings.Contains(w, "mapped ports") }) {
		t.Errorf("no warning of mapped ports in %q", env.Warnings)
	}
	mustStop(t, env)
	requireNoContainer(t, testcontainers.SessionID())
}

func TestDockerLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startHelper(t, "docker", dir, "")
	r := h.report(t)
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	if r.Session == testcontainers.SessionID() {
		t.Fatal("the helper has our session: the reaper would wait for us too")
	}
	if !listens(t, r.Environment.PostgresURL) || !listens(t, r.Environment.CacheURL) {
		t.Fatal("the helper's servers do not listen")
	}
	h.kill(t)
	requireNoContainer(t, r.Session)
	requireNothingLeft(t, dir, r.Environment.PostgresURL, r.Environment.CacheURL)
}

func TestDockerLeavesNothingWhenCancelled(t *testing.T) {
	for _, at := range []string{"starting postgres", "starting cache"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			_, err := Start(ctx, Options{Provider: "docker", Progress: func(message string) {
				if strings.HasPrefix(message, at) {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			requireNoContainer(t, testcontainers.SessionID())
		})
	}
	t.Run("while the container starts", func(t *testing.T) {
		_, err := Start(cancelAt(bounded(t), "starting postgres", Options{Provider: "docker"}))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		requireNoContainer(t, testcontainers.SessionID())
	})
}

func TestAutoChoosesDocker(t *testing.T) {
	env := mustStart(t, Options{})
	if env.Provider != "docker" || !strings.Contains(env.Reason, "auto chose docker (engine ") ||
		strings.Contains(env.Reason, "passed over") {
		t.Errorf("provider %s, reason %q", env.Provider, env.Reason)
	}
	mustStop(t, env)
}

func TestAutoPassesOverImagesThatCannotBePulled(t *testing.T) {
	publicTemp(t)
	const image = "127.0.0.1:1/no/such-image:1"
	env := mustStart(t, Options{PostgresImage: image})
	if env.Provider != "process" || !strings.Contains(env.Reason, "passed over docker") ||
		!strings.Contains(env.Reason, image) {
		t.Errorf("provider %s, reason %q", env.Provider, env.Reason)
	}
	_, err := Start(bounded(t), Options{Provider: "docker", PostgresImage: image})
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok || !strings.Contains(unavailable.Todo, "docker pull "+image) {
		t.Errorf("with provider docker: %v, want an UnavailableError that says what to pull", err)
	}
}

func TestAutoFallsThroughWhenAContainerDoesNotStart(t *testing.T) {
	publicTemp(t)
	env := mustStart(t, Options{PostgresImage: DefaultCacheImage}) // has no postgres in it
	if env.Provider != "process" ||
		!strings.Contains(env.Reason, "passed over docker: start PostgreSQL from image "+DefaultCacheImage) {
		t.Errorf("provider %s, reason %q", env.Provider, env.Reason)
	}
	requireNoContainer(t, testcontainers.SessionID())
}

func TestProbeDescribesTheEngine(t *testing.T) {
	status := Probe(t.Context(), Options{})[0]
	if status.Provider != "docker" || !status.OK || !strings.Contains(status.Detail, "API 1.") ||
		!strings.Contains(status.Detail, DefaultPostgresImage) {
		t.Errorf("status %+v", status)
	}
}

// TestImageService starts a cache server as a service of somebody's own: with arguments on this machine's network, and
// without them through a mapped port.
func TestImageService(t *testing.T) {
	for name, tt := range map[string]struct {
		arguments string
		mapped    bool
	}{
		"with arguments":    {"--bind 127.0.0.1 --port {{port}}", false},
		"with its own port": {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			s, err := StartImage(bounded(t), ImageSpec{Image: DefaultCacheImage, Arguments: tt.arguments, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Stop(context.Background()) })
			if s.Mapped != tt.mapped || !strings.HasPrefix(s.URL, "http://127.0.0.1:") {
				t.Errorf("it is at %s, mapped: %v", s.URL, s.Mapped)
			}
			before, err := s.CPUTime()
			if err != nil {
				t.Fatal(err)
			}
			cache, err := dialCache(t.Context(), strings.Replace(s.URL, "http:", "redis:", 1))
			if err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				if err := cache.Ping(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
			_ = cache.Close()
			if after, err := s.CPUTime(); err != nil || after <= before || before <= 0 {
				t.Errorf("the CPU time went from %v to %v, %v", before, after, err)
			}
			if err := s.Stop(bounded(t)); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(log); err != nil || len(text) == 0 {
				t.Errorf("the log is empty: %v", err)
			}
			requireNoContainer(t, testcontainers.SessionID())
		})
	}
}

// TestImageServiceThatDoesNotStart: the error names the image and says what is wrong.
func TestImageServiceThatDoesNotStart(t *testing.T) {
	for _, tt := range []struct{ image, arguments, want string }{
		{DefaultCacheImage, "--no-such-option {{port}}", DefaultCacheImage},
		{"127.0.0.1:1/no/such-image:1", "", "no/such-image"},
	} {
		_, err := StartImage(bounded(t), ImageSpec{
			Image: tt.image, Arguments: tt.arguments, Log: filepath.Join(t.TempDir(), "log"),
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.image, err)
		}
		requireNoContainer(t, testcontainers.SessionID())
	}
}

// ownNginx makes an image of this machine's nginx, as far as that is used: no registry can be reached from everywhere.
func ownNginx(t *testing.T) string {
	t.Helper()
	const image = "headroom-test-nginx"
	program := balancers[0].find()
	need(t, program, "nginx")
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	put := func(path string, content []byte) {
		path = filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, content, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range append(regexp.MustCompile(`/\S+`).FindAllString(string(out), -1), program) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put(path, content)
	}
	put("/etc/passwd", []byte("nginx:x:101:101::/:/none\n"))
	put("/etc/group", []byte("nginx:x:101:\n"))
	put("/tmp/.keep", nil)
	err = os.Chmod(filepath.Join(root, "tmp"), 0o777)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY root /\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("docker", "build", "--quiet", "--tag", image, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "--force", image).Run() })
	return image
}

func TestDockerFronts(t *testing.T) {
	image := ownNginx(t)
	env := mustStart(t, Options{
		Provider: "docker", Balancer: BalancerNginx, BalancerImage: image, Edge: EdgeNginx, EdgeImage: image,
	})
	instances := []*standIn{startStandIn(t, fine), startStandIn(t, gone)}
	spec := BalancerSpec{Instances: []string{instances[0].address, instances[1].address}, Ready: readyPath}
	if err := env.StartBalancer(bounded(t), spec); err != nil {
		t.Fatal(err)
	}
	if err := env.StartEdge(bounded(t), EdgeSpec{Origin: strings.TrimPrefix(env.BalancerURL, "http://")}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		status, instance := ask(t, http.MethodGet, env.EdgeURLs[0]+"/x")
		if status != http.StatusOK || instance != "1" {
			t.Errorf("status %d by instance %q", status, instance)
		}
	}
	for _, s := range []Server{env.Balancer, env.Edge} {
		if s.Name != "nginx" || s.Version == "" || s.Image != image || !strings.Contains(s.ImageDigest, "sha256:") {
			t.Errorf("server %+v", s)
		}
	}
	if left := env.Incidents(t.Context(), true); len(left) > 0 {
		t.Errorf("incidents %q", left)
	}
	mustStop(t, env)
	if listens(t, env.BalancerURL) || listens(t, env.EdgeURLs[0]) {
		t.Error("a server still listens")
	}
}

func TestDockerFrontWithoutItsImage(t *testing.T) {
	const image = "127.0.0.1:1/no/such-image:1"
	_, err := Start(bounded(t), Options{Provider: "docker", Balancer: BalancerNginx, BalancerImage: image})
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok || !strings.Contains(unavailable.Todo, "docker pull "+image) {
		t.Errorf("got %v, want how to get the image", err)
	}
}

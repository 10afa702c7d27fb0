package containers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"text/template"

	"github.com/testcontainers/testcontainers-go"
)

// The balancers that Options.Balancer may name.
const (
	BalancerNginx   = "nginx"
	BalancerHAProxy = "haproxy"
)

// InstanceHeader is the header of an answer in which the balancer says which instance gave it: 1 for the first of
// those that it was started with, 2 for the second.
const InstanceHeader = "X-Instance"

const (
	// balancerPatience is how long the balancer waits for an instance that says nothing, in seconds, before it sends a
	// request that may be sent again to another instance.
	balancerPatience = 2
	// mostFiles bounds the file descriptors of a balancer. Each request under way needs two.
	mostFiles = 32768
)

//go:embed nginx.conf.tmpl
var nginxConfig string

//go:embed haproxy.cfg.tmpl
var haproxyConfig string

// balancerKind is a program that balances.
type balancerKind struct {
	name       string // in Options, and that of the program, of its user in the image, and of its Debian package
	title      string
	image      string // the default
	configFile string
	config     *template.Template
	args       func(dir, config string) []string
}

var balancerKinds = []balancerKind{
	{
		name: BalancerNginx, title: "nginx", image: "nginx:stable", configFile: "nginx.conf",
		config: template.Must(template.New("nginx").Parse(nginxConfig)),
		args:   func(dir, config string) []string { return []string{"-p", dir + "/", "-c", config} },
	},
	{
		name: BalancerHAProxy, title: "HAProxy", image: "haproxy:lts", configFile: "haproxy.cfg",
		config: template.Must(template.New("haproxy").Parse(haproxyConfig)),
		args:   func(_, config string) []string { return []string{"-db", "-f", config} },
	},
}

func balancerByName(name string) (balancerKind, error) {
	for _, k := range balancerKinds {
		if k.name == name {
			return k, nil
		}
	}
	return balancerKind{}, fmt.Errorf("unknown balancer %q: use %s or %s", name, BalancerNginx, BalancerHAProxy)
}

// find returns the path of the machine's program; empty when it has none.
func (k balancerKind) find() string {
	if path, err := exec.LookPath(k.name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"} {
		if path := filepath.Join(dir, k.name); isProgram(path) {
			return path
		}
	}
	return ""
}

// check returns an *UnavailableError if the balancer of the options is not on the machine. The docker provider, which
// brings its own, looks for an image instead.
func checkBalancer(provider string, o Options) error {
	if o.Balancer == "" || provider == providerDocker {
		return nil
	}
	k, err := balancerByName(o.Balancer)
	if err != nil {
		return err
	}
	if k.find() != "" {
		return nil
	}
	return &UnavailableError{
		Provider: provider, Detail: "there is no " + k.name + " in PATH or in the usual places",
		Todo: "install it (Debian, Ubuntu: apt-get install " + k.name + "; macOS: brew install " + k.name +
			"), or use provider docker with its image",
	}
}

// balancing is what the configuration of a balancer is made of.
type balancing struct {
	Address     string // host:port at which it listens
	Instances   []balanced
	Probe       string // a path that nobody can guess, which it answers itself
	Ready       string // the path at which an instance says whether it is to get requests
	Header      string
	Patience    int // seconds
	Workers     int
	Files       int // descriptors that it may open
	Connections int // of clients, at the same time
}

// balanced is an instance behind a balancer.
type balanced struct {
	Number  int
	Address string // host:port
	Pattern string // a regular expression for that
}

// newBalancing is that of a balancer of this machine, which gets half of the CPUs.
func newBalancing(spec BalancerSpec) (balancing, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return balancing{}, fmt.Errorf("ask for the limit of open files: %w", err)
	}
	files := int(min(limit.Max, mostFiles))
	b := balancing{
		Address: spec.Address, Header: InstanceHeader, Ready: spec.Ready,
		Probe:    "/headroom-balancer-" + strings.ToLower(newPassword()),
		Patience: balancerPatience, Workers: max(1, runtime.NumCPU()/2), Files: files,
		Connections: max(64, files/2-100),
	}
	for i, address := range spec.Instances {
		b.Instances = append(b.Instances, balanced{i + 1, address, regexp.QuoteMeta(address)})
	}
	return b, nil
}

// somewhere calls start with the address that was asked for, or with free ports of loopback.
func (b balancing) somewhere(start func(b balancing, port int) error) error {
	if b.Address != "" {
		_, text, err := net.SplitHostPort(b.Address)
		if err != nil {
			return err
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		return start(b, port)
	}
	return onFreePort(func(port int) error {
		b.Address = net.JoinHostPort(loopback, strconv.Itoa(port))
		return start(b, port)
	})
}

// configure writes a configuration.
func (k balancerKind) configure(b balancing) (string, error) {
	var text strings.Builder
	if err := k.config.Execute(&text, b); err != nil {
		return "", fmt.Errorf("configure %s: %w", k.title, err)
	}
	return text.String(), nil
}

// version asks a program for its version. nginx answers on standard error.
func (k balancerKind) version(ctx context.Context, program string) (Server, error) {
	out, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	if err != nil {
		return Server{}, fmt.Errorf("%s -v: %w: %s", program, err, out)
	}
	return k.versionIn(string(out)), nil
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)

// versionIn is the server that the answer to -v describes.
func (k balancerKind) versionIn(answer string) Server {
	line, _, _ := strings.Cut(strings.TrimSpace(answer), "\n")
	return Server{Name: k.title, Version: versionNumber.FindString(line), Answer: line}
}

// askBalancer asks a balancer for what nobody else can answer.
func askBalancer(ctx context.Context, b balancing) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.Address+b.Probe, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("somebody else answers at %s: %s", b.Address, resp.Status)
	}
	return nil
}

// BalancerSpec says what a balancer stands in front of.
type BalancerSpec struct {
	// Address is where it listens, as host:port; empty means a free port of loopback.
	Address string
	// Instances are the addresses, host:port on loopback, of the instances. They get the requests in turns.
	Instances []string
	// Ready is the path at which an instance answers 200 to a GET while it is to get requests. HAProxy asks there;
	// nginx goes by what becomes of requests alone.
	Ready string
}

// StartBalancer starts the balancer that the options named, waits until it answers, and sets BalancerURL and Balancer.
// It is stopped with the environment.
//
// A request that an instance did not answer goes to another instance: one whose method is idempotent (GET, HEAD,
// OPTIONS, TRACE, PUT, DELETE) also when it was sent already, and when nothing came for two seconds; others only when
// there was no connection to the instance.
func (e *Environment) StartBalancer(ctx context.Context, spec BalancerSpec) error {
	k, err := balancerByName(e.options.Balancer)
	if err != nil {
		return err
	}
	b, err := newBalancing(spec)
	if err != nil {
		return err
	}
	if e.docker != nil {
		err = e.docker.startBalancer(ctx, e, k, b)
	} else {
		err = e.startBalancer(ctx, k, b)
	}
	if err != nil {
		return fmt.Errorf("start the balancer %s: %w", k.title, err)
	}
	return nil
}

// startBalancer starts the machine's own program. An environment of servers that somebody else started gets a workshop
// for it.
func (e *Environment) startBalancer(ctx context.Context, k balancerKind, b balancing) error {
	if e.workshop == nil {
		w, err := openWorkshop(ctx)
		if err != nil {
			return err
		}
		e.workshop, e.stop = w, w.close
	}
	e.options.Progress("starting balancer (process: " + k.find() + ")")
	return e.workshop.startBalancer(ctx, e, k, b)
}

func (w *workshop) startBalancer(ctx context.Context, env *Environment, k balancerKind, b balancing) error {
	program := k.find()
	known, err := k.version(ctx, program)
	if err != nil {
		return err
	}
	room, err := w.room(string(TargetBalancer))
	if err != nil {
		return err
	}
	return b.somewhere(func(b balancing, _ int) error {
		text, err := k.configure(b)
		if err != nil {
			return err
		}
		file := filepath.Join(room, k.configFile)
		err = errors.Join(os.WriteFile(file, []byte(text), 0o600), w.give(file))
		if err != nil {
			return err
		}
		env.Balancer, err = w.serve(ctx, env, TargetBalancer, &processServer{
			program: program, room: room, log: string(TargetBalancer) + ".log", signal: syscall.SIGTERM,
			args: k.args(room, file),
			ask:  func(ctx context.Context) (Server, error) { return known, askBalancer(ctx, b) },
		})
		env.BalancerURL = "http://" + b.Address
		return err
	})
}

// startBalancer starts the image. It needs this machine's network, because the instances are on its loopback.
func (r *dockerRun) startBalancer(ctx context.Context, env *Environment, k balancerKind, b balancing) error {
	if !r.engine.hostNetwork {
		return errors.New("the instances are on this machine's loopback, which a container of this engine cannot " +
			"reach; use provider process")
	}
	image := env.options.BalancerImage
	if err := r.pullMissing(ctx, env.options, image); err != nil {
		return err
	}
	env.options.Progress("starting balancer (docker: " + image + ")")
	return b.somewhere(func(b balancing, port int) error {
		text, err := k.configure(b)
		if err != nil {
			return err
		}
		const dir = "/tmp"
		file := dir + "/" + k.configFile
		s, server, err := r.serve(ctx, env, TargetBalancer, request{
			image: image, port: port, hostPort: port, user: k.name, entrypoint: []string{k.name},
			args: k.args(dir, file),
			files: []testcontainers.ContainerFile{{
				Reader: strings.NewReader(text), ContainerFilePath: file, FileMode: 0o644,
			}},
		}, func(ctx context.Context, _ string, _ int) (Server, error) { return Server{}, askBalancer(ctx, b) })
		if err != nil {
			return err
		}
		_, out, err := s.container.Exec(ctx, []string{k.name, "-v"})
		if err != nil {
			return fmt.Errorf("ask for its version: %w", err)
		}
		answer, err := io.ReadAll(io.LimitReader(out, 1<<16))
		known := k.versionIn(withoutFrames(string(answer)))
		known.Image, known.ImageDigest = server.Image, server.ImageDigest
		env.Balancer, env.BalancerURL = known, "http://"+b.Address
		return err
	})
}

// withoutFrames leaves out the bytes with which Docker tells standard output and error apart.
func withoutFrames(output string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' {
			return -1
		}
		return c
	}, output)
}

package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"text/template"

	"github.com/testcontainers/testcontainers-go"
)

// front is a program that stands before the instances of a service: a balancer or an edge.
type front struct {
	name       string // in Options, and that of its Debian package
	title      string
	program    string
	image      string // the default
	user       string // in the image
	configFile string
	config     *template.Template
	args       func(dir, config, address string) []string
	askVersion string // the argument
}

func frontByName(all []front, kind, name string) (front, error) {
	var known []string
	for _, f := range all {
		if f.name == name {
			return f, nil
		}
		known = append(known, f.name)
	}
	return front{}, fmt.Errorf("unknown %s %q: use %s", kind, name, strings.Join(known, " or "))
}

// find returns the path of the machine's program; empty when it has none.
func (f front) find() string {
	if path, err := exec.LookPath(f.program); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"} {
		if path := filepath.Join(dir, f.program); isProgram(path) {
			return path
		}
	}
	return ""
}

// checkFronts returns an *UnavailableError if a front of the options is not on the machine. The docker provider, which
// brings its own, looks for an image instead.
func checkFronts(provider string, o Options) error {
	if provider == providerDocker {
		return nil
	}
	for _, f := range o.fronts() {
		if err := f.missing(provider); err != nil {
			return err
		}
	}
	return nil
}

// Front says whether this machine has a balancer or an edge.
type Front struct {
	Use    string // "balancer haproxy"
	OK     bool
	Detail string // its version and where it is, or what is missing
	Todo   string // how to get it, when not OK
}

// Fronts looks for the balancers and edges of this machine.
func Fronts(ctx context.Context) (all []Front) {
	for _, kind := range []struct {
		target Target
		fronts []front
	}{{TargetBalancer, balancers}, {TargetEdge, edges}} {
		for _, f := range kind.fronts {
			found := Front{Use: string(kind.target) + " " + f.name}
			known, err := Server{}, f.missing("")
			if err == nil {
				known, err = f.version(ctx, f.find())
			}
			found.OK, found.Detail = err == nil, known.Answer+" at "+f.find()
			if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
				found.Detail, found.Todo = unavailable.Detail, unavailable.Todo
			} else if err != nil {
				found.Detail, found.Todo = oneLine(err), "repair the installation of that program"
			}
			all = append(all, found)
		}
	}
	return all
}

// missing returns an *UnavailableError if the machine does not have the program.
func (f front) missing(provider string) error {
	if f.find() != "" {
		return nil
	}
	return &UnavailableError{
		Provider: provider, Detail: "there is no " + f.program + " in PATH or in the usual places",
		Todo: "install it (Debian, Ubuntu: apt-get install " + f.name + "; macOS: brew install " + f.name +
			"), or use provider docker with its image",
	}
}

// fronts are those that the options name, which withDefaults has checked.
func (o Options) fronts() (all []front) {
	if f, err := frontByName(balancers, "balancer", o.Balancer); err == nil {
		all = append(all, f)
	}
	if f, err := frontByName(edges, "edge", o.Edge); err == nil {
		all = append(all, f)
	}
	return all
}

// somewhere calls start with the address that was asked for, or with free ports of loopback.
func (p place) somewhere(start func(at place, port int) error) error {
	if p.Address != "" {
		_, text, err := net.SplitHostPort(p.Address)
		if err != nil {
			return err
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		return start(p, port)
	}
	return onFreePort(func(port int) error {
		p.Address = net.JoinHostPort(loopback, strconv.Itoa(port))
		return start(p, port)
	})
}

// configure writes a configuration.
func (f front) configure(values any) (string, error) {
	var text strings.Builder
	if err := f.config.Execute(&text, values); err != nil {
		return "", fmt.Errorf("configure %s: %w", f.title, err)
	}
	return text.String(), nil
}

// version asks a program for its version. nginx and varnishd answer on standard error.
func (f front) version(ctx context.Context, program string) (Server, error) {
	out, err := exec.CommandContext(ctx, program, f.askVersion).CombinedOutput()
	if err != nil {
		return Server{}, fmt.Errorf("%s %s: %w: %s", program, f.askVersion, err, out)
	}
	return f.versionIn(string(out)), nil
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)

// versionIn is the server that the answer to askVersion describes.
func (f front) versionIn(answer string) Server {
	line, _, _ := strings.Cut(strings.TrimSpace(answer), "\n")
	return Server{Name: f.title, Version: versionNumber.FindString(line), Answer: line}
}

// askFront asks a front for what nobody else can answer.
func askFront(ctx context.Context, at place) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.Address+at.Probe, nil)
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
		return fmt.Errorf("somebody else answers at %s: %s", at.Address, resp.Status)
	}
	return nil
}

// startedFront is a front that answers.
type startedFront struct {
	url    string
	server Server
	dir    string // where it runs: on this machine, or in its container
	// run runs a program where the front runs, and returns what it wrote to standard output.
	run func(ctx context.Context, program string, args ...string) (string, error)
}

// startFront starts a front. values are those of its configuration at a place.
func (e *Environment) startFront(ctx context.Context, target Target, f front, image string, where place,
	values func(at place) any,
) (started startedFront, err error) {
	if e.docker != nil {
		started, err = e.docker.startFront(ctx, e, target, f, image, where, values)
	} else {
		started, err = e.startOwnFront(ctx, target, f, where, values)
	}
	if err != nil {
		return started, fmt.Errorf("start the %s %s: %w", target, f.title, err)
	}
	return started, nil
}

// startOwnFront starts the machine's own program. An environment of servers that somebody else started gets a workshop
// for it.
func (e *Environment) startOwnFront(ctx context.Context, target Target, f front, where place,
	values func(at place) any,
) (started startedFront, err error) {
	program := f.find()
	known, err := f.version(ctx, program)
	if err != nil {
		return started, err
	}
	if e.workshop == nil {
		w, err := openWorkshop(ctx)
		if err != nil {
			return started, err
		}
		e.workshop, e.stop = w, w.close
	}
	e.options.Progress(fmt.Sprintf("starting %s (process: %s)", target, program))
	room, err := e.workshop.room(string(target))
	if err != nil {
		return started, err
	}
	started.dir, started.run = room, runHere
	err = where.somewhere(func(at place, _ int) error {
		text, err := f.configure(values(at))
		if err != nil {
			return err
		}
		file := filepath.Join(room, f.configFile)
		err = errors.Join(os.WriteFile(file, []byte(text), 0o600), e.workshop.give(file))
		if err != nil {
			return err
		}
		started.url = "http://" + at.Address
		started.server, err = e.workshop.serve(ctx, e, target, &processServer{
			program: program, room: room, log: string(target) + ".log", signal: syscall.SIGTERM,
			args: f.args(room, file, at.Address),
			ask:  func(ctx context.Context) (Server, error) { return known, askFront(ctx, at) },
		})
		return err
	})
	return started, err
}

// runHere runs a program of this machine.
func runHere(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return string(out), nil
}

// startFront starts an image. It needs this machine's network, because what is behind it is on this machine's loopback.
func (r *dockerRun) startFront(ctx context.Context, env *Environment, target Target, f front, image string, where place,
	values func(at place) any,
) (started startedFront, err error) {
	if !r.engine.hostNetwork {
		return started, errors.New("the instances are on this machine's loopback, which a container of this engine " +
			"cannot reach; use provider process")
	}
	if err := r.pullMissing(ctx, env.options, image); err != nil {
		return started, err
	}
	env.options.Progress(fmt.Sprintf("starting %s (docker: %s)", target, image))
	const dir = "/tmp"
	err = where.somewhere(func(at place, port int) error {
		text, err := f.configure(values(at))
		if err != nil {
			return err
		}
		file := dir + "/" + f.configFile
		s, server, err := r.serve(ctx, env, target, request{
			image: image, port: port, hostPort: port, user: f.user, entrypoint: []string{f.program},
			args: f.args(dir, file, at.Address),
			files: []testcontainers.ContainerFile{{
				Reader: strings.NewReader(text), ContainerFilePath: file, FileMode: 0o644,
			}},
		}, func(ctx context.Context, _ string, _ int) (Server, error) { return Server{}, askFront(ctx, at) })
		if err != nil {
			return err
		}
		started.run = func(ctx context.Context, program string, args ...string) (string, error) {
			return runInside(ctx, s.container, program, args...)
		}
		answer, err := started.run(ctx, f.program, f.askVersion)
		if err != nil {
			return fmt.Errorf("ask for its version: %w", err)
		}
		started.server, started.url, started.dir = f.versionIn(answer), "http://"+at.Address, dir
		started.server.Image, started.server.ImageDigest = server.Image, server.ImageDigest
		return nil
	})
	return started, err
}

// runInside runs a program in a container.
func runInside(ctx context.Context, in testcontainers.Container, program string, args ...string) (string, error) {
	code, out, err := in.Exec(ctx, append([]string{program}, args...))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(out, 1<<20))
	if err == nil && code != 0 {
		err = fmt.Errorf("%s ended with exit code %d: %s", program, code, text)
	}
	return withoutFrames(string(text)), err
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

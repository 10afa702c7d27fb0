package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/containers"
)

const (
	// turnLimit is how much longer than its load a turn may take.
	turnLimit = 60 * time.Second
	// memoryInterval is how often the memory of a generator is looked at.
	memoryInterval = 50 * time.Millisecond
	// failedShare is how many of a generator's requests may fail: some count those that the end of the load cuts.
	failedShare = 0.001
)

// bench is one run.
type bench struct {
	options
	say       func(string)
	self, dir string
	log       *os.File
}

// turn is one measurement.
type turn struct {
	report
	cpu       time.Duration // of the generator's process, from its start to its end
	wall      time.Duration
	memory    int64 // bytes at most
	disturbed float64
}

// newBench prepares a directory. It is readable by the user as which nginx may run.
func newBench(o options, say func(string)) (*bench, error) {
	if err := sidebyside.CheckMachine(); err != nil {
		return nil, err
	}
	if err := sidebyside.LeaveServerCPU(); err != nil {
		return nil, err
	}
	b := &bench{options: o, say: say}
	var err error
	b.self, err = os.Executable()
	if err != nil {
		return nil, err
	}
	for _, path := range []*string{&b.headroom, &b.bin} {
		*path, err = filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
	}
	b.dir, err = os.MkdirTemp("/tmp", "bench-generator-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	b.log, err = os.Create(filepath.Join(b.dir, "servers.log"))
	return b, err
}

func (b *bench) close() {
	b.log.Close()
	os.RemoveAll(b.dir)
}

// server starts one of ours, or an nginx that answers everything from memory.
func (b *bench) server(ctx context.Context, kind string) (*containers.Child, string, error) {
	switch kind {
	case "nginx":
		return sidebyside.StartNginx(ctx, b.dir, b.log, `location / { return 200 "Hello, world!\n"; }`)
	case "nginx-http2":
		return sidebyside.StartNginxHTTP2(ctx, b.dir, b.log, `location / { return 200 "Hello, world!\n"; }`)
	case "nginx-http2-tls":
		return sidebyside.StartNginxHTTPS2(ctx, b.dir, b.log, `location / { return 200 "Hello, world!\n"; }`)
	}
	child, line, err := sidebyside.StartServer(ctx, b.log, nil, b.self, "serve", kind)
	return child, strings.TrimSpace(line), err
}

// files writes what the generators read.
func (l load) files() error {
	var faults []error
	for path, text := range map[string]string{
		scenarioPath(l, "wire"): scenarioText(l, "wire"), scenarioPath(l, "vegeta"): scenarioText(l, "vegeta"),
		vegetaTargets(l): "GET " + l.url + "/\n", k6Path(l): k6Text(l),
	} {
		faults = append(faults, os.WriteFile(path, []byte(text), 0o644))
	}
	return errors.Join(append(faults, os.RemoveAll(runPath(l)), os.RemoveAll(k6Output(l)))...)
}

// measure lets a generator take one turn.
func (b *bench) measure(ctx context.Context, g *generator, l load) (turn, error) {
	if err := l.files(); err != nil {
		return turn{}, err
	}
	program, err := b.find(g)
	if err != nil {
		return turn{}, err
	}
	before, err := sidebyside.ReadUsage()
	if err != nil {
		return turn{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(l.seconds)*time.Second+turnLimit)
	defer cancel()
	t, out, err := generate(ctx, g, program, g.args(l))
	if err != nil {
		return t, err
	}
	after, err := sidebyside.ReadUsage()
	if err != nil {
		return t, err
	}
	t.disturbed = sidebyside.Disturbance(before, after, t.cpu)
	if g.afterwards != nil {
		command := g.afterwards(l)
		if command[0] == g.program {
			command[0] = program
		}
		out, err = exec.CommandContext(ctx, command[0], command[1:]...).Output()
		if err != nil {
			return t, fmt.Errorf("its report: %w", err)
		}
	}
	t.report, err = g.parse(out)
	if err != nil {
		return t, fmt.Errorf("%w: %s", err, lastBytes(out, 400))
	}
	return t, t.check(g, l)
}

// generate runs a generator's program on the client's CPU.
func generate(ctx context.Context, g *generator, program string, args []string) (turn, []byte, error) {
	command := exec.CommandContext(ctx, "taskset", append([]string{"-c", sidebyside.ClientCPU, program}, args...)...)
	command.Env = append(os.Environ(), g.env...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	begin := time.Now()
	if err := command.Start(); err != nil {
		return turn{}, nil, err
	}
	stop := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchMemory(command.Process.Pid, stop) }()
	err := command.Wait()
	close(stop)
	t := turn{memory: <-peak, wall: time.Since(begin)}
	if state := command.ProcessState; state != nil {
		t.cpu = state.UserTime() + state.SystemTime()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && g.engine != "" &&
		(exit.ExitCode() == sidebyside.ExitInvalid || exit.ExitCode() == sidebyside.ExitMissed) {
		err = nil // its figures are there, whatever it thinks of them
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, lastBytes(append(out.Bytes(), errs.Bytes()...), 400))
	}
	return t, out.Bytes(), err
}

// watchMemory returns the most that a process had in memory until it ended.
func watchMemory(pid int, stop <-chan struct{}) (most int64) {
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	for {
		if peak, err := sidebyside.PeakBytes(pid); err == nil { // else it has just ended
			most = peak
		}
		select {
		case <-stop:
			return most
		case <-ticker.C:
		}
	}
}

// check holds that a generator did what it was measured for.
func (t turn) check(g *generator, l load) error {
	if t.requests == 0 || float64(t.failed) > failedShare*float64(t.requests)+connections {
		return fmt.Errorf("%d of %d requests failed", t.failed, t.requests)
	}
	if g.engine == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(runPath(l), "run.json"))
	if err != nil {
		return err
	}
	var saved struct{ Measurements struct{ Engine string } }
	if err := json.Unmarshal(text, &saved); err != nil {
		return err
	}
	if !strings.HasPrefix(saved.Measurements.Engine, g.engine) {
		return fmt.Errorf("it ran as %s", saved.Measurements.Engine)
	}
	return nil
}

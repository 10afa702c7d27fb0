package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// smoke is a run of the smoke scenario of a few seconds, on private processes.
func smoke(t *testing.T, out string, more ...string) *program {
	t.Helper()
	args := []string{"run", "smoke.yaml", "--provider", "process", "--out", out}
	for _, set := range []string{
		"environment.fixtures.resources=1000", "scenarios.warm.rate=100", "scenarios.warm.duration=3s",
		"scenarios.warm.warmup=1s",
	} {
		args = append(args, "--set", set)
	}
	return headroom(t, append(args, more...)...)
}

// TestUnaskedDeaths kills and freezes processes under load without a fault of the scenario. The run is INVALID and
// names each, and nothing is left.
func TestUnaskedDeaths(t *testing.T) {
	t.Parallel()
	tmp := publicDir(t)
	p := smoke(t, "out", "--set", "environment.replica=true", "--set", "scenarios.warm.duration=6s", "--set",
		"thresholds={}")
	p.Env = append(os.Environ(), "TMPDIR="+tmp, "HEADROOM_TEST=unasked-"+strconv.Itoa(os.Getpid()))
	progress := watched{want: "measuring", seen: make(chan struct{})}
	p.Stderr = &progress
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = p.Wait(); close(ended) }()
	select {
	case <-progress.seen:
	case <-ended:
		t.Fatalf("it ended before it measured\n%s", progress.text.String())
	}
	children := map[string]int{}
	for _, pid := range childrenOf(t, p.Process.Pid) {
		arguments, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		for mark, name := range map[string]string{
			"/replica/data": "replica", "/postgres/data": "primary", "serve\x00--addr": "server",
			"redis-server": "cache", "valkey-server": "cache", "dragonfly": "cache",
		} {
			if strings.Contains(string(arguments), mark) {
				children[name] = pid
			}
		}
	}
	if len(children) != 4 {
		t.Fatalf("its children are %v", children)
	}
	for _, blow := range []struct {
		name   string
		signal syscall.Signal
	}{
		{"cache", syscall.SIGKILL},
		{"server", syscall.SIGSTOP},
		{"server", syscall.SIGCONT},
		{"primary", syscall.SIGKILL},
		{"replica", syscall.SIGSTOP},
	} {
		if err := syscall.Kill(children[blow.name], blow.signal); err != nil {
			t.Errorf("%s: %v", blow.name, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	<-ended
	if code := p.ProcessState.ExitCode(); code != exitInvalid {
		t.Fatalf("exit code %d\n%s%s", code, &p.stdout, progress.text.String())
	}
	for _, want := range []string{
		"the cache: process " + strconv.Itoa(children["cache"]) + " ended: signal: killed",
		"the reference server: process " + strconv.Itoa(children["server"]) + " was frozen for a time",
		"the primary: process " + strconv.Itoa(children["primary"]) + " ended: signal: killed",
		"the replica: process " + strconv.Itoa(children["replica"]) + " is frozen",
	} {
		says(t, p.stdout.String(), "INVALID", want)
		says(t, progress.text.String(), want)
	}
	run, err := results.Read(filepath.Join(p.Dir, "out"))
	if err != nil || len(run.Measurements.Incidents) < 4 {
		t.Errorf("%v, incidents %+v", err, run.Measurements.Incidents)
	}
	nothingRemains(t, tmp, func() []string {
		return belonging(t, "HEADROOM_TEST=unasked-"+strconv.Itoa(os.Getpid()), tmp)
	})
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	var pids []int
	for _, stat := range glob(t, "/proc") {
		content, err := os.ReadFile(filepath.Join(stat, "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(stat))
			if err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// TestTwoAtOnce starts two runs of a scenario at the same time, each in surroundings that a program easily trips over.
// They share no port and no directory, and each has figures of its own.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	both := map[string]*program{}
	dir := t.TempDir()
	for name, odd := range map[string][]string{
		"no HOME, bad TZ, Turkish": {"TZ=:/bad", "LC_ALL=tr_TR.UTF-8"},
		"Kathmandu, German":        {"TZ=Asia/Kathmandu", "LC_ALL=de_DE.UTF-8", "LANGUAGE=de"},
	} {
		p := smoke(t, filepath.Join(dir, name))
		for _, variable := range os.Environ() {
			if !strings.HasPrefix(variable, "HOME=") && !strings.HasPrefix(variable, "XDG_") {
				p.Env = append(p.Env, variable)
			}
		}
		p.Env = append(p.Env, odd...)
		both[name] = p
	}
	var all sync.WaitGroup
	for _, p := range both {
		all.Go(func() { _ = p.Run() })
	}
	all.Wait()
	addresses := map[string]bool{}
	for name, p := range both {
		if code := p.ProcessState.ExitCode(); code != exitOK && code != exitCrossed && code != exitInvalid {
			t.Errorf("%s: exit code %d", name, code)
		}
		run, err := results.Read(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, &p.stderr)
		}
		var requests, failed int64
		for _, s := range run.Measurements.Series {
			requests, failed = requests+s.Requests, failed+s.Failed
		}
		if sent, planned := run.Measurements.Loads[0].Sent, run.Measurements.Loads[0].Planned; sent == 0 ||
			planned != 300 || requests == 0 || failed > 0 {
			t.Errorf("%s: %d of %d requests were sent, %d measured, %d failed", name, sent, planned, requests, failed)
		}
		if len(run.Measurements.Incidents) > 0 {
			t.Errorf("%s: incidents %v", name, run.Measurements.Incidents)
		}
		addresses[run.Environment.Target] = true
	}
	if len(addresses) != 2 {
		t.Errorf("they shared the server %v", addresses)
	}
}

// TestOneDirectoryForTwoRuns: the second is told at once, and the first is not disturbed.
func TestOneDirectoryForTwoRuns(t *testing.T) {
	t.Parallel()
	file := scenario(t, service(t), "executor: constant-vus\n    vus: 1\n    duration: 3s",
		`http_req_failed: rate<0.01`)
	first := headroom(t, "run", file, "--out", "out")
	progress := watched{want: "scenario steady", seen: make(chan struct{})}
	first.Stderr = &progress
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	<-progress.seen
	second := headroom(t, "run", file, "--out", filepath.Join(first.Dir, "out"))
	second.exits(t, exitUsage)
	says(t, second.stderr.String(), filepath.Join(first.Dir, "out"), "another headroom process is writing to it",
		"--out")
	if err := first.Wait(); err != nil {
		t.Errorf("the first: %v\n%s", err, progress.text.String())
	}
	// Without --out there is always a directory.
	var taken []string
	for range 3 {
		dir, held, err := takeRunDirectory(filepath.Join(first.Dir, "default"), true)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		taken = append(taken, filepath.Base(dir))
	}
	if got := strings.Join(taken, " "); got != "default default-2 default-3" {
		t.Errorf("the directories are %s", got)
	}
}

// TestFullAndReadOnlyDisks: what was measured is printed where it cannot be saved, and a run that cannot begin says
// why.
func TestFullAndReadOnlyDisks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	disk := func(t *testing.T, options string) string {
		dir := publicDir(t)
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=1777,"+options, "headroom-test",
			dir).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
		return dir
	}
	own := scenario(t, service(t), closed, `http_req_failed: rate<0.01`)
	t.Run("full", func(t *testing.T) {
		t.Parallel()
		p := headroom(t, "run", own, "--out", filepath.Join(disk(t, "size=16k"), "out"))
		p.exits(t, exitError)
		says(t, p.stderr.String(), "no space left on device")
		says(t, p.stdout.String(), "PASS", "Load as sent")
	})
	t.Run("read-only", func(t *testing.T) {
		t.Parallel()
		p := headroom(t, "run", own, "--out", filepath.Join(disk(t, "ro"), "out"))
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), "read-only file system")
	})
	t.Run("too small for the servers", func(t *testing.T) {
		t.Parallel()
		p := smoke(t, "out")
		tmp := disk(t, "size=48m")
		p.Env = append(os.Environ(), "TMPDIR="+tmp)
		p.exits(t, exitError)
		says(t, p.stderr.String(), "o space left on device", "set TMPDIR to a directory with more space")
		if left := glob(t, tmp); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	})
}

func TestExternalNeedsItsAddresses(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"external alone": {"--provider", "external"}, "one": {"--postgres", "postgres://127.0.0.1/x"},
		"a replica alone": {"--replica", "postgres://127.0.0.1/x"},
		"another provider": {
			"--provider", "process", "--postgres", "postgres://127.0.0.1/x", "--cache",
			"redis://127.0.0.1/0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, append([]string{"run", "smoke.yaml"}, args...)...)
			p.exits(t, exitUsage)
			says(t, p.stderr.String(), "--postgres", "--cache", "--replica")
		})
	}
	if _, err := os.Stat("results"); !errors.Is(err, os.ErrNotExist) {
		t.Error("a run that was refused has left its directory")
	}
}

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// markVariable is in the environment of everything that a killed experiment started, but of its janitors.
const markVariable = "HEADROOM_TEST_MARK"

// TestABKilledAtRandom kills experiments while they check out, build, start services, and measure. Nothing is left.
func TestABKilledAtRandom(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	repository := hashingRepository(t)
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL}
	for i := range 6 {
		const stratum = 1000 * time.Millisecond
		after := time.Duration(i)*stratum + time.Duration(random.Int64N(int64(stratum)))
		p := ab(t, repository, "pages.yaml", "--base", "service", "--head", "slower", "--out",
			filepath.Join(t.TempDir(), "out"))
		mark := markVariable + "=" + strconv.FormatUint(random.Uint64(), 36)
		p.Env = append(p.Env, mark)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		signal := signals[i%len(signals)]
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait()
		status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
		early := ok && status.Signaled() && p.stderr.Len() == 0 // before it had begun
		if code := p.ProcessState.ExitCode(); signal != syscall.SIGKILL && code != exitInterrupted && !early {
			t.Errorf("%v after %v: exit code %d\n%s", signal, after, code, &p.stderr)
		}
		deadline := time.Now().Add(30 * time.Second)
		for signal == syscall.SIGKILL && remains(t, p, mark) != "" && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
		}
		if left := remains(t, p, mark); left != "" {
			t.Errorf("%v after %v: %s\n%s", signal, after, left, &p.stderr)
		}
	}
	if left := inside(t, repository, "git", "worktree", "list"); strings.Count(left, "\n") != 1 {
		t.Errorf("worktrees are left:\n%s", left)
	}
}

// remains says what is left of an experiment, running or lying about; empty for nothing.
func remains(t *testing.T, p *program, mark string) string {
	t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range environments {
		environment, err := os.ReadFile(file) // one that has ended meanwhile has none
		if err == nil && bytes.Contains(environment, []byte(mark)) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			return "it still runs: " + string(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))
		}
	}
	return leftovers(t, p)
}

// TestABInterrupted: what was measured until then is a valid experiment.
func TestABInterrupted(t *testing.T) {
	t.Parallel()
	repository, out := hashingRepository(t), filepath.Join(t.TempDir(), "out")
	p := ab(t, repository, "pages.yaml", "--base", "service", "--head", "slower", "--out", out)
	progress := watched{want: "block 2 of at most ", seen: make(chan struct{})}
	p.Stderr = &progress
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = p.Wait(); close(ended) }()
	select {
	case <-progress.seen:
	case <-ended:
	}
	_ = p.Process.Signal(syscall.SIGINT)
	<-ended
	if code := p.ProcessState.ExitCode(); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s%s", code, &p.stdout, progress.text.String())
	}
	nothingLeft(t, p)
	e := savedIn(t, out)
	if !e.Interrupted || len(e.Blocks) < 2 || e.Outcome == results.Pass {
		t.Errorf("interrupted: %v, %d blocks, outcome %s", e.Interrupted, len(e.Blocks), e.Outcome)
	}
	says(t, p.stdout.String(), string(e.Outcome)+": ", "interrupted", "report: ")
	headroom(t, "report", out).exits(t, exitOK)
}

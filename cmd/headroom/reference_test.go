package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// short is the smoke scenario, shortened for tests.
var short = []string{"--set", "environment.fixtures.resources=2000"}

// TestReferenceSystem runs the whole way on real servers. Whether the gates hold depends on what else the machine does;
// that they were judged over real samples, and that the exit code says so, does not.
func TestReferenceSystem(t *testing.T) {
	t.Parallel()
	p := headroom(t, append([]string{
		"run", "smoke.yaml", "--out", "out", "--json", "--set",
		"environment.server={warm_resources: 50, ready_when_warm: true, rate_limit: 150000, gomemlimit: 512MiB}",
	}, short...)...)
	p.Env = append(os.Environ(), "HEADROOM_SLOW_QUERY=77ms", "HEADROOM_CURSOR_KEY=S3CRET"+strings.Repeat("x", 32),
		"OTEL_SERVICE_NAME=mine", "GOGC=150")
	if err := p.Run(); err != nil && p.ProcessState.ExitCode() < 0 {
		t.Fatal(err)
	}
	var summary struct {
		Verdict struct {
			Outcome string
			Gates   []struct {
				Metric  string
				Samples int64
			}
		}
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &summary); err != nil {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	codes := map[string]int{"PASS": exitOK, "FAIL": exitCrossed, "INVALID": exitInvalid, "UNRESOLVED": exitInvalid}
	if code := p.ProcessState.ExitCode(); code != codes[summary.Verdict.Outcome] {
		t.Errorf("%s and exit code %d", summary.Verdict.Outcome, code)
	}
	if len(summary.Verdict.Gates) != 7 {
		t.Errorf("%d gates", len(summary.Verdict.Gates))
	}
	for _, g := range summary.Verdict.Gates {
		if g.Samples == 0 {
			t.Errorf("%s has no samples", g.Metric)
		}
	}
	run := text(t, filepath.Join(p.Dir, "out", "run.json"))
	says(t, run, `"name": "PostgreSQL"`, `"role": "cache"`, "PostgreSQL 1", `"scenario": "warm"`, `"status`, `"l1"`)
	recorded, err := results.Read(filepath.Join(p.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	e := recorded.Environment
	for name, want := range map[string]string{
		"HEADROOM_SLOW_QUERY": "77ms", "OTEL_SERVICE_NAME": "mine", "GOGC": "150",
		"HEADROOM_RATE_LIMIT": "150000", "HEADROOM_POSTGRES_URL": "", "HEADROOM_WARM_RESOURCES": "50",
		"HEADROOM_READY_WHEN_WARM": "true", "GOMEMLIMIT": "536870912",
	} {
		if got := e.ServerSettings[name]; got != want {
			t.Errorf("the server's %s is recorded as %q, want %q", name, got, want)
		}
	}
	if e.GeneratorSettings["GOGC"] != "150" || e.ServerSettings["GOMAXPROCS"] == "" {
		t.Errorf("the generator's settings are %v, the server's %v", e.GeneratorSettings, e.ServerSettings)
	}
	says(t, text(t, filepath.Join(p.Dir, "out", "report.html")), "<code>server HEADROOM_WARM_RESOURCES=50</code>",
		"<th scope=\"row\"><code>HEADROOM_SLOW_REQUEST</code></th><td><code>1s</code></td>")
	if strings.Contains(run, "S3CRET") || e.ServerSettings["HEADROOM_CURSOR_KEY"] == "" {
		t.Errorf("the key is recorded as %q, or is somewhere in the run", e.ServerSettings["HEADROOM_CURSOR_KEY"])
	}
}

// TestKillLeavesNothing kills the program in the middle of its load and holds that its servers, and the processes that
// watch over them, end.
func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	killed(t, "process", syscall.SIGKILL, nil, nil)
}

func TestTermLeavesNothing(t *testing.T) {
	t.Parallel()
	killed(t, "process", syscall.SIGTERM, nil, nil)
}

// TestKillLeavesNothingEmbedded runs as an ordinary user, with the machine's binaries in place of fetched ones.
func TestKillLeavesNothingEmbedded(t *testing.T) {
	t.Parallel()
	postgres := machinePostgres(t)
	killed(t, "embedded", syscall.SIGKILL, func(p *program, tmp string) {
		p.Env = append(p.Env, "HEADROOM_EMBEDDED_POSTGRES="+postgres, "HOME="+tmp)
		asNobody(t, p)
	}, nil)
}

// machinePostgres is the directory of an installation.
func machinePostgres(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if err != nil || len(found) == 0 {
		if os.Getenv("CI") == "" {
			t.Skip("no Postgres binaries in /usr/lib/postgresql")
		}
		t.Fatal("no Postgres binaries in /usr/lib/postgresql", err)
	}
	return filepath.Dir(filepath.Dir(found[0]))
}

// asNobody runs the program as an ordinary user when the test runs as root.
func asNobody(t *testing.T, p *program) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	var id [2]int
	for i, text := range []string{nobody.Uid, nobody.Gid} {
		id[i], err = strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "headroom-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, id[0], id[1]); err != nil {
		t.Fatal(err)
	}
	p.Dir = dir
	p.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id[0]), Gid: uint32(id[1])}}
}

// killed ends a run in the middle of its load by a signal. prepare may change the program before it starts, and more
// lists what else belongs to it; both may be nil.
func killed(t *testing.T, provider string, signal syscall.Signal, prepare func(p *program, tmp string),
	more func() []string,
) {
	t.Helper()
	p := headroom(t, append([]string{
		"run", "smoke.yaml", "--provider", provider, "--set",
		"scenarios.warm.duration=10m",
	}, short...)...)
	mark := fmt.Sprintf("HEADROOM_TEST=%s-%d", t.Name(), os.Getpid())
	tmp, err := os.MkdirTemp("/tmp", "headroom-kill-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	if err := os.Chmod(tmp, 0o1777); err != nil {
		t.Fatal(err)
	}
	p.Env = append(os.Environ(), mark, "TMPDIR="+tmp)
	progress := watched{want: "measuring", seen: make(chan struct{})}
	p.Stderr = &progress
	if prepare != nil {
		prepare(p, tmp)
	}
	// What the run starts is found by a variable that it inherits or by the directory that it lives in.
	left := func() []string {
		found := belonging(t, mark, tmp)
		if more != nil {
			found = append(found, more()...)
		}
		return found
	}
	interrupt(t, p, &progress, signal, func() {
		if n := len(left()); n < 4 {
			t.Errorf("%d processes while it runs: the test would not see what is left", n)
		}
	})
	if signal == syscall.SIGTERM && p.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("exit code %d\n%s", p.ProcessState.ExitCode(), progress.text.String())
	}
	nothingRemains(t, tmp, left)
}

// nothingRemains waits until no process is left, and nothing in a directory. A busy machine takes its time.
func nothingRemains(t *testing.T, dir string, left func() []string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		processes, files := left(), glob(t, dir)
		if len(processes)+len(files) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a minute later: processes %v, files %v", processes, files)
		}
	}
}

// interrupt starts the program, waits until it measures, looks, and sends it the signal.
func interrupt(t *testing.T, p *program, progress *watched, signal syscall.Signal, look func()) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	select {
	case <-progress.seen:
	case err := <-ended:
		t.Fatalf("ended before it measured: %v\n%s", err, progress.text.String())
	}
	look()
	if err := p.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// watched closes seen when want has been written.
type watched struct {
	text bytes.Buffer
	want string
	seen chan struct{}
	done bool
}

func (w *watched) Write(p []byte) (int, error) {
	w.text.Write(p)
	if !w.done && strings.Contains(w.text.String(), w.want) {
		w.done = true
		close(w.seen)
	}
	return len(p), nil
}

// belonging lists the processes that a run has started: those whose environment has the mark, or which live in the
// directory.
func belonging(t *testing.T, mark, tmp string) []string {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, dir := range processes {
		// What has ended meanwhile has no such files any more.
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		arguments, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		where, _ := os.Readlink(filepath.Join(dir, "cwd"))
		if bytes.Contains(environ, []byte(mark)) || bytes.Contains(arguments, []byte(tmp)) ||
			strings.HasPrefix(where, tmp) {
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			found = append(found, filepath.Base(dir)+" "+strings.TrimSpace(string(name)))
		}
	}
	return found
}

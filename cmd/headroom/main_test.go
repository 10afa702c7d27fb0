package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

func TestMain(m *testing.M) { os.Exit(testAll(m)) }

func testAll(m *testing.M) int {
	// What tests build is pure Go, as make builds it: with the race detector, C would be the default.
	err := os.Setenv("CGO_ENABLED", "0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Under /tmp and readable by all: some tests run the program as another user.
	built.dir, err = os.MkdirTemp("/tmp", "headroom-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built.dir)
	return m.Run()
}

// built is the program under test, which is built when the first test asks for it.
var built struct {
	dir  string
	once sync.Once
	err  error
}

// binary is the path of the program under test.
func binary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(built.dir, "headroom")
	built.once.Do(func() {
		out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
			return
		}
		built.err = os.Chmod(built.dir, 0o755)
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return path
}

// program is one run of the binary.
type program struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// headroom prepares a run of the binary in a directory of its own.
func headroom(t testing.TB, args ...string) *program {
	t.Helper()
	path := binary(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	p := &program{Cmd: exec.CommandContext(ctx, path, args...)}
	p.Dir = t.TempDir()
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

// exits runs the program and holds its exit code.
func (p *program) exits(t *testing.T, codes ...int) {
	t.Helper()
	err := p.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := p.ProcessState.ExitCode(); !slices.Contains(codes, got) {
		t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got, codes, &p.stdout, &p.stderr)
	}
}

// small prepares a run of a shipped scenario with changes that make a small copy of it, and says where it is saved.
func small(t testing.TB, scenario string, sets ...string) (p *program, out string) {
	t.Helper()
	args := []string{"run", scenario + ".yaml", "--provider", "process", "--out", "out", "--quiet"}
	for _, set := range sets {
		args = append(args, "--set", set)
	}
	p = headroom(t, args...)
	return p, filepath.Join(p.Dir, "out")
}

// holds runs what saves a run to out, holds that each of its gates held, and returns the run. A machine that was too
// busy for the measurement to be valid is of no matter to it.
func (p *program) holds(t *testing.T, out string) *results.Run {
	t.Helper()
	p.exits(t, exitOK, exitInvalid)
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range run.Verdict.Gates {
		if !g.Passed {
			t.Errorf("%s %s did not hold: it is %v", g.Metric, g.Expression, g.Actual)
		}
	}
	if len(run.Verdict.Gates) == 0 {
		t.Error("there are no gates")
	}
	return run
}

// crosses runs what crosses a threshold, and holds that it says so by its exit code. Where other virtual machines took
// CPU time meanwhile, nobody knows whether that made it cross: then the run has to say that in place.
func (p *program) crosses(t *testing.T) (stolen bool) {
	t.Helper()
	p.exits(t, exitCrossed, exitInvalid)
	invalid := p.ProcessState.ExitCode() == exitInvalid
	said := p.stdout.String() + p.stderr.String()
	if invalid && !strings.Contains(said, "other virtual machines took") {
		t.Fatalf("the run is invalid, and no CPU time was stolen:\n%s", said)
	}
	return invalid
}

func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

// scenario writes a scenario file against a target and returns its path.
func scenario(t *testing.T, target, load, thresholds string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.yaml")
	text := fmt.Sprintf(`target: {url: %q}
scenarios:
  steady:
    %s
    requests:
      - {name: root, path: /}
thresholds:
  %s
`, target, load, thresholds)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// service is somebody's own HTTP service.
func service(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }),
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String()
}

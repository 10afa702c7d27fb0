package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// withFiles has the program run with that many file descriptors, as sh's ulimit gives them.
func (p *program) withFiles(t *testing.T, files int) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	p.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, files), p.Path}, p.Args[1:]...)
	p.Path = sh
}

// TestFewFiles: a run that has files enough is as any other; one that has not says what it ran out of, how much it
// takes, and how there is more, before the load and in the verdict. That a slow target needs more of them changes
// nothing.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	users := func(n int) string { return fmt.Sprintf("executor: constant-vus\n    vus: %d\n    duration: 1s", n) }
	fast := service(t)
	for name, tt := range map[string]struct {
		files        int
		target, load string
		code         int
	}{
		"64, enough":   {64, fast, users(20), exitOK},
		"64, too few":  {64, fast, users(100), exitInvalid},
		"256, enough":  {256, fast, users(200), exitOK},
		"256, too few": {256, fast, users(400), exitInvalid},
		"256, an open model": {
			256, slow.URL,
			open + "rate: 500\n    maxVUs: 400\n    duration: 1s\n    gracefulStop: 2s", exitInvalid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := headroom(t, "run", scenario(t, tt.target, tt.load, `http_req_failed: rate==0`))
			p.withFiles(t, tt.files)
			p.exits(t, tt.code)
			if tt.code == exitOK {
				says(t, p.stdout.String(), "PASS")
				return
			}
			says(t, p.stderr.String(), "warning: ", fmt.Sprintf("the limit is %d: raise it with ulimit -n ", tt.files))
			says(t, p.stdout.String(), "INVALID", fmt.Sprintf("out of file descriptors (limit %d)", tt.files),
				"raise it with ulimit -n ", "the run needs at least")
		})
	}
}

// TestFewFilesForAll: the whole reference system starts, serves and ends with 64 files for each of its processes.
func TestFewFilesForAll(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", "smoke.yaml", "--provider", "process", "--out", "out", "--quiet",
		"--set", "environment.fixtures.resources=500", "--set", "scenarios.warm.rate=50", "--set",
		"scenarios.warm.duration=2s", "--set", "scenarios.warm.warmup=1s",
		"--set", `thresholds.http_reqs="count>0"`)
	p.withFiles(t, 64)
	p.exits(t, exitOK, exitCrossed, exitInvalid) // so little load warms no cache
	run, err := results.Read(filepath.Join(p.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	load, failed := run.Measurements.Loads[0], int64(0)
	for _, s := range run.Measurements.Series {
		failed += s.Failed
	}
	if load.Sent != 100 || load.OutOfFiles != 0 || failed != 0 || run.Measurements.Health.FileLimit != 64 {
		t.Errorf("sent %d, out of files %d times, %d failed, with %d files", load.Sent, load.OutOfFiles, failed,
			run.Measurements.Health.FileLimit)
	}
}

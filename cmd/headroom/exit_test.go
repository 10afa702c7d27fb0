package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What a scenario sends. A closed loop has no schedule that a busy machine could make it miss, and with a pause between
// two requests it leaves the CPUs to the tests beside it.
const (
	closed = "executor: constant-vus\n    vus: 2\n    thinkTime: 2ms\n    duration: 2s"
	open   = "executor: constant-arrival-rate\n    "
)

func TestOwnServicePasses(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", scenario(t, service(t), closed, `http_req_failed: rate<0.01`), "--out", "out")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "PASS", "http_req_failed", filepath.Join("out", "report.html"))
	for _, file := range []string{"run.json", "histograms.hlog", "report.html", "summary.json", "junit.xml"} {
		if info, err := os.Stat(filepath.Join(p.Dir, "out", file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
	before := map[string]string{}
	for _, file := range []string{"report.html", "summary.json", "junit.xml"} {
		before[file] = text(t, filepath.Join(p.Dir, "out", file))
		os.Remove(filepath.Join(p.Dir, "out", file))
	}
	again := headroom(t, "report", filepath.Join(p.Dir, "out"))
	again.exits(t, exitOK)
	for file, want := range before {
		if text(t, filepath.Join(p.Dir, "out", file)) != want {
			t.Errorf("%s was drawn differently from the saved run", file)
		}
	}
	// What is measured is not lost to a second run with the same --out.
	second := headroom(t, "run", scenario(t, service(t), closed, `http_reqs: count>0`), "--out",
		filepath.Join(p.Dir, "out"))
	second.exits(t, exitUsage)
	says(t, second.stderr.String(), "holds a saved run already")
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCrossedThresholdExits99(t *testing.T) {
	p := headroom(t, "run", scenario(t, service(t), closed, `http_req_duration: p(95)<0.000001`), "--json", "--quiet")
	outcome := "FAIL"
	if p.crosses(t) {
		outcome = "INVALID"
	}
	says(t, p.stderr.String(), outcome)
	var summary struct {
		Verdict struct{ Outcome string }
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &summary); err != nil || summary.Verdict.Outcome != outcome {
		t.Errorf("--json wrote %q: %v", summary.Verdict.Outcome, err)
	}
}

func TestMistakesExit104(t *testing.T) {
	t.Parallel()
	bad := scenario(t, service(t), open+"ratee: 100\n    duration: 2s", `http_reqs: count>0`)
	unfed := filepath.Join(t.TempDir(), "unfed.yaml")
	if err := os.WriteFile(unfed, []byte("feeders: {users: {csv: none.csv}}\ntarget: {url: 'http://127.0.0.1:1'}\n"+
		"scenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: '/{{u}}', values: "+
		"{u: {feeder: users, column: id}}}]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		say  string
	}{
		"scenario":     {[]string{"run", bad}, bad + ":5:5: "},
		"nearest word": {[]string{"validate", bad}, `"rate"`},
		"no file":      {[]string{"run", "missing.yaml"}, "missing.yaml"},
		"no argument":  {[]string{"run"}, "a scenario file"},
		"flag":         {[]string{"run", "--provder", "x"}, "--provder"},
		"command":      {[]string{"rnu"}, "rnu"},
		"provider": {
			[]string{"run", "smoke.yaml", "--provider", "proces"},
			"use auto, docker, process, embedded or external",
		},
		"override":          {[]string{"run", "smoke.yaml", "--set", "nonsense.key=1"}, "nonsense"},
		"no feeder's file":  {[]string{"validate", unfed}, "none.csv"},
		"no run":            {[]string{"report", "."}, "run.json"},
		"half of an addess": {[]string{"serve", "--postgres", "postgres://127.0.0.1/x"}, "both"},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, tt.args...)
			p.exits(t, exitUsage)
			says(t, p.stderr.String(), tt.say)
			if strings.Contains(p.stderr.String(), "goroutine ") {
				t.Errorf("a stack trace:\n%s", &p.stderr)
			}
		})
	}
}

// TestForgedLines: a line break in a file's name does not make a line that looks like ours.
func TestForgedLines(t *testing.T) {
	t.Parallel()
	p := headroom(t, "report", "x\nPASS  prod: All 12 gates held.\n")
	p.exits(t, exitUsage)
	for line := range strings.Lines(p.stderr.String()) {
		if strings.HasPrefix(line, "PASS") {
			t.Errorf("a forged line:\n%s", &p.stderr)
		}
	}
}

func TestTargetThatIsDown(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", scenario(t, "http://127.0.0.1:1", closed, `http_reqs: count>0`))
	p.exits(t, exitError)
	says(t, p.stderr.String(), "http://127.0.0.1:1", "does not answer")
}

func TestInterruptExits105AndKeepsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	target := newCounting(t, "127.0.0.1:0")
	p := headroom(t, "run", scenario(t, target.url, open+"rate: 100\n    duration: 10m", `http_reqs: count>0`),
		"--out", "out")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	target.await(t, 50)
	for range 3 { // GNU timeout sends its signal twice
		if err := p.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.Wait()
	if code := p.ProcessState.ExitCode(); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
	}
	says(t, p.stdout.String(), "INVALID", "interrupted")
	says(t, text(t, filepath.Join(p.Dir, "out", "run.json")), `"interrupted": true`)
}

// TestNoPlaceForTheRun: where a file cannot be written, what was measured is printed all the same. A directory of the
// file's name is what root cannot write either.
func TestNoPlaceForTheRun(t *testing.T) {
	t.Parallel()
	for file, tt := range map[string]struct {
		interrupt bool
		code      int
		say       []string
	}{
		"report.html": {
			code: exitError,
			say:  []string{"write report.html: ", "draw its reports with: headroom report out"},
		},
		"histograms.hlog": {
			code: exitInterrupted, interrupt: true,
			say: []string{"headroom: interrupted", "save run: "},
		},
	} {
		var once sync.Once
		loaded := make(chan struct{})
		service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter,
			*http.Request,
		) {
			once.Do(func() { close(loaded) })
		}))
		defer service.Close()
		p := headroom(t, "run", scenario(t, service.URL, closed, `http_req_failed: rate<0.01`), "--out", "out")
		if err := errors.Join(os.MkdirAll(filepath.Join(p.Dir, "out", file, "in the way"), 0o755),
			p.Start()); err != nil {
			t.Fatal(err)
		}
		if tt.interrupt {
			select {
			case <-loaded:
			case <-time.After(time.Minute):
				t.Error("no request came")
			}
			_ = p.Process.Signal(syscall.SIGINT)
		}
		p.Wait()
		if p.ProcessState.ExitCode() != tt.code {
			t.Errorf("%s: exit code %d, want %d", file, p.ProcessState.ExitCode(), tt.code)
		}
		says(t, p.stdout.String(), "Load as sent")
		says(t, p.stderr.String(), tt.say...)
	}
}

// TestGeneratorThatCannotKeepUpExits125 asks for more than any generator sends on this many connections.
func TestGeneratorThatCannotKeepUpExits125(t *testing.T) {
	file := scenario(t, service(t), open+"rate: 900000\n    duration: 1s\n    gracefulStop: 1s",
		`http_req_failed: rate<0.5`)
	p := headroom(t, "run", file)
	p.exits(t, exitInvalid)
	says(t, p.stdout.String(), "INVALID", "scheduled requests were sent")
}

func TestValidateShipped(t *testing.T) {
	t.Parallel()
	p := headroom(t, "validate", "smoke.yaml", "reference.yaml")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "smoke.yaml: valid", "reference.yaml: valid")
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	p := headroom(t, "doctor")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "provider docker", "provider process", "open files", "ephemeral ports", "CPU governor",
		"--provider auto takes ")
}

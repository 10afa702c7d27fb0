package main

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDisturbedRunIsInvalid runs the reference system beside two CPU hogs a core, with a threshold that nothing can hold:
// whether the hogs or the system crossed it cannot be known.
func TestDisturbedRunIsInvalid(t *testing.T) {
	for range 2 * runtime.NumCPU() {
		hog := exec.Command("sh", "-c", "while :; do :; done")
		if err := hog.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hog.Process.Kill(); _ = hog.Wait() })
	}
	p := headroom(t, append([]string{
		"run", "smoke.yaml", "--provider", "process", "--out", "out", "--set", "scenarios.warm.duration=6s",
		"--set", `thresholds={"http_req_duration": "p(95)<0.001"}`,
	}, short...)...)
	p.exits(t, exitInvalid)
	says(t, p.stdout.String(), "the run was disturbed", "other processes kept its threads from a CPU", "http_req_duration p(95)<0.001")
	says(t, text(t, filepath.Join(p.Dir, "out", "run.json")), `"processes": "children"`, `"others_cores"`, `"system_wait"`)
}

// TestSlowSystemFails holds that a slow system on a machine with nothing else to do is to blame itself. Where a
// hypervisor takes CPU time away, the run has to say that in place.
func TestSlowSystemFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	p := headroom(t, "run", scenario(t, "http://"+l.Addr().String(), closed, "http_req_duration: p(95)<20"))
	if err := p.Run(); err == nil {
		t.Fatal("a P95 of at least 50 ms held p(95)<20")
	}
	code := p.ProcessState.ExitCode()
	if stolen := strings.Contains(p.stdout.String(), "other virtual machines took"); code != exitCrossed && !(code == exitInvalid && stolen) {
		t.Errorf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
	}
}

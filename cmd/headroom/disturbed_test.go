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

// TestDisturbedRunIsInvalid loads the reference system while two busy loops per core run beside it. No system can hold
// the threshold, but the busy loops may have caused it to be crossed, so the run is INVALID.
func TestDisturbedRunIsInvalid(t *testing.T) {
	p := headroom(t, append([]string{
		"run", "smoke.yaml", "--provider", "process", "--out", "out", "--set", "scenarios.warm.duration=6s",
		"--set", `thresholds={"http_req_duration": "p(95)<0.001"}`,
	}, short...)...)
	progress := watched{want: "scenario warm", seen: make(chan struct{})} // the last line before the load
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
	burnCPUs(t)
	<-ended
	if code := p.ProcessState.ExitCode(); code != exitInvalid {
		t.Fatalf("exit code %d\n%s%s", code, &p.stdout, progress.text.String())
	}
	says(t, p.stdout.String(), "the run was disturbed", "other processes kept its threads off the CPU",
		"http_req_duration p(95)<0.001")
	says(t, text(t, filepath.Join(p.Dir, "out", "run.json")), `"processes": "children"`, `"others_cores"`,
		`"system_wait"`)
}

// burnCPUs starts two busy loops per core, which end with the test.
func burnCPUs(t *testing.T) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		busy := exec.Command("sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	}
}

// TestSlowSystemFails holds that a slow system on a machine with nothing else to do is to blame itself. Where a
// hypervisor takes CPU time away, the run has to say that in place.
func TestSlowSystemFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(http.ResponseWriter,
			*http.Request,
		) {
			time.Sleep(50 * time.Millisecond)
		}),
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	p := headroom(t, "run", scenario(t, "http://"+l.Addr().String(), closed, "http_req_duration: p(95)<20"))
	if err := p.Run(); err == nil {
		t.Fatal("a P95 of at least 50 ms held p(95)<20")
	}
	code := p.ProcessState.ExitCode()
	if stolen := strings.Contains(p.stdout.String(), "other virtual machines took"); code != exitCrossed &&
		!(code == exitInvalid && stolen) {
		t.Errorf("exit code %d\n%s%s", code, &p.stdout, &p.stderr)
	}
}

package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// TestBusyMachine runs the program while two busy loops per core run beside it.
func TestBusyMachine(t *testing.T) {
	p := headroom(t, append([]string{
		"run", "smoke.yaml", "--provider", "process", "--out", "out", "--set", "scenarios.warm.duration=6s",
		"--set", `thresholds={"http_req_duration": "p(95)<0.001"}`,
	}, short...)...)
	progress := &watched{want: "scenario warm", seen: make(chan struct{})} // the last line before the load
	p.Stderr = progress
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
	t.Run("run", func(t *testing.T) {
		t.Parallel()
		<-ended
		disturbedRunIsInvalid(t, p, progress)
	})
	t.Run("capacity", func(t *testing.T) {
		t.Parallel()
		capacityOfABusyMachine(t)
	})
}

// disturbedRunIsInvalid: no system can hold the threshold of this run, but the busy loops may have caused it to be
// crossed, so the run is INVALID.
func disturbedRunIsInvalid(t *testing.T, p *program, progress *watched) {
	if code := p.ProcessState.ExitCode(); code != exitInvalid {
		t.Fatalf("exit code %d\n%s%s", code, &p.stdout, progress.text.String())
	}
	says(t, p.stdout.String(), "the run was disturbed", "other processes kept its threads off the CPU",
		"http_req_duration p(95)<0.001")
	says(t, text(t, filepath.Join(p.Dir, "out", "run.json")), `"processes": "children"`, `"others_cores"`,
		`"system_wait"`)
}

// capacityOfABusyMachine: a search has no answer and says why. Nobody knows which processes are the service at a URL,
// so that what the others took shows at light load alone.
func capacityOfABusyMachine(t *testing.T) {
	service := httptest.NewServer(workers(40)) // of few requests a trial is twice as long
	defer service.Close()
	p := headroom(t, "capacity", "shop.yaml", "--set", "target.url="+service.URL, "--max-time", "1m", "--require", "20",
		"--out", "found")
	write(t, p.Dir, "shop.yaml", capacityScenario)
	p.exits(t, exitInvalid)
	c, err := results.ReadCapacity(filepath.Join(p.Dir, "found"))
	if err != nil || c.Outcome != results.Invalid || c.Valid {
		t.Fatalf("%s, %v, %v", c.Outcome, c.Valid, err)
	}
	says(t, p.stdout.String(), "INVALID: ", "trials say nothing: the machine was too busy")
	if !regexp.MustCompile("the machine was busy at light load already|the generator itself was late|" +
		"other virtual machines took").MatchString(strings.Join(c.Reasons, "; ")) {
		t.Errorf("the reason is not named: %q", c.Reasons)
	}
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
	headroom(t, "run", scenario(t, "http://"+l.Addr().String(), closed, "http_req_duration: p(95)<20")).crosses(t)
}

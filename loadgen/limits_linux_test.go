package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func openFiles(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// withFewFiles runs f while this process may have so many files open, more than it has already.
func withFewFiles(t *testing.T, more int, f func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: uint64(openFiles(t) + more), Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	f()
}

// TestServeBesideTheTest is not a test: it is the server of TestOutOfFiles, which has files of its own.
func TestServeBesideTheTest(t *testing.T) {
	if os.Getenv("HEADROOM_TEST_SERVE") == "" {
		return
	}
	fmt.Println(serve(t, func(http.ResponseWriter, *http.Request) {}))
	<-time.After(time.Minute)
}

// serverBeside starts a server in a process of its own.
func serverBeside(t *testing.T) string {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestServeBesideTheTest$")
	command.Env = append(os.Environ(), "HEADROOM_TEST_SERVE=1")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil {
		t.Fatal(err)
	}
	return url
}

// TestOutOfFiles: a generator that has no files left for its users says so, serves those for whom it has, and ends when
// it is to.
func TestOutOfFiles(t *testing.T) {
	url := serverBeside(t)
	onBackends(t, func(t *testing.T, by backend) {
		for _, s := range []scenarios.Scenario{
			{Executor: scenarios.ConstantVUs, VUs: 200, Duration: time.Second, GracefulStop: time.Second},
			{Rate: 1e6, MaxVUs: 200, Duration: time.Second, GracefulStop: time.Millisecond},
		} {
			plan := planOf(s)
			plan.Scenarios[0].Requests[0].Timeout = 500 * time.Millisecond
			var m *results.Measurements
			withFewFiles(t, 30, func() { m = run1(t, plan, url, Options{backend: by}) })
			load, series := m.Loads[0], m.Series[0]
			if load.Dropped == 0 || load.Planned != load.Sent+load.Dropped || load.MeasuredPlanned != load.Planned {
				t.Errorf("%s: planned %d (measured %d), sent %d, dropped %d", s.Executor, load.Planned, load.MeasuredPlanned, load.Sent, load.Dropped)
			}
			timeouts := series.Errors[errorTimeout]
			if series.Requests < 100 || timeouts > 0 && s.Executor == scenarios.ConstantVUs || m.Elapsed > 10 {
				t.Errorf("%s: %d requests in %.1f s, errors %v", s.Executor, series.Requests, m.Elapsed, series.Errors)
			}
			v, err := results.Judge(m, nil)
			if err != nil || v.Outcome != results.Invalid {
				t.Errorf("%s: %s, %v", s.Executor, v.Outcome, err)
			}
			if s.Executor == scenarios.ConstantVUs && !strings.Contains(strings.Join(v.Invalid, "\n"), "out of ports or files") {
				t.Errorf("reasons %q", v.Invalid)
			}
		}
	})
}

// TestOutOfFilesAndInterrupted: such a run ends when it is interrupted.
func TestOutOfFilesAndInterrupted(t *testing.T) {
	url := serverBeside(t)
	onBackends(t, func(t *testing.T, by backend) {
		plan := planOf(scenarios.Scenario{Executor: scenarios.ConstantVUs, VUs: 200, Duration: 20 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var m *results.Measurements
		var err error
		withFewFiles(t, 30, func() { m, err = Run(ctx, plan, url, Options{backend: by}) })
		if err != nil || !m.Interrupted || m.Elapsed > 10 {
			t.Errorf("%v, interrupted %v after %.1f s", err, m.Interrupted, m.Elapsed)
		}
	})
}

// TestNothingStaysOpen: a run leaves neither files nor goroutines behind, also where it ended before some of its scenarios began.
func TestNothingStaysOpen(t *testing.T) {
	url := serverBeside(t)
	onSenders(t, func(t *testing.T, by backend) {
		before := openFiles(t)
		goroutines := runtime.NumGoroutine()
		for _, wait := range []time.Duration{0, 300 * time.Millisecond} {
			plan := planOf(scenarios.Scenario{Rate: 100, Duration: 200 * time.Millisecond})
			later := plan.Scenarios[0]
			later.Name, later.StartTime = "later", time.Hour
			plan.Scenarios = append(plan.Scenarios, later)
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			m := runBy(t, ctx, by, plan, url)
			cancel()
			if !m.Interrupted || wait > 0 && m.Loads[0].Sent != 20 || m.Loads[1].Sent != 0 {
				t.Errorf("interrupted %v, sent %d and %d", m.Interrupted, m.Loads[0].Sent, m.Loads[1].Sent)
			}
		}
		for end := time.Now().Add(5 * time.Second); openFiles(t) > before || runtime.NumGoroutine() > goroutines; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d files were open and %d are, %d goroutines and %d", before, openFiles(t), goroutines, runtime.NumGoroutine())
			}
		}
	})
}

// TestOwnLagOfTheLastConnection: a generator that is stopped while a connection is idle was late itself, also when that
// connection is the only one.
func TestOwnLagOfTheLastConnection(t *testing.T) {
	onBackends(t, func(t *testing.T, by backend) {
		url := serve(t, func(http.ResponseWriter, *http.Request) {})
		plan := planOf(scenarios.Scenario{Rate: 20, Duration: 1500 * time.Millisecond, MaxVUs: 1})
		const stopped = 500 * time.Millisecond
		// Between two requests, so that the connection is idle.
		stop := exec.Command("sh", "-c", fmt.Sprintf("sleep 0.52; kill -STOP %d; sleep %v; kill -CONT %[1]d", os.Getpid(), stopped.Seconds()))
		if err := stop.Start(); err != nil {
			t.Fatal(err)
		}
		l := run1(t, plan, url, Options{backend: by}).Loads[0]
		if err := stop.Wait(); err != nil {
			t.Fatal(err)
		}
		if least := (stopped - 150*time.Millisecond).Seconds() * 1000; l.Lag.Max() < least || l.OwnLag.Max() < least {
			t.Errorf("lag %.0f ms, own lag %.0f ms, of a stop of %v", l.Lag.Max(), l.OwnLag.Max(), stopped)
		}
	})
}

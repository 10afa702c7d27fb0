package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/vegetaformat"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// withFewFiles runs f while this process may have so many files open, more than it has already.
func withFewFiles(t *testing.T, more int, f func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: uint64(int(procstat.OpenFiles()) + more), Max: limit.Max}
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
	realTime(t)
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

// TestOutOfFiles: a generator that has no files left for its users says so, serves those for whom it has, does not try
// for the others over and over, and ends when it is to.
func TestOutOfFiles(t *testing.T) {
	url := serverBeside(t)
	inTurn(t, senders(), func(t *testing.T, by wire.Backend) {
		for _, s := range []scenarios.Scenario{
			{Load: scenarios.Users{VUs: 200, Duration: 500 * time.Millisecond}, GracefulStop: time.Second},
			{
				Load:         scenarios.ConstantRate{Rate: 1e6, MaxVUs: 200, Duration: 500 * time.Millisecond},
				GracefulStop: time.Millisecond,
			},
		} {
			plan := planOf(s)
			plan.Scenarios[0].Requests[0].Timeout = 500 * time.Millisecond
			var m *results.Measurements
			var limit int64
			withFewFiles(t, 30, func() {
				limit, _ = procstat.Limits()
				m = runBy(t, t.Context(), by, plan, url)
			})
			load, series := m.Loads[0], m.Series[0]
			if load.OutOfFiles == 0 || load.OutOfPorts != 0 || load.Dropped < load.OutOfFiles ||
				load.Planned != load.Sent+load.Dropped || load.MeasuredPlanned != load.Planned {
				t.Errorf("%s: planned %d (measured %d), sent %d, dropped %d, out of files %d times, of ports %d",
					s.Load.Executor(), load.Planned, load.MeasuredPlanned, load.Sent, load.Dropped, load.OutOfFiles,
					load.OutOfPorts)
			}
			timeouts := series.Errors[record.ErrorTimeout]
			if series.Requests < 100 || timeouts > 0 && !s.Load.Open() || m.Elapsed > 10 {
				t.Errorf("%s: %d requests in %.1f s, errors %v", s.Load.Executor(), series.Requests, m.Elapsed,
					series.Errors)
			}
			if most := int64(5 * s.Load.Workers()); !s.Load.Open() && load.OutOfFiles > most {
				t.Errorf("%d attempts of 200 users within half a second, want %d at most", load.OutOfFiles, most)
			}
			v, err := judge.Run(m, nil)
			if err != nil || v.Outcome != results.Invalid {
				t.Errorf("%s: %s, %v", s.Load.Executor(), v.Outcome, err)
			}
			reasons := strings.Join(v.Invalid, "\n")
			for _, want := range []string{
				"out of file descriptors", fmt.Sprintf("(limit %d)", limit),
				"raise it with ulimit -n 2", "the run needs at least",
			} {
				if !strings.Contains(reasons, want) {
					t.Errorf("%s: %q is not in the reasons %q", s.Load.Executor(), want, v.Invalid)
				}
			}
			if strings.Contains(reasons, "maxVUs") || strings.Contains(reasons, "lower the rate") {
				t.Errorf("%s: reasons %q", s.Load.Executor(), v.Invalid)
			}
		}
	})
}

// TestAttackOutOfFiles: an attack without a rate counts what it had no file for, and does not try over and over.
func TestAttackOutOfFiles(t *testing.T) {
	url := serverBeside(t)
	attack := vegetaformat.Attack{
		Targets: []vegeta.Target{{Method: "GET", URL: url}}, Duration: 500 * time.Millisecond, Timeout: 5 * time.Second,
		Workers: 200, MaxWorkers: 200, KeepAlive: true,
	}
	var sum vegetaformat.Summary
	var err error
	withFewFiles(t, 30, func() { sum, err = attack.Run(t.Context(), func(*vegeta.Result) error { return nil }) })
	if err != nil || sum.Unsent == 0 || sum.Unsent > 2000 || sum.Sent <= sum.Unsent {
		t.Errorf("%d of %d were not sent, %v", sum.Unsent, sum.Sent, err)
	}
}

// TestOutOfPorts: the same where there are ten ports. It runs in a network of its own, for which it takes root.
func TestOutOfPorts(t *testing.T) {
	const inside = "HEADROOM_TEST_NETWORK"
	if os.Getenv(inside) == "" {
		if os.Getuid() != 0 && os.Getenv("CI") == "" {
			t.Skip("only root makes a network; CI is root")
		}
		command := exec.Command(os.Args[0], "-test.run=^TestOutOfPorts$", "-test.v")
		command.Env = append(os.Environ(), inside+"=1")
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := raiseLoopback(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) }),
	}
	go server.Serve(listener)
	defer server.Close()
	first := 50000
	inTurn(t, senders(), func(t *testing.T, by wire.Backend) {
		for _, s := range []scenarios.Scenario{
			{Load: scenarios.Users{VUs: 40, Duration: 300 * time.Millisecond}, GracefulStop: time.Second},
			{
				Load:         scenarios.ConstantRate{Rate: 50_000, MaxVUs: 40, Duration: 300 * time.Millisecond},
				GracefulStop: time.Millisecond,
			},
		} {
			ports := fmt.Sprintf("%d %d", first, first+9)
			if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(ports), 0); err != nil {
				t.Fatal(err)
			}
			first += 10 // those of before are in TIME_WAIT
			m := runBy(t, t.Context(), by, planOf(s), "http://127.0.0.1:8080")
			load, series := m.Loads[0], m.Series[0]
			if load.OutOfPorts == 0 || load.OutOfFiles != 0 || load.Planned != load.Sent+load.Dropped ||
				series.Requests < 10 || series.Failed > 40 {
				t.Errorf("%s: planned %d, sent %d, dropped %d, out of ports %d times; %d requests, %d failed: %v",
					s.Load.Executor(), load.Planned, load.Sent, load.Dropped, load.OutOfPorts, series.Requests,
					series.Failed, series.Errors)
			}
			if !s.Load.Open() && load.OutOfPorts > 5*40 {
				t.Errorf("%d attempts of 40 users", load.OutOfPorts)
			}
			v, err := judge.Run(m, nil)
			if reasons := strings.Join(v.Invalid, "\n"); err != nil ||
				!strings.Contains(reasons, "out of local ports (10 ") ||
				!strings.Contains(reasons, "ip_local_port_range") || strings.Contains(reasons, "maxVUs") {
				t.Errorf("%s: reasons %q, %v", s.Load.Executor(), v.Invalid, err)
			}
		}
	})
}

// raiseLoopback makes 127.0.0.1 reachable in a network that was just made.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// TestOutOfFilesAndInterrupted: such a run ends when it is interrupted.
func TestOutOfFilesAndInterrupted(t *testing.T) {
	url := serverBeside(t)
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		plan := planOf(scenarios.Scenario{Load: scenarios.Users{VUs: 200, Duration: 20 * time.Second}})
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

// TestNothingStaysOpen: a run leaves neither files nor goroutines behind, also where it ended before some of its
// scenarios began.
func TestNothingStaysOpen(t *testing.T) {
	url := serverBeside(t)
	inTurn(t, senders(), func(t *testing.T, by wire.Backend) {
		before := int(procstat.OpenFiles())
		goroutines := runtime.NumGoroutine()
		for _, wait := range []time.Duration{0, time.Second} {
			plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
				Rate:     100,
				Duration: 200 * time.Millisecond,
			}})
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
		for end := time.Now().Add(30 * time.Second); int(procstat.OpenFiles()) > before ||
			runtime.NumGoroutine() > goroutines; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d files were open and %d are, %d goroutines and %d", before, int(procstat.OpenFiles()),
					goroutines, runtime.NumGoroutine())
			}
		}
	})
}

// TestOwnLagOfTheLastConnection: a generator that is stopped while a connection is idle was late itself, also when that
// connection is the only one. On a busy machine it may be stopped while an answer is under way, which shows nothing.
func TestOwnLagOfTheLastConnection(t *testing.T) {
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		url := serve(t, func(http.ResponseWriter, *http.Request) {})
		const stopped, tries = 500 * time.Millisecond, 5
		least := (stopped - 150*time.Millisecond).Seconds() * 1000
		for try := 1; ; try++ {
			l := stoppedRun(t, by, url, stopped)
			if l.Lag.Max() >= least && l.OwnLag.Max() >= least {
				return
			}
			if try == tries {
				t.Fatalf("lag %.0f ms, own lag %.0f ms, of a stop of %v", l.Lag.Max(), l.OwnLag.Max(), stopped)
			}
		}
	})
}

// stoppedRun sends 20 requests a second on one connection, and stops this process once, between two of them if nothing
// else delays it.
func stoppedRun(t *testing.T, by wire.Backend, url string, stopped time.Duration) *results.Load {
	t.Helper()
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
		Rate: 20, Duration: 1500 * time.Millisecond, MaxVUs: 1,
	}})
	stop := exec.Command("sh", "-c",
		fmt.Sprintf("sleep 0.52; kill -STOP %d; sleep %v; kill -CONT %[1]d", os.Getpid(), stopped.Seconds()))
	err := stop.Start()
	if err != nil {
		t.Fatal(err)
	}
	l := run1(t, plan, url, Options{backend: by}).Loads[0]
	err = stop.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

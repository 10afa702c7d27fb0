package loadgen

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/lightserver"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// lightServerVariable makes the test binary a light server instead, with this delay, and by HTTP/2 where that is a
// word behind it.
const lightServerVariable = "HEADROOM_TEST_LIGHT_SERVER"

func TestMain(m *testing.M) {
	if delay := os.Getenv(lightServerVariable); delay != "" {
		fmt.Println(serveLight(delay))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveLight(text string) error {
	delay, http2 := strings.CutSuffix(text, " HTTP/2")
	d, err := time.ParseDuration(delay)
	if err != nil {
		return err
	}
	if err := pin(1); err != nil {
		return err
	}
	s, err := lightserver.Listen(d)
	if err != nil {
		return err
	}
	s.HTTP2 = http2
	fmt.Println(s.Port)
	if d == 0 && !http2 { // by epoll it would be the limit of a closed loop
		fmt.Fprintln(os.Stderr, s.RunRing())
	}
	return s.Run()
}

// pin keeps all threads of this process, and those that they will start, to one CPU.
func pin(cpu int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(cpu)
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
			return fmt.Errorf("pin to CPU %d: %w", cpu, err)
		}
	}
	return nil
}

// startLight starts a light server in a process of its own on CPU 1 and keeps this process to CPU 0.
func startLight(b *testing.B, delay string) (url string) {
	b.Helper()
	if err := pin(0); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lightServerVariable+"="+delay)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	port, err := bufio.NewReader(out).ReadString('\n')
	if _, bad := strconv.Atoi(strings.TrimSpace(port)); err != nil || bad != nil {
		b.Fatalf("the light server says %q, %v", port, err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

// BenchmarkSendError is the send-time error (actual minus intended instant) and the CPU of the generator on one core,
// with a server on another that answers in 2 ms, over 64 connections. One operation is a run of four seconds.
func BenchmarkSendError(b *testing.B) {
	url := startLight(b, "2ms")
	for _, by := range []wire.Backend{wire.IOUring, wire.Epoll} {
		for _, pacing := range []scenarios.Pacing{scenarios.Precise, scenarios.Spin, scenarios.Economical} {
			for _, rate := range []float64{2000, 10_000, 20_000} {
				b.Run(fmt.Sprintf("%s/%s/%.0f", by, pacing, rate), func(b *testing.B) {
					for range b.N {
						plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
							Rate:     rate,
							Duration: 4 * time.Second, MaxVUs: 64,
						}, Warmup: 500 * time.Millisecond})
						plan.Pacing = pacing
						m := run1(b, plan, url, Options{backend: by, Shared: true})
						l := m.Loads[0]
						b.ReportMetric(1000*l.Lag.Percentile(50), "µs-P50")
						b.ReportMetric(1000*l.Lag.Percentile(99), "µs-P99")
						b.ReportMetric(1000*l.OwnLag.Percentile(99), "µs-own-P99")
						b.ReportMetric(m.Generator.CPUCores(), "cores")
						b.ReportMetric(100*float64(l.Sent)/float64(l.Planned), "%-sent")
						b.ReportMetric(m.Series[0].Service.Percentile(50), "ms-service-P50")
					}
				})
			}
		}
	}
}

// BenchmarkClosedLoop is the rate of 64 users without think time against a light server, generator and server on a core
// each, with a weighted mix of three requests with values in their paths, over a connection each or by HTTP/2 over
// eight. One operation is a run of three seconds. The allocations are those of the whole process: preparing and ending
// a run makes some thousands.
func BenchmarkClosedLoop(b *testing.B) {
	plain, http2 := startLight(b, "0s"), startLight(b, "0s HTTP/2")
	hole := scenarios.Part{Value: "id"}
	var requests []scenarios.Request
	for i, name := range []string{"item", "list", "other"} {
		requests = append(requests, scenarios.Request{
			Name: name, Weight: 5 - i, Method: "GET", Timeout: 5 * time.Second,
			Path: scenarios.Template{{Literal: "/" + name + "/"}, hole},
			Values: []scenarios.Value{{
				Name: "id", Keys: scenarios.RangeKeys{From: 1, To: 100_000},
				Choice: scenarios.Zipf, Exponent: 1.1,
			}},
		})
	}
	for _, by := range wire.Backends() {
		for version, url := range map[string]string{"HTTP1": plain, "HTTP2": http2} {
			b.Run(string(by)+"/"+version, func(b *testing.B) {
				for range b.N {
					plan := planOf(scenarios.Scenario{
						Load:     scenarios.Users{VUs: 64, Duration: 3 * time.Second},
						Requests: requests,
					})
					if version == "HTTP2" {
						by2(plan, 8)
					}
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					m := run1(b, plan, url, Options{backend: by, Shared: true})
					runtime.ReadMemStats(&after)
					sent := float64(m.Loads[0].Sent)
					b.ReportMetric(sent/m.Elapsed, "requests/s")
					b.ReportMetric(1e6*m.Generator.CPUSeconds/sent, "CPU-µs/request")
					b.ReportMetric(float64(after.Mallocs-before.Mallocs)/sent, "allocs/request")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

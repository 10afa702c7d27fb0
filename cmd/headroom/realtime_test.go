package main

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
	"github.com/policycortex/headroom/results"
)

// smallRealtime makes the shipped scenario one of 20 subscribers, 40 changes a second, and 8 seconds.
var smallRealtime = []string{
	"environment.fixtures.resources=1000", "environment.server.postgres_max_conns=4",
	"scenarios.live.subscribers=20", "scenarios.live.rampUp=500ms", "scenarios.live.duration=7500ms",
	"scenarios.live.warmup=1s", "scenarios.changes.rate=40", "scenarios.changes.startTime=500ms",
	"scenarios.changes.duration=7500ms", "scenarios.changes.warmup=500ms", "faults.0.at=3s", "faults.1.at=5500ms",
	// These depend on the machine.
	"thresholds.stream_delivery=max<60000", "thresholds.stream_events=count>500",
	"thresholds.stream_connected=rate>0.5", "thresholds.http_reqs=count>0",
}

// TestRealtime kills an instance and restarts it while changes are made and subscribers of both instances read. Those
// of the killed one go on at the other: without a loss and a double, and with the time that the events had waited for
// them. Where they do not go on after their last event, the scenario's gate says that they have missed some.
func TestRealtime(t *testing.T) {
	t.Parallel()
	needBalancer(t, "nginx")
	for name, resumes := range map[string]bool{"resuming": true, "beginning anew": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, out := small(t, "realtime", smallRealtime...)
			if !resumes {
				p.Args = append(p.Args, "--set", "scenarios.live.resume=false")
			}
			if resumes {
				p.holds(t, out)
			} else {
				p.exits(t, exitCrossed, exitInvalid)
			}
			run, err := results.Read(out)
			if err != nil {
				t.Fatal(err)
			}
			s := run.Measurements.Streams[0]
			if s.Breaks == 0 || s.Breaks > 20 || s.Refused != 0 || s.Most != 20 || s.Repeated != 0 ||
				s.Numbered != s.Events || s.Untimed != 0 || s.FromFuture != 0 {
				t.Errorf("%+v", s.StreamCounts)
			}
			if resumes != (s.Resumed > 0) || resumes != (s.Missed == 0) {
				t.Errorf("%d resumed, %d events missed", s.Resumed, s.Missed)
			}
			// Each subscriber's tenant has a change in a quarter of a second, and the pause before the next attempt is
			// at least half of one.
			if late := s.Delivery.Max(); resumes && late < 200 {
				t.Errorf("the latest event took %v ms: those that were missed at first were not timed", late)
			}
			var done []string
			for _, mark := range run.Measurements.Marks {
				done = append(done, mark.Text+mark.Error)
			}
			if got := strings.Join(done, ", "); got != "kill instance 2, restart instance 2" {
				t.Errorf("what was done: %s", got)
			}
		})
	}
}

// BenchmarkTenThousandSubscribers has 10,000 subscribers in one process read from one instance of the reference server,
// which has 10 changes a second: 10,000 deliveries a second. It reports the memory of both processes at its peak, and
// how long deliveries took. Run it with -benchtime 1x.
func BenchmarkTenThousandSubscribers(b *testing.B) {
	const subscribers = 10_000
	for b.Loop() {
		p, out := small(b, "realtime",
			"environment.instances=1", "environment.balancer=null", "faults=null", "scenarios.live.subscribers=10000",
			"scenarios.live.rampUp=20s", "scenarios.live.duration=20s", "scenarios.live.warmup=25s",
			"scenarios.changes.rate=10", "scenarios.changes.startTime=20s", "scenarios.changes.duration=20s",
			"scenarios.changes.warmup=5s",
			"thresholds.stream_delivery=max<60000", "thresholds.stream_connected=rate>0.999",
			"thresholds.stream_events=count>0", "thresholds.http_reqs=count>0")
		if err := p.Start(); err != nil {
			b.Fatal(err)
		}
		generator, server, err := peaksUntilTheEnd(b, p)
		run, readErr := results.Read(out)
		if readErr != nil {
			b.Fatalf("%v, %v\n%s", err, readErr, &p.stderr)
		}
		s := run.Measurements.Streams[0]
		if s.Most != subscribers || s.Missed != 0 || s.Repeated != 0 {
			b.Errorf("%d subscribers: %+v\n%s", s.Most, s.StreamCounts, &p.stdout)
		}
		b.ReportMetric(float64(generator)/1e6, "generator-MB")
		b.ReportMetric(float64(server)/1e6, "server-MB")
		b.ReportMetric(s.Delivery.Percentile(50), "delivery-P50-ms")
		b.ReportMetric(s.Delivery.Percentile(95), "delivery-P95-ms")
		b.ReportMetric(float64(s.Events), "events")
	}
}

// peaksUntilTheEnd waits for a run and returns the most that it and its instance of the reference server had in memory,
// in bytes.
func peaksUntilTheEnd(b *testing.B, p *program) (generator, server int64, err error) {
	b.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	for instance := 0; ; {
		select {
		case err := <-ended:
			return generator, server, err
		case <-time.After(200 * time.Millisecond):
		}
		if instance == 0 {
			for _, pid := range instancesOf(b, p.Process.Pid) {
				instance = pid
			}
		}
		// A process that has ended has no file to read, and its peak was read before.
		generator = max(generator, peakOf(p.Process.Pid))
		server = max(server, peakOf(instance))
	}
}

func peakOf(pid int) int64 {
	bytes, err := sidebyside.PeakBytes(pid)
	if err != nil {
		return 0
	}
	return bytes
}

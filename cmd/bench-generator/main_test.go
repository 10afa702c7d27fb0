package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// TestMain is the program itself when it is started as one of its servers.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		main()
	}
	os.Exit(m.Run())
}

func buildHeadroom(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "headroom")
	if out, err := exec.Command("go", "build", "-o", path, "../headroom").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestWholeRun measures every installed generator for a second, and then the freezing server at one rate. It checks
// that each generator does what it is measured for, whatever its figures are. A peer that is not installed has its row
// as well.
func TestWholeRun(t *testing.T) {
	all := freezeRates
	t.Cleanup(func() { freezeRates = all })
	freezeRates = freezeRates[:1]
	headroom := buildHeadroom(t)
	for _, args := range [][]string{
		{"--rounds", "1", "--seconds", "1"},
		{"--freeze", "--seconds", "2"},
		{"--http2", "--rounds", "1", "--seconds", "1"},
		{"--tls", "--rounds", "1", "--seconds", "1"},
		{"--http2", "--tls", "--rounds", "1", "--seconds", "1"},
	} {
		markdown := filepath.Join(t.TempDir(), "table.md")
		var out, errs bytes.Buffer
		code := run(&out, &errs, append(args, "--headroom", headroom, "--markdown", markdown))
		if !slices.Contains([]int{sidebyside.ExitOK, sidebyside.ExitMissed, sidebyside.ExitInvalid}, code) ||
			strings.Contains(out.String(), "NOT VALID") {
			t.Fatalf("%v: exit code %d\n%s\n%s", args, code, &out, &errs)
		}
		table, err := os.ReadFile(markdown)
		if err != nil {
			t.Fatal(err)
		}
		o := options{http2: args[0] == "--http2", tls: slices.Contains(args, "--tls")}
		for _, g := range o.generators() {
			freezing := slices.Contains(args, "--freeze")
			if freezing && !g.open || !freezing && !g.closed {
				continue
			}
			if !strings.Contains(out.String(), g.name+"  ") || !strings.Contains(string(table), " | "+g.name+" | ") {
				t.Errorf("%v: no row for %s in\n%s", args, g.name, &out)
			}
		}
		t.Logf("\n%s", &out)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--rounds", "0"},
		{"--no-such-flag"},
		{"word"},
		{"--freeze", "--seconds", "3"},
		{"--freeze", "--http2", "--tls"},
		{"--headroom", "/no/such/file"},
	} {
		var out, errs bytes.Buffer
		if code := run(&out, &errs, args); code != sidebyside.ExitUsage || errs.Len() == 0 {
			t.Errorf("%v: exit code %d, says %q", args, code, &errs)
		}
	}
}

// TestTruth holds the formula against the figures that the issue of the comparison gives, and against the queue worked
// off request by request.
func TestTruth(t *testing.T) {
	for _, tc := range []struct {
		rate, connections int
		p50, p95, p99     float64
	}{
		{5000, 64, 2, 118.2, 186.2},
		{5000, 0, 2, 104.2, 184.2},
	} {
		times := truth(tc.rate, tc.connections)
		for q, want := range map[float64]float64{0.5: tc.p50, 0.95: tc.p95, 0.99: tc.p99} {
			if got := ms(quantile(times, q)); msText(got) != msText(want) {
				t.Errorf("%d/s, %d connections: P%v = %v ms, want %v", tc.rate, tc.connections, 100*q, got, want)
			}
		}
	}
	for _, rate := range freezeRates {
		times, queued := truth(rate, connections), queue(rate, connections)
		if len(times) != len(queued) {
			t.Fatalf("%d/s: %d requests, the queue has %d", rate, len(times), len(queued))
		}
		for _, q := range []float64{0.5, 0.95, 0.99} {
			got, want := ms(quantile(times, q)), ms(quantile(queued, q))
			if got < 0.995*want || got > 1.005*want {
				t.Errorf("%d/s: P%v = %v ms, the queue says %v", rate, 100*q, got, want)
			}
		}
	}
}

// queue works a period off: the requests that are sent evenly take the connection that is free first, and the server
// reads nothing and answers nothing from one second after the beginning on, until it goes on.
func queue(rate, connections int) []time.Duration {
	stop, goOn := freezeEvery/2, freezeEvery/2+freezeFor
	free := make([]time.Duration, connections)
	var times []time.Duration
	for n := range rate * int(freezeEvery/time.Second) {
		intended := time.Duration(n) * time.Second / time.Duration(rate)
		c := slices.Index(free, slices.Min(free))
		read := max(intended, free[c])
		if read >= stop && read < goOn {
			read = goOn
		}
		answered := read + freezeService
		if answered >= stop && answered < goOn {
			answered = goOn
		}
		free[c] = answered
		times = append(times, answered-intended)
	}
	slices.Sort(times)
	return times
}

func racing(name, server string, cpu time.Duration, disturbed float64, rates ...float64) *racer {
	i := slices.IndexFunc(generators, func(g *generator) bool { return g.name == name })
	r := &racer{generator: generators[i], server: server, turns: map[int]turn{}}
	for round, rate := range rates {
		r.turns[round] = turn{
			report: report{requests: 1e6, rate: rate}, cpu: cpu, wall: 10 * time.Second,
			memory: 5 << 20, disturbed: disturbed,
		}
	}
	return r
}

func TestJudgeRace(t *testing.T) {
	wrk := racing(wrkName, "light", 8*time.Second, 0, 100, 200)
	for _, tc := range []struct {
		name  string
		racer *racer
		code  int
		says  string
	}{
		{
			"held", racing(ringName, "light", 6*time.Second, 0, 140, 280), sidebyside.ExitOK,
			"held: rate of headroom, io_uring is 1.40 of wrk's",
		},
		{
			"too slow", racing(ringName, "light", 6*time.Second, 0, 139, 278), sidebyside.ExitMissed,
			"MISSED: rate of headroom, io_uring is 1.39 of wrk's",
		},
		{
			"too dear", racing(ringName, "light", 7*time.Second, 0, 140, 280), sidebyside.ExitMissed,
			"MISSED: CPU time a request",
		},
		{"disturbed", racing(ringName, "light", 6*time.Second, 0.06, 140, 280), sidebyside.ExitInvalid, "DISTURBED"},
		{"of another server", racing(ringName, "nginx", 9*time.Second, 0, 1, 1), sidebyside.ExitOK, ""},
	} {
		var out bytes.Buffer
		if code := judgeRace(&out, []*racer{wrk, tc.racer}, "light", aims); code != tc.code ||
			!strings.Contains(out.String(), tc.says) {
			t.Errorf("%s: exit code %d, want %d; says %s", tc.name, code, tc.code, &out)
		}
		if tc.says != "" && !strings.Contains(out.String(), "not measured: rate of headroom, io_uring beside k6's") {
			t.Errorf("%s: a peer that was not measured is silently left out: %s", tc.name, &out)
		}
	}
}

// TestRaceRows: ratios are of the same round, a peer that is not there is named.
func TestRaceRows(t *testing.T) {
	absent := racing(k6, "light", 0, 0)
	absent.absent = true
	rows := raceRows([]*racer{
		racing(wrkName, "light", 8*time.Second, 0, 100, 200, 400),
		racing(ringName, "light", 6*time.Second, 0, 150, 300, 640), absent,
	}, wrkName)
	for i, want := range [][]string{
		{"light", "wrk", "200", "100–400", "1.00", "8.0", "1.00", "0.80", "5", "0.0 %"},
		{"light", "headroom, io_uring", "300", "150–640", "1.50", "6.0", "0.75", "0.60", "5", "0.0 %"},
		{"light", "k6", "missing (--install, or go install go.k6.io/k6@v1.8.1)", "", "", "", "", "", "", ""},
	} {
		if !slices.Equal(rows[i], want) {
			t.Errorf("row %q, want %q", rows[i], want)
		}
	}
}

func TestJudgeFreeze(t *testing.T) {
	say := func(p95, p99 float64) *freezeResult {
		return &freezeResult{
			generator: generators[1], rate: 5000,
			turn: turn{report: report{rate: 5000, p95: p95, p99: p99}},
		}
	}
	for _, tc := range []struct {
		t    *freezeResult
		code int
		says string
	}{
		{say(120, 187), sidebyside.ExitOK, "held"},
		{say(121, 187), sidebyside.ExitMissed, "MISSED"},
		{say(118, 180), sidebyside.ExitMissed, "MISSED"},
		{&freezeResult{generator: generators[1], rate: 5000, fault: errFormat}, sidebyside.ExitInvalid, "NOT VALID"},
	} {
		var out bytes.Buffer
		if code := judgeFreeze(&out, []*freezeResult{tc.t}); code != tc.code ||
			!strings.HasPrefix(out.String(), tc.says) {
			t.Errorf("exit code %d, want %d; says %s", code, tc.code, &out)
		}
	}
}

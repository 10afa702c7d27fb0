package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain is the program itself when it is started as one of its servers.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		main()
	}
	os.Exit(m.Run())
}

// TestWholeRun lets every contender take one turn of a second. What the figures are is not its concern; that each server
// does what it is measured for is, and the program ends with an error when one does not.
func TestWholeRun(t *testing.T) {
	markdown := filepath.Join(t.TempDir(), "table.md")
	var out, errs bytes.Buffer
	code := run(&out, &errs, []string{"--rounds", "1", "--seconds", "1", "--resources", "40000", "--markdown", markdown})
	if !slices.Contains([]int{exitOK, exitMissed, exitInvalid}, code) || out.Len() == 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, &out, &errs)
	}
	table, err := os.ReadFile(markdown)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders {
		for text, separator := range map[string]string{out.String(): "  ", string(table): " | "} {
			if !strings.Contains(text, c.name+separator) || !strings.Contains(text, c.group) {
				t.Errorf("no row for %s (%s) in\n%s", c.name, c.group, text)
			}
		}
	}
	t.Logf("\n%s", &out)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--no-such-flag"}, {"word"}, {"--resources", "1"}} {
		var out, errs bytes.Buffer
		if code := run(&out, &errs, args); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%v: exit code %d, says %q", args, code, &errs)
		}
	}
}

func measurement(c *contender, disturbed float64, rates ...float64) *measured {
	m := &measured{contender: c}
	for _, rate := range rates {
		m.results = append(m.results, result{rate: rate, cpu: time.Duration(1e9 / rate), disturbed: disturbed, levelShare: 1})
	}
	return m
}

func TestVerdict(t *testing.T) {
	baseline, ours := contenders[0], contenders[3]
	for _, tc := range []struct {
		name string
		rows []*measured
		code int
		says string
	}{
		{"held", []*measured{measurement(baseline, 0, 100, 300, 200), measurement(ours, 0, 170, 1, 400)}, exitOK, ""},
		{"missed", []*measured{measurement(baseline, 0, 200), measurement(ours, 0, 168)}, exitMissed, "MISSED"},
		{"disturbed", []*measured{measurement(baseline, 0, 200), measurement(ours, 0.06, 168)}, exitInvalid, "DISTURBED"},
		{"another level answered", []*measured{measurement(baseline, 0, 200), {contender: ours, fault: errInvalid}}, exitInvalid, "NOT VALID"},
		{"nothing to compare with", []*measured{measurement(ours, 0, 168)}, exitOK, ""},
	} {
		var out bytes.Buffer
		if code := verdict(&out, tc.rows); code != tc.code || !strings.Contains(out.String(), tc.says) {
			t.Errorf("%s: exit code %d, want %d; says %q", tc.name, code, tc.code, &out)
		}
	}
}

func TestMiddle(t *testing.T) {
	if odd, even := middle([]float64{1, 2, 9}), middle([]float64{1, 2, 4, 9}); odd != 2 || even != 3 {
		t.Errorf("medians %v and %v, want 2 and 3", odd, even)
	}
}

// TestDisturbance: of two seconds of two CPUs, ours used 1.5 s, wrk 0.5 s, others 0.8 s, and 0.2 s were stolen.
func TestDisturbance(t *testing.T) {
	at := time.Now()
	before := usage{at: at, busy: 5 * time.Second, stolen: time.Second, processes: map[int]time.Duration{7: time.Second}}
	after := usage{
		at: at.Add(2 * time.Second), busy: 7800 * time.Millisecond, stolen: 1200 * time.Millisecond,
		processes: map[int]time.Duration{7: 2 * time.Second, 8: 500 * time.Millisecond},
	}
	cpus := whole(at, after.at)
	if got, want := disturbance(before, after, 500*time.Millisecond), float64(time.Second)/float64(cpus); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestReadUsage(t *testing.T) {
	u, err := readUsage()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := u.processes[os.Getpid()]; !ok || u.busy <= 0 {
		t.Errorf("this process or the CPU time is not in %+v", u)
	}
	if memory, err := residentBytes(os.Getpid()); err != nil || memory < 1<<20 {
		t.Errorf("%d bytes resident, error %v", memory, err)
	}
}

func TestShare(t *testing.T) {
	before := served{"l1": 10, "l2": 5, "miss": 100}
	after := served{"l1": 11, "l2": 104, "miss": 100}
	if got := share(before, after, "l2"); got != 0.99 {
		t.Errorf("share %v, want 0.99", got)
	}
	if got := share(before, before, "l2"); got != 0 {
		t.Errorf("share of no requests %v", got)
	}
}

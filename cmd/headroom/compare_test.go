package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCompareLongRuns: two real runs that are long enough to tell differ when the service became slower, and
// that is all that is said. It became slower by more than a busy machine adds to either run.
func TestCompareLongRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for name, wait := range map[string]time.Duration{"before": 0, "after": 300 * time.Millisecond} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(wait)
			fmt.Fprintln(w, "hello")
		}))
		t.Cleanup(s.Close)
		file := scenario(t, s.URL, closed, `http_req_duration: p(95)<10000`)
		all.Go(func() {
			p := headroom(t, "run", file, "--set", "scenarios.steady.duration=12s", "--set",
				"scenarios.steady.thinkTime=10ms", "--set", "scenarios.steady.vus=8", "--out", filepath.Join(dir, name))
			if err := p.Run(); err != nil {
				t.Errorf("%s: %v: %s", name, err, p.stderr.String())
			}
		})
	}
	all.Wait()
	p := headroom(t, "compare", filepath.Join(dir, "before"), filepath.Join(dir, "after"), "--json")
	p.exits(t, exitOK)
	says(t, p.stderr.String(), "Headroom: +", "steady    root     P95", "differs", "p(95)<10000",
		"headroom ab")
	if doc := compared(t, p); !doc.Comparable || len(doc.Requests) != 1 || doc.Judged ||
		doc.Requests[0].P95.Finding != "differs" || strings.Contains(p.stdout.String()+p.stderr.String(), "worse") {
		t.Errorf("%+v", doc)
	}
}

// TestCompareRuns: of runs that are too short nothing is told, however far apart they are, the same run is no change,
// and runs of other loads, parts and invalid ones are refused by their exit codes.
func TestCompareRuns(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if slow.Load() {
			time.Sleep(30 * time.Millisecond)
		}
		fmt.Fprintln(w, "hello")
	}))
	t.Cleanup(s.Close)
	file := scenario(t, s.URL, closed, `http_req_duration: p(95)<10000`)
	dir := t.TempDir()
	measure := func(name string, args ...string) string {
		p := headroom(t, append([]string{"run", file, "--out", filepath.Join(dir, name)}, args...)...)
		p.exits(t, exitOK)
		return filepath.Join(dir, name)
	}
	before := measure("before")
	slow.Store(true)
	after := measure("after")

	p := headroom(t, "compare", before, filepath.Join(after, "run.json"))
	p.exits(t, exitOK)
	says(t, p.stdout.String(), before, "the runs are too short", "Headroom: +", "steady    root     P95", "p(95)<10000")
	if strings.Contains(p.stdout.String(), "differs") {
		t.Errorf("short runs are told apart:\n%s", p.stdout.String())
	}
	script := headroom(t, "compare", before, after, "--json")
	script.exits(t, exitOK)
	says(t, script.stderr.String(), "Headroom: +")
	if doc := compared(t, script); !doc.Comparable || len(doc.Requests) != 1 || doc.Requests[0].Name != "root" ||
		doc.Requests[0].P95.Finding != "unknown" {
		t.Errorf("%+v", doc)
	}
	same := headroom(t, "compare", before, before)
	same.exits(t, exitOK)
	says(t, same.stdout.String(), "These runs cannot show a difference: the runs are too short")

	other := headroom(t, "compare", before, measure("other", "--set", "scenarios.steady.vus=3"))
	other.exits(t, exitUsage)
	says(t, other.stderr.String(), "vus is 2 in one and 3 in the other")
	unlike := headroom(t, "compare", before, filepath.Join(dir, "other"), "--json")
	unlike.exits(t, exitUsage)
	if doc := compared(t, unlike); doc.Comparable ||
		!strings.Contains(doc.Reason, "vus is 2 in one and 3 in the other") {
		t.Errorf("%+v", doc)
	}
	one := headroom(t, "compare", before)
	one.exits(t, exitUsage)
	says(t, one.stderr.String(), "needs two saved runs or directories of runs")

	run := filepath.Join(after, "run.json")
	if err := os.WriteFile(run, []byte(strings.Replace(text(t, run), `"outcome": "PASS"`, `"outcome": "INVALID"`, 1)),
		0o644); err != nil {
		t.Fatal(err)
	}
	invalid := headroom(t, "compare", before, after)
	invalid.exits(t, exitInvalid)
	says(t, invalid.stdout.String(), "The runs cannot be compared: the new run is INVALID")
	script = headroom(t, "compare", before, after, "--json")
	script.exits(t, exitInvalid)
	if doc := compared(t, script); doc.Comparable || !strings.Contains(doc.Reason, "the new run is INVALID") {
		t.Errorf("%+v", doc)
	}
}

// comparedDoc is the part of a comparison for scripts that the test looks at.
type comparedDoc struct {
	Comparable bool
	Judged     bool
	Reason     string
	Requests   []struct {
		Name string
		P95  struct{ Finding string } `json:"response_p95_ms"`
	}
}

// compared reads the comparison on the standard output of a command.
func compared(t *testing.T, p *program) comparedDoc {
	t.Helper()
	var doc comparedDoc
	if err := json.Unmarshal(p.stdout.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %s", err, p.stdout.String())
	}
	return doc
}

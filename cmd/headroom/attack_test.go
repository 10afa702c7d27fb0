package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// metricsOf reads results as vegeta report does.
func metricsOf(t *testing.T, r io.Reader) *vegeta.Metrics {
	t.Helper()
	decode := vegeta.DecoderFor(r)
	if decode == nil {
		t.Fatal("vegeta knows none of its encodings in the results")
	}
	var m vegeta.Metrics
	for {
		var one vegeta.Result
		if err := decode.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		m.Add(&one)
	}
	m.Close()
	return &m
}

// TestAttackIsReadByVegeta: vegeta's flags and targets go in, and results come out that vegeta's own decoder reads.
func TestAttackIsReadByVegeta(t *testing.T) {
	t.Parallel()
	server := newCounting(t, "127.0.0.1:0")
	for _, encoding := range []string{"gob", "json", "csv"} {
		p := headroom(t, "attack", "-rate", "200/1s", "-duration=500ms", "-encoding", encoding, "-header", "X-A: b",
			"-name", "try")
		p.Stdin = strings.NewReader("GET " + server.url + "/a\nX-B: c\n\nDELETE " + server.url + "/b\n")
		p.exits(t, exitOK)
		says(t, p.stderr.String(), "sent 100 requests of 100", "P99")
		m := metricsOf(t, &p.stdout)
		if m.Requests != 100 || m.Success != 1 || m.StatusCodes["200"] != 100 || m.Latencies.P50 <= 0 {
			t.Errorf("%s: %d requests, success %v, %v", encoding, m.Requests, m.Success, m.StatusCodes)
		}
		got := map[string]int{}
		for _, line := range server.take() {
			got[strings.TrimSpace(line)]++
		}
		if got["GET /a"] != 50 || got["DELETE /b"] != 50 {
			t.Errorf("%s: the service got %v", encoding, got)
		}
	}
}

func TestAttackJSONTargetsWithBody(t *testing.T) {
	t.Parallel()
	server := newCounting(t, "127.0.0.1:0")
	dir := t.TempDir()
	targets, out := filepath.Join(dir, "targets.json"), filepath.Join(dir, "results.bin")
	line := `{"method":"POST","url":"` + server.url + `/x","body":"aGVsbG8="}` + "\n"
	if err := os.WriteFile(targets, []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	headroom(t, "attack", "--targets", targets, "--format", "json", "--rate", "50", "--duration", "200ms", "--output",
		out).exits(t, exitOK)
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m := metricsOf(t, f); m.Requests != 10 || m.StatusCodes["201"] != 10 || m.BytesOut.Total != 50 {
		t.Errorf("%d requests, %v, %d bytes out", m.Requests, m.StatusCodes, m.BytesOut.Total)
	}
	if got := server.take(); len(got) != 10 || got[0] != "POST /x hello" {
		t.Errorf("the service got %q", got)
	}
}

// TestAttackCountsTheWait: while one request blocks the only worker, those that had to wait are timed from when they
// were due; by vegeta's meaning they are fast.
func TestAttackCountsTheWait(t *testing.T) {
	for _, serviceTime := range []string{"false", "true"} {
		var n atomic.Int64
		url := serviceOf(t, func(http.ResponseWriter, *http.Request) {
			if n.Add(1) == 1 {
				time.Sleep(time.Second)
			}
		})
		p := headroom(t, "attack", "-rate", "100", "-duration", "1s", "-workers", "1", "-max-workers", "1",
			"-service-time="+serviceTime)
		p.Stdin = strings.NewReader("GET " + url + "/")
		p.exits(t, exitOK)
		m := metricsOf(t, &p.stdout)
		// Of 100 requests over the second that the service stood still, half waited for more than half of it.
		if slow := m.Latencies.P50 > 300*time.Millisecond; m.Requests != 100 || slow == (serviceTime == "true") {
			t.Errorf("--service-time=%s: P50 %v of %d requests", serviceTime, m.Latencies.P50, m.Requests)
		}
	}
}

func TestAttackMistakesExit104(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		say  string
	}{
		{[]string{"-rate", "fast"}, "50/1s"},
		{[]string{"-format", "xml"}, "http or json"},
		{[]string{"-encoding", "xml"}, "gob, json or csv"},
		{[]string{"-header", "nothing"}, "Name: value"},
		{[]string{"-targets", "missing.txt"}, "missing.txt"},
		{[]string{"-max-workers", "0"}, "above 0"},
	} {
		p := headroom(t, append([]string{"attack"}, tt.args...)...)
		p.Stdin = strings.NewReader("GET http://127.0.0.1:1/")
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), tt.say)
	}
}

func TestReportWritesPercentiles(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", scenario(t, service(t), closed, `http_reqs: count>0`), "--out", "out")
	p.exits(t, exitOK)
	out := filepath.Join(p.Dir, "out")
	headroom(t, "report", out, "--hdr").exits(t, exitOK)
	for _, file := range []string{"response-steady.hgrm", "response-steady.root.hgrm"} {
		says(t, text(t, filepath.Join(out, file)), "Value\tPercentile\tTotalCount\t1/(1-Percentile)", "#[Mean",
			"#[Buckets")
	}
}

// signedIn tells as whom each request came.
func signedIn(seen chan<- string) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		seen <- strings.TrimSpace(fmt.Sprintln(user, password, ok))
	}
}

func serviceOf(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// TestAttackSaysWhyRequestsFailed names the most frequent reason, whatever ports the connections had.
func TestAttackSaysWhyRequestsFailed(t *testing.T) {
	t.Parallel()
	for want, errors := range map[string][]string{
		"":                      {"", ""},
		"; 1 of them failed: b": {"", "b"},
		"; nothing succeeded: all of them failed: 503 no": {"503 no", "503 no"},
		"; 3 of them failed, 2 of them with: read tcp 127.0.0.1:80: reset": {
			"", "a",
			"read tcp 127.0.0.1:4031->127.0.0.1:80: reset", "read tcp 127.0.0.1:4032->127.0.0.1:80: reset",
		},
	} {
		r, failed := reasons{}, int64(0)
		for _, e := range errors {
			r.count(e)
			if e != "" {
				failed++
			}
		}
		if got := r.text(int64(len(errors)), failed); got != want {
			t.Errorf("%q: %q, want %q", errors, got, want)
		}
	}
	p := headroom(t, "attack", "-rate", "50", "-duration", "100ms", "-output", t.TempDir()+"/out")
	p.Stdin = strings.NewReader("GET http://127.0.0.1:1/")
	p.exits(t, exitOK)
	says(t, p.stderr.String(), "nothing succeeded: all of them failed: ", "connection refused")
}

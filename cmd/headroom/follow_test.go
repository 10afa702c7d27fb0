package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestFollowers: a run shows itself while it goes on, writes its seconds as JSON lines, and says what another output
// could not deliver.
func TestFollowers(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(service.Close)
	p := headroom(t, "run", "-", "--out", "out", "--quiet", "--live", "--metrics", "jsonl=run.jsonl",
		"--metrics", "otlp=http://127.0.0.1:1/v1/metrics")
	p.Stdin = strings.NewReader(`
name: followed
target:
  url: ` + service.URL + `
scenarios:
  steady:
    executor: constant-arrival-rate
    rate: 50
    duration: 4s
    requests:
      - name: get
        path: /
thresholds:
  http_reqs: ["count>0"]
`)
	read, written := io.Pipe()
	p.Stderr = io.MultiWriter(&p.stderr, written)
	ended := make(chan event, 1)
	go func() { ended <- lastEvent(t, read) }()
	p.exits(t, exitOK, exitInvalid)
	written.Close()
	last := <-ended
	if last.kind != "end" || !strings.Contains(last.HTML["live-headline"], "The report is in out") ||
		!strings.Contains(last.HTML["live-gates"], "count&gt;0") || len(last.Charts) < 2 {
		t.Errorf("the last event is %q: %v, with %d charts", last.kind, last.HTML, len(last.Charts))
	}
	run, err := results.Read(filepath.Join(p.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(run.Measurements.Warnings, "\n"); !strings.Contains(text, "was not delivered") {
		t.Errorf("the run does not say that metrics were lost: %s", text)
	}
	var asked, requests int64
	lines, err := os.ReadFile(filepath.Join(p.Dir, "run.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for one := range bytes.Lines(lines) {
		var line struct {
			Type     string `json:"type"`
			Asked    int64  `json:"asked"`
			Requests int64  `json:"requests"`
		}
		if err := json.Unmarshal(one, &line); err != nil {
			t.Fatal(err)
		}
		if line.Type == "scenario" {
			asked, requests = asked+line.Asked, requests+line.Requests
		}
	}
	if sent := run.Measurements.Loads[0].Sent; requests != sent || asked != 200 {
		t.Errorf("the lines have %d requests of %d, and %d that were asked for of 200", requests, sent, asked)
	}
}

// event is an event of the live page.
type event struct {
	kind   string
	HTML   map[string]string `json:"html"`
	Charts []any             `json:"charts"`
}

// lastEvent follows the live page that a run names on its standard error.
func lastEvent(t *testing.T, stderr io.Reader) (last event) {
	in := bufio.NewReader(stderr)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Errorf("no live page was named: %v", err)
			return last
		}
		url, named := strings.CutPrefix(strings.TrimSpace(line), "live page: ")
		if !named {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, in) }()
		resp, err := http.Get(url + "events")
		if err != nil {
			t.Error(err)
			return last
		}
		defer resp.Body.Close()
		events := bufio.NewReader(resp.Body)
		kind := ""
		for {
			line, err := events.ReadString('\n')
			if err != nil {
				return last // the run has ended
			}
			line = strings.TrimSpace(line)
			if of, ok := strings.CutPrefix(line, "event: "); ok {
				kind = of
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				last = event{kind: kind}
				if err := json.Unmarshal([]byte(data), &last); err != nil {
					t.Error(err)
					return last
				}
			}
		}
	}
}

// TestFollowersAreChecked: what cannot be followed is refused before anything is started.
func TestFollowersAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--live=0.0.0.0:0"}, "loopback"},
		{[]string{"--metrics", "influx=x"}, "there is no format"},
		{[]string{"--metrics", "otlp=127.0.0.1:4318"}, "write it in full"},
		{[]string{"--metrics", "jsonl=no/such/file"}, "no such file"},
		{[]string{"smoke.yaml", "--metrics", "jsonl=a"}, "single scenario"},
	} {
		p := headroom(t, append([]string{"run", "smoke.yaml", "--out", "out"}, tt.args...)...)
		p.exits(t, exitUsage)
		if !strings.Contains(p.stderr.String(), tt.want) {
			t.Errorf("%q: %s", tt.args, p.stderr.String())
		}
	}
}

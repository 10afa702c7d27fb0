package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// nginxConfig answers from memory and keeps two access logs.
const nginxConfig = `
  log_format lines escape=json '{"ts": $msec, "method": "$request_method", "uri": "$uri", "args": "$args", "request_uri": "$request_uri", "body": "$request_body", "headers": {"User-Agent": "$http_user_agent", "X-Kind": "$http_x_kind"}}';
  access_log %[1]s/access.log combined;
  access_log %[1]s/lines.log lines;
  server {
    listen %[2]s;
    location /items/ { return 200 "an item\n"; }
    location /users/ { return 404; }
    location = /orders { proxy_pass http://%[2]s/created; }
    location = /created { access_log off; return 201 "created\n"; }
  }
`

// loggingNginx starts a real nginx and returns its URL and the directory of its logs.
func loggingNginx(t *testing.T) (url, dir string) {
	t.Helper()
	address, dir := freeAddress(t), t.TempDir()
	startNginx(t, dir, address, fmt.Sprintf(nginxConfig, dir, address))
	return "http://" + address, dir
}

// write puts a scenario file into a directory and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// logged are the lines of a log without what changes from run to run.
func logged(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`\[[^]]*\] |"ts": [0-9.]+, `)
	return strings.Split(strings.TrimSpace(times.ReplaceAllString(string(text), "")), "\n")
}

// TestReplayOfAnAccessLog loads a real nginx, replays what it logged, and holds that it logs the same again: whole from
// a log with bodies, and GET and HEAD from the combined one.
func TestReplayOfAnAccessLog(t *testing.T) {
	t.Parallel()
	url, logs := loggingNginx(t)
	dir := t.TempDir()
	first := write(t, dir, "first.yaml", fmt.Sprintf(`target: {url: %q}
scenarios:
  first:
    executor: constant-arrival-rate
    rate: 150
    duration: 3s
    requests:
      - {name: item, weight: 5, path: "/items/{{n}}?q={{iteration}}", values: {n: {range: [1, 100]}}, headers: {Referer: "http://a/\"b\"", User-Agent: "a \\ ü"}}
      - {name: head, path: /items/list, method: HEAD}
      - {name: none, path: "/users/{{uuid}}", expectedStatus: 404}
      - {name: order, path: /orders, method: POST, body: '{"n": {{iteration}}}', headers: {X-Kind: new}, expectedStatus: 201}
thresholds: {http_req_failed: rate==0}
`, url))
	saved := filepath.Join(dir, "first")
	headroom(t, "run", "--quiet", "--out", saved, first).holds(t, saved)
	want := map[string][]string{}
	for _, log := range []string{"access.log", "lines.log"} {
		want[log] = logged(t, filepath.Join(logs, log))
		if len(want[log]) != 450 {
			t.Fatalf("%s has %d lines", log, len(want[log]))
		}
		text, err := os.ReadFile(filepath.Join(logs, log))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, log, string(text))
	}
	want["access.log"] = slices.DeleteFunc(want["access.log"],
		func(line string) bool { return strings.Contains(line, `"POST `) })
	for _, log := range []string{"access.log", "lines.log"} {
		for _, engine := range []string{"wire", "vegeta"} {
			t.Run(log+" by "+engine, func(t *testing.T) {
				replaysTheLog(t, url, filepath.Join(logs, log), filepath.Join(dir, log), engine, want[log])
			})
		}
	}
}

// replaysTheLog replays a log over one connection, so that what nginx logs has the order of the requests.
func replaysTheLog(t *testing.T, url, log, recorded, engine string, want []string) {
	if err := os.Truncate(log, 0); err != nil { // nginx appends
		t.Fatal(err)
	}
	dir := t.TempDir()
	again := write(t, filepath.Dir(recorded), "again.yaml", fmt.Sprintf(`target: {url: %q}
engine: %s
scenarios:
  again: {executor: replay, file: %s, speed: 2, maxVUs: 1, expectedStatus: [200, 201, 404]}
thresholds:
  http_req_failed: rate==0
  "http_reqs{name:GET /items/:id}": count>200
`, url, engine, filepath.Base(recorded)))
	out := filepath.Join(dir, "again")
	p := headroom(t, "run", "--quiet", "--out", out, again)
	p.holds(t, out)
	says(t, p.stdout.String(), "GET /items/:id", "GET /users/:id", "HEAD /items/list", "replay")
	got := logged(t, log)
	if len(got) != len(want) {
		t.Fatalf("%d requests were logged, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("request %d is logged as\n%s\nand was\n%s", i, got[i], want[i])
		}
	}
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	m := run.Measurements
	if l := m.Loads[0]; l.Planned != int64(len(want)) || l.Sent != l.Planned || l.Dropped != 0 {
		t.Errorf("planned %d, sent %d, dropped %d", l.Planned, l.Sent, l.Dropped)
	}
	if left := 450 - len(want); left > 0 {
		says(t, strings.Join(m.Warnings, "\n"),
			fmt.Sprintf("again: not replayed from access.log: %d × POST, whose body the file does not have", left))
	}
	percentiles := headroom(t, "report", "--hdr", out)
	percentiles.exits(t, exitOK)
	if _, err := os.Stat(filepath.Join(out, "response-again.GET%20%2Fitems%2F:id.hgrm")); err != nil {
		t.Errorf("%v\n%s", err, &percentiles.stdout)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	says(t, string(page), "GET /items/:id")
}

// TestReplayInShards holds that the shards of a replay, each of which reads the file, compressed as rotated logs are,
// are merged into the whole.
func TestReplayInShards(t *testing.T) {
	t.Parallel()
	url := service(t)
	dir := t.TempDir()
	var log strings.Builder
	for i := range 300 {
		fmt.Fprintf(&log, "{\"ts\": %.3f, \"method\": \"GET\", \"uri\": \"/things/%d\"}\n", 1.7e9+float64(i)/300, i)
	}
	write(t, dir, "lines.log.gz", zipped(t, log.String()))
	file := write(t, dir, "again.yaml", fmt.Sprintf(`target: {url: %q}
scenarios:
  again: {executor: replay, file: lines.log.gz, warmup: 100ms, maxVUs: 10}
thresholds: {"http_reqs{name:GET /things/:id}": count>260}
`, url))
	var parts []string
	for i := range 3 {
		part := filepath.Join(dir, fmt.Sprint("part", i))
		// it is of no matter here whether the machine was busy
		headroom(t, "run", "--quiet", "--shard", fmt.Sprintf("%d/3", i), "--out", part, file).exits(t, exitOK,
			exitInvalid)
		parts = append(parts, part)
	}
	whole := filepath.Join(dir, "whole")
	headroom(t, append([]string{"merge", "--out", whole}, parts...)...).exits(t, exitOK, exitInvalid)
	run, err := results.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	if l := run.Measurements.Loads[0]; l.Planned != 300 || l.Sent != 300 || l.MeasuredPlanned != 270 {
		t.Errorf("%+v", l)
	}
	headroom(t, "report", whole).exits(t, exitOK)

	write(t, dir, "lines.log.gz", zipped(t, strings.Replace(log.String(), "/things/7", "/things/8", 1)))
	another := filepath.Join(dir, "another")
	headroom(t, "run", "--quiet", "--shard", "2/3", "--out", another, file).exits(t, exitOK, exitInvalid)
	p := headroom(t, "merge", "--out", filepath.Join(dir, "mixed"), parts[0], parts[1], another)
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "scenario again replayed a different file")
}

// zipped is a text compressed by gzip, as rotated logs are.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReplayMistakesExit104(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "broken.log", "127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] \"GET / HTTP/1.1\" 200 5\nGET /\n")
	write(t, dir, "cut.log.gz", zipped(t, "127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] \"GET / HTTP/1.1\" 200 5\n")[:60])
	for file, want := range map[string]string{
		"cut.log.gz": "cut.log.gz:1: the compressed file ends here",
		"absent.log": "absent.log: no such file",
		"broken.log": "broken.log:2: the line is not of the combined log format",
	} {
		p := headroom(t, "validate", write(t, dir, "again.yaml",
			"target: {url: \"http://127.0.0.1:1\"}\nscenarios: {again: {executor: replay, file: "+file+"}}\n"))
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), want)
	}
}

// TestURLsInALoop: the URLs of a file are sent again and again, in their order, with gates.
func TestURLsInALoop(t *testing.T) {
	t.Parallel()
	server := newCounting(t, "127.0.0.1:0")
	dir := t.TempDir()
	write(t, dir, "urls.txt", "# all there is\nhttp://elsewhere.example/a?x=1\n/b\nDELETE /b\n")
	out := filepath.Join(dir, "out")
	headroom(t, "run", "--quiet", "--out", out, write(t, dir, "loop.yaml", fmt.Sprintf(`target: {url: %q}
scenarios:
  loop: {executor: replay, file: urls.txt, rate: 60, duration: 1s, maxVUs: 1}
thresholds:
  http_reqs: count==60
  "http_reqs{name:DELETE /b}": count==20
  http_req_failed: rate==0
`, server.url))).holds(t, out)
	counts := map[string]int{}
	for _, line := range server.take() {
		counts[strings.TrimSpace(line)]++
	}
	if want := map[string]int{"GET /a?x=1": 20, "GET /b": 20, "DELETE /b": 20}; !maps.Equal(counts, want) {
		t.Errorf("the service got %v, want %v", counts, want)
	}
}

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/policycortex/headroom/results"
)

// counting is somebody's service, which notes what it is sent.
type counting struct {
	url string
	mu  sync.Mutex
	got []string
}

func newCounting(t *testing.T, address string) *counting {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{url: "http://" + l.Addr().String()}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: c}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return c
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body))
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
}

// take returns what was noted, sorted, and forgets it.
func (c *counting) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.got = nil }()
	return slices.Sorted(slices.Values(c.got))
}

// await waits until so many requests have come.
func (c *counting) await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		got := len(c.got)
		c.mu.Unlock()
		if got >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests came, want %d", got, n)
		}
	}
}

// splitScenario is a run that can be told apart request by request.
func splitScenario(t *testing.T, target string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "split.yaml")
	text := fmt.Sprintf(`target: {url: %q}
seed: 11
scenarios:
  ramp:
    executor: ramping-arrival-rate
    stages: [{target: 200, duration: 2s}, {target: 50, duration: 1s}]
    warmup: 1s
    maxVUs: 40
    arrivals: poisson
    requests:
      - {name: get, weight: 3, path: "/items/{{id}}?n={{iteration}}", values: {id: {range: [1, 500], choice: zipf}}}
      - {name: add, method: POST, path: /items, body: '{"key":"{{uuid}}"}'}
thresholds:
  http_req_failed: rate==0
  http_reqs: count>150
  http_req_duration: p(95)<2000
`, target)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// mergesTo merges the runs and holds the whole against a single run of the same scenario.
func mergesTo(t *testing.T, single string, parts []string) {
	t.Helper()
	whole := filepath.Join(t.TempDir(), "whole")
	merge := headroom(t, append([]string{"merge", "--out", whole}, parts...)...)
	merge.holds(t, whole)
	says(t, merge.stdout.String(), "merged from shards", "\n  3/4    ")
	a, err := results.Read(single)
	if err != nil {
		t.Fatal(err)
	}
	b, err := results.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range a.Measurements.Loads {
		if m := b.Measurements.Loads[i]; m.Planned != l.Planned || m.Sent != l.Sent ||
			m.MeasuredPlanned != l.MeasuredPlanned || m.MaxVUs != l.MaxVUs || m.Lag.Count() != l.Lag.Count() {
			t.Errorf("load %+v, and of one process %+v", m, l)
		}
	}
	for i, s := range a.Measurements.Series {
		if m := b.Measurements.Series[i]; m.Requests != s.Requests || m.Failed != s.Failed ||
			m.BytesSent != s.BytesSent || m.Response.Count() != s.Response.Count() {
			t.Errorf("%s: %d requests, %d failed, %d bytes; of one process %d, %d, %d", s.Name, m.Requests, m.Failed,
				m.BytesSent, s.Requests, s.Failed, s.BytesSent)
		}
	}
	var sent int64
	for _, s := range b.Shards {
		sent += s.Sent
		if s.Machine.Host == "" || s.P95 == nil || s.LagP99 == nil || s.Generator.CPUCores() == 0 {
			t.Errorf("shard %v is told as %+v", s.Shard, s)
		}
	}
	if len(b.Shards) != len(parts) || sent != a.Measurements.Loads[0].Sent {
		t.Errorf("%d shards sent %d, one process %d", len(b.Shards), sent, a.Measurements.Loads[0].Sent)
	}
	if a.Measurements.TimeBlocks == nil || b.Measurements.TimeBlocks == nil {
		t.Error("a percentile is judged, and the stretches of the run that its interval needs are not kept")
	}
	headroom(t, "report", whole).exits(t, exitOK)
	lost := headroom(t, "merge", "--out", filepath.Join(t.TempDir(), "x"), parts[0], parts[2])
	lost.exits(t, exitUsage)
	says(t, lost.stderr.String(), "missing: shard 1/4, 3/4")
}

// TestFourProcessesAreOneRun: four shards in four processes send what one process sends, and merge to its run.
func TestFourProcessesAreOneRun(t *testing.T) {
	t.Parallel()
	fourAreOneRun(t, func(i int, file, start string) (shard *program, saved string) {
		p := headroom(t, "run", file, "--out", "part", "--shard", "/4", "--start-at", start)
		p.Env = append(os.Environ(), completionIndex+"="+strconv.Itoa(i))
		return p, filepath.Join(p.Dir, "part")
	})
}

// fourAreOneRun holds four shards of a run against the run. shard makes the i-th, which is to begin at start.
func fourAreOneRun(t *testing.T, shard func(i int, file, start string) (shard *program, saved string)) {
	t.Helper()
	server := newCounting(t, "127.0.0.1:0")
	file := splitScenario(t, server.url)
	single := headroom(t, "run", file, "--out", "single")
	single.holds(t, filepath.Join(single.Dir, "single"))
	want := server.take()

	var parts []string
	var running []*program
	start := time.Now().Add(10 * time.Second).Format(time.RFC3339Nano) // when all are up, on a busy machine too
	for i := range 4 {
		p, saved := shard(i, file, start)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		running, parts = append(running, p), append(parts, saved)
	}
	for _, p := range running {
		err := p.Wait()
		switch p.ProcessState.ExitCode() {
		case exitOK:
			says(t, p.stdout.String(), "PART")
		case exitInvalid: // it is of no matter here whether the machine was busy
		default:
			t.Fatalf("%v\n%s%s", err, &p.stdout, &p.stderr)
		}
	}
	if got := server.take(); len(want) < 200 || !slices.Equal(got, want) {
		t.Errorf("four shards sent %d requests, and not the %d of one process", len(got), len(want))
	}
	mergesTo(t, filepath.Join(single.Dir, "single"), parts)
}

// TestShardsFeedFromOneFile: shards whose machines have another file each are not one run.
func TestShardsFeedFromOneFile(t *testing.T) {
	t.Parallel()
	server := newCounting(t, "127.0.0.1:0")
	dir := t.TempDir()
	file := write(t, dir, "fed.yaml", fmt.Sprintf(`target: {url: %q}
feeders: {users: {csv: users.csv, choice: sequential}}
scenarios:
  s: {executor: constant-arrival-rate, rate: 50, duration: 1s, maxVUs: 10, requests: [{name: a, path: "/{{id}}", values: {id: {feeder: users, column: id}}}]}
`, server.url))
	shard := func(name, index, users string) string {
		write(t, dir, "users.csv", users)
		out := filepath.Join(dir, name)
		p := headroom(t, "run", "--quiet", "--shard", index, "--out", out, file)
		p.exits(t, exitOK, exitInvalid) // it is of no matter here whether the machine was busy
		return out
	}
	parts := []string{shard("first", "0/2", "id\n1\n2\n"), shard("second", "1/2", "id\n1\n2\n")}
	whole := filepath.Join(dir, "whole")
	headroom(t, append([]string{"merge", "--out", whole}, parts...)...).exits(t, exitOK, exitInvalid)
	run, err := results.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Measurements.FeederSHA256["users"]) != 64 {
		t.Errorf("the sums of feeders are %v", run.Measurements.FeederSHA256)
	}
	p := headroom(t, "merge", "--out", filepath.Join(dir, "mixed"), parts[0], shard("other", "1/2", "id\n1\n3\n"))
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "the files of feeder users differ")
}

// TestKubernetesJob: the shipped job asks for what makes its pods the shards of one run, and its scenario is one.
func TestKubernetesJob(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../deploy/kubernetes/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var scenario, job struct {
		Kind string
		Data map[string]string
		Spec struct {
			CompletionMode           string `yaml:"completionMode"`
			Completions, Parallelism int
			BackoffLimit             *int `yaml:"backoffLimit"`
			Template                 struct {
				Spec struct {
					Containers []struct{ Args []string }
				}
			}
		}
	}
	all := yaml.NewDecoder(f)
	for err = all.Decode(&scenario); err == nil && job.Kind != "Job"; {
		err = all.Decode(&job)
	}
	if err != nil || scenario.Kind != "ConfigMap" {
		t.Fatalf("%+v, %+v, %v", scenario, job, err)
	}
	s := job.Spec
	if s.CompletionMode != "Indexed" || s.Completions != 4 || s.Parallelism != s.Completions || s.BackoffLimit == nil ||
		*s.BackoffLimit != 0 {
		t.Errorf("%+v", s)
	}
	args := s.Template.Spec.Containers[0].Args
	if i := slices.Index(args, "--shard"); i < 0 || args[i+1] != fmt.Sprintf("/%d", s.Completions) ||
		!slices.Contains(args, "--start-at") {
		t.Errorf("args %q", args)
	}
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(file, []byte(scenario.Data["scenario.yaml"]), 0o644); err != nil {
		t.Fatal(err)
	}
	headroom(t, "validate", file).exits(t, exitOK)
}

func TestShardMistakesExit104(t *testing.T) {
	t.Parallel()
	file := splitScenario(t, service(t))
	unmerged := filepath.Join(t.TempDir(), "unmerged.yaml")
	err := os.WriteFile(unmerged, []byte(text(t, file)+`  generator_memory: max<1000000000
  p95_drift: value<2
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		say  string
	}{
		"generator": {[]string{unmerged, "--shard", "0/2"}, ":17:21: generator_memory cannot be judged"},
		"seconds":   {[]string{unmerged, "--shard", "0/2"}, ":18:14: p95_drift cannot be judged"},
		"metrics": {[]string{
			file, "--shard", "0/2", "--set", "target.metrics=http://127.0.0.1:1/metrics", "--set",
			"thresholds={\"server_metric{name:up}\": \"last==1\"}",
		}, "split.yaml: server_metric{name:up} cannot be"},
		"from 1":    {[]string{file, "--shard", "4/4"}, "0/4 to --shard 3/4"},
		"no number": {[]string{file, "--shard", "a/4"}, "write i/n"},
		"no index":  {[]string{file, "--shard", "/4"}, completionIndex + " is not set"},
		"no target": {[]string{"smoke.yaml", "--shard", "0/2"}, "target.url"},
		"too few":   {[]string{file, "--shard", "0/41"}, "fewer than shards"},
		"own warm-up": {[]string{file, "--shard", "0/2", "--set", "scenarios.ramp={executor: constant-vus, vus: 4, " +
			"duration: 1m, warmup: auto, requests: [{name: a, path: /}]}"}, "--set scenarios.ramp.warmup=30s"},
		"several files": {[]string{file, file, "--shard", "0/2"}, "one scenario file"},
		"no instant":    {[]string{file, "--start-at", "noon"}, "write it as"},
		"past":          {[]string{file, "--start-at", "2020-01-02T15:04:05Z"}, "ago"},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, append([]string{"run"}, tt.args...)...)
			p.exits(t, exitUsage)
			says(t, p.stderr.String(), tt.say)
		})
	}
	whole := headroom(t, "run", scenario(t, service(t), closed, `http_reqs: count>0`), "--out", "out")
	whole.exits(t, exitOK)
	p := headroom(t, "merge", filepath.Join(whole.Dir, "out"))
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "was not made with --shard")
}

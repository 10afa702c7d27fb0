package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-echarts/statsview/statics"

	"github.com/policycortex/headroom/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

// invalidRun is sampleRun with a generator that was the limit.
func invalidRun(t testing.TB) *results.Run {
	t.Helper()
	r := sampleRun(t)
	r.Verdict.Outcome = results.Invalid
	r.Verdict.Invalid = []string{"cold: 3588 of 3900 scheduled requests were sent (92.00 %, at least 99.5 % are " +
		"needed): lower the rate"}
	return r
}

// passedRun is a run of the user's own service with a scenario that has no schedule.
func passedRun(t testing.TB) *results.Run {
	t.Helper()
	r := sampleRun(t)
	m := &r.Measurements
	r.Environment = results.Environment{
		Target: "https://api.example.com", Own: true,
		Machine: results.Machine{OS: "linux", Arch: "amd64", CPUs: 2},
	}
	m.Loads, m.Series, m.Views = m.Loads[:1], m.Series[:3], nil
	m.Marks, m.Samples = nil, nil
	m.Loads[0] = &results.Load{
		Scenario: "warm", Executor: "constant-vus", Sent: 12000, MaxVUs: 100, MeasuredFrom: 10,
		MeasuredTo: 60,
	}
	m.Points = m.Points[:60]
	r.Verdict = results.Verdict{Outcome: results.Pass, Gates: r.Verdict.Gates[:1]}
	return r
}

// stagedRun is a run whose second scenario has stages with names.
func stagedRun(t testing.TB) *results.Run {
	t.Helper()
	r := sampleRun(t)
	m := &r.Measurements
	peak := *m.Series[3]
	peak.Stage, peak.Tags = "peak",
		map[string]string{"scenario": "cold", "name": "get-resource", "method": "GET", "stage": "peak"}
	m.Series = append(m.Series, &peak)
	m.Loads[1].Stages = []results.Stage{{Name: "peak", From: 30, To: 45, LastAnswer: 45.01}}
	return r
}

// unresolvedRun is a run of which one percentile cannot be told from its limit.
func unresolvedRun(t testing.TB) *results.Run {
	t.Helper()
	r := passedRun(t)
	r.Verdict.Outcome = results.Unresolved
	low, high := 4.9, 5.1
	g := r.Verdict.Gates[0]
	g.Passed, g.Unresolved, g.Reason = false, true,
		"unresolved: the limit lies within the 95 % confidence interval; run for longer"
	g.Interval = &results.Interval{Confidence: 0.95, Low: &low, High: &high, Effective: 812.3, Corrected: true}
	open := g
	open.Interval = &results.Interval{Confidence: 0.95, Low: &low, Effective: 20}
	r.Verdict.Gates = []results.Gate{g, open}
	return r
}

// windowedRun is a run that crossed a threshold in one of its windows, which ended it.
func windowedRun(t testing.TB) *results.Run {
	t.Helper()
	r := passedRun(t)
	g := r.Verdict.Gates[0]
	g.Expression, g.Passed, g.Actual, g.Target, g.Margin = "p(95)<50 for 10s", false, 63.2, 50, -0.264
	g.Window = &results.Window{From: 34, Seconds: 10, Of: 21, Fewest: 1980}
	r.Verdict.Outcome, r.Verdict.Gates = results.Fail, append(r.Verdict.Gates, g)
	r.Measurements.Aborted = g.Metric + " " + g.Expression + ": it was 63.2 ms after 50 s"
	return r
}

// abortedRun is a run that a gate ended in its first stage, which was not steady, before its second was reached.
func abortedRun(t testing.TB) *results.Run {
	t.Helper()
	r := windowedRun(t)
	steady := r.Verdict.Gates[0]
	steady.Metric, steady.Unsteady = "http_req_duration{stage:first}",
		"not steady: P95 response time moved by +96 % of its median, +0.448 ms a second (Mann-Kendall p = 1e-05)"
	missed := results.Gate{
		Metric: "http_req_duration{stage:second}", Expression: "p(95)<5", Op: "<", Target: 5, Unit: "ms",
		Actual: 9.5, Margin: -0.9, Samples: 29, NotReached: true,
		Reason: "not reached (0.4 of 5 s measured): the run ended after 50.4 s",
	}
	l := r.Measurements.Loads[0]
	l.MeasuredTo, l.ScheduledTo, l.Cut = 50.4, 60, true
	l.Stages = []results.Stage{
		{Name: "first", From: 10, To: 50},
		{Name: "second", From: 50, To: 55},
		{Name: "third", From: 55, To: 60},
	}
	far := results.Gate{
		Metric: "http_req_failed", Expression: "rate<0.001", Op: "<", Target: 0.001, Actual: 1,
		Samples: 40, Margin: -999,
	}
	r.Verdict.Gates = append(r.Verdict.Gates, steady, missed, far)
	return r
}

// refusedRun is a run in which every request failed, without a threshold.
func refusedRun(t testing.TB) *results.Run {
	t.Helper()
	r := passedRun(t)
	for _, s := range r.Measurements.Series {
		s.Failed, s.Statuses, s.Errors = s.Requests, nil, map[string]int64{"TLS": s.Requests}
		s.Response, s.Service = results.NewHistogram(), results.NewHistogram()
	}
	r.Verdict = results.Verdict{Outcome: results.Fail, Failed: []string{"nothing succeeded: all 10000 requests failed"}}
	return r
}

// mergedRun is a run made of three shards, of which one was disturbed and another has measured nothing.
func mergedRun(t testing.TB) *results.Run {
	t.Helper()
	r := passedRun(t)
	r.Environment.Machine, r.Measurements.Health = results.Machine{}, nil
	started := r.Measurements.Started
	p95, lag := 3.87, 0.251
	machine := results.Machine{Host: "load-1", OS: "linux", Arch: "amd64", CPUs: 4, CPUModel: "Intel Xeon 2.20 GHz"}
	generator := results.Generator{CPUSeconds: 90, WallSeconds: 60, CPUs: 4}
	r.Shards = []results.ShardRun{
		{
			Shard: results.Shard{Index: 0, Of: 3}, Started: started, Engine: "wire (io_uring)", Machine: machine,
			Generator: generator, Sent: 6000, P95: &p95, LagP99: &lag,
		},
		{
			Shard: results.Shard{Index: 1, Of: 3}, Started: started.Add(2 * time.Millisecond), Engine: "wire (epoll)",
			Machine: machine, Generator: generator, Sent: 5988, Dropped: 12, P95: &p95, LagP99: &lag,
			Disturbed: []string{"other processes took 0.9 cores in 5 of 60 seconds"},
			Warnings:  []string{"the sockets of the machine ran short"},
		},
		{
			Shard: results.Shard{Index: 2, Of: 3}, Started: started, Engine: "wire (epoll)",
			Machine: results.Machine{OS: "linux", Arch: "arm64", CPUs: 2}, Invalid: []string{"nothing was measured"},
		},
	}
	r.Verdict.Outcome, r.Verdict.Invalid = results.Invalid, []string{"shard 2/3: nothing was measured"}
	return r
}

// partRun is a shard that went well.
func partRun(t testing.TB) *results.Run {
	t.Helper()
	r := passedRun(t)
	r.Shard = &results.Shard{Index: 1, Of: 4}
	r.Verdict = results.Verdict{
		Outcome:  results.Part,
		Warnings: []string{"this is shard 1/4: its thresholds are judged when all shards are merged (headroom merge)"},
	}
	return r
}

// emptyRun is a run that measured nothing.
func emptyRun(testing.TB) *results.Run {
	return &results.Run{
		Name:    "empty",
		Verdict: results.Verdict{Outcome: results.Invalid, Invalid: []string{"nothing was measured"}},
	}
}

var drawers = map[string]func(io.Writer, *results.Run) error{
	".json": SummaryJSON, ".xml": JUnit, ".txt": Text,
	".html": HTML,
}

func draw(t testing.TB, kind string, r *results.Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := drawers[kind](&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for name, run := range map[string]func(testing.TB) *results.Run{
		"failed": sampleRun, "invalid": invalidRun, "passed": passedRun, "empty": emptyRun, "staged": stagedRun,
		"unresolved": unresolvedRun, "windowed": windowedRun, "merged": mergedRun, "part": partRun,
		"aborted": abortedRun, "refused": refusedRun,
	} {
		for _, kind := range []string{".json", ".xml", ".txt"} {
			t.Run(name+kind, func(t *testing.T) {
				holdGolden(t, name+kind, draw(t, kind, run(t)))
			})
		}
	}
}

// holdGolden holds what was drawn against a file of testdata.
func holdGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (go test ./reports -update writes it anew):\n%s", golden, got)
	}
}

func TestWriteIsReproducible(t *testing.T) {
	for name, run := range map[string]func(testing.TB) *results.Run{
		"failed": sampleRun, "hostile": hostileRun, "passed": passedRun, "empty": emptyRun,
	} {
		t.Run(name, func(t *testing.T) {
			first, again := t.TempDir(), t.TempDir()
			if err := errors.Join(Write(first, run(t)), Write(again, run(t))); err != nil {
				t.Fatal(err)
			}
			sameReports(t, first, again)
		})
	}
}

func TestSavedRunDrawsTheSame(t *testing.T) {
	for name, run := range map[string]func(testing.TB) *results.Run{
		"failed": sampleRun, "invalid": invalidRun,
		"passed": passedRun, "staged": stagedRun, "merged": mergedRun, "part": partRun, "streams": streamRun,
	} {
		t.Run(name, func(t *testing.T) {
			first, saved, again := t.TempDir(), t.TempDir(), t.TempDir()
			r := run(t)
			if err := errors.Join(Write(first, r), results.Save(saved, r)); err != nil {
				t.Fatal(err)
			}
			back, err := results.Read(saved)
			if err != nil {
				t.Fatal(err)
			}
			if err := Write(again, back); err != nil {
				t.Fatal(err)
			}
			sameReports(t, first, again)
		})
	}
}

func sameReports(t *testing.T, one, other string) {
	t.Helper()
	for _, file := range []string{HTMLFile, SummaryFile, JUnitFile} {
		if !bytes.Equal(read(t, filepath.Join(one, file)), read(t, filepath.Join(other, file))) {
			t.Errorf("%s differs", file)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestWriteNamesWhatItCouldNotWrite(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "missing"), emptyRun(t))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), HTMLFile) {
		t.Errorf("got %v, want an error that names %s and is fs.ErrNotExist", err, HTMLFile)
	}
}

func TestHostileNamesStayText(t *testing.T) {
	r := hostileRun(t)
	var summary map[string]any
	if err := json.Unmarshal(draw(t, ".json", r), &summary); err != nil {
		t.Errorf("summary.json: %v", err)
	} else if summary["name"] != hostile {
		t.Errorf("summary.json names the run %q", summary["name"])
	}
	var suites struct {
		Suites []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(draw(t, ".xml", r), &suites); err != nil {
		t.Errorf("junit.xml: %v", err)
	} else if len(suites.Suites) != 1 || len(suites.Suites[0].Cases) != 7 ||
		!strings.HasPrefix(suites.Suites[0].Name, "x</script>") {
		t.Errorf("junit.xml was taken apart by the names: %+v", suites)
	}
	for _, c := range string(draw(t, ".txt", r)) {
		if unicode.IsControl(c) && c != '\n' {
			t.Fatalf("the text holds the control character %U", c)
		}
	}
	page := strings.Replace(string(draw(t, ".html", r)), statics.EchartJS, "", 1)
	for _, raw := range []string{"<script>window", "<img", "</textarea>"} {
		if strings.Contains(page, raw) {
			t.Errorf("report.html holds %q", raw)
		}
	}
}

func TestJUnitCounts(t *testing.T) {
	for name, c := range map[string]struct {
		run                              *results.Run
		tests, failures, errors, skipped int
	}{
		"failed":  {sampleRun(t), 7, 2, 0, 0},
		"invalid": {invalidRun(t), 7, 0, 1, 6},
		"passed":  {passedRun(t), 2, 0, 0, 0},
		"empty":   {emptyRun(t), 1, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var doc junitSuites
			if err := xml.Unmarshal(draw(t, ".xml", c.run), &doc); err != nil {
				t.Fatal(err)
			}
			suite, want := doc.Suites[0], junitCounts{c.tests, c.failures, c.errors, doc.Time}
			if doc.junitCounts != want || suite.junitCounts != want || suite.Skipped != c.skipped ||
				len(suite.Cases) != c.tests {
				t.Errorf("counted %+v in all, %+v and %d skipped in the suite of %d cases, want %+v and %d skipped",
					doc.junitCounts, suite.junitCounts, suite.Skipped, len(suite.Cases), want, c.skipped)
			}
		})
	}
}

func BenchmarkHTML(b *testing.B) {
	r := sampleRun(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := HTML(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPercentilesOfStagesTakenTogether: a request has one file, whatever number of stages its scenario has.
func TestPercentilesOfStagesTakenTogether(t *testing.T) {
	dir, r := t.TempDir(), stagedRun(t)
	alike := &results.Load{Scenario: "cold-get-resource", Lag: results.NewHistogram(), OwnLag: results.NewHistogram()}
	r.Measurements.Loads = append(r.Measurements.Loads, alike) // not to be taken for the request of another scenario
	files, err := WritePercentiles(dir, r)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	if unique := slices.Compact(slices.Clone(files)); len(unique) != len(files) || len(files) != 3+6 {
		t.Errorf("files %q", files)
	}
	both, err := os.ReadFile(filepath.Join(dir, "response-cold.get-resource.hgrm"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("Total count    = %12d]",
		2*sampleRun(t).Measurements.Series[3].Response.Count()); !strings.Contains(string(both), want) {
		t.Errorf("%q is not in\n%s", want, both)
	}
}

// TestSkippedStepsOfStages: a step of a flow was skipped so many times, in whatever stages of its scenario.
func TestSkippedStepsOfStages(t *testing.T) {
	r := stagedRun(t)
	series := r.Measurements.Series
	for _, s := range series {
		s.Skipped = 0
	}
	series[3].Skipped, series[len(series)-1].Skipped = 11, 57
	series[0].Skipped = 1
	for _, kind := range []string{".txt", ".html"} {
		page := string(draw(t, kind, r))
		for _, note := range []string{
			"cold: step get-resource was skipped 68 times because",
			"warm: step get-resource was skipped 1 time because",
		} {
			if !strings.Contains(page, note) || strings.Count(page, " was skipped ") != 2 {
				t.Errorf("%s: no %q, or others: there are %d", kind, note, strings.Count(page, " was skipped "))
			}
		}
	}
}

package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
)

// savedIn reads the experiment that was saved in a directory.
func savedIn(t *testing.T, dir string) *results.Experiment {
	t.Helper()
	e, err := results.ReadExperiment(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestABCatchesTheSlowerCommit: the commit that makes one page hash more fails, and the first line names the page. On a
// machine that is too busy for an experiment, which then says so, the figures still have to show it.
func TestABCatchesTheSlowerCommit(t *testing.T) {
	repository := hashingRepository(t)
	for attempt := range 2 {
		out := filepath.Join(t.TempDir(), "out")
		p := ab(t, repository, "pages.yaml", "--base", "service", "--head", "slower", "--max-time", "14s", "--out", out)
		p.exits(t, exitCrossed, exitInvalid)
		nothingLeft(t, p)
		e := savedIn(t, out)
		if p.ProcessState.ExitCode() == exitCrossed {
			first, _, _ := strings.Cut(p.stdout.String(), "\n")
			says(t, first, "FAIL: ", "other")
			if strings.Contains(first, "fast") {
				t.Errorf("it names the page that is as fast as before: %s", first)
			}
			if cpu := gate(t, e, "cpu_per_request value"); cpu.Decision != experiment.Failed || cpu.Change < 0.2 {
				t.Errorf("the CPU time per request: %+v", cpu)
			}
			return
		}
		t.Logf("attempt %d, on a busy machine: %s %q", attempt+1, e.Outcome, e.Reasons)
		if attempt == 1 {
			showsTheSlowerCommit(t, e)
		}
	}
}

func gate(t *testing.T, e *results.Experiment, figure string) results.ExperimentGate {
	t.Helper()
	i := slices.IndexFunc(e.Gates, func(g results.ExperimentGate) bool { return g.Figure == figure })
	if i < 0 {
		t.Fatalf("there is no gate of %s", figure)
	}
	return e.Gates[i]
}

// showsTheSlowerCommit looks at all slices of an experiment, those included that the disturbed machine vetoed: the CPU
// time that a request takes hardly depends on what else runs.
func showsTheSlowerCommit(t *testing.T, e *results.Experiment) {
	t.Helper()
	if e.Outcome != results.Invalid && e.Outcome != results.Unresolved {
		t.Errorf("the outcome is %s", e.Outcome)
	}
	var blocks []experiment.Block
	for _, b := range e.Blocks {
		for i := range b.Slices {
			b.Slices[i].Veto = ""
		}
		blocks = append(blocks, b.Block)
	}
	for _, estimate := range experiment.Estimates(blocks, false) {
		if estimate.Figure == "cpu_per_request value" {
			if !(estimate.Change > 0.2) {
				t.Errorf("the CPU time per request changed by %v", estimate.Change)
			}
			return
		}
	}
	t.Error("there is no CPU time per request")
}

// TestABPassesACommitOfComments: it does not fail, and passes where the machine is quiet enough to tell. The result is
// written in all forms.
func TestABPassesACommitOfComments(t *testing.T) {
	repository, out := hashingRepository(t), filepath.Join(t.TempDir(), "out")
	junit, markdown := filepath.Join(t.TempDir(), "ab.xml"), filepath.Join(t.TempDir(), "ab.md")
	p := ab(t, repository, "pages.yaml", "--base", "service", "--head", "comments", "--max-time", "14s", "--out", out,
		"--json", "--quiet", "--seed", "7", "--export", "junit="+junit, "--export", "markdown="+markdown)
	p.exits(t, exitOK, exitInvalid)
	nothingLeft(t, p)
	e := savedIn(t, out)
	if e.Outcome != results.Pass {
		t.Logf("on a busy machine: %s %q", e.Outcome, e.Reasons)
	}
	if (e.Outcome == results.Pass) != (p.ProcessState.ExitCode() == exitOK) || e.Outcome == results.Fail {
		t.Errorf("outcome %s, exit code %d", e.Outcome, p.ProcessState.ExitCode())
	}
	first, _, _ := strings.Cut(p.stderr.String(), "\n")
	says(t, first, string(e.Outcome)+": ")
	var summary struct {
		Kind    string
		Outcome results.Outcome
		Gates   []struct{ Metric string }
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &summary); err != nil || summary.Kind != "experiment" ||
		summary.Outcome != e.Outcome || len(summary.Gates) != 3 {
		t.Errorf("%v: %+v in\n%s", err, summary, &p.stdout)
	}
	var suites struct {
		Cases []struct {
			Name string `xml:"name,attr"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(text(t, junit)), &suites); err != nil || len(suites.Cases) != 3 {
		t.Errorf("%v: %+v in\n%s", err, suites, text(t, junit))
	}
	says(t, text(t, markdown), "cpu_per_request", "| ", string(e.Outcome))
	if e.Base.Subject != "the service" || e.Head.Subject != "the comments" || e.Design.Seed != 7 {
		t.Errorf("base %q, head %q, seed %d", e.Base.Subject, e.Head.Subject, e.Design.Seed)
	}
}

// urlScenario loads the services of others.
const urlScenario = `name: others
target: {url: "http://127.0.0.1:1"}
scenarios:
  pages:
    executor: constant-arrival-rate
    rate: 200
    duration: 1s
    gracefulStop: 1s
    requests:
      - {name: page, path: /page.html}
experiment:
  slice: 200ms
  discard: 50ms
`

// TestABOfServicesOfOthers compares two servers that run already and are not ours. The report can be drawn again from
// what was saved.
func TestABOfServicesOfOthers(t *testing.T) {
	t.Parallel()
	dir, base, head := t.TempDir(), freeAddress(t), freeAddress(t)
	write(t, dir, "page.html", strings.Repeat("a page ", 100))
	nginxOfFiles(t, dir, base)
	startPython(t, dir, head)
	out := filepath.Join(t.TempDir(), "out")
	file := write(t, t.TempDir(), "others.yaml", urlScenario)
	p := ab(t, t.TempDir(), file, "--base-url", "http://"+base, "--head-url", "http://"+head, "--max-time", "9s",
		"--out", out)
	p.exits(t, exitOK, exitCrossed, exitInvalid)
	says(t, p.stderr.String(), "the CPU time of the arms is not known")
	e := savedIn(t, out)
	code := map[results.Outcome]int{
		results.Pass: exitOK, results.Fail: exitCrossed, results.Unresolved: exitInvalid, results.Invalid: exitInvalid,
	}[e.Outcome]
	if p.ProcessState.ExitCode() != code {
		t.Errorf("outcome %s, exit code %d", e.Outcome, p.ProcessState.ExitCode())
	}
	if e.Design.Restarts || e.Base.Kind != "url" || e.Head.URL != "http://"+head || len(e.Gates) != 2 {
		t.Errorf("design %+v, base %+v, head %+v, gates %+v", e.Design, e.Base, e.Head, e.Gates)
	}
	for _, r := range e.Requests {
		if r.Failed > 0 || r.Requests == 0 {
			t.Errorf("%d of %d requests of the %s failed", r.Failed, r.Requests, r.Arm)
		}
	}
	for _, file := range []string{"report.html", "summary.json", "junit.xml"} {
		before := text(t, filepath.Join(out, file))
		if err := os.Remove(filepath.Join(out, file)); err != nil {
			t.Fatal(err)
		}
		headroom(t, "report", out).exits(t, exitOK)
		if text(t, filepath.Join(out, file)) != before {
			t.Errorf("%s was drawn differently from the saved experiment", file)
		}
	}
}

// TestABGateWithoutData: a gate of what nobody can know makes the experiment invalid, and says why. The flags take the
// place of the revisions that the scenario names.
func TestABGateWithoutData(t *testing.T) {
	t.Parallel()
	repository, serving, out := hashingRepository(t), service(t), filepath.Join(t.TempDir(), "out")
	refused := ab(t, repository, "pages.yaml", "--base-url", serving, "--head-url", serving, "--out", out)
	refused.exits(t, exitUsage)
	says(t, refused.stderr.String(), "the gate cpu_per_request", "cannot be measured of services at URLs")
	p := ab(t, repository, "pages.yaml", "--set", "experiment.base=service", "--base-url", serving,
		"--head-url", serving, "--out", out, "--set", "regression.cpu_per_request=null",
		"--set", "regression.allocated_per_request=value<+5%")
	p.exits(t, exitInvalid)
	first, _, _ := strings.Cut(p.stdout.String(), "\n")
	says(t, first, "INVALID: no slice has a value of allocated_per_request value")
	e := savedIn(t, out)
	if e.Base.Kind != "url" || e.Head.Kind != "url" || len(e.Blocks) != 1 {
		t.Errorf("base %+v, head %+v, %d blocks", e.Base, e.Head, len(e.Blocks))
	}
	if miss := e.Design.Miss; miss != judge.MissRate {
		t.Errorf("miss %v", miss)
	}
}

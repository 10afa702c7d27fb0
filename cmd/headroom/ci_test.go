package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// ciRepository is a git repository with a small service of four commits, of which the second makes it slow and the
// third does not compile, and a scenario that compares its revisions in very short slices.
func ciRepository(t *testing.T) (dir string, revisions []string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module service\n\ngo 1.22\n")
	write(".gitignore", "/bin/\n/service\n")
	write("Makefile", "build:\n\t@test -x bin/headroom\n")
	write("scenarios/regression.yaml", fmt.Sprintf(`name: regression
target: {url: %q}
scenarios:
  steady: {executor: constant-vus, vus: 4, duration: 2s, requests: [{name: root, path: /}]}
thresholds:
  http_req_failed: rate<0.01
  http_req_duration: med<30
experiment:
  build: go build -o service .
  command: exec ./service {{address}}
  slice: 300ms
  discard: 20ms
  warmup: 100ms
  maxTime: 5s
regression:
  http_req_duration: med<+50%%
`, service(t)))
	const program = `package main

import (
	"net/http"
	"os"
	"time"
)

func main() {
	panic(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(%d * time.Millisecond)
		w.Write([]byte("hello"))
	})))
}
`
	git := "git -c user.email=a@b -c user.name=n "
	script := "git init -q -b main ."
	for i, source := range []string{
		fmt.Sprintf(program, 1), fmt.Sprintf(program, 60), "package main\n", fmt.Sprintf(program, 60),
	} {
		write(fmt.Sprint("version-", i, ".go.txt"), source)
		script += fmt.Sprintf(" && mv version-%d.go.txt main.go && echo %d >version && git add . && %s"+
			"commit -q -m 'version %d'", i, i, git, i)
	}
	script += " && git update-ref refs/remotes/origin/main HEAD && git log --reverse --format=%H && mkdir bin && " +
		"ln -s " + binary(t) + " bin/headroom"
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir, strings.Fields(string(out))
}

// shell runs lines of a shell as a CI system does, and returns the exit code with what was said.
func shell(t *testing.T, dir, lines string, env ...string) (code int, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", lines)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func ciFile(t *testing.T, name string) string {
	t.Helper()
	return text(t, filepath.Join("..", "..", "docs", "ci", name))
}

// gitHubScripts are the lines of each job.
func gitHubScripts(t *testing.T) map[string]string {
	t.Helper()
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(ciFile(t, "github-actions.yml")), &workflow); err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for name, job := range workflow.Jobs {
		for _, step := range job.Steps {
			scripts[name] += step.Run + "\n"
		}
	}
	return scripts
}

func gitLabScripts(t *testing.T) map[string]string {
	t.Helper()
	var pipeline map[string]any
	if err := yaml.Unmarshal([]byte(ciFile(t, "gitlab-ci.yml")), &pipeline); err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for name, job := range pipeline {
		lines, _ := job.(map[string]any)["script"].([]any)
		for _, line := range lines {
			scripts[strings.TrimPrefix(name, "performance:")] += fmt.Sprint(line) + "\n"
		}
	}
	delete(scripts, "variables")
	return scripts
}

var jenkinsShell = regexp.MustCompile(`(?s)sh\(?[^'\n]*('''(.*?)'''|'([^'\n]*)')`)

// jenkinsScripts are the shell lines of each stage, with those of the stage build before them.
func jenkinsScripts(t *testing.T) map[string]string {
	t.Helper()
	scripts := map[string]string{}
	for _, stage := range strings.Split(ciFile(t, "Jenkinsfile"), "stage('")[1:] {
		name, body, _ := strings.Cut(stage, "'")
		for _, found := range jenkinsShell.FindAllStringSubmatch(body, -1) {
			scripts[name] += found[2] + found[3] + "\n"
		}
	}
	build := scripts["build"]
	delete(scripts, "build")
	for name := range scripts {
		scripts[name] = build + scripts[name]
	}
	return scripts
}

// TestCIScripts runs the shell lines of docs/ci: an experiment that is too short to tell says so, a run becomes an
// entry of the history, and git bisect finds the commit that made a service slow, or skips what cannot be told.
func TestCIScripts(t *testing.T) {
	t.Parallel()
	for system, scripts := range map[string]map[string]string{
		"GitHub": gitHubScripts(t), "GitLab": gitLabScripts(t), "Jenkins": jenkinsScripts(t),
	} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			if names := slices.Sorted(maps.Keys(scripts)); !slices.Equal(names, []string{"compare", "follow"}) {
				t.Fatalf("it has the jobs %q", names)
			}
			dir, revisions := ciRepository(t)
			env := ciEnvironment(t, revisions)
			for _, job := range []string{"compare", "follow"} {
				if code, said := shell(t, dir, "git clean -fdxq -e bin"); code != 0 {
					t.Fatal(said)
				}
				code, said := shell(t, dir, scripts[job], env...)
				if code != exitOK && (job == "follow" || code != exitInvalid) {
					t.Errorf("%s: exit code %d\n%s", job, code, said)
					continue
				}
				if job == "compare" || system != "GitHub" {
					checkJUnit(t, text(t, filepath.Join(dir, "junit.xml")))
				}
				if job == "follow" {
					says(t, said, "No new change for the worse in 1 entry.")
					if !strings.Contains(text(t, filepath.Join(dir, "performance", "run.json")), `"reference"`) {
						t.Error("the run has no reference")
					}
					says(t, text(t, filepath.Join(dir, "history.html")), "NO ALARM")
				}
			}
		})
	}
	lines := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(ciFile(t, "README.md"), -1)
	if len(lines) != 2 {
		t.Fatalf("the page has %d lines for git bisect", len(lines))
	}
	t.Run("bisect by experiments", func(t *testing.T) {
		t.Parallel()
		said, revisions := bisect(t, lines[0][1])
		says(t, said, "There are only 'skip'ped commits left to test")
		if !strings.Contains(said, revisions[2]+"] version 2") {
			t.Errorf("git bisect did not try the commit that does not compile:\n%s", said)
		}
	})
	t.Run("bisect by runs", func(t *testing.T) {
		t.Parallel()
		said, revisions := bisect(t, lines[1][1])
		says(t, said, revisions[1]+" is the first bad commit")
	})
}

// ciEnvironment is what a CI system sets for its scripts.
func ciEnvironment(t *testing.T, revisions []string) []string {
	t.Helper()
	return []string{
		"SCENARIO=scenarios/regression.yaml", "HOME=" + t.TempDir(), "GITHUB_ACTIONS=", "BASE=" + revisions[1],
		"CI_MERGE_REQUEST_DIFF_BASE_SHA=" + revisions[1], "CHANGE_TARGET=main", "GOFLAGS=-buildvcs=false",
		"GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"),
		"PATH=" + filepath.Dir(binary(t)) + ":" + os.Getenv("PATH"),
	}
}

// bisect runs lines for git bisect from the first commit on, and returns what was said.
func bisect(t *testing.T, lines string) (said string, revisions []string) {
	t.Helper()
	dir, revisions := ciRepository(t)
	outside := write(t, t.TempDir(), "service.yaml", text(t, filepath.Join(dir, "scenarios", "regression.yaml")))
	env := append(ciEnvironment(t, revisions), "GOOD="+revisions[0], "SCENARIO="+outside, "ADDRESS="+freeAddress(t))
	_, said = shell(t, dir, lines, env...)
	return said, revisions
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// hashing is a service of two pages, each of which costs some rounds of hashing. It listens where it is told.
const hashing = `// Package main is a service of two pages.
package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
)

func page(rounds int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		sum := sha256.Sum256(nil)
		for range rounds {
			sum = sha256.Sum256(sum[:])
		}
		fmt.Fprintf(w, "%x\n", sum)
	}
}

func main() {
	http.HandleFunc("/fast", page(1500))
	http.HandleFunc("/other", page(1500))
	fmt.Println(http.ListenAndServe(os.Args[1], nil))
}
`

// hashingScenario loads it in slices that are far shorter than those of an experiment that is to find 5 %.
const hashingScenario = `name: pages
target: {url: "http://127.0.0.1:1"} # no reference server
scenarios:
  pages:
    executor: constant-arrival-rate
    rate: 300
    duration: 1s
    gracefulStop: 1s
    requests:
      - {name: fast, path: /fast}
      - {name: other, path: /other}
experiment:
  build: go build -o service .
  command: ./service {{address}}
  ready: /fast
  slice: 200ms
  discard: 50ms
  warmup: 100ms
regression:
  cpu_per_request: "value<+20%"
  "http_req_duration{name:other}": "med<+40%"
`

// hashingRepository has three commits of the service, with the tags service, comments, and slower: the second changes
// comments, and the third has one page hash four times as much. pages.yaml is beside the service.
func hashingRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	commented := strings.Replace(hashing, "func main", "// main serves the pages.\nfunc main", 1)
	slower := strings.Replace(commented, `"/other", page(1500)`, `"/other", page(6000)`, 1)
	inside(t, dir, "git", "init", "-q", "-b", "main", ".")
	inside(t, dir, "git", "config", "user.email", "a@example.com")
	inside(t, dir, "git", "config", "user.name", "somebody")
	for name, text := range map[string]string{
		"go.mod": "module service\n\ngo 1.24\n", ".gitignore": "/service\n", "pages.yaml": hashingScenario,
	} {
		write(t, dir, name, text)
	}
	for _, commit := range []struct{ tag, text string }{
		{"service", hashing}, {"comments", commented}, {"slower", slower},
	} {
		write(t, dir, "main.go", commit.text)
		inside(t, dir, "git", "add", ".")
		inside(t, dir, "git", "commit", "-q", "-m", "the "+commit.tag)
		inside(t, dir, "git", "tag", commit.tag)
	}
	return dir
}

// inside runs a program in a directory and returns its output.
func inside(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// ab prepares an experiment in a directory, with a place of its own for temporary files.
func ab(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	p := headroom(t, append([]string{"ab"}, args...)...)
	p.Dir = dir
	p.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	return p
}

// TestABMistakes: what is wrong with an experiment is said before anything is measured, and nothing is left behind.
func TestABMistakes(t *testing.T) {
	t.Parallel()
	repository, serving := hashingRepository(t), service(t)
	stages := write(t, t.TempDir(), "stages.yaml", strings.NewReplacer(
		"constant-arrival-rate", "ramping-arrival-rate",
		"rate: 300\n    duration: 1s", "startRate: 1\n    stages: [{target: 300, duration: 1s}]",
	).Replace(hashingScenario))
	faults := write(t, t.TempDir(), "faults.yaml", strings.Replace(hashingScenario,
		`target: {url: "http://127.0.0.1:1"}`, "faults: [{at: 500ms, target: cache, action: restart}]", 1))
	runs := filepath.Join(repository, "results", "runs", "one") // what Headroom saved is no change of the working tree
	if err := os.MkdirAll(runs, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, runs, "run.json", "{}")
	for name, tt := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"no scenario":      {nil, exitUsage, []string{"headroom ab needs one scenario file", "headroom ab --help"}},
		"no such scenario": {[]string{"none.yaml"}, exitUsage, []string{"none.yaml"}},
		"two kinds": {
			[]string{"pages.yaml", "--base-url", serving, "--head-command", "x {{port}}"},
			exitUsage,
			[]string{"one arm is a command and the other is not", "baseCommand"},
		},
		"a revision and a URL": {
			[]string{"pages.yaml", "--base", "main", "--head-url", serving},
			exitUsage,
			[]string{"one arm is a URL and the other is not"},
		},
		"one arm": {
			[]string{"pages.yaml", "--base-image", "one:1"},
			exitUsage,
			[]string{"one arm is an image and the other is not", "headImage"},
		},
		"no arms": {
			[]string{"pages.yaml", "--set", "experiment.command=null"},
			exitUsage,
			[]string{
				"nothing says how the two versions of the service are started", "--base-url", "experiment.command",
			},
		},
		"unknown revision": {
			[]string{"pages.yaml", "--base", "none"},
			exitUsage,
			[]string{`look up the revision "none"`, "fatal: "},
		},
		"unknown head": {
			[]string{"pages.yaml", "--base", "service", "--head", "none"},
			exitUsage,
			[]string{`look up the revision "none"`, "fatal: "},
		},
		"nothing to compare": {
			[]string{"pages.yaml"}, exitUsage, []string{"there is nothing to compare", "--base HEAD~1"},
		},
		"not steady": {
			[]string{stages, "--base", "service"},
			exitUsage,
			[]string{"stages.yaml: the scenario pages has the executor ramping-arrival-rate", "constant-vus"},
		},
		"faults": {
			[]string{faults, "--base", "service"},
			exitUsage,
			[]string{"faults.yaml: an experiment has no faults"},
		},
		"unresolved": {
			[]string{"pages.yaml", "--unresolved", "maybe"},
			exitUsage,
			[]string{`--unresolved is "maybe"`, "pass or fail"},
		},
		"tolerance": {
			[]string{"pages.yaml", "--tolerance", "0"},
			exitUsage,
			[]string{"experiment.tolerance is 0", "0.1% to 100%"},
		},
		"alpha": {
			[]string{"pages.yaml", "--alpha", "0.7"},
			exitUsage,
			[]string{"experiment.alpha is 0.7", "between 0 and 0.5"},
		},
		"max-time": {
			[]string{"pages.yaml", "--max-time", "0s"},
			exitUsage,
			[]string{"experiment.maxTime must be greater than 0"},
		},
		"unknown format": {
			[]string{"pages.yaml", "--export", "none=x"}, exitUsage, []string{`there is no format "none"`, "junit"},
		},
		"no place to export to": {
			[]string{"pages.yaml", "--export", "junit=none/x.xml"},
			exitUsage,
			[]string{"junit=none/x.xml", "cannot write there"},
		},
		"no checkout of the reference server": {
			[]string{"regression", "--base", "service"},
			exitUsage,
			[]string{"is no checkout of headroom", "section experiment"},
		},
		"a URL that does not answer": {
			[]string{
				"pages.yaml", "--base-url", "http://127.0.0.1:1", "--head-url", serving, "--set", "regression=null",
			},
			exitError,
			[]string{"http://127.0.0.1:1", "does not answer"},
		},
		"a build that fails": {
			[]string{"pages.yaml", "--base", "service", "--set", `experiment.build="echo it is broken; exit 3"`},
			exitError,
			[]string{"the base: build in ", "exit status 3", "it is broken"},
		},
		"a command that ends": {
			[]string{
				"pages.yaml", "--base-command", "echo no configuration for {{port}}; exit 3", "--head-command",
				"echo no configuration for {{port}}; exit 3",
			},
			exitError,
			[]string{"block 1: start the ", "exit status 3", "no configuration for "},
		},
		"never ready": {
			[]string{
				"pages.yaml", "--base-command", "echo waiting for {{port}}; exec sleep 60",
				"--head-command", "echo waiting for {{port}}; exec sleep 60", "--set", "experiment.readyWithin=500ms",
			},
			exitError,
			[]string{"block 1: start the ", "it was not ready after 500ms", "waiting for "},
		},
		"no time": {
			[]string{
				"pages.yaml", "--base-url", serving, "--head-url", serving, "--max-time", "1ms",
				"--set", "regression=null",
			},
			exitInvalid,
			[]string{"the time was over before a slice was measured", "--max-time"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := ab(t, repository, append(tt.args, "--out", filepath.Join(t.TempDir(), "out"))...)
			p.exits(t, tt.code)
			says(t, p.stderr.String(), tt.says...)
			if strings.Contains(p.stderr.String(), "goroutine ") {
				t.Errorf("a stack trace:\n%s", &p.stderr)
			}
			nothingLeft(t, p)
		})
	}
}

// TestABHeadThatDoesNotBuild: the compiler's own words are shown.
func TestABHeadThatDoesNotBuild(t *testing.T) {
	t.Parallel()
	repository := hashingRepository(t)
	write(t, repository, "main.go", hashing+"\nvar broken int = undeclared\n")
	p := ab(t, repository, "pages.yaml", "--base", "service")
	p.exits(t, exitError)
	says(t, p.stderr.String(), "the head: build in ", "undefined: undeclared", "exit status 1")
	nothingLeft(t, p)
	if left := inside(t, repository, "git", "worktree", "list"); strings.Count(left, "\n") != 1 {
		t.Errorf("worktrees are left:\n%s", left)
	}
}

// nothingLeft holds that an experiment has removed what it made for itself.
func nothingLeft(t *testing.T, p *program) {
	t.Helper()
	if left := leftovers(t, p); left != "" {
		t.Error(left)
	}
}

// leftovers says what an experiment has not removed; empty for nothing.
func leftovers(t *testing.T, p *program) string {
	t.Helper()
	temp := ""
	for _, v := range p.Env {
		if dir, ok := strings.CutPrefix(v, "TMPDIR="); ok {
			temp = dir
		}
	}
	for _, pattern := range []string{
		filepath.Join(temp, "headroom-*"), filepath.Join(p.Dir, ".git", "worktrees", "*"),
	} {
		left, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) > 0 {
			return "left: " + strings.Join(left, ", ")
		}
	}
	return ""
}

// TestGivenServers: versions that need two of what is given once are refused before anything is started.
func TestGivenServers(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"redis://h:1/0": "redis://h:1/1", "redis://u:p@h:1": "redis://u:p@h:1/1",
		"rediss://h:1/?a=b": "rediss://h:1/1?a=b",
		"redis://h:1/3":     "", "redis://h:1/0?db=0": "", "h:1/0": "", "unix:///run/redis": "", "redis://h:1/00": "",
	} {
		other, err := otherCache(given)
		if other != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", given, other, err)
		}
		x := &experimenter{runner: runner{cache: given}}
		if err := x.twoCaches(); (err != nil) != (want == "") {
			t.Errorf("--cache %s: %v", given, err)
		}
	}
	refused := ab(t, t.TempDir(), "regression", "--postgres", "postgres://h/x", "--cache", "redis://:secret@h:1/2")
	refused.exits(t, exitUsage)
	says(t, refused.stderr.String(), "--cache is not the address of database 0")

	base, head := t.TempDir(), t.TempDir()
	for dir, text := range map[string]string{base: "one", head: "two"} {
		migrations := filepath.Join(dir, "server", "store", "migrations")
		if err := os.MkdirAll(migrations, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, migrations, "00001.sql", text)
	}
	x := &experimenter{runner: runner{postgres: "postgres://h/x", cache: "redis://h/0", progress: io.Discard}}
	err := x.startReferenceArms(t.Context(), &arms{
		base: arm{name: experiment.Base, program: "base", source: base},
		head: arm{name: experiment.Head, program: "head", source: head},
	}, &scenarios.Plan{})
	var usage usageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "the migrations of the base and the head differ") {
		t.Errorf("%v", err)
	}
}

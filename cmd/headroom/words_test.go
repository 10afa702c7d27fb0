package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSuggestsACommand(t *testing.T) {
	t.Parallel()
	for word, say := range map[string]string{
		"rn":      `unknown command "rn" for "headroom"; did you mean "run"?`,
		"valdate": `did you mean "validate"?`, "xyzzy": "headroom --help",
	} {
		p := headroom(t, word)
		p.exits(t, exitUsage)
		says(t, p.stderr.String(), say)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	p := headroom(t, "version")
	p.exits(t, exitOK)
	if got, want := p.stdout.String(), runtime.Version()+", "+runtime.GOOS+"/"+runtime.GOARCH+
		")\n"; !strings.HasPrefix(got, "headroom ") || !strings.HasSuffix(got, want) {
		t.Errorf("%q", got)
	}
	headroom(t, "version", "x").exits(t, exitUsage)
}

// TestCompletion asks as the scripts of headroom completion do.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"run", "try", "validate", "ab", "calibrate"} {
		p := headroom(t, "__complete", command, "ref")
		p.exits(t, exitOK)
		if got := p.stdout.String(); got != "reference\n:0\n" {
			t.Errorf("%s: %q", command, got)
		}
	}
}

// TestScenarioOnStandardInput: its faults have a place, what it names lies beside the working directory, and it runs.
func TestScenarioOnStandardInput(t *testing.T) {
	t.Parallel()
	const s = "target: {url: 'URL'}\nfeeders: {users: {csv: users.csv}}\n" +
		"scenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: '/{{u}}', values: " +
		"{u: {feeder: users, column: id}}}]}}\n"
	p := headroom(t, "validate", "-")
	p.Stdin = strings.NewReader(strings.Replace(s, "URL", "http://127.0.0.1:1", 1) + "ratee: 1\n")
	p.exits(t, exitUsage)
	if !strings.HasPrefix(p.stderr.String(), "stdin:4:1: unknown key") {
		t.Errorf("%q", p.stderr.String())
	}
	p = headroom(t, "validate", "-")
	p.Stdin = strings.NewReader("target: {url: 'http://127.0.0.1:1'}\nscenarios: {s: {executor: constant-vus, vus: " +
		"1, duration: 1s, requests: [{name: a, path: /}]}}\n")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "stdin: valid (1 scenario")
	p = headroom(t, "run", "-", "--quiet", "--out", "out")
	p.Stdin = strings.NewReader(strings.Replace(s, "URL", service(t), 1))
	write(t, p.Dir, "users.csv", "id\n1\n")
	p.exits(t, exitOK)
	says(t, text(t, filepath.Join(p.Dir, "out", "run.json")), `"file": "stdin"`)
	says(t, text(t, filepath.Join(p.Dir, "out", "report.html")), "--out out-again")
}

// TestFaultsBeginWithTheirPlace: an editor goes to file, line and column; other faults say whose they are.
func TestFaultsBeginWithTheirPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const feeder = "feeders: {users: {csv: FILE}}\ntarget: {url: 'http://127.0.0.1:1'}\n" +
		"scenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: '/{{u}}', values: " +
		"{u: {feeder: users, column: id}}}]}}\n"
	const replay = "target: {url: 'http://127.0.0.1:1'}\nscenarios:\n  again:\n    executor: replay\n    file: FILE\n"
	at := func(name, text string) string { return write(t, dir, name, text) }
	bad := at("bad.yaml", "ratee: 1\nscenarios: {}\n")
	users := at("users.csv", "name\nx\n")
	log := at("broken.log", "127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] \"GET / HTTP/1.1\" 200 5\nGET /\n")
	noUsers, wrongUsers := at("none.yaml", strings.Replace(feeder, "FILE", "none.csv", 1)),
		at("wrong.yaml", strings.Replace(feeder, "FILE", "users.csv", 1))
	noLog, wrongLog := at("nolog.yaml", strings.Replace(replay, "FILE", "none.log", 1)),
		at("wronglog.yaml", strings.Replace(replay, "FILE", "broken.log", 1))
	script := at("script.js", "// load\nimport http from 'k6/http';\nexport const options = { vus: 10 };\nexport "+
		"default function () {}\n")
	targets := at("targets.txt", "GET http://127.0.0.1:1/\n\nGET http://127.0.0.1:1/ok HTTP/1.1\n")
	for name, tt := range map[string]struct {
		args []string
		want []string // of each line
	}{
		"scenario": {[]string{"run", bad}, []string{bad + ":1:1: unknown key", bad + ":2:"}},
		"several files": {
			[]string{"validate", bad, "missing.yaml", noLog},
			[]string{bad + ":1:1: ", bad + ":2:", "headroom: open scenario missing.yaml", noLog + ":5:5: open "},
		},
		"feeder that is not":    {[]string{"run", noUsers}, []string{noUsers + ":1:19: open "}},
		"feeder":                {[]string{"run", wrongUsers}, []string{users + ":1: there is no column"}},
		"recording that is not": {[]string{"run", noLog}, []string{noLog + ":5:5: open "}},
		"recording":             {[]string{"run", wrongLog}, []string{log + ":2: the line is not of the combined"}},
		"k6 script": {
			[]string{"run", script},
			[]string{script + ":2:1: this is a k6 script, and a scenario is YAML; headroom import FILE makes one"},
		},
		"targets": {
			[]string{"attack", "-targets", targets},
			[]string{targets + `:3: "HTTP/1.1" stands behind the URL`},
		},
		"targets for a scenario": {
			[]string{"run", targets},
			[]string{targets + ":1:1: this is a target file of vegeta"},
		},
		"recording as a scenario": {
			[]string{"run", log},
			[]string{log + ":1:1: this is an access log, and a scenario is YAML; name it in one"},
		},
		"a flag": {[]string{"run", "--provder", "x"}, []string{"headroom: unknown flag"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, tt.args...)
			p.exits(t, exitUsage)
			lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), len(tt.want), &p.stderr)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("got %s\nwant %s", lines[i], want)
				}
			}
		})
	}
}

// TestNoPlaceToWrite: where the run's directory cannot be made, it is said how to name another.
func TestNoPlaceToWrite(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", scenario(t, "http://127.0.0.1:1", closed, `http_reqs: count>0`))
	// nor can root make a directory there
	if err := os.WriteFile(filepath.Join(p.Dir, "results"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "headroom: make the run's directory: ",
		"; name a directory that can be written, with --out")
}

// TestAttackAndReplaySignInAlike: user and password of a URL reach the service by both, and by either engine.
func TestAttackAndReplaySignInAlike(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100)
	url := serviceOf(t, signedIn(seen))
	targets := write(t, t.TempDir(), "targets.json",
		`{"method":"GET","url":"`+strings.Replace(url, "http://", "http://bob:p%40w@", 1)+`/"}`+"\n")
	for name, args := range map[string][]string{
		"attack": {
			"attack", "-targets", targets, "-format", "json", "-rate", "5", "-duration", "1s", "-output",
			"out.bin",
		},
		"replay, wire":   {"run", "--quiet", write(t, filepath.Dir(targets), "wire.yaml", replayOf(url, "wire"))},
		"replay, vegeta": {"run", "--quiet", write(t, filepath.Dir(targets), "vegeta.yaml", replayOf(url, "vegeta"))},
	} {
		headroom(t, args...).exits(t, exitOK, exitInvalid)
		if len(seen) == 0 {
			t.Errorf("%s sent nothing", name)
		}
		for len(seen) > 0 {
			if got := <-seen; got != "bob p@w true" {
				t.Errorf("%s signed in as %s", name, got)
			}
		}
	}
}

func replayOf(url, engine string) string {
	return "target: {url: '" + url + "'}\nengine: " + engine +
		"\nscenarios: {again: {executor: replay, file: targets.json, rate: 5}}\n"
}

package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFiles writes files, by name, into a new directory.
func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var includeFiles = map[string]string{
	"s.yaml": `include: [parts/first.yaml, "parts/${SECOND}.yaml"]
target: {url: "http://127.0.0.1:1"}
tags: {team: own}
scenarios:
  s: {rate: 7}
`,
	"parts/first.yaml": `include: deeper/users.yaml
tags: {team: first, phase: first}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 1
    duration: 1s
    requests:
      - name: r
        path: /{{id}}
        values: {id: {feeder: users, column: id}}
        headers: {X-Key: {secret: {file: key}}}
      - {name: send, path: /, method: POST, bodyFile: body.txt}
`,
	"parts/key":      "the-key-of-a-part\n",
	"parts/body.txt": "body",
	"parts/second.yaml": `
tags: {phase: second, last: second}
thresholds: {http_reqs: "count>0"}
`,
	"parts/deeper/users.yaml": "feeders: {users: {csv: users.csv}}\n",
}

// TestInclude holds what several files become, and that the record of a run needs only itself.
func TestInclude(t *testing.T) {
	dir := writeFiles(t, includeFiles)
	in := Inputs{
		Lookup: environment(map[string]string{"SECOND": "second"}), Secrets: &Redactor{},
		Overrides: []string{"scenarios.s.duration=3s"},
	}
	p, err := in.Read(filepath.Join(dir, "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(p *Plan) {
		s := p.Scenarios[0]
		load := s.Load.(ConstantRate)
		if fmt.Sprint(p.Tags) != "map[last:second phase:first team:own]" ||
			load.Rate != 7 || load.Duration.Seconds() != 3 ||
			len(p.Thresholds) != 1 || p.Feeders[0].File != "parts/deeper/users.csv" || p.Feeders[0].Line != 0 {
			t.Errorf("%+v, %+v", p, load)
		}
	}
	check(p)
	if q := p.Scenarios[0].Requests; shown(q[1].Body) != "body" || shown(q[0].Headers[0].Value) != "the-key-of-a-part" {
		t.Errorf("the files beside an included file: %+v", q)
	}
	saved := Saved{
		File: p.Source.File, Text: p.Source.Text, Includes: p.Source.Includes, Overrides: p.Source.Overrides,
		Variables: p.Source.Variables,
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	again, err := saved.Parse()
	if err != nil {
		t.Fatal(err)
	}
	check(again)
}

func TestIncludeFaults(t *testing.T) {
	for _, tt := range []struct{ file, text, fault string }{
		{"s.yaml", "include: missing.yaml", "s.yaml:1:10: include: stat DIR/missing.yaml: no such file or directory"},
		{"s.yaml", "include: s.yaml", "s.yaml:1:10: DIR/s.yaml includes itself; remove it"},
		{
			"parts/deeper/users.yaml", "include: ../first.yaml",
			"parts/deeper/users.yaml:1:10: DIR/parts/first.yaml includes itself",
		},
		{"s.yaml", "include: {a: b}", "s.yaml:1:11: include must be a single value or a list, not a mapping"},
		{
			"parts/second.yaml", "- a",
			"parts/second.yaml:1:1: DIR/parts/second.yaml is a list, and no mapping; write keys of a scenario file",
		},
		{"parts/second.yaml", "tags: {a: [", "parts/second.yaml:1:"},
		{"parts/second.yaml", "\ntag: {a: b}", `parts/second.yaml:2:1: unknown key "tag"; did you mean "tags"?`},
		{"parts/second.yaml", "thresholds: {http_reqs: \"count>x\"}", "parts/second.yaml:1:25: "},
	} {
		files := map[string]string{}
		for name, text := range includeFiles {
			files[name] = text
		}
		files[tt.file] = tt.text
		dir := writeFiles(t, files)
		in := Inputs{Lookup: environment(map[string]string{"SECOND": "second"})}
		_, err := in.Read(filepath.Join(dir, "s.yaml"))
		got := strings.ReplaceAll(fmt.Sprint(err), dir+"/", "DIR/")
		if !strings.Contains(strings.ReplaceAll(got, "DIR/", ""), strings.ReplaceAll(tt.fault, "DIR/", "")) {
			t.Errorf("%s: %s:\n%s, want\n%s", tt.file, tt.text, got, tt.fault)
		}
		if strings.Contains(got, "needs scenarios") { // they may be in what could not be included
			t.Errorf("%s: %s:\n%s", tt.file, tt.text, got)
		}
	}
}

// TestSecretsOfIncludes holds that the record of an included file has no secrets.
func TestSecretsOfIncludes(t *testing.T) {
	files := map[string]string{
		"s.yaml": "include: part.yaml\ntarget: {url: \"http://127.0.0.1:1\"}\n",
		"part.yaml": "scenarios:\n  s: {executor: constant-vus, vus: 1, duration: 1s,\n" +
			"    headers: {Authorization: short}, requests: [{name: r, path: /}]}\n",
	}
	secrets := &Redactor{}
	p, err := Inputs{Secrets: secrets}.Read(filepath.Join(writeFiles(t, files), "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got := secrets.Text(p.Source.Includes[0].Text)
	if strings.Contains(got, "short") || !strings.Contains(got, Redacted) {
		t.Errorf("the file is shown as %s", got)
	}
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/policycortex/headroom/fixtures"
)

// pagesWithExamples are those whose examples are requests to the reference server, one after the other.
var pagesWithExamples = []string{"server.md", "policies.md", "inference.md"}

// TestExamplesOfDocs runs the shell and Python examples of these pages as they are written, against a server of its
// own. Every request must succeed, and no answer may be empty or have errors.
func TestExamplesOfDocs(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "jq", "python3", "sha256sum"} {
		needTool(t, tool)
	}
	address := serving(t)
	for _, page := range pagesWithExamples {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			for _, language := range []string{"sh", "python"} {
				for _, example := range examples(t, page, language) {
					runExample(t, language, strings.ReplaceAll(example, "127.0.0.1:8080", address))
				}
			}
		})
	}
}

// serving starts the reference server with a fixture of its own, and returns its address.
func serving(t *testing.T) (address string) {
	t.Helper()
	p := headroom(t, "serve", "--provider", "process", "--resources", "500", "--addr", "127.0.0.1:0")
	p.Stdout = nil
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = p.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	_, err = fmt.Sscanf(line, "serving http://%s ", &address)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return address
}

// examples are the blocks of a page in a language. Those of the shell are one script: later ones use the variables of
// the first.
func examples(t *testing.T, page, language string) (all []string) {
	t.Helper()
	content := text(t, filepath.Join("..", "..", "docs", page))
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(content, -1) {
		all = append(all, block[1])
	}
	if language == "sh" {
		if len(all) == 0 {
			t.Fatalf("docs/%s has no examples for the shell", page)
		}
		all = []string{strings.Join(all, "\n")}
	}
	return all
}

// strict ends a script with the first request that fails. The time limit of an example is its normal end.
const strict = `set -euo pipefail
curl() {
  command curl --fail-with-body "$@" || { status=$?; [ $status = 28 ] || exit $status; }
  echo
}
`

func runExample(t *testing.T, language, example string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "python3", "-c", example)
	if language == "sh" {
		command = exec.CommandContext(ctx, "bash", "-c", strict+example)
	}
	command.Dir = filepath.Join("..", "..")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nof\n%s", err, out, example)
	}
	for _, nothing := range []string{`"errors":`, `"data":[]`, `"nodes":[]`, `"data":null`, `{"resources":null}`} {
		if strings.Contains(string(out), nothing) {
			t.Errorf("%s is in\n%s\nof\n%s", nothing, out, example)
		}
	}
	if len(out) < 100 {
		t.Errorf("it only says %q", out)
	}
}

var tenantInExample = regexp.MustCompile(`X-Tenant-ID[": ]+([0-9a-f-]{36})`)

// TestDocsTenant: the tenant of the examples is the one that has the fixture's data.
func TestDocsTenant(t *testing.T) {
	tenants, err := fixtures.Keys("tenant_id", fixtures.Options{Seed: 1, Resources: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := string(tenants.Append(nil, 0))
	found := 0
	for _, page := range documents(t) {
		for _, named := range tenantInExample.FindAllStringSubmatch(text(t, page), -1) {
			found++
			if named[1] != want {
				t.Errorf("%s has an example with the tenant %s, who has no data; %s has", page, named[1], want)
			}
		}
	}
	if found == 0 {
		t.Error("no example names a tenant")
	}
}

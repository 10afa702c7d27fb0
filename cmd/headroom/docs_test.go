package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var namedTarget = regexp.MustCompile("`make ([a-z-]+)`")

var namedTest = regexp.MustCompile("`([a-z][a-z0-9/-]*)\\.((?:Test|Benchmark|Fuzz)[A-Z0-9]\\w*)`")

// TestReferenceSystemPage holds that each test which docs/reference-system.md names exists where it says, and that no
// row of its tables is without one, or a target of the Makefile that shows it, unless it admits it.
func TestReferenceSystemPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference-system.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile := text(t, filepath.Join("..", "..", "Makefile"))
	rows := 0
	for line := range strings.Lines(string(page)) {
		for _, m := range namedTest.FindAllStringSubmatch(line, -1) {
			if !hasTest(t, m[1], m[2]) {
				t.Errorf("there is no %s in %s", m[2], m[1])
			}
		}
		for _, m := range namedTarget.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("there is no target %s in the Makefile", m[1])
			}
		}
		if rowIsBare(t, line) {
			t.Errorf("no test, and no \"not built\" or \"no test\": %s", line)
		}
		if strings.HasPrefix(line, "| ") {
			rows++
		}
	}
	if rows < 100 {
		t.Errorf("the page has only %d rows: was it read?", rows)
	}
	for line, want := range map[string]bool{
		"| a | b | `server.TestX` |": false, "| a | b |  |": true, "| a | b | it works |": true,
		"| a | not built | — |":   false,
		"| a | b | `make vuln` |": false, "| `make vuln` | b | it works |": true,
	} {
		if rowIsBare(t, line) != want {
			t.Errorf("%s: bare %t, want %t", line, !want, want)
		}
	}
}

// rowIsBare says whether a line is a row of a table that names neither a test nor the lack of one.
func rowIsBare(t *testing.T, line string) bool {
	t.Helper()
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "| shown by |") {
		return false
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	admitted := strings.Contains(strings.ToLower(line), "not built") || strings.Contains(line, "no test")
	last := cells[len(cells)-1]
	return !admitted && !namedTest.MatchString(last) && !namedTarget.MatchString(last)
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

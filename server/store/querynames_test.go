package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/store"
)

var (
	nameUse      = regexp.MustCompile(`namePrefix \+ (\w+)`)
	nameConstant = regexp.MustCompile(`(?m)^\t(\w+)\s+= "([a-z_0-9]+)"$`)
)

// A query whose name is not in the list would run unmeasured, and nobody would notice.
func TestEveryNamedQueryIsMeasured(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	constants, used := map[string]string{}, map[string]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range nameConstant.FindAllStringSubmatch(string(source), -1) {
			constants[m[1]] = m[2]
		}
		for _, m := range nameUse.FindAllStringSubmatch(string(source), -1) {
			used[m[1]] = file
		}
	}
	if len(used) < 3 {
		t.Fatalf("only %d named queries were found: the test tests nothing", len(used))
	}
	for constant, file := range used {
		if name := constants[constant]; !slices.Contains(store.QueryNames(), name) {
			t.Errorf("%s uses the name %s (%q), which queryNames does not have", file, constant, name)
		}
	}
	for _, name := range store.QueryNames() {
		known := false
		for constant := range used {
			known = known || constants[constant] == name
		}
		if !known {
			t.Errorf("queryNames has %s, which no query bears", name)
		}
	}
}

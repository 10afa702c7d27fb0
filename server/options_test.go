package server_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server"
)

// TestPageHasEveryOption holds docs/server.md to the options: each has a row in its tables, and it names no variable
// that nothing reads.
func TestPageHasEveryOption(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "server.md"))
	if err != nil {
		t.Fatal(err)
	}
	variables := variablesOf(reflect.TypeFor[server.Options]())
	if len(variables) < 20 {
		t.Fatalf("the options have only %d variables: were the tags read?", len(variables))
	}
	known := map[string]bool{"HEADROOM_EMBEDDED_POSTGRES": true} // of the package containers
	for _, v := range variables {
		known[v] = true
		if !strings.Contains(string(page), "\n| `"+v+"` | ") {
			t.Errorf("no table of docs/server.md has a row of `%s`", v)
		}
	}
	for _, named := range regexp.MustCompile(`HEADROOM_\w+`).FindAllString(string(page), -1) {
		if !known[named] {
			t.Errorf("docs/server.md names %s, which no option has", named)
		}
	}
}

// variablesOf returns the names in the env tags of a struct and of those in it.
func variablesOf(options reflect.Type) (names []string) {
	for field := range options.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case name == "-":
		case name != "":
			names = append(names, name)
		case field.Type.Kind() == reflect.Struct:
			names = append(names, variablesOf(field.Type)...)
		}
	}
	return names
}

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestRooms holds the direction of the imports: the way the data goes. It is the only architecture police.
func TestRooms(t *testing.T) {
	const module = "github.com/policycortex/headroom/"
	allowed := map[string][]string{
		"scenarios":  {},
		"results":    {"scenarios"},
		"loadgen":    {"scenarios", "results"},
		"containers": {},
		"fixtures":   {"server/store", "server/tracing"}, // the second by way of the first
		"server":     {"server"},                         // and whatever is below it
		"reports":    {"results", "scenarios"},
		"cmd":        {"scenarios", "results", "loadgen", "containers", "fixtures", "server", "reports"},
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}", "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	rooms := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(strings.ReplaceAll(line, module, "./"))
		name := strings.TrimPrefix(words[0], "./")
		room, _, _ := strings.Cut(name, "/")
		may, known := allowed[room]
		if !known {
			t.Errorf("%s is a room that the house does not have", name)
			continue
		}
		rooms++
		for _, dep := range words[1:] {
			dep, ours := strings.CutPrefix(dep, "./")
			below := func(r string) bool { return dep == r || strings.HasPrefix(dep, r+"/") }
			if ours && !below(room) && !slices.ContainsFunc(may, below) {
				t.Errorf("%s imports %s", name, dep)
			}
		}
	}
	if rooms < len(allowed) {
		t.Errorf("only %d of the %d rooms were found", rooms, len(allowed))
	}
}

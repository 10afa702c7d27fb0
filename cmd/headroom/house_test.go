package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		"imports":    {"scenarios", "loadgen/recording"},
		"server":     {"server"}, // and whatever is below it
		"reports":    {"results", "scenarios"},
		"cmd":        {"scenarios", "results", "loadgen", "containers", "fixtures", "imports", "server", "reports"},
	}
	belowResults := []string{"scenarios", "results/stats", "results/experiment", "results/capacity"}
	judging := append([]string{"results", "results/judge"}, belowResults...)
	// what requests are made of
	content := []string{
		"scenarios", "loadgen/random", "loadgen/recording", "loadgen/sse", "loadgen/wire/http1", "loadgen/wire/http2",
	}
	// Within a room: all that these packages may import of the house.
	within := map[string][]string{
		"results":       {"scenarios", "results/stats", "results/experiment", "results/capacity"},
		"results/stats": {}, // plain numbers
		"results/judge": {"scenarios", "results", "results/stats", "results/experiment", "results/capacity"},

		"results/calibration":    {"results/experiment", "results/stats"},
		"results/capacity":       {},
		"results/capacity/queue": {},
		"results/changepoint":    {},
		"results/experiment":     {"results/stats"},
		"results/history":        {"results/changepoint"},

		"containers/distance": {},

		"loadgen/random":      {},
		"loadgen/lightserver": {"loadgen/wire/uring"},
		"loadgen/arrival":     {"scenarios", "loadgen/random"},
		"loadgen/recording":   {"scenarios"},
		"loadgen/wire/http1":  {},
		"loadgen/wire/http2":  {},
		"loadgen/wire/secure": {},
		"loadgen/wire/uring":  {},
		"loadgen/procstat":    append([]string{"results"}, belowResults...),
		"loadgen/request":     content,
		"loadgen/connect":     {"scenarios"},
		"loadgen/record":      append([]string{"loadgen/arrival", "loadgen/request"}, append(content, judging...)...),
		"loadgen/vegetaformat": append([]string{"loadgen/record", "loadgen/arrival", "loadgen/request"},
			append(content, judging...)...),
		"loadgen/wire": append([]string{
			"loadgen/record", "loadgen/arrival", "loadgen/connect", "loadgen/request",
			"loadgen/wire/secure", "loadgen/wire/uring",
		}, append(content, judging...)...),
		"loadgen/browser": append([]string{"loadgen/record", "loadgen/arrival", "loadgen/request"},
			append(content, judging...)...),
		"loadgen/rpc": append([]string{"loadgen/connect", "loadgen/request"}, content...),
		"loadgen/nethttp": append([]string{
			"loadgen/record", "loadgen/arrival", "loadgen/connect", "loadgen/request", "loadgen/rpc",
		}, append(content, judging...)...),
		"loadgen/sse": {},
		"loadgen/stream": append([]string{
			"loadgen/record", "loadgen/arrival", "loadgen/connect", "loadgen/request", "loadgen/sse", "loadgen/wire",
			"loadgen/wire/secure", "loadgen/wire/uring",
		}, append(content, judging...)...),
	}
	joins := []string{"loadgen"} // which joins the others, and so everything that they need
	for name, below := range within {
		if strings.HasPrefix(name, "loadgen/") {
			joins = append(joins, append(below, name)...)
		}
	}
	within["loadgen/paired"], within["loadgen/search"] = joins, joins
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
		if _, strict := within[name]; !strict && strings.HasPrefix(name, "loadgen/") {
			t.Errorf("%s has no row here: say what it may import", name)
		}
		for _, dep := range words[1:] {
			dep, ours := strings.CutPrefix(dep, "./")
			below := func(r string) bool { return dep == r || strings.HasPrefix(dep, r+"/") }
			if only, strict := within[name]; ours && strict && !slices.Contains(only, dep) {
				t.Errorf("%s imports %s", name, dep)
			}
			if ours && !below(room) && !slices.ContainsFunc(may, below) {
				t.Errorf("%s imports %s", name, dep)
			}
		}
	}
	if rooms < len(allowed) {
		t.Errorf("only %d of the %d rooms were found", rooms, len(allowed))
	}
}

// TestServerRooms holds the directions below server/: what each package may import of the packages beside it.
func TestServerRooms(t *testing.T) {
	const server = "github.com/policycortex/headroom/server/"
	allowed := map[string][]string{
		"": {
			"graphql", // beside the API that it extends
			"api", "auth", "cache", "cache/glob", "cache/report", "edge", "inference", "middleware", "policy",
			"realtime", "store", "tracing", "tuning", "web",
		},
		"api": {
			"auth", "cache", "cache/codec", "cache/report", "edge", "inference", "middleware", "policy",
			"realtime", "store", "tracing", "tuning",
		},
		"auth": {},
		"cache": {
			"cache/clock", "cache/codec", "cache/coherence", "cache/glob", "cache/key", "cache/report",
			"cache/usage", "store", "tracing",
		},
		"cache/clock":     {},
		"cache/coalesce":  {},
		"cache/codec":     {},
		"cache/coherence": {"cache/clock", "cache/coalesce", "cache/key", "store"},
		"cache/glob":      {},
		"cache/key":       {"store"},
		"cache/report":    {"cache/usage"},
		"cache/usage":     {"cache/clock", "cache/key"},
		"edge":            {"cache/key"},
		"forecast":        {},
		"inference":       {"forecast", "store"},
		"middleware":      {},
		"policy":          {},
		"policy/assemble": {},
		"policy/examples": {"policy/assemble"},
		"realtime":        {"store"},
		"store":           {"tracing"},
		"tracing":         {},
		"tuning":          {},
		"web":             {"cache/codec"},
		"web/generate":    {},

		"graphql":           {"api", "cache", "graphql/generated", "graphql/model", "realtime", "store"},
		"graphql/generate":  {},
		"graphql/generated": {"graphql/model"},
		"graphql/model":     {},
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}/ {{join .Imports \" \"}}",
		"../../server/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name := strings.TrimSuffix(strings.TrimPrefix(words[0], server), "/")
		may, known := allowed[name]
		if !known {
			t.Errorf("server/%s is not in the list of what may import what", name)
			continue
		}
		found++
		for _, imported := range words[1:] {
			if dep, ours := strings.CutPrefix(imported, server); ours && !slices.Contains(may, dep) {
				t.Errorf("server/%s imports server/%s", name, dep)
			}
		}
	}
	if found != len(allowed) {
		t.Errorf("found %d of the %d packages", found, len(allowed))
	}
}

// TestPureRooms holds that what says when a request is due, and which one it is, reads no clock and sends nothing: the
// same seed gives the same load.
func TestPureRooms(t *testing.T) {
	for _, room := range []string{"arrival", "random"} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, "../../loadgen/"+room).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(out)) {
			if dep == "net" || dep == "os" || dep == "context" || strings.HasPrefix(dep, "net/") {
				t.Errorf("loadgen/%s imports %s", room, dep)
			}
		}
		files, err := filepath.Glob("../../loadgen/" + room + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("the files of %s: %v", room, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, clock := range []string{
				"Now(", "Since(", "Until(", "Sleep(", "NewTimer(", "NewTicker(", "After(",
				"AfterFunc(", "Tick(",
			} {
				if strings.Contains(string(text), "time."+clock) {
					t.Errorf("%s reads a clock: time.%s", file, clock)
				}
			}
		}
	}
}

var startsGoroutine = regexp.MustCompile(`(?m)^\s*go [a-z(]|\.Go\(`)

// TestRoomsWithoutGoroutines holds that the packages which `make test` runs without the race detector start none, nor
// do their tests.
func TestRoomsWithoutGoroutines(t *testing.T) {
	_, packages, ok := strings.Cut(text(t, filepath.Join("..", "..", "Makefile")), "\nWITHOUT_RACE := ")
	packages, _, _ = strings.Cut(packages, "\n")
	if !ok {
		t.Fatal("the Makefile has no list of packages without the race detector")
	}
	list := exec.Command("go", append([]string{
		"list", "-f",
		`{{$p := .}}{{if ne .Name "history"}}{{range .GoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}` +
			`{{range .TestGoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}` +
			`{{range .XTestGoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}`,
	}, strings.Fields(packages)...)...)
	list.Dir = filepath.Join("..", "..")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(files) < 150 {
		t.Errorf("only %d files were found", len(files))
	}
	for _, file := range files {
		if found := startsGoroutine.FindString(text(t, file)); found != "" {
			t.Errorf("%s starts a goroutine: %q", file, strings.TrimSpace(found))
		}
	}
}

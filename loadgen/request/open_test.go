//go:build unix

package request

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// TestFilesWithoutEnd: feeders and recordings are regular files, and whoever interrupts need not wait for their end.
func TestFilesWithoutEnd(t *testing.T) {
	dir := t.TempDir()
	pipe, rows := filepath.Join(dir, "pipe"), filepath.Join(dir, "rows.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rows, []byte("id\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := func(file string) (fed, replayed *scenarios.Plan) {
		const target = "target: {url: \"http://127.0.0.1:1\"}\n"
		const load = "executor: shared-iterations, iterations: 1"
		all := [2]*scenarios.Plan{}
		for i, text := range []string{
			target + "feeders: {f: {csv: " + file + "}}\nscenarios: {s: {" + load +
				", requests: [{name: r, path: \"/{{id}}\", values: {id: {feeder: f, column: id}}}]}}\n",
			target + "scenarios: {s: {executor: replay, format: json-lines, file: " + file + "}}\n",
		} {
			parsed, err := scenarios.Parse(filepath.Join(dir, "s.yaml"), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			all[i] = parsed
		}
		return all[0], all[1]
	}
	for _, file := range []string{pipe, "/dev/zero", dir} { // the time limit of the tests ends a read without end
		fed, replayed := plan(file)
		_, feeders := LoadFeeders(t.Context(), fed)
		_, _, recordings := LoadRecordings(t.Context(), replayed)
		for _, err := range []error{feeders, recordings} {
			if err == nil || !strings.Contains(err.Error(), "s.yaml:2:") ||
				!strings.Contains(err.Error(), "it is no regular file") {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	fed, replayed := plan(rows)
	_, feeders := LoadFeeders(interrupted, fed)
	_, _, recordings := LoadRecordings(interrupted, replayed)
	for _, err := range []error{feeders, recordings} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	}
}

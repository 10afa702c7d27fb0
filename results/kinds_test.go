package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadAnotherKind: who reads one kind of a saved measurement is told which other one a directory holds.
func TestReadAnotherKind(t *testing.T) {
	if held := Held(t.TempDir()); held != "" {
		t.Errorf("an empty directory holds %s", held)
	}
	for _, held := range kinds {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, held.file), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Held(dir); got != held.what {
			t.Errorf("%s holds %q", held.file, got)
		}
		for what, read := range map[string]func(path string) error{
			"run":        func(path string) error { _, err := Read(path); return err },
			"experiment": func(path string) error { _, err := ReadExperiment(path); return err },
			"capacity":   func(path string) error { _, err := ReadCapacity(path); return err },
		} {
			for _, path := range []string{dir, filepath.Join(dir, held.file)} {
				err := read(path)
				if err == nil {
					t.Fatalf("%s read as %s: no error", path, what)
				}
				wrong := "what it holds is a saved " + held.what + ": give the directory of a saved " + what +
					". headroom report " + dir
				if told := strings.Contains(err.Error(), wrong); told == (what == held.what) {
					t.Errorf("%s read as %s: %v", path, what, err)
				}
			}
		}
	}
}

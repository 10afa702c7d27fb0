package results

import (
	"fmt"
	"os"
	"path/filepath"
)

// kinds are what a directory may hold, by the file that makes it one.
var kinds = []struct{ file, what string }{
	{runFile, "run"}, {ExperimentFile, "experiment"}, {CapacityFile, "capacity"},
}

// Held names what is saved in a directory: run, experiment or capacity; empty for nothing.
func Held(dir string) string {
	for _, k := range kinds {
		if _, err := os.Stat(filepath.Join(dir, k.file)); err == nil {
			return k.what
		}
	}
	return ""
}

// directoryOf is the directory of a saved run, experiment or capacity: path, or where it is the file of one, that of
// the file.
func directoryOf(path string) string {
	for _, k := range kinds {
		if filepath.Base(path) == k.file {
			return filepath.Dir(path)
		}
	}
	return path
}

// notHeld is the error of a directory without the file of what is to be loaded. It says what the directory holds
// instead, and what can be done with that.
func notHeld(dir, what, file string, err error) error {
	held := Held(dir)
	if held == "" {
		return fmt.Errorf("load %s: %s holds no %s: %w", what, dir, file, err)
	}
	return fmt.Errorf("load %s: %s holds no %s; what it holds is a saved %s: give the directory of a saved %s. "+
		"headroom report %s shows the %s, and headroom history add %s follows it",
		what, dir, file, held, what, dir, held, dir)
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/policycortex/headroom/results"
)

// errTaken means that another process uses a run directory.
var errTaken = errors.New("another headroom process is writing to it")

// takeRunDirectory creates the run's directory and locks it until taken is closed. With another, it may use the next
// free name instead.
func takeRunDirectory(dir string, another bool) (path string, taken *os.File, err error) {
	path = dir
	for i := 2; another && holdsSaved(path); i++ {
		path = fmt.Sprintf("%s-%d", dir, i)
	}
	for i := 2; ; i++ {
		if err := makeRunDirectory(path); err != nil {
			return path, nil, err
		}
		taken, err = lockRunDirectory(path)
		switch {
		case err == nil:
			return path, taken, nil
		case !another || !errors.Is(err, errTaken):
			return path, nil, usageError{fmt.Errorf("%s: %w; choose another --out", path, err)}
		}
		path = fmt.Sprintf("%s-%d", dir, i)
	}
}

// holdsSaved reports whether a directory holds a saved run, experiment or capacity.
func holdsSaved(dir string) bool { return results.Held(dir) != "" }

func holdsRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "run.json"))
	return err == nil
}

// lockRunDirectory locks a directory. The lock ends with the process and leaves no file behind.
func lockRunDirectory(dir string) (*os.File, error) {
	taken, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	// Some network file systems do not lock directories. There, two runs are not kept apart.
	err = syscall.Flock(int(taken.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	// Its owner may have removed it or finished a run in it in the meantime.
	if errors.Is(err, syscall.EWOULDBLOCK) || !stands(dir, taken) || holdsSaved(dir) {
		return nil, errors.Join(errTaken, taken.Close())
	}
	return taken, nil
}

// stands reports whether a path still leads to an open directory.
func stands(dir string, open *os.File) bool {
	here, errHere := os.Stat(dir)
	there, errThere := open.Stat()
	return errHere == nil && errThere == nil && os.SameFile(here, there)
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// errTaken says that another process writes into a directory.
var errTaken = errors.New("another headroom writes into it at this moment")

// takeRunDirectory makes the run's directory and keeps others out of it until it is closed. With another, the next name
// that is free will do in its place.
func takeRunDirectory(dir string, another bool) (path string, taken *os.File, err error) {
	path = dir
	for i := 2; another && holdsRun(path); i++ {
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
			return path, nil, usageError{fmt.Errorf("%s: %w: give another --out", path, err)}
		}
		path = fmt.Sprintf("%s-%d", dir, i)
	}
}

func holdsRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "run.json"))
	return err == nil
}

// lockRunDirectory locks a directory. The lock goes with the process, however that ends, and leaves nothing behind.
func lockRunDirectory(dir string) (*os.File, error) {
	taken, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	// Some file systems of networks lock no directories: there nothing keeps two runs apart.
	err = syscall.Flock(int(taken.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	// Its owner may have removed it meanwhile, or finished a run in it.
	if errors.Is(err, syscall.EWOULDBLOCK) || !stands(dir, taken) || holdsRun(dir) {
		return nil, errors.Join(errTaken, taken.Close())
	}
	return taken, nil
}

// stands says that a path still leads to an open directory.
func stands(dir string, open *os.File) bool {
	here, errHere := os.Stat(dir)
	there, errThere := open.Stat()
	return errHere == nil && errThere == nil && os.SameFile(here, there)
}

package containers

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
)

// cacheDirs are the directories in which fetched programs may be kept, the best first: the user's, for root also the
// system's, and one among the temporary files. When another user runs the servers, only those are left that it can
// enter.
func cacheDirs(dropped bool) []string {
	var candidates []string
	if base, err := os.UserCacheDir(); err == nil { // fails without HOME
		candidates = append(candidates, filepath.Join(base, "headroom"))
	} else if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		candidates = append(candidates, filepath.Join(u.HomeDir, ".cache", "headroom"))
	}
	if os.Geteuid() == 0 {
		candidates = append(candidates, "/var/cache/headroom")
	}
	candidates = append(candidates, filepath.Join(os.TempDir(), fmt.Sprintf("headroom-cache-%d", os.Geteuid())))
	if !dropped {
		return candidates
	}
	var open []string
	for _, dir := range candidates {
		if enterable(existing(dir)) {
			open = append(open, dir)
		}
	}
	return open
}

// makeCacheDir makes the first of the directories that can be made, and written.
func makeCacheDir(dirs []string) (string, error) {
	var failures []string
	for _, dir := range dirs {
		err := makeOwn(dir)
		if err == nil {
			return dir, nil
		}
		failures = append(failures, err.Error())
	}
	return "", &UnavailableError{
		Provider: providerEmbedded, Detail: "there is no directory to keep PostgreSQL's binaries in: " +
			strings.Join(failures, "; "),
		Todo: "set XDG_CACHE_HOME to a directory that you can write, or install PostgreSQL: " + installCommand(),
	}
}

// makeOwn makes a directory that this user can write, and everybody enter.
func makeOwn(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := trusted(dir); err != nil {
		return err
	}
	probe, err := os.MkdirTemp(dir, "probe-")
	if err != nil {
		return err
	}
	if err := os.Remove(probe); err != nil {
		return err
	}
	if enterable(dir) || !enterable(filepath.Dir(dir)) {
		return nil
	}
	return os.Chmod(dir, 0o755) // made with a umask that keeps others out
}

// trusted returns nil if only this user and root can change the content of a directory. Programs are run from it.
func trusted(dir string) error {
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
			return fmt.Errorf("%s belongs to another user", dir)
		}
		if info.Mode()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
			return fmt.Errorf("other users can write to %s", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// existing is the nearest directory, from a path upwards, that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

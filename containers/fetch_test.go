package containers

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ulikunitz/xz"
)

// installation is a tree of binaries: scripts in place of programs, a library, and a symbolic link where there is one.
func installation(t *testing.T, w io.Writer, prefix, link string) {
	t.Helper()
	const script = "#!/bin/sh\necho 'postgres (PostgreSQL) 15.0'\n"
	archive := tar.NewWriter(w)
	for _, f := range []struct {
		name, content string
		mode          int64
	}{
		{"bin/initdb", script, 0o755},
		{"bin/postgres", script, 0o700},
		{"lib/libpq.so.5.15", "library", 0o600},
		{"pg-symlinks.json", `[{"source":"native/lib/libpq.so.5.15","target":"native/lib/libpq.so.5"}]`, 0o644},
	} {
		if err := archive.WriteHeader(&tar.Header{
			Name: prefix + f.name, Mode: f.mode, Size: int64(len(f.content)),
			Typeflag: tar.TypeReg,
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if link != "" {
		if err := archive.WriteHeader(&tar.Header{
			Name: prefix + link, Linkname: "libpq.so.5.15",
			Typeflag: tar.TypeSymlink,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
}

// npmFake is a registry on loopback with one package, and that package.
func npmFake(t *testing.T) npmPackage {
	t.Helper()
	t.Setenv("PATH", "/bin:"+t.TempDir()) // npm itself is used against the real registry, in TestFreshMachine
	if _, err := os.Stat("/bin/npm"); err == nil {
		t.Setenv("PATH", t.TempDir())
	}
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	installation(t, zipped, "package/native/", "")
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/@p/x/1.0.0", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"dist": {"tarball": "%s/x.tgz", "integrity": "whatever"}}`, s.URL)
	})
	mux.HandleFunc("/x.tgz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive.Bytes()) })
	sum := sha512.Sum512(archive.Bytes())
	return npmPackage{"@p/x", "1.0.0", "sha512-" + base64.StdEncoding.EncodeToString(sum[:]), s.URL + "/"}
}

// mavenFake is a repository on loopback that has a jar for every platform, with the given checksum or the right one.
func mavenFake(t *testing.T, checksum string) source {
	t.Helper()
	var packed, jar bytes.Buffer
	x, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	installation(t, x, "./", "lib/libpq.so.5")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(&jar)
	f, err := z.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(packed.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if checksum == "" {
		checksum = fmt.Sprintf("%x", sha256.Sum256(jar.Bytes()))
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".jar.sha256") {
			_, _ = io.WriteString(w, checksum+"\n")
			return
		}
		_, _ = w.Write(jar.Bytes())
	}))
	t.Cleanup(s.Close)
	return mavenSource(s.URL)
}

// fetched fetches into a new cache, which it returns.
func fetched(t *testing.T, ctx context.Context, sources ...source) (cache, dir string, err error) {
	t.Helper()
	j, err := startJanitor()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.finish(context.Background()) }()
	cache = publicTemp(t)
	dir, err = fetchPostgres(ctx, cache, sources, j, func(m string) { t.Log(m) })
	return cache, dir, err
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("there is %v in the cache, %v", entries, err)
	}
}

func TestFetchFromEitherSource(t *testing.T) {
	npm := npmFake(t)
	for name, s := range map[string]source{"npm": npm.source(), "maven": mavenFake(t, "")} {
		t.Run(name, func(t *testing.T) {
			if err := s.reach(t.Context()); err != nil {
				t.Errorf("it cannot be reached: %v", err)
			}
			cache, dir, err := fetched(t, t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if kept([]string{cache}) != dir {
				t.Errorf("it is in %s, and found in %q", dir, kept([]string{cache}))
			}
			for file, mode := range map[string]os.FileMode{
				"bin": 0o755, "bin/postgres": 0o755,
				"lib/libpq.so.5": 0o644,
			} {
				if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != mode {
					t.Errorf("%s: %v, %v, want mode %v", file, info, err, mode)
				}
			}
			if entries, err := os.ReadDir(cache); err != nil || len(entries) != 1 {
				t.Errorf("the cache has %v, %v", entries, err)
			}
		})
	}
}

func TestFetchRefusesWhatWasChanged(t *testing.T) {
	npm := npmFake(t)
	npm.integrity = "sha512-other"
	for name, s := range map[string]source{"npm": npm.source(), "maven": mavenFake(t, "00")} {
		cache, _, err := fetched(t, t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), "the checksum of the downloaded file") {
			t.Errorf("%s: %v", name, err)
		}
		requireEmpty(t, cache)
	}
}

func TestFetchGoesToTheNextSourceAndSaysWhatMends(t *testing.T) {
	npm := npmFake(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)
	npm.registry = gone.URL + "/"
	if _, dir, err := fetched(t, t.Context(), npm.source(), mavenFake(t, "")); err != nil ||
		!strings.HasSuffix(dir, mavenPostgres) {
		t.Errorf("got %s, %v, want the second source's", dir, err)
	}
	closed := mavenSource("http://127.0.0.1:1")
	cache, _, err := fetched(t, t.Context(), npm.source(), closed)
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok || !strings.Contains(unavailable.Todo, "install") {
		t.Fatalf("got %v, want what to do", err)
	}
	_, errReach := reachable(t.Context(), []source{npm.source(), closed})
	for _, text := range []string{err.Error(), fmt.Sprint(errReach)} {
		for _, want := range []string{gone.URL, "404", "http://127.0.0.1:1/", "refused", installCommand()} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in %q", want, text)
			}
		}
	}
	requireEmpty(t, cache)
}

// TestFetchEndsWithItsContext has a source that stops in the middle of its answer.
func TestFetchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a beginning")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	cache, _, err := fetched(t, ctx, mavenSource(s.URL))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	requireEmpty(t, cache)
}

func TestFetchTwoAtOnce(t *testing.T) {
	s, cache := mavenFake(t, ""), publicTemp(t)
	j, err := startJanitor()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.finish(context.Background()) }()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			dir, err := fetchPostgres(t.Context(), cache, []source{s}, j, func(string) {})
			if err != nil || !hasServer(dir) {
				t.Errorf("%s, %v", dir, err)
			}
		})
	}
	all.Wait()
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 1 {
		t.Errorf("the cache has %v, %v", entries, err)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	for _, header := range []tar.Header{
		{Name: "../outside", Typeflag: tar.TypeReg},
		{Name: "link/outside", Typeflag: tar.TypeReg},
	} {
		dir := t.TempDir()
		tree := filepath.Join(dir, "tree")
		if err := os.Mkdir(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(tree)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = root.Close() }()
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		for _, h := range []*tar.Header{{Name: "link", Linkname: "..", Typeflag: tar.TypeSymlink}, &header} {
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := unpackTar(&archive, "", root); err == nil {
			t.Errorf("%s was unpacked", header.Name)
		}
		if _, err := os.Stat(filepath.Join(dir, "outside")); err == nil {
			t.Errorf("%s is outside", header.Name)
		}
	}
}

func TestRegistryOfTheMachine(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // without npm
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	if got := registry(t.Context()); got != npmRegistry {
		t.Errorf("without settings: %s", got)
	}
	if err := os.WriteFile(filepath.Join(home, ".npmrc"),
		[]byte("; mine\nregistry = \"https://me:secret@npm.example/a\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := registry(t.Context())
	if got != "https://me:secret@npm.example/a/" {
		t.Errorf("with a file: %s", got)
	}
	if name := (npmPackage{registry: got}).source().name; strings.Contains(name, "secret") {
		t.Errorf("the password is in %q", name)
	}
	t.Setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:4873")
	if got := registry(t.Context()); got != "http://127.0.0.1:4873/" {
		t.Errorf("with a variable: %s", got)
	}
}

func TestCacheDirIsForTheServersToEnter(t *testing.T) {
	tmp := publicTemp(t)
	closed, open := filepath.Join(tmp, "closed"), filepath.Join(tmp, "open")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", open)
	if dirs := cacheDirs(true); dirs[0] != filepath.Join(open, "headroom") {
		t.Errorf("a directory that everybody can enter: %v", dirs)
	}
	t.Setenv("XDG_CACHE_HOME", closed)
	if dirs := cacheDirs(false); dirs[0] != filepath.Join(closed, "headroom") {
		t.Errorf("for the same user: %v", dirs)
	}
	if dirs := cacheDirs(true); len(dirs) == 0 || strings.HasPrefix(dirs[0], closed) || !enterable(existing(dirs[0])) {
		t.Errorf("for another user: %v", dirs)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if dirs := cacheDirs(false); len(dirs) < 2 || dirs[0] == "" {
		t.Errorf("without HOME: %v", dirs)
	}
}

func TestCacheDirIsNobodyElses(t *testing.T) {
	tmp := publicTemp(t)
	dir := filepath.Join(tmp, "a", "headroom")
	if got, err := makeCacheDir([]string{"/proc/none", dir}); err != nil || got != dir {
		t.Fatalf("got %s, %v, want the one that can be made", got, err)
	}
	// Whoever can write a directory above it can put another in its place.
	if err := os.Chmod(filepath.Dir(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := makeCacheDir([]string{dir}); err == nil ||
		!strings.Contains(err.Error(), "other users can write to "+filepath.Dir(dir)) {
		t.Errorf("in a directory that everybody can write: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	if _, err := makeCacheDir([]string{dir}); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("another user's: %v", err)
	}
}

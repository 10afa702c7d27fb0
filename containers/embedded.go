package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	// embeddedVariable names an environment variable: a directory with a PostgreSQL installation (bin/pg_ctl, bin/initdb
	// and bin/postgres) for machines that cannot reach the repository of binaries.
	embeddedVariable = "HEADROOM_EMBEDDED_POSTGRES"
	// embeddedVersion is of the same major version as DefaultPostgresImage.
	embeddedVersion    = embeddedpostgres.V15
	embeddedRepository = "https://repo1.maven.org/maven2"
	repositoryLimit    = 3 * time.Second
	// libraryGrace is how long a Start whose context has ended waits for the library, which knows no context.
	libraryGrace = 10 * time.Second
)

// embeddedBinaries says where the binaries are or will be.
type embeddedBinaries struct {
	dir    string // the installation
	cache  string // the directory of downloaded archives
	detail string
}

func checkEmbedded(ctx context.Context, _ Options) (string, error) {
	b, err := findEmbedded(ctx)
	if err != nil {
		return "", err
	}
	return b.detail + ", miniredis in this process", nil
}

// findEmbedded looks for binaries: those that the user names, those fetched before, and then whether the repository
// can be reached.
func findEmbedded(ctx context.Context) (embeddedBinaries, error) {
	unavailable := func(detail, todo string) (embeddedBinaries, error) {
		return embeddedBinaries{}, &UnavailableError{Provider: providerEmbedded, Detail: detail, Todo: todo}
	}
	if os.Geteuid() == 0 {
		return unavailable("PostgreSQL refuses to run as root, and the embedding library cannot change the user",
			"run as an ordinary user, or install PostgreSQL and a cache for provider process, which can")
	}
	if dir := os.Getenv(embeddedVariable); dir != "" {
		if !isProgram(filepath.Join(dir, "bin", "pg_ctl")) {
			return unavailable(embeddedVariable+" is "+dir+", where there is no bin/pg_ctl",
				"set it to the directory of a PostgreSQL installation that has bin/pg_ctl, or unset it")
		}
		return embeddedBinaries{dir: dir, detail: "PostgreSQL in " + dir + " (" + embeddedVariable + ")"}, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return unavailable("there is no directory to keep PostgreSQL's binaries in: "+err.Error(), "set HOME or XDG_CACHE_HOME")
	}
	b := embeddedBinaries{
		cache: filepath.Join(base, "headroom"),
		dir:   filepath.Join(base, "headroom", "postgres-"+string(embeddedVersion)),
	}
	b.detail = "PostgreSQL " + string(embeddedVersion) + " in " + b.dir
	if isProgram(filepath.Join(b.dir, "bin", "pg_ctl")) {
		return b, nil
	}
	if err := reachRepository(ctx); err != nil {
		return unavailable("no PostgreSQL was fetched before, and its repository cannot be reached: "+err.Error(),
			"connect to the network (HTTPS_PROXY is honoured), or set "+embeddedVariable+" to the directory of a PostgreSQL installation")
	}
	b.detail = "PostgreSQL " + string(embeddedVersion) + " from " + embeddedRepository
	return b, nil
}

func reachRepository(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, repositoryLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, embeddedRepository+"/", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close() // any answer will do: it is there
}

func startEmbedded(ctx context.Context, o Options) (*Environment, error) {
	b, err := findEmbedded(ctx)
	if err != nil {
		return nil, err
	}
	for name, value := range o.PostgresSettings {
		if strings.ContainsAny(value, "\"\\$`\n") {
			return nil, fmt.Errorf("PostgreSQL setting %s: provider embedded passes values through a shell and cannot take the value %q", name, value)
		}
	}
	w, err := openWorkshop(ctx)
	if err != nil {
		return nil, err
	}
	e := &embedded{workshop: w, binaries: b}
	env := &Environment{stop: e.close}
	return env.orStopped(ctx, e.fill(ctx, env, o))
}

func (e *embedded) fill(ctx context.Context, env *Environment, o Options) (err error) {
	o.Progress("starting postgres (embedded: " + e.binaries.detail + ")")
	if env.PostgresURL, env.Postgres, err = e.startPostgres(ctx, o.PostgresSettings); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if o.Replica {
		if err := e.replicate(ctx, env, o); err != nil {
			return fmt.Errorf("start the replica: %w", err)
		}
	}
	return e.startMiniredis(ctx, env, o)
}

// replicate starts a replica if the binaries can make one; those that the library fetches cannot.
func (e *embedded) replicate(ctx context.Context, env *Environment, o Options) error {
	bin := filepath.Join(e.binaries.dir, "bin")
	if !isProgram(filepath.Join(bin, "pg_basebackup")) {
		env.Warnings = append(env.Warnings, "there is no replica: the PostgreSQL of provider embedded has no pg_basebackup; "+
			"all reads go to the primary (use provider docker or process, or set "+embeddedVariable+" to a whole installation)")
		return nil
	}
	o.Progress("starting replica (process: " + filepath.Join(bin, "postgres") + ")")
	return e.startReplica(ctx, env, bin, e.settings)
}

// embedded is a PostgreSQL under the library's control, and a miniredis of the workshop's.
type embedded struct {
	*workshop
	binaries embeddedBinaries
	database *embeddedpostgres.EmbeddedPostgres // nil until it runs
	settings map[string]string                  // of the database
}

func (e *embedded) startPostgres(ctx context.Context, extra map[string]string) (string, Server, error) {
	room, err := e.room("postgres")
	if err != nil {
		return "", Server{}, err
	}
	data, password := filepath.Join(room, "data"), newPassword()
	// The library starts PostgreSQL by pg_ctl, as nobody's child: only its pid file says which process it is.
	if err := e.janitor.watchPidFile(filepath.Join(data, "postmaster.pid"), syscall.SIGQUIT); err != nil {
		return "", Server{}, err
	}
	settings := postgresSettings(extra, hasStatements(ctx, filepath.Join(e.binaries.dir, "bin")))
	settings["listen_addresses"], settings["unix_socket_directories"] = loopback, ""
	e.settings = settings
	config := embeddedpostgres.DefaultConfig().
		Version(embeddedVersion).BinaryRepositoryURL(embeddedRepository).
		BinariesPath(e.binaries.dir).CachePath(e.binaries.cache).RuntimePath(filepath.Join(room, "runtime")).DataPath(data).
		Username(databaseUser).Password(password).Database(databaseName).Encoding("UTF8").Locale("C").
		StartParameters(settings).StartTimeout(startLimit).Logger(io.Discard)
	var url string
	err = onFreePort(func(port int) error {
		url = postgresURL(loopback, port, password, databaseName)
		err := e.startLibrary(ctx, embeddedpostgres.NewDatabase(config.Port(uint32(port))))
		if err != nil && (strings.Contains(err.Error(), "already in use") || strings.Contains(err.Error(), "already listening")) {
			return fmt.Errorf("%w: %w", errPortTaken, err)
		}
		return err
	})
	if err != nil {
		return "", Server{}, err
	}
	server, err := identifyPostgres(ctx, url)
	server.Binary = filepath.Join(e.binaries.dir, "bin", "postgres")
	return url, server, err
}

// startLibrary runs the library's Start, which knows no context. When ctx ends, it waits a little for the library, so
// that what has been started can be stopped. Beyond that, in a long download, it leaves: the server that might still
// come up is stopped as soon as it does, or by the janitor when this process ends.
func (e *embedded) startLibrary(ctx context.Context, database *embeddedpostgres.EmbeddedPostgres) error {
	started := make(chan error, 1)
	withTempDir(e.dir, "embedded_postgres_log*", started, database.Start)
	select {
	case err := <-started:
		if err == nil {
			e.database = database
		}
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-started:
		if err == nil {
			e.database = database
		}
	case <-time.After(libraryGrace):
		go func() {
			if <-started == nil {
				_ = database.Stop()
			}
			_ = os.RemoveAll(e.dir)
		}()
	}
	return context.Cause(ctx)
}

var tempDirMutex sync.Mutex

// withTempDir runs start in the background, with dir in place of the directory for temporary files until start has made
// a file of the pattern there. The library makes a log file, first thing, which it never removes and does not name; so
// it must be made where everything is removed in the end.
func withTempDir(dir, pattern string, started chan<- error, start func() error) {
	tempDirMutex.Lock()
	defer tempDirMutex.Unlock()
	before, wasSet := os.LookupEnv("TMPDIR")
	_ = os.Setenv("TMPDIR", dir) // fails only for a malformed name
	ended := make(chan struct{})
	go func() {
		err := start()
		close(ended)
		started <- err
	}()
	for made := false; !made; {
		select {
		case <-ended:
			made = true
		case <-time.After(time.Millisecond):
			found, _ := filepath.Glob(filepath.Join(dir, pattern))
			made = len(found) > 0
		}
	}
	if wasSet {
		_ = os.Setenv("TMPDIR", before)
	} else {
		_ = os.Unsetenv("TMPDIR")
	}
}

// close stops both servers. What the library does not stop, because it failed half-way or hangs, the janitor does: it
// finds the server by its pid file, so it goes to work before the directory is removed.
func (e *embedded) close(ctx context.Context) error {
	if e.database == nil {
		return errors.Join(e.janitor.finish(ctx), e.workshop.close(ctx))
	}
	stopped := make(chan error, 1)
	go func() { stopped <- e.database.Stop() }()
	select {
	case err := <-stopped:
		if err == nil {
			return e.workshop.close(ctx)
		}
		return errors.Join(fmt.Errorf("stop PostgreSQL: %w", err), e.janitor.finish(ctx), e.workshop.close(ctx))
	case <-time.After(libraryGrace):
		return errors.Join(e.janitor.finish(ctx), e.workshop.close(ctx))
	}
}

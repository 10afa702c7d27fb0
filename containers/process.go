package containers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers/distance"
)

// workshop holds the server processes of one environment: their directory, the user they run as, and the janitor that
// cleans up if this process cannot.
type workshop struct {
	dir     string
	user    string // empty: the same user
	janitor *janitor
	servers []*processServer

	miniredis *miniredis.Miniredis // nil unless the cache is in this process
	proxies   []*distance.Proxy    // between regions
}

func startProcess(ctx context.Context, o Options) (*Environment, error) {
	b, err := findBinaries(ctx)
	if err != nil {
		return nil, err
	}
	w, err := openWorkshop(ctx)
	if err != nil {
		return nil, err
	}
	env := &Environment{stop: w.close, workshop: w}
	return env.orStopped(ctx, w.fill(ctx, env, b, o))
}

func (w *workshop) fill(ctx context.Context, env *Environment, b binaries, o Options) (err error) {
	o.Progress("starting postgres (process: " + b.postgres() + ")")
	primary, err := w.startPostgres(ctx, env, b.postgresDir, o.PostgresSettings)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if o.Replica && len(o.Regions) == 0 { // else each of them has one
		o.Progress("starting replica (process: " + b.postgres() + ")")
		env.ReplicaURL, env.Replica, err = w.startReplica(ctx, env, b.postgresDir, primary,
			standby{TargetReplica, replicationSlot, env.PostgresURL})
		if err != nil {
			return fmt.Errorf("start the replica: %w", err)
		}
	}
	if err := w.startAnyCache(ctx, env, b, o); err != nil {
		return err
	}
	return w.startRegions(ctx, env, b, primary, o)
}

// startAnyCache starts the machine's cache server, or one in this process.
func (w *workshop) startAnyCache(ctx context.Context, env *Environment, b binaries, o Options) error {
	if b.cache == "" {
		return w.startMiniredis(ctx, env, o)
	}
	o.Progress("starting cache (process: " + b.cache + ")")
	if err := w.startCache(ctx, env, b.cache); err != nil {
		return fmt.Errorf("start the cache: %w", err)
	}
	return nil
}

func openWorkshop(ctx context.Context) (*workshop, error) {
	name, err := serverUser()
	if err != nil {
		return nil, err
	}
	base, err := tempBase(name != "")
	if err != nil {
		return nil, err
	}
	j, err := startJanitor()
	if err != nil {
		return nil, err
	}
	w := &workshop{dir: filepath.Join(base, "headroom-"+strings.ToLower(newPassword())), user: name, janitor: j}
	if err := w.create(); err != nil {
		return nil, errors.Join(err, w.close(context.WithoutCancel(ctx)))
	}
	return w, nil
}

// create makes the directory. Others may pass through it, which the unprivileged user needs, but not look into it.
func (w *workshop) create() error {
	if err := w.janitor.remove(w.dir); err != nil {
		return err
	}
	if err := os.Mkdir(w.dir, 0o711); err != nil {
		return fmt.Errorf("make a directory for the servers: %w", err)
	}
	if err := os.Chmod(w.dir, 0o711); err != nil { // whatever the umask took away
		return fmt.Errorf("make a directory for the servers: %w", err)
	}
	return nil
}

// room makes a directory that belongs to the user of the servers, and to nobody else.
func (w *workshop) room(name string) (string, error) {
	path := filepath.Join(w.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", fmt.Errorf("make a directory for %s: %w", name, err)
	}
	return path, w.give(path)
}

func (w *workshop) give(path string) error {
	if w.user == "" {
		return nil
	}
	c, err := credentialOf(w.user)
	if err != nil {
		return err
	}
	if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, w.user, err)
	}
	return nil
}

// run starts a program in a room, with its output in a file of the workshop.
func (w *workshop) run(ctx context.Context, program, room, logFile string, stop syscall.Signal, env []string,
	args ...string,
) (*Child, error) {
	output, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", program, err)
	}
	defer func() { _ = output.Close() }() // the child has its own descriptor
	return startChild(ctx, ChildSpec{
		Path: program, Args: args, Dir: room, Env: append(serverEnv(room), env...),
		Stdout: output, Stderr: output, StopSignal: stop, User: w.user,
	}, w.janitor, func() {})
}

// serverEnv is the environment of a server: nothing of ours that would configure it (PGDATA, PGOPTIONS) or let a
// library of another installation into it, except what the dynamic linker was told.
func serverEnv(home string) []string {
	env := []string{"HOME=" + home, "TMPDIR=" + home, "LC_ALL=C"}
	for _, name := range []string{"PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// startPostgres makes a cluster and starts its server, whose settings it returns. Immediate shutdown (SIGQUIT) fits
// data that is thrown away.
func (w *workshop) startPostgres(ctx context.Context, env *Environment, bin string,
	extra map[string]string,
) (settings map[string]string, err error) {
	room, err := w.room("postgres")
	if err != nil {
		return nil, err
	}
	password, data := newPassword(), filepath.Join(room, "data")
	if err := w.initdb(ctx, bin, room, data, password); err != nil {
		return nil, err
	}
	settings = postgresSettings(extra, hasStatements(ctx, bin))
	settings["listen_addresses"], settings["unix_socket_directories"] = loopback, ""
	return settings, onFreePort(func(port int) error {
		maintenance := postgresURL(loopback, port, password, "postgres")
		env.Postgres, err = w.servePostgres(ctx, env, TargetPrimary, bin, room, settings, port,
			func(ctx context.Context) (Server, error) {
				return identifyPostgres(ctx, maintenance)
			})
		if err != nil {
			return err
		}
		env.PostgresURL = postgresURL(loopback, port, password, databaseName)
		return createDatabase(ctx, maintenance)
	})
}

// servePostgres starts the server of a cluster in the directory data of a room.
func (w *workshop) servePostgres(ctx context.Context, env *Environment, target Target, bin, room string,
	settings map[string]string, port int, ask func(context.Context) (Server, error),
) (Server, error) {
	settings["port"] = fmt.Sprint(port)
	s := &processServer{
		program: filepath.Join(bin, "postgres"), room: room, log: string(target) + ".log", signal: syscall.SIGQUIT,
		args: append([]string{"-D", filepath.Join(room, "data")}, settingArgs(settings)...), ask: ask,
	}
	return w.serve(ctx, env, target, s)
}

// serve starts a server of the workshop and waits for its answer.
func (w *workshop) serve(ctx context.Context, env *Environment, target Target, s *processServer) (Server, error) {
	s.workshop = w
	w.servers = append(w.servers, s)
	env.breakable(target, s)
	return s.start(ctx)
}

// standby says what a replica is called, and where it finds its primary.
type standby struct {
	target Target
	slot   string // on the primary
	from   string // URL of the primary
}

// startReplica copies the primary and starts a server that streams from it.
func (w *workshop) startReplica(ctx context.Context, env *Environment, bin string, primary map[string]string,
	s standby,
) (address string, server Server, err error) {
	room, err := w.room(string(s.target))
	if err != nil {
		return "", server, err
	}
	from, err := url.Parse(s.from)
	if err != nil {
		return "", server, fmt.Errorf("read the primary's address: %w", err)
	}
	if err := makeReplicationSlot(ctx, env.PostgresURL, s.slot); err != nil {
		return "", server, err
	}
	password, _ := from.User.Password()
	args := append(baseBackupArgs(s.slot), "-h", from.Hostname(), "-p", from.Port(), "-D",
		filepath.Join(room, "data"))
	err = w.runToEnd(ctx, filepath.Join(bin, "pg_basebackup"), room, []string{"PGPASSWORD=" + password}, args...)
	if err != nil {
		return "", server, err
	}
	settings := replicaSettings(primary)
	err = onFreePort(func(port int) error {
		address = postgresURL(loopback, port, password, databaseName)
		ask := func(ctx context.Context) (Server, error) { return identifyReplica(ctx, address) }
		server, err = w.servePostgres(ctx, env, s.target, bin, room, settings, port, ask)
		if err != nil {
			return err
		}
		return awaitStreaming(ctx, address)
	})
	return address, server, err
}

// initdb makes the files of a cluster. Locale C is the one that every machine has, so that all providers sort alike.
func (w *workshop) initdb(ctx context.Context, bin, room, data, password string) error {
	secret := filepath.Join(room, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the password for initdb: %w", err)
	}
	if err := w.give(secret); err != nil {
		return err
	}
	err := w.runToEnd(ctx, filepath.Join(bin, "initdb"), room, nil,
		"-D", data, "-U", databaseUser, "--pwfile="+secret, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C",
		"--no-sync")
	if err != nil {
		return err
	}
	return os.Remove(secret)
}

// runToEnd runs a program and waits for its end.
func (w *workshop) runToEnd(ctx context.Context, program, room string, env []string, args ...string) error {
	logFile := filepath.Join(w.dir, filepath.Base(program)+".log")
	child, err := w.run(ctx, program, room, logFile, syscall.SIGTERM, env, args...)
	if err != nil {
		return err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		// Not by force at once: the helpers of initdb, killed, would leave shared memory behind.
		return errors.Join(context.Cause(ctx), child.Stop(context.WithoutCancel(ctx)))
	}
	if err := child.Err(); err != nil {
		return fmt.Errorf("%w; the end of its output:\n%s", err, LogTail(logFile))
	}
	return nil
}

func createDatabase(ctx context.Context, maintenance string) error {
	err := withPostgres(ctx, maintenance, startLimit, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+databaseName)
		return err
	})
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}

func (w *workshop) startCache(ctx context.Context, env *Environment, program string) (err error) {
	room, err := w.room("cache")
	if err != nil {
		return err
	}
	args := redisArgs
	if isDragonfly(program) {
		args = dragonflyArgs
	}
	return onFreePort(func(port int) error {
		env.CacheURL = cacheURL(loopback, port)
		env.Cache, err = w.serveCache(ctx, env, program, room, args(loopback, port))
		return err
	})
}

// serveCache starts a cache and waits until it, and not another server, answers at env.CacheURL.
func (w *workshop) serveCache(ctx context.Context, env *Environment, program, room string, args []string) (Server,
	error,
) {
	address := env.CacheURL
	options, err := redis.ParseURL(address)
	if err != nil {
		return Server{}, fmt.Errorf("the address of the cache: %w", err)
	}
	return w.serve(ctx, env, TargetCache, &processServer{
		program: program, room: room, log: string(TargetCache) + ".log", address: options.Addr,
		signal: syscall.SIGTERM, args: args,
		ask: func(ctx context.Context) (Server, error) {
			server, err := identifyCache(ctx, address)
			if err == nil && server.pid == 0 {
				err = settle(ctx)
			}
			return server, err
		},
	})
}

// close stops the servers, the last first, and removes the directory; what fails is left to the janitor.
func (w *workshop) close(ctx context.Context) error {
	var errs []error
	if w.miniredis != nil {
		w.miniredis.Close()
	}
	for _, server := range slices.Backward(w.servers) {
		errs = append(errs, server.stop(ctx))
	}
	for _, proxy := range w.proxies {
		errs = append(errs, proxy.Close())
	}
	if err := os.RemoveAll(w.dir); err != nil {
		errs = append(errs, fmt.Errorf("remove the servers' directory: %w", err))
	}
	return errors.Join(append(errs, w.janitor.finish(ctx))...)
}

// serverUser is the user that servers run as: empty, for the same, unless this is root, as whom PostgreSQL refuses to
// run.
func serverUser() (string, error) {
	if os.Geteuid() != 0 {
		return "", nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err == nil {
			return name, nil
		}
	}
	return "", &UnavailableError{
		Provider: providerProcess, Detail: "PostgreSQL refuses to run as root, and there is no user postgres or " +
			"nobody to run it as",
		Todo: "run as an ordinary user, or add a user named postgres",
	}
}

// tempBase is the directory for temporary ones: the machine's, or /tmp if an unprivileged user cannot enter that.
func tempBase(dropped bool) (string, error) {
	for _, base := range []string{os.TempDir(), "/tmp"} {
		absolute, err := filepath.Abs(base)
		if err == nil && (!dropped || enterable(absolute)) {
			return absolute, nil
		}
	}
	return "", &UnavailableError{
		Provider: providerProcess, Detail: "an unprivileged user can enter neither " + os.TempDir() + " nor /tmp",
		Todo: "set TMPDIR to a directory that everybody can enter (chmod o+x, with all directories above it)",
	}
}

// enterable says whether everybody may pass through a directory and all those above it.
func enterable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

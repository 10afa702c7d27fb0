package containers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/testcontainers/testcontainers-go"
)

// patience bounds what a test waits for. Nothing is asserted about how long anything takes.
const patience = 30 * time.Second

// The test binary is also a helper: a process that starts servers, for a test to kill.
const (
	helperVariable   = "CONTAINERS_TEST_HELPER"   // a provider, a balancer, or "child"
	cancelVariable   = "CONTAINERS_TEST_CANCEL"   // end the context at the message of Progress that contains this
	replicaVariable  = "CONTAINERS_TEST_REPLICA"  // not empty: with a replica
	checkoutVariable = "CONTAINERS_TEST_CHECKOUT" // a git repository: check out its branch main and wait
	tempDirVariable  = "CONTAINERS_TEST_TEMPDIR"  // not empty: make a temporary directory and wait
	pauseVariable    = "CONTAINERS_TEST_PAUSE"    // not empty: pause every server before the report
)

// helperReport is what a helper prints, on one line, when its servers are up or have failed.
type helperReport struct {
	Environment *Environment
	ChildPid    int
	Session     string // of testcontainers
	Error       string
}

func TestMain(m *testing.M) {
	if repository := os.Getenv(checkoutVariable); repository != "" {
		c, err := CheckOut(context.Background(), repository, "main")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(c.Dir)
		select {} // until it is killed
	}
	if os.Getenv(tempDirVariable) != "" {
		d, err := NewTempDir(context.Background())
		if err == nil {
			err = os.WriteFile(filepath.Join(d.Path, "file"), nil, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(d.Path)
		select {} // until it is killed
	}
	if mode := os.Getenv(helperVariable); mode != "" {
		if err := help(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// help starts what mode says, reports, waits for the end of standard input, and stops it.
func help(mode string) error {
	var report helperReport
	stop := func(context.Context) error { return nil }
	switch _, noBalancer := frontByName(balancers, "balancer", mode); {
	case noBalancer == nil:
		env := &Environment{options: Options{Balancer: mode, Progress: func(string) {}}}
		err := env.StartBalancer(context.Background(), BalancerSpec{Instances: []string{"127.0.0.1:1"}, Ready: "/"})
		if err != nil {
			report.Error = err.Error()
		}
		report.Environment, stop = env, env.Stop
	case strings.HasPrefix(mode, edgeMode):
		env, err := edgeBefore(context.Background(), strings.TrimPrefix(mode, edgeMode), "127.0.0.1:1")
		if err != nil {
			report.Error = err.Error()
			break
		}
		report.Environment, stop = env, env.Stop
	case mode == "child":
		// It ignores the polite signal, and has a child of its own.
		child, err := StartChild(context.Background(),
			ChildSpec{Path: "/bin/sh", Args: []string{"-c", `trap "" TERM; sleep 1000 & while :; do wait; done`}})
		if err != nil {
			return err
		}
		report.ChildPid, stop = child.Pid(), child.Stop
	default:
		o := Options{Provider: mode, Replica: os.Getenv(replicaVariable) != ""}
		env, err := Start(cancelAt(context.Background(), os.Getenv(cancelVariable), o))
		if err == nil && os.Getenv(pauseVariable) != "" {
			err = pauseAll(env)
		}
		if err != nil {
			report.Error = err.Error()
		} else {
			report.Environment, stop = env, env.Stop
		}
		if mode == providerDocker {
			report.Session = testcontainers.SessionID()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return stop(context.Background())
}

func pauseAll(env *Environment) error {
	var errs []error
	for _, target := range []Target{TargetCache, TargetReplica, TargetPrimary} {
		errs = append(errs, env.Fault(context.Background(), target, ActionPause))
	}
	return errors.Join(errs...)
}

// cancelAt gives the options a Progress that ends the context a moment after the message that contains at.
func cancelAt(ctx context.Context, at string, o Options) (context.Context, Options) {
	if at == "" {
		return ctx, o
	}
	ctx, cancel := context.WithCancel(ctx)
	o.Progress = func(message string) {
		if strings.Contains(message, at) {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	}
	return ctx, o
}

// helper is a running helper process.
type helper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

// startHelper starts a helper, as an ordinary user if user is not empty, with dir as its directory for temporary files.
func startHelper(t *testing.T, mode, dir, user string, env ...string) *helper {
	t.Helper()
	cmd := exec.Command(publicCopy(t, dir))
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(),
		append(env, helperVariable+"="+mode, "TMPDIR="+dir, "HOME="+dir, "XDG_CACHE_HOME="+dir)...)
	cmd.Stderr = os.Stderr
	if user != "" {
		credential, err := credentialOf(user)
		if err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		if err := os.Chown(dir, int(credential.Uid), int(credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd: cmd, stdin: stdin, lines: make(chan string, 1)}
	go func() {
		defer close(h.lines)
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		h.lines <- line
	}()
	t.Cleanup(func() { _ = stdin.Close() })
	return h
}

// publicCopy copies the test binary to where an ordinary user can run it: beside dir, and removed with it.
func publicCopy(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(dir), "helper")
	// Not written by this process: what a test beside this one starts meanwhile would have the file open for writing.
	if out, err := exec.Command("cp", self, path).CombinedOutput(); err != nil {
		t.Fatalf("copy the helper: %v\n%s", err, out)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (h *helper) report(t *testing.T) helperReport {
	t.Helper()
	var r helperReport
	select {
	case line := <-h.lines:
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("the helper printed %q: %v", line, err)
		}
	case <-time.After(2 * patience):
		t.Fatal("the helper reports nothing")
	}
	return r
}

func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait()
}

// finish lets the helper stop its servers.
func (h *helper) finish(t *testing.T) {
	t.Helper()
	_ = h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Fatalf("the helper could not stop its servers: %v", err)
	}
}

// publicTemp is publicDir, and the directory for temporary files of this test. A test that starts its servers through a
// helper needs publicDir only, and can run in parallel.
func publicTemp(t *testing.T) string {
	t.Helper()
	dir := publicDir(t)
	t.Setenv("TMPDIR", dir)
	return dir
}

// publicDir is a new, empty directory that every user can enter.
func publicDir(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "containers-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	dir := filepath.Join(base, "temp dir") // with a blank, as on many a Mac
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// needPostgres and needCache are for the tests of what runs the machine's own programs. A developer may have a Docker
// engine instead; CI installs them.
func needPostgres(t *testing.T) {
	t.Helper()
	need(t, findPostgresDir(t.Context()), "PostgreSQL")
}

func needCache(t *testing.T) {
	t.Helper()
	need(t, findCache(), "Dragonfly, Valkey or Redis")
}

func need(t *testing.T, path, program string) {
	t.Helper()
	if path == "" && os.Getenv("CI") == "" {
		t.Skip(program + " is not installed")
	}
	if path == "" {
		t.Fatal(program + " is not installed")
	}
}

// eventually waits until problem returns nothing.
func eventually(t *testing.T, problem func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		text := problem()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// requireNothingLeft waits until dir is empty, no process has it in its command line, and nobody listens any more.
func requireNothingLeft(t *testing.T, dir string, urls ...string) {
	t.Helper()
	eventually(t, func() string {
		if left := processesWith(t, dir); left != "" {
			return "processes are left: " + left
		}
		for _, u := range urls {
			if listens(t, u) {
				return "a server still listens at " + u
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			return fmt.Sprint("files are left: ", entries)
		}
		return ""
	})
}

// processesWith lists the processes, other than zombies and helpers, that have a text in their command line.
func processesWith(t *testing.T, text string) string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,stat=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if strings.Contains(line, text) && !strings.HasPrefix(fields[1], "Z") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return strings.Join(found, "\n")
}

func listens(t *testing.T, address string) bool {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// requireServes asks both servers something and compares what they are with what the environment says.
func requireServes(t *testing.T, env *Environment) {
	t.Helper()
	ctx := t.Context()
	var answer, database string
	query(t, env.PostgresURL, "SELECT version(), current_database()", &answer, &database)
	if answer != env.Postgres.Answer || !strings.HasPrefix(answer, env.Postgres.Name+" "+env.Postgres.Version+" ") ||
		database != databaseName {
		t.Errorf("PostgreSQL says %q, database %q; the environment says %+v", answer, database, env.Postgres)
	}
	if env.ReplicaURL != "" {
		var standby bool
		query(t, env.ReplicaURL, "SELECT version(), current_database(), pg_is_in_recovery()", &answer, &database,
			&standby)
		if answer != env.Replica.Answer || !standby || !env.Replica.Standby || database != databaseName {
			t.Errorf("the replica says %q, standby %v, database %q; the environment says %+v", answer, standby,
				database, env.Replica)
		}
	}
	client, err := dialCache(ctx, env.CacheURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if pong, err := client.Ping(ctx).Result(); err != nil || pong != "PONG" {
		t.Fatalf("PING: %q, %v", pong, err)
	}
	if env.Cache.Name == nameMiniredis {
		return
	}
	info, err := client.Info(ctx, "server").Result()
	if err != nil || !strings.Contains(info, env.Cache.Answer) ||
		!strings.HasSuffix(env.Cache.Answer, env.Cache.Version) {
		t.Errorf("INFO server says %q, %v; the environment says %+v", info, err, env.Cache)
	}
	if (env.Cache.Name == nameDragonfly) != strings.Contains(info, "dragonfly_version:") {
		t.Errorf("the cache is called %s, but INFO server says %q", env.Cache.Name, info)
	}
}

// query runs a query on a connection of its own.
func query(t *testing.T, url, sql string, into ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(into...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// bounded is the context for a start.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

func mustStart(t *testing.T, o Options) *Environment {
	t.Helper()
	env, err := Start(bounded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop(context.Background()) })
	return env
}

func mustStop(t *testing.T, env *Environment) {
	t.Helper()
	for range 2 { // the second must do nothing, and say so
		if err := env.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

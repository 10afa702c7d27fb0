package containers

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// signalled sends a signal to a process of another's.
func signalled(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// TestIncidents does to servers what no fault asked for, and what faults ask for, and holds that only the first is
// told.
func TestIncidents(t *testing.T) {
	needPostgres(t)
	needCache(t)
	dir := publicTemp(t)
	env := mustStart(t, Options{Provider: "process", Replica: true})
	pid := func(target Target) int { return env.servers[target].(*processServer).child.Pid() }
	none := func(when string) {
		t.Helper()
		if got := env.Incidents(t.Context(), true); len(got) > 0 {
			t.Errorf("%s: %q", when, got)
		}
	}
	tells := func(want ...string) {
		t.Helper()
		eventually(t, func() string {
			told := env.Incidents(t.Context(), false)
			if len(told) == 0 {
				return "nothing is told of " + strings.Join(want, ", ")
			}
			for _, part := range want {
				if !strings.Contains(told[0], part) {
					t.Errorf("%q is not in %q", part, told[0])
				}
			}
			return ""
		})
	}
	fault := func(target Target, actions ...Action) {
		t.Helper()
		for _, action := range actions {
			if err := env.Fault(t.Context(), target, action); err != nil {
				t.Fatal(err)
			}
			none(string(action) + " " + string(target))
		}
	}
	none("at the start")
	fault(TargetCache, ActionPause, ActionResume, ActionKill, ActionRestart)
	fault(TargetPrimary, ActionPause, ActionResume)
	fault(TargetReplica, ActionKill, ActionRestart)

	signalled(t, pid(TargetReplica), syscall.SIGSTOP)
	tells("the replica", "is frozen")
	signalled(t, pid(TargetReplica), syscall.SIGCONT)
	tells("the replica", "was frozen for a time")
	helpers := helpersOf(pid(TargetPrimary))
	if len(helpers) == 0 {
		t.Fatal("the primary has no helpers")
	}
	signalled(t, helpers[0], syscall.SIGSTOP)
	tells("the primary", "its process", "is frozen")
	signalled(t, helpers[0], syscall.SIGKILL)
	tells("the primary", "was terminated by signal 9")
	signalled(t, pid(TargetCache), syscall.SIGKILL)
	tells("the cache", "ended: signal: killed")
	if got := env.Incidents(t.Context(), false); len(got) > 0 { // without a question: the primary may still recover
		t.Errorf("what was told is told again: %q", got)
	}
	signalled(t, pid(TargetPrimary), syscall.SIGSTOP) // and it stays so
	mustStop(t, env)
	requireNothingLeft(t, dir, env.PostgresURL, env.ReplicaURL, env.CacheURL)
}

func TestTroubleInLog(t *testing.T) {
	for line, want := range map[string]string{
		`2026-11-29 00:00:00.000 UTC [1] LOG:  server process (PID 7) was terminated by signal 9: Killed`:              "server process (PID 7) was terminated by signal 9: Killed",
		`2026-11-29 00:00:00.000 UTC [1] PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device`: `could not write to file "pg_wal/xlogtemp.1": No space left on device`,
		`2026-11-29 00:00:00.000 UTC [1] ERROR:  could not extend file "base/1/2": No space left on device`:            `could not extend file "base/1/2": No space left on device`,
		`2026-11-29 00:00:00.000 UTC [1] STATEMENT:  select 'was terminated by signal 9'`:                              "",
		`2026-11-29 00:00:00.000 UTC [1] ERROR:  duplicate key value violates unique constraint "resources_pkey"`:      "",
		`2026-11-29 00:00:00.000 UTC [1] LOG:  terminating any other active server processes`:                          "",
	} {
		got := ""
		if match := trouble.FindStringSubmatch("before\n" + line + "\nafter"); match != nil {
			got = match[1]
		}
		if got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestChildIncidents(t *testing.T) {
	c := mustStartChild(t, sh("exec sleep 1000"))
	if got := c.Incidents(); len(got) > 0 {
		t.Errorf("%q", got)
	}
	signalled(t, c.Pid(), syscall.SIGSTOP)
	eventually(t, func() string {
		if got := c.Incidents(); len(got) != 1 || !strings.Contains(got[0], "is frozen") {
			return "a frozen child is not told of"
		}
		return ""
	})
	if err := c.Stop(t.Context()); err != nil { // at once, though it is frozen
		t.Fatal(err)
	}
	if got := c.Incidents(); len(got) > 0 {
		t.Errorf("after Stop: %q", got)
	}
	for script, want := range map[string]string{
		"exit 0": "exit status 0", "exit 3": "exit status 3",
		"kill -9 $$": "signal: killed",
	} {
		c := mustStartChild(t, sh(script))
		await(t, c)
		if got := c.Incidents(); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q", script, got)
		}
	}
}

// TestFullDisk is a machine whose directory for temporary files is on a file system that is too small.
func TestFullDisk(t *testing.T) {
	needPostgres(t)
	dir := smallDisk(t, "16m")
	t.Setenv("TMPDIR", dir)
	_, err := Start(bounded(t), Options{Provider: "process"})
	if err == nil || !strings.Contains(err.Error(), "No space left on device") {
		t.Errorf("got %v, want what initdb says", err)
	}
	requireNothingLeft(t, dir)
}

// smallDisk is a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if syscall.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := filepath.Join(publicTemp(t), "disk")
	if out, err := exec.Command("mkdir", dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=1777,size="+size, "headroom-test",
		dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	t.Cleanup(func() {
		for range 50 {
			if exec.Command("umount", dir).Run() == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error("the file system is still in use")
	})
	return dir
}

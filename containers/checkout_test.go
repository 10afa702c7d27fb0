package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newRepository has two commits, of which the file "content" says which one it is, and a branch "side".
func newRepository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := `git init -q -b main . && git config user.email a@b && git config user.name n && echo one > content &&
		git add . && git commit -qm "first one" && git checkout -q -b side && echo two > content && git commit -qam "second one"`
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func worktrees(t *testing.T, repository string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(repository, ".git", "worktrees", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCheckOut(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	repository := newRepository(t)
	c, err := CheckOut(t.Context(), repository, "main")
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "first one" || len(c.Revision) != 40 {
		t.Errorf("revision %q, subject %q", c.Revision, c.Subject)
	}
	if content, err := os.ReadFile(filepath.Join(c.Dir, "content")); string(content) != "one\n" {
		t.Errorf("the worktree has %q, %v", content, err)
	}
	if base, err := MergeBase(t.Context(), repository, "side", "main"); base != c.Revision {
		t.Errorf("merge base %q, %v", base, err)
	}
	if len(worktrees(t, repository)) != 1 {
		t.Error("git has no record of the worktree")
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Dir); !os.IsNotExist(err) {
		t.Errorf("the worktree is still there: %v", err)
	}
	if left := worktrees(t, repository); len(left) > 0 {
		t.Errorf("git still has %v", left)
	}
	for _, name := range []string{"nothing", "--all", "", "main:content"} {
		if _, err := CheckOut(t.Context(), repository, name); err == nil || !strings.Contains(err.Error(), "revision") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := CheckOut(t.Context(), t.TempDir(), "main"); err == nil ||
		!strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("outside of a repository: %v", err)
	}
}

// TestCheckoutsOfTheKilled has a process check out a revision, and kills it.
func TestCheckoutsOfTheKilled(t *testing.T) {
	repository, temp := newRepository(t), t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), checkoutVariable+"="+repository, "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := make([]byte, 1024)
	n, err := out.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(strings.TrimSpace(string(dir[:n]))); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for len(worktrees(t, repository)) > 0 || notEmpty(t, temp) {
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", worktrees(t, repository))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestCheckoutsOfTheKilledWhileGitWorks kills the process while git has not made the worktree yet: git must not make it
// when it has been removed.
func TestCheckoutsOfTheKilledWhileGitWorks(t *testing.T) {
	t.Parallel()
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	repository, temp, tools := newRepository(t), t.TempDir(), t.TempDir()
	asked, done := filepath.Join(tools, "asked"), filepath.Join(tools, "done")
	slow := fmt.Sprintf(`#!/bin/sh
if [ "$1" = worktree ]; then
	echo > '%[1]s'
	sleep 1
	'%[2]s' "$@"
	echo > '%[3]s'
else
	exec '%[2]s' "$@"
fi
`, asked, real, done)
	if err := os.WriteFile(filepath.Join(tools, "git"), []byte(slow), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), checkoutVariable+"="+repository, "TMPDIR="+temp,
		"PATH="+tools+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if _, err := os.Stat(asked); err != nil {
			return err.Error()
		}
		return ""
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	time.Sleep(1500 * time.Millisecond) // as long as git would go on
	if _, err := os.Stat(done); err == nil {
		t.Error("git went on")
	}
	if left := worktrees(t, repository); len(left) > 0 || notEmpty(t, temp) {
		t.Errorf("left: %v", left)
	}
}

func notEmpty(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries) > 0
}

// TestChanged: what lies below the paths that are given does not count, and neither do files that git does not track
// where only the others are asked for.
func TestChanged(t *testing.T) {
	repository := newRepository(t)
	sub := filepath.Join(repository, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	except := []string{
		"results", filepath.Join("sub", "out[1]"), filepath.Join(repository, "whole"), "none", os.TempDir(), ".",
	}
	fromSub := []string{"../results", "out[1]", "../whole"}
	for _, step := range []struct {
		file               string
		tracked, untracked bool // whether there is a change
	}{
		{"", false, false},
		{"results/runs/one/run.json", false, false},
		{"sub/out[1]/base.log", false, false},
		{"whole", false, false},
		{"sub/out1", false, true}, // no pattern is meant
		{"content", true, true},   // which is tracked
	} {
		if step.file != "" {
			path := filepath.Join(repository, step.file)
			err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("three"), 0o600))
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, untracked := range []bool{false, true} {
			want := step.tracked
			if untracked {
				want = step.untracked
			}
			got, err := Changed(t.Context(), repository, untracked, except...)
			below, errBelow := Changed(t.Context(), sub, untracked, fromSub...)
			if got != want || below != want || err != nil || errBelow != nil {
				t.Errorf("with %q, untracked %v: %v, %v; below %v, %v", step.file, untracked, got, err, below, errBelow)
			}
		}
	}
	if _, err := Changed(t.Context(), t.TempDir(), true); err == nil {
		t.Error("there is no repository")
	}
}

func TestBuild(t *testing.T) {
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	if err := Build(t.Context(), dir, "echo built > out && test -f out", log); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), dir, "echo it is broken; exit 3", log); err == nil ||
		!strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "it is broken") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := Build(ctx, dir, "sleep 60", log); err == nil || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

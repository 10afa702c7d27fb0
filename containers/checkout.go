package containers

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Checkout is a revision of a git repository in a worktree of its own. The worktree goes when this process ends,
// however that happens.
type Checkout struct {
	Dir      string // absolute
	Revision string // the full hash
	Subject  string // the first line of the commit's message

	repository string
	janitor    *janitor
}

// ResolveRevision returns the hash and the subject of the commit that a name means in the repository around dir. The
// error of a name that means none has what git says.
func ResolveRevision(ctx context.Context, dir, name string) (revision, subject string, err error) {
	if strings.HasPrefix(name, "-") { // git would take it for an option
		return "", "", fmt.Errorf("there is no revision %q", name)
	}
	text, err := git(ctx, dir, "log", "-1", "--no-show-signature", "--format=%H %s", name+"^{commit}", "--")
	if err != nil {
		return "", "", fmt.Errorf("look up the revision %q: %w", name, err)
	}
	revision, subject, _ = strings.Cut(text, " ")
	return revision, subject, nil
}

// MergeBase is the newest commit that two revisions have in common.
func MergeBase(ctx context.Context, dir, one, other string) (revision string, err error) {
	revision, err = git(ctx, dir, "merge-base", one, other)
	if err != nil {
		return "", fmt.Errorf("look for the commit at which %s and %s part: %w", one, other, err)
	}
	return revision, nil
}

// DefaultBranch is the branch of the repository around dir that others start from: that of the remote origin, else main
// or master.
func DefaultBranch(ctx context.Context, dir string) (string, error) {
	name, err := git(ctx, dir, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
	if err == nil {
		return name, nil
	}
	if _, err := git(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return "", err
	}
	for _, name := range []string{"main", "master"} {
		if _, _, err := ResolveRevision(ctx, dir, "refs/heads/"+name); err == nil {
			return name, nil
		}
	}
	return "", errors.New("there is no default branch: origin has none, and none is called main or master")
}

// Changed says whether the working tree around dir differs from its commit, in files that git tracks and, with
// untracked, in those that it would. What is at or below a path of except does not count; such a path is as seen from
// dir, or absolute, and may lie outside of the repository.
func Changed(ctx context.Context, dir string, untracked bool, except ...string) (bool, error) {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return false, fmt.Errorf("look for changes of the working tree: %w", err)
	}
	args := []string{"status", "--porcelain", "--untracked-files=no", "--", ":/"}
	if untracked {
		args[2] = "--untracked-files=all"
	}
	for _, path := range except {
		within, err := pathWithin(top, dir, path)
		if err != nil {
			return false, fmt.Errorf("look for changes of the working tree: %w", err)
		}
		if within != "" {
			args = append(args, ":(top,exclude,literal)"+within)
		}
	}
	text, err := git(ctx, dir, args...)
	if err != nil {
		return false, fmt.Errorf("look for changes of the working tree: %w", err)
	}
	return text != "", nil
}

// pathWithin is a path, as seen from dir, as seen from the top of the repository; empty where it lies outside.
func pathWithin(top, dir, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	// git names the top without symbolic links. What is not there yet has no changes that could count.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	within, err := filepath.Rel(top, path)
	if err != nil || !filepath.IsLocal(within) || within == "." {
		return "", nil
	}
	return within, nil
}

// Prefix is where dir is within its repository; empty for the top of it.
func Prefix(ctx context.Context, dir string) (string, error) {
	return git(ctx, dir, "rev-parse", "--show-prefix")
}

// CheckOut checks out a revision of the repository around dir in a new worktree below the directory for temporary
// files.
func CheckOut(ctx context.Context, dir, name string) (_ *Checkout, err error) {
	c := &Checkout{}
	c.Revision, c.Subject, err = ResolveRevision(ctx, dir, name)
	if err != nil {
		return nil, err
	}
	c.repository, err = git(ctx, dir, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return nil, fmt.Errorf("check out %s: %w", name, err)
	}
	c.janitor, err = startJanitor()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Remove(context.WithoutCancel(ctx)))
		}
	}()
	// git names its own record of a worktree after the last element of its path, which is unique: both are known, and
	// told to the janitor, before they are made.
	base := "headroom-" + strings.ToLower(rand.Text())
	c.Dir = filepath.Join(os.TempDir(), base)
	for _, path := range []string{c.Dir, filepath.Join(c.repository, "worktrees", base)} {
		if err := c.janitor.remove(path); err != nil {
			return nil, fmt.Errorf("check out %s: %w", name, err)
		}
	}
	if err := c.add(ctx, dir); err != nil {
		return nil, fmt.Errorf("check out %s: %w", name, err)
	}
	return c, nil
}

// add has git make the worktree. The janitor that is to remove it knows of this git: one that outlived this process
// would make what has just been removed.
func (c *Checkout) add(ctx context.Context, dir string) error {
	path, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	var said bytes.Buffer
	child, err := startChild(ctx, ChildSpec{
		Path: path, Args: []string{"worktree", "add", "--detach", "--quiet", c.Dir, c.Revision}, Dir: dir,
		Env: gitEnvironment(), Stdout: &said, Stderr: &said, KillAfter: time.Second,
	}, c.janitor, func() {})
	if err != nil {
		return err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), child.stopGroup(ctx))
	}
	if err := child.Err(); err != nil {
		return fmt.Errorf("git worktree: %s (%w)", strings.TrimSpace(said.String()), err)
	}
	return nil
}

// Remove removes the worktree.
func (c *Checkout) Remove(ctx context.Context) error {
	return c.janitor.finish(ctx)
}

// Build runs a command line of the shell in a directory, with its output in a log file. When ctx ends, it is stopped
// with all that it has started. The error of one that fails has the end of its output.
func Build(ctx context.Context, dir, command, log string) error {
	f, err := os.Create(log)
	if err != nil {
		return fmt.Errorf("build in %s: %w", dir, err)
	}
	defer f.Close()
	child, err := StartChild(ctx, ChildSpec{
		Path: "/bin/sh", Args: []string{"-c", command}, Dir: dir, Stdout: f, Stderr: f, KillAfter: time.Second,
	})
	if err != nil {
		return fmt.Errorf("build in %s: %w", dir, err)
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("build in %s: %w", dir, context.Cause(ctx)), child.stopGroup(ctx))
	}
	if err := child.Err(); err != nil {
		return fmt.Errorf("build in %s by %q: %w; the end of its output:\n%s", dir, command, err, LogTail(log))
	}
	return nil
}

// git runs a command of git in a directory and returns what it says, without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	// In a group of its own, a Ctrl-C at the terminal does not cut it in the middle of what it writes.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = pipeLimit
	cmd.Env = gitEnvironment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return "", fmt.Errorf("git %s: %s", args[0], said)
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// gitEnvironment is that of this process without what would have git look at another repository: a hook or an alias of
// an outer git must not decide that.
func gitEnvironment() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_DIR=") && !strings.HasPrefix(v, "GIT_WORK_TREE=") &&
			!strings.HasPrefix(v, "GIT_INDEX_FILE=") {
			kept = append(kept, v)
		}
	}
	return kept
}

package containers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTempDir(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	d, err := NewTempDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(d.Path); err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 ||
		filepath.Dir(d.Path) != temp {
		t.Errorf("%s: %v, %v", d.Path, info, err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(d.Path, "a", "b"), 0o755), d.Remove(t.Context())); err != nil {
		t.Fatal(err)
	}
	if notEmpty(t, temp) {
		t.Error("it is still there")
	}
	t.Setenv("TMPDIR", filepath.Join(temp, "none"))
	if _, err := NewTempDir(t.Context()); err == nil || !strings.Contains(err.Error(), "temporary files") {
		t.Errorf("below a directory that is not there: %v", err)
	}
}

// TestTempDirOfTheKilled has a process make one with a file in it, and kills it.
func TestTempDirOfTheKilled(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), tempDirVariable+"=1", "TMPDIR="+temp)
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
	if _, err := os.Stat(filepath.Join(strings.TrimSpace(string(dir[:n])), "file")); err != nil {
		t.Error(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, func() string {
		if notEmpty(t, temp) {
			return "the directory is left"
		}
		return ""
	})
}

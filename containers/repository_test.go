package containers

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestCommits(t *testing.T) {
	dir := newRepository(t)
	main, _, err := ResolveRevision(t.Context(), dir, "main")
	if err != nil {
		t.Fatal(err)
	}
	side, _, err := ResolveRevision(t.Context(), dir, "side")
	if err != nil {
		t.Fatal(err)
	}
	found, err := Commits(t.Context(), dir, main, side, 5)
	if err != nil || !slices.Equal(found, []Commit{{side, "second one"}}) {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := Commits(t.Context(), dir, side, side, 5); err != nil || len(found) != 0 {
		t.Errorf("after itself: %+v, %v", found, err)
	}
	for _, name := range []string{"nothing", "--all", "-n1"} {
		if _, err := Commits(t.Context(), dir, name, side, 5); err == nil {
			t.Errorf("%q is taken for a revision", name)
		}
		if _, err := Commits(t.Context(), dir, main, name, 5); err == nil {
			t.Errorf("%q is taken for a revision", name)
		}
	}
}

func TestChangedFiles(t *testing.T) {
	dir := newRepository(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("results", "of a run") // git does not know it
	if changed, err := ChangedFiles(t.Context(), dir); err != nil || len(changed) != 0 {
		t.Errorf("as it was committed: %q, %v", changed, err)
	}
	write("content", "three")
	if changed, err := ChangedFiles(t.Context(), dir); err != nil || !slices.Equal(changed, []string{"content"}) {
		t.Errorf("with a change: %q, %v", changed, err)
	}
	if _, err := ChangedFiles(t.Context(), t.TempDir()); err == nil {
		t.Error("there is no repository")
	}
}

package containers

import (
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

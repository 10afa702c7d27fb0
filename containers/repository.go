package containers

import (
	"context"
	"fmt"
	"strings"
)

// Commit is a commit of a git repository.
type Commit struct{ Revision, Subject string }

// Commits are the commits after one revision up to another, the newest first, at most as many as most.
func Commits(ctx context.Context, dir, after, upTo string, most int) ([]Commit, error) {
	for _, name := range []string{after, upTo} {
		if strings.HasPrefix(name, "-") { // git would take it for an option
			return nil, fmt.Errorf("there is no revision %q", name)
		}
	}
	text, err := git(ctx, dir, "log", "--no-show-signature", "--format=%H %s", fmt.Sprintf("--max-count=%d", most),
		after+".."+upTo, "--")
	if err != nil {
		return nil, fmt.Errorf("list the commits after %s up to %s: %w", after, upTo, err)
	}
	var commits []Commit
	for line := range strings.Lines(text) {
		revision, subject, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		commits = append(commits, Commit{revision, subject})
	}
	return commits, nil
}

package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// TempDir is a directory for temporary files that goes when this process ends, however that happens.
type TempDir struct {
	Path    string // absolute
	janitor *janitor
}

// NewTempDir makes one below the directory for temporary files.
func NewTempDir(ctx context.Context) (*TempDir, error) {
	j, err := startJanitor()
	if err != nil {
		return nil, err
	}
	d := &TempDir{Path: filepath.Join(os.TempDir(), "headroom-"+strings.ToLower(newPassword())), janitor: j}
	err = j.remove(d.Path)
	if err == nil {
		err = os.Mkdir(d.Path, 0o700)
	}
	if err != nil {
		err = fmt.Errorf("make a directory for temporary files: %w", err)
		return nil, errors.Join(err, d.Remove(context.WithoutCancel(ctx)))
	}
	return d, nil
}

// Remove removes the directory with all that is in it.
func (d *TempDir) Remove(ctx context.Context) error { return d.janitor.finish(ctx) }

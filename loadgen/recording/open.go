package recording

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// File is a file that is read whole.
type File struct {
	*os.File
	ended func() error // why reading has to end
}

var errNotRegular = errors.New("it is no regular file")

// Open opens a file whose reading ends when ctx does. A device or pipe, which may have no end or never begin, is an
// error of type [fs.PathError], as is a file that cannot be opened.
func Open(ctx context.Context, path string) (*File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &File{f, ctx.Err}, nil
}

// Read reads on, unless the context has ended.
func (f *File) Read(b []byte) (int, error) {
	if err := f.ended(); err != nil {
		return 0, err
	}
	return f.File.Read(b)
}

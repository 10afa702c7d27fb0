package recording

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// source is a file that is read several times from its beginning: decompressed it may be too large for the memory.
type source struct{ file io.ReadSeeker }

// open returns what the file holds: decompressed, if it is compressed by gzip, and without the mark with which some
// programs begin UTF-8.
func (s *source) open() (io.Reader, error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(s.file, 64<<10)
	if begins(in, "\x1f\x8b\x08") { // RFC 1952, section 2.3.1: gzip, by DEFLATE
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, unreadable(err)
		}
		in = bufio.NewReaderSize(decompressed{unzipped}, 64<<10)
	}
	if mark := "\ufeff"; begins(in, mark) {
		_, _ = in.Discard(len(mark))
	}
	return in, nil
}

func begins(in *bufio.Reader, with string) bool {
	beginning, _ := in.Peek(len(with)) // a fault comes again with the next reading
	return string(beginning) == with
}

// decompressed is the content of a compressed file.
type decompressed struct{ *gzip.Reader }

func (d decompressed) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable(err)
	}
	return n, err
}

func unreadable(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the compressed file ends here, before its content does: it was cut, or is being written still")
	}
	return fmt.Errorf("what follows cannot be decompressed: %w", err)
}

// survey counts the lines and takes the sum of the content. With an error, lines says where it lies.
func (s *source) survey() (lines int, sum string, err error) {
	in, err := s.open()
	if err != nil {
		return 1, "", err
	}
	hash := sha256.New()
	lines = 1
	block := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = in.Read(block)
		lines += bytes.Count(block[:n], []byte("\n"))
		hash.Write(block[:n])
	}
	if !errors.Is(err, io.EOF) {
		return lines, "", err
	}
	return lines, hex.EncodeToString(hash.Sum(nil)), nil
}

// readLines gives each line that is not blank to take.
func (s *source) readLines(file string, take func(line []byte) error) error {
	in, err := s.open()
	if err != nil {
		return fmt.Errorf("%s:1: %w", file, err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := take(line); err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", file, number+1, err)
	}
	return nil
}

package recording

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// source is a file that is read several times from its beginning: decompressed it may be too large for the memory.
type source struct{ file io.ReadSeeker }

// open returns what the file holds: see [Text].
func (s *source) open() (io.Reader, error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return Text(s.file)
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

// readLines gives each line that is not blank to take, with its number.
func (s *source) readLines(file string, take func(number int, line []byte) error) error {
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
		if err := take(number, line); err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", file, number+1, err)
	}
	return nil
}

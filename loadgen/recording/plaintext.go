package recording

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Text returns what a text file holds: decompressed, if it is compressed by gzip, and without the mark with which some
// programs begin UTF-8. A file that is no such text is an error that says what it is and what to do.
func Text(file io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(file, 64<<10)
	if begins(in, "\x1f\x8b\x08") { // RFC 1952, section 2.3.1: gzip, by DEFLATE
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, unreadable(err)
		}
		in = bufio.NewReaderSize(decompressed{unzipped}, 64<<10)
	}
	for _, other := range notText {
		if begins(in, other.mark) {
			return nil, errors.New(other.hint)
		}
	}
	if mark := "\ufeff"; begins(in, mark) {
		_, _ = in.Discard(len(mark))
	}
	if first, _ := in.Peek(2); len(first) == 2 && (first[0] == 0) != (first[1] == 0) { // UTF-16 without a mark
		return nil, errors.New(isUTF16)
	}
	return in, nil
}

const (
	isUTF16      = "it is UTF-16, and must be UTF-8: iconv -f UTF-16 -t UTF-8 FILE"
	isCompressed = "; decompress it, or compress it by gzip"
)

// notText are files that are given for a text, by their beginning.
var notText = []struct{ mark, hint string }{
	{"\xff\xfe\x00\x00", "it is UTF-32, and must be UTF-8: iconv -f UTF-32 -t UTF-8 FILE"},
	{"\xff\xfe", isUTF16},
	{"\xfe\xff", isUTF16},
	{"\x28\xb5\x2f\xfd", "it is compressed by zstd" + isCompressed},
	{"\xfd7zXZ\x00", "it is compressed by xz" + isCompressed},
	{"BZh", "it is compressed by bzip2" + isCompressed},
	{"PK\x03\x04", "it is a ZIP archive or a spreadsheet: unpack it, or save it as text"},
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
		return errors.New("the compressed file ends here, before its content does: it was cut, or is being " +
			"written still")
	}
	return fmt.Errorf("what follows cannot be decompressed: %w", err)
}

package request

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// decoder undoes a content coding of RFC 9110, section 8.4.1.
type decoder interface {
	io.Reader
	// Reset begins anew, with what source has.
	Reset(source io.Reader) error
}

// decoding is a decoder with what it reads, to be used again.
type decoding struct {
	decoder
	source bytes.Reader
}

// decodings are idle ones by the name of the coding. They are shared by all connections: some take a megabyte.
var decodings = map[string]*sync.Pool{
	"gzip":    {New: func() any { return &decoding{decoder: new(gzip.Reader)} }},
	"deflate": {New: func() any { return &decoding{decoder: new(inflater)} }},
	"br":      {New: func() any { return &decoding{decoder: new(brotli.Reader)} }},
	"zstd":    {New: func() any { return &decoding{decoder: newZstd()} }},
}

// newZstd returns a decoder that works on the caller's goroutine alone.
func newZstd() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecodeBuffersBelow(0)) // the window of RFC 9659
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}

var errPlainTooBig = fmt.Errorf("the body has more than %d bytes when it is decompressed", maxKeptBody)

// appendDecoded appends what a body is without its content coding, at most maxKeptBody bytes. With an error it appends
// what came before that.
func appendDecoded(dst, body []byte, coding string) ([]byte, error) {
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(coding)), "x-")
	pool := decodings[name]
	if pool == nil {
		return dst, fmt.Errorf("the body has the content coding %.40q, which is not known here", coding)
	}
	d := pool.Get().(*decoding)
	defer pool.Put(d)
	d.source.Reset(body)
	dst, err := d.appendAll(dst)
	if err != nil && !errors.Is(err, errPlainTooBig) {
		err = fmt.Errorf("the body is not %s: %w", name, err)
	}
	return dst, err
}

// appendAll decodes the source to its end.
func (d *decoding) appendAll(dst []byte) ([]byte, error) {
	if err := d.Reset(&d.source); err != nil {
		return dst, err
	}
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(4096, cap(dst)))
		}
		n, err := d.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > maxKeptBody:
			return dst[:maxKeptBody], errPlainTooBig
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// inflater decodes "deflate": the zlib format, as the standard has it, or the bare one, which some servers send.
type inflater struct {
	io.Reader
	buffer  []byte // of the first two bytes
	wrapped io.Reader
	bare    io.Reader
}

// Reset begins anew.
func (i *inflater) Reset(source io.Reader) error {
	i.buffer = append(i.buffer[:0], 0, 0)
	n, err := io.ReadFull(source, i.buffer)
	if n < len(i.buffer) {
		return err
	}
	source = io.MultiReader(bytes.NewReader(i.buffer), source)
	// RFC 1950, section 2.2: the method 8, and a check of both bytes
	if i.buffer[0]&0x0f != 8 || (int(i.buffer[0])<<8|int(i.buffer[1]))%31 != 0 {
		i.Reader, err = reset(&i.bare, source, func() (io.Reader, error) { return flate.NewReader(source), nil })
		return err
	}
	i.Reader, err = reset(&i.wrapped, source, func() (io.Reader, error) { return zlib.NewReader(source) })
	return err
}

// reset has a decompressor of flate or zlib begin anew; the first one is made.
func reset(of *io.Reader, source io.Reader, first func() (io.Reader, error)) (io.Reader, error) {
	if *of != nil {
		return *of, (*of).(flate.Resetter).Reset(source, nil)
	}
	made, err := first()
	if err == nil {
		*of = made
	}
	return made, err
}

// Readable is a body without its content coding; coding is its Content-Encoding, empty for none. Of a body that is not
// whole, or is too big, it is the beginning.
func Readable(body []byte, coding string) (text []byte, whole bool) {
	a := Answer{body: body, coding: []byte(coding)}
	_, err := a.text()
	return a.readable(), err == nil
}

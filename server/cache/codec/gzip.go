package codec

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("codec: gzip rejects its own level: " + err.Error())
	}
	return w
}}

// Gzip compresses a body for an HTTP response, preferring speed to size.
func Gzip(body []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(body) / 3)
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&b)
	w.Write(body) // a bytes.Buffer takes everything
	w.Close()
	return b.Bytes()
}

// GzipIfSmaller is [Gzip] for bodies that it pays for, as [CompressionThreshold] defines that; nil for others.
func GzipIfSmaller(body []byte) []byte {
	if len(body) <= CompressionThreshold {
		return nil
	}
	if packed := Gzip(body); saves(len(packed), len(body)) {
		return packed
	}
	return nil
}

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

// GzipIfSmaller is [Gzip] for bodies of more than over bytes that it makes smaller by an eighth; nil for others.
func GzipIfSmaller(body []byte, over int) []byte {
	if len(body) <= over {
		return nil
	}
	if packed := Gzip(body); saves(len(packed), len(body)) {
		return packed
	}
	return nil
}

package recording

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// zipped is texts compressed by gzip, each on its own, one after the other: so are logs that were put together.
func zipped(t testing.TB, texts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestReadCompressed(t *testing.T) {
	for _, test := range readable {
		t.Run(test.name, func(t *testing.T) {
			plain, err := Read(strings.NewReader(test.file), "f", test.options)
			if err != nil {
				t.Fatal(err)
			}
			half := len(test.file) / 2
			for _, file := range []string{
				zipped(t, test.file), zipped(t, test.file[:half], test.file[half:]),
				zipped(t, "\ufeff"+strings.TrimPrefix(test.file, "\ufeff")),
			} {
				l, err := Read(strings.NewReader(file), "f", test.options)
				if err != nil {
					t.Fatal(err)
				}
				if got := written(l); got != test.want || l.Format != test.format || l.SHA256 != plain.SHA256 {
					t.Errorf("%s with the sum %s:\n%s\nwant %s:\n%s", l.Format, l.SHA256, got, plain.SHA256, test.want)
				}
			}
		})
	}
}

func TestFaultsOfCompressedFiles(t *testing.T) {
	const good = at0 + `"GET / HTTP/1.1" 200 5 "-" "-"` + "\n"
	random := rand.NewChaCha8([32]byte{})
	var long strings.Builder
	for range 5000 { // so different that several blocks are needed
		fmt.Fprintf(&long, "%s\"GET /%x HTTP/1.1\" 200 5 \"-\" \"-\"\n", at0, random.Uint64())
	}
	whole := zipped(t, long.String())
	for name, test := range map[string]struct{ file, want string }{
		"a fault in a line": {zipped(t, good, good+"GET /\n"), "f:3: the line is not of the combined log format"},
		"a fault in an entry": {
			zipped(t,
				har+"\n"+
					`{"startedDateTime": "2025-10-10T11:55:36Z", "request": {"method": "GET", "url": "http://h/"}}`+
					",\n\n{]}"), "f:4: entry 2: invalid character",
		},
		"nothing":     {zipped(t, ""), "f:1: it is empty"},
		"head alone":  {whole[:5], "f:1: the compressed file ends here"},
		"cut at once": {zipped(t, good)[:15], "f:1: the compressed file ends here"},
		"without its end": {
			zipped(t, good, good)[:len(zipped(t, good, good))-4],
			"f:3: the compressed file ends here",
		},
		"another checksum": {
			whole[:len(whole)-8] + "abcd" + whole[len(whole)-4:],
			"f:5001: what follows cannot be decompressed: gzip: invalid checksum",
		},
		"not compressed from somewhere on": {
			zipped(t, good) + good,
			"f:2: what follows cannot be decompressed: gzip: invalid header",
		},
		"not DEFLATE": {
			whole[:10] + "\xff\xff\xff" + whole[13:],
			"f:1: what follows cannot be decompressed: flate: corrupt input",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.file), "f", Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	_, err := Read(strings.NewReader(whole[:len(whole)/2]), "f", Options{})
	var line int
	if _, malformed := fmt.Sscanf(fmt.Sprint(err), "f:%d: the compressed file ends here", &line); malformed != nil ||
		line < 1000 || line > 4000 {
		t.Errorf("half a file: %v", err)
	}
}

// FuzzCompressed holds that no damage to a compressed file makes more than a fault with its place.
func FuzzCompressed(f *testing.F) {
	for _, test := range readable {
		f.Add(zipped(f, test.file))
		f.Add(zipped(f, test.file, test.file))
	}
	f.Fuzz(func(t *testing.T, file string) {
		l, err := Read(strings.NewReader(file), "f", Options{})
		if err == nil {
			check(t, l)
		} else if !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("a fault without a file: %v", err)
		}
	})
}

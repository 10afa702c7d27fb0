package codec

import (
	"bytes"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
)

func TestValuesSurviveTheirStoredForm(t *testing.T) {
	for name, body := range map[string][]byte{
		"empty": {}, "small": []byte("{}"), "large": bytes.Repeat([]byte(`{"name":"vm"},`), 500),
		"not compressible": noise(4096),
	} {
		stored, saved := Append([]byte("before"), body, CompressionThreshold, xxhash.Sum64(body), 7, time.Minute)
		stored, _ = bytes.CutPrefix(stored, []byte("before"))
		v, err := Decode(stored)
		left := time.Until(v.Expires)
		if err != nil || !bytes.Equal(v.Body, body) || v.Epoch != 7 || left > time.Minute || left < 58*time.Second {
			t.Errorf("%s: %d bytes, epoch %d, until %s, error %v", name, len(v.Body), v.Epoch, v.Expires, err)
		}
		if epoch, ok := Epoch(string(stored)); epoch != 7 || !ok {
			t.Errorf("%s: epoch %d, %t, want 7", name, epoch, ok)
		}
		want := map[string]Compression{
			"large":            {Before: len(body), After: len(stored) - headerSize},
			"not compressible": {Before: len(body), After: len(body)},
		}[name]
		if saved != want || name == "large" && len(stored) > len(body)/4 {
			t.Errorf("%s: %d bytes became %d; counted %+v, want %+v", name, len(body), len(stored), saved, want)
		}
		for i := range stored {
			if i >= 2 && i < 22 { // epoch and times are free
				continue
			}
			damaged := bytes.Clone(stored)
			damaged[i] ^= 0x55
			if v, err := Decode(damaged); err == nil && !bytes.Equal(v.Body, body) {
				t.Errorf("%s: damage at %d was not noticed", name, i)
			}
		}
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i, x := 0, uint64(88172645463325252); i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

func FuzzDecodeValue(f *testing.F) {
	seed, _ := Append(nil, bytes.Repeat([]byte("ab"), 1000), CompressionThreshold, 1, 2, time.Minute)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, stored []byte) {
		if v, err := Decode(stored); err == nil && xxhash.Sum64(v.Body) != v.Hash {
			t.Error("a damaged body was accepted")
		}
	})
}

package cache

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
)

func TestValuesSurviveTheirStoredForm(t *testing.T) {
	for name, body := range map[string][]byte{
		"empty": {}, "small": []byte("{}"), "large": bytes.Repeat([]byte(`{"name":"vm"},`), 500),
		"not compressible": []byte(strings.Repeat("x", 0) + string(noise(4096))),
	} {
		var n counts
		stored := encodeValue(body, xxhash.Sum64(body), 7, time.Minute, &n)
		v, err := decodeValue(stored)
		if err != nil || !bytes.Equal(v.body, body) || v.epoch != 7 || time.Until(v.expires) > time.Minute || time.Until(v.expires) < 58*time.Second {
			t.Errorf("%s: %d bytes, epoch %d, until %s, error %v", name, len(v.body), v.epoch, v.expires, err)
		}
		if name == "large" && (len(stored) > len(body)/4 || n.bytesBefore.Load() != uint64(len(body)) || n.bytesAfter.Load() != uint64(len(stored)-headerSize)) {
			t.Errorf("%d bytes became %d; counted %d and %d", len(body), len(stored), n.bytesBefore.Load(), n.bytesAfter.Load())
		}
		for i := range stored {
			if i >= 2 && i < 22 { // epoch and times are free
				continue
			}
			damaged := bytes.Clone(stored)
			damaged[i] ^= 0x55
			if v, err := decodeValue(damaged); err == nil && !bytes.Equal(v.body, body) {
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
	f.Add(encodeValue(bytes.Repeat([]byte("ab"), 1000), 1, 2, time.Minute, new(counts)))
	f.Fuzz(func(t *testing.T, stored []byte) {
		if v, err := decodeValue(stored); err == nil && xxhash.Sum64(v.body) != v.hash {
			t.Error("a damaged body was accepted")
		}
	})
}

package coherence

import (
	"reflect"
	"testing"
)

func FuzzDecodeMessage(f *testing.F) {
	f.Add(string((&message{what: invalidateMessage, sender: 1, number: 2, after: 3, stripes: []uint16{4, 5}}).encode()))
	f.Add(string((&message{what: dropMessage, pattern: "*"}).encode()))
	f.Add(string((&message{what: heartbeatMessage}).encode()))
	f.Fuzz(func(t *testing.T, payload string) {
		m, err := decodeMessage(payload)
		if err != nil {
			return
		}
		again, err := decodeMessage(string(m.encode()))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%+v became %+v (%v)", m, again, err)
		}
	})
}

func FuzzParseEpoch(f *testing.F) {
	f.Add(formatEpoch(77))
	f.Fuzz(func(t *testing.T, s string) { ParseEpoch(s) })
}

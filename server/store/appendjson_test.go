package store

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "quo\"te", "back\\slash", "\n\r\t\x00\x1f\x7f", "\u2028 \U0001f600",
		"\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // Postgres has none
		}
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil || back != s {
			t.Errorf("%q became %s and came back as %q, error %v", s, appendString(nil, s), back, err)
		}
	})
}

func BenchmarkAppendResourceJSON(b *testing.B) {
	row := [][]byte{
		[]byte("0123456789abcdef"),
		[]byte("/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm-1"),
		[]byte("5f1b7c1e-0c5e-4b7e-9d4b-1c2d3e4f5a6b"), []byte("rg1"), []byte("vm-1"),
		[]byte("Microsoft.Compute/virtualMachines"),
		[]byte("westeurope"), []byte(`{"description": "` + strings.Repeat("x", 500) + `"}`),
		[]byte(`{"env": "prod", "team": "core"}`),
		[]byte("compliant"),
		{0, 2, 0xe5, 0, 0, 0, 0, 0},
		{0, 2, 0xe5, 0, 0, 0, 0, 0},
	}
	dst := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		appendResource(dst, row)
	}
}

package cache

import (
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/cache/key"
	"github.com/policycortex/headroom/server/store"
)

// TestKindsOfL3: L3 finds out that a value is old by its tenant's version, which the refresh of a summary does not
// raise.
func TestKindsOfL3(t *testing.T) {
	var in []Kind
	for kind := range Kind(key.Kinds) {
		if expensive(kind) {
			in = append(in, kind)
		}
	}
	if want := []Kind{Resources, Policies, Evaluations, Costs}; !slices.Equal(in, want) {
		t.Errorf("L3 has %v, want %v", in, want)
	}
}

// TestLongKeysAreNotInL3: an index of Postgres refuses names of more than 2,704 bytes.
func TestLongKeysAreNotInL3(t *testing.T) {
	l := &level3{store: new(store.Store)}
	for length, want := range map[int]bool{0: true, maxL3Query: true, maxL3Query + 1: false, 30_000: false} {
		k := &Key{Kind: Resources, Query: strings.Repeat("q", length)}
		if got := l.has(k); got != want || got && len(k.Name()) > 2_690 {
			t.Errorf("a query of %d bytes, a name of %d: %v, want %v", length, len(k.Name()), got, want)
		}
	}
}

package cache

import (
	"slices"
	"testing"

	"github.com/policycortex/headroom/server/cache/key"
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

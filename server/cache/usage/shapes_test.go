package usage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/cache/key"
)

func TestShapes(t *testing.T) {
	var s shapes
	id := [16]byte{1}
	for range 6 {
		s.record(&key.Key{Tenant: id, Kind: key.Resource, ID: id}, 1)
		s.record(&key.Key{Tenant: [16]byte{2}, Kind: key.Resource, ID: [16]byte{3}}, 1)
	}
	s.record(&key.Key{Kind: key.Resources, Query: "limit=20&type=a=b"}, 3)
	s.record(&key.Key{Kind: key.Resources, Query: "limit=50&type=c"}, 1)
	s.record(&key.Key{Kind: key.Policies, Query: "limit=50&all"}, 2)
	s.record(&key.Key{Kind: key.Costs, ID: id, Query: "from=x"}, 1)
	s.record(&key.Key{Kind: key.Compliance}, 1)
	got := s.most(4)
	want := []KeyPattern{
		{"*:resource:*", 12, 0.6},
		{"*:resources:limit=*&type=*", 4, 0.2},
		{"*:policies:limit=*&all", 2, 0.1},
		{"*:compliance:", 1, 0.05},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if all := s.most(100); len(all) != 5 || all[4].Pattern != "*:costs:*?from=*" {
		t.Errorf("got %v", all)
	}
}

func TestShapesAreBounded(t *testing.T) {
	var s shapes
	for i := range 10_000 {
		s.record(&key.Key{Kind: key.Resources, Query: fmt.Sprintf("made%dup=1", i)}, 1)
	}
	s.record(&key.Key{Kind: key.Policies, Query: strings.Repeat("q", maxShape+1)}, 1)
	all := s.most(100_000)
	sum := uint64(0)
	for _, p := range all {
		sum += p.Requests
	}
	if len(all) > shapeCount+1 || sum != 10_001 || all[0].Pattern != "other" {
		t.Errorf("%d forms with %d requests, first %v", len(all), sum, all[0])
	}
}

func TestKnownShapesAreCountedWithoutAllocations(t *testing.T) {
	var s shapes
	k := key.Key{Kind: key.Resources, Query: "limit=20&type=a&tag=b:c"}
	if n := testing.AllocsPerRun(100, func() { s.record(&k, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package cache

import (
	"fmt"
	"strings"
	"testing"
)

func TestShapes(t *testing.T) {
	var s shapes
	id := [16]byte{1}
	for range 6 {
		s.record(&Key{Tenant: id, Kind: Resource, ID: id}, 1)
		s.record(&Key{Tenant: [16]byte{2}, Kind: Resource, ID: [16]byte{3}}, 1)
	}
	s.record(&Key{Kind: Resources, Query: "limit=20&type=a=b"}, 3)
	s.record(&Key{Kind: Resources, Query: "limit=50&type=c"}, 1)
	s.record(&Key{Kind: Policies, Query: "limit=50&all"}, 2)
	s.record(&Key{Kind: Costs, ID: id, Query: "from=x"}, 1)
	s.record(&Key{Kind: Compliance}, 1)
	got := s.most(4)
	want := []KeyPattern{
		{"*:resource:*", 12, 0.6}, {"*:resources:limit=*&type=*", 4, 0.2}, {"*:policies:limit=*&all", 2, 0.1}, {"*:compliance:", 1, 0.05},
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
		s.record(&Key{Kind: Resources, Query: fmt.Sprintf("made%dup=1", i)}, 1)
	}
	s.record(&Key{Kind: Policies, Query: strings.Repeat("q", maxShape+1)}, 1)
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
	key := Key{Kind: Resources, Query: "limit=20&type=a&tag=b:c"}
	if n := testing.AllocsPerRun(100, func() { s.record(&key, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

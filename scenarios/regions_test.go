package scenarios

import (
	"reflect"
	"testing"
	"time"
)

const ofTwoRegions = `
environment:
  regions:
    eu: {primary: true, users: 5ms}
    us: {distances: {eu: 80ms}}
scenarios:
  near: {executor: constant-vus, vus: 1, duration: 30s, region: eu, requests: [{name: a, path: /, tags: {kind: x}}]}
  far: {executor: constant-vus, vus: 1, duration: 30s, region: us, requests: [{name: a, path: /}]}
faults:
  - {at: 10s, region: us, action: kill}
  - {at: 20s, region: us, action: restart}
thresholds:
  http_req_duration{region:us}: p(95)<50
  http_req_failed{region:eu,kind:x}: rate==0
`

// TestRegions: distances count both ways, and the requests of a scenario have its region as a tag.
func TestRegions(t *testing.T) {
	p, err := Parse("regions.yaml", []byte(ofTwoRegions))
	if err != nil {
		t.Fatal(err)
	}
	between := 80 * time.Millisecond
	want := []Region{
		{Name: "eu", Primary: true, Users: 5 * time.Millisecond, Distances: map[string]time.Duration{"us": between}},
		{Name: "us", Distances: map[string]time.Duration{"eu": between}},
	}
	if !reflect.DeepEqual(p.Environment.Regions, want) || p.Environment.Servers() != 2 || p.Instances() != 1 {
		t.Errorf("regions %+v, servers %d, instances %d", p.Environment.Regions, p.Environment.Servers(), p.Instances())
	}
	for i, region := range []string{"eu", "us"} {
		s := &p.Scenarios[i]
		if tags := p.TagsOf(s, &s.Requests[0], ""); s.Region != region || tags[RegionTag] != region {
			t.Errorf("%s: region %q, tags %v", s.Name, s.Region, tags)
		}
	}
	if got := p.Faults[0].String() + ", " + p.Faults[1].String(); got != "kill region us, restart region us" {
		t.Errorf("faults %s", got)
	}
	if _, err := NewMix(p); err == nil {
		t.Error("regions are no mix of one capacity")
	}
}

// TestATagRegionWithoutRegions: it stays a tag like any other.
func TestATagRegionWithoutRegions(t *testing.T) {
	p, err := Parse("tag.yaml", []byte(`
tags: {region: eu}
scenarios:
  s: {executor: constant-vus, vus: 1, duration: 30s, requests: [{name: a, path: /}]}
thresholds: {"http_reqs{region:eu}": count>1}
`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Tags["region"] != "eu" || p.Thresholds[0].Selector["region"] != "eu" {
		t.Errorf("tags %v, threshold %+v", p.Tags, p.Thresholds[0])
	}
}

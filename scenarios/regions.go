package scenarios

import (
	"slices"
	"time"
)

// Region is a part of the environment that is far from the others: it has users, an instance of the reference server,
// and a replica of the primary.
type Region struct {
	Name string
	// Primary says that the primary and the cache are here, which is so in one of the regions.
	Primary bool
	// Users is the round trip between the region and its users.
	Users time.Duration
	// Distances are the round trips to each other region, by their names.
	Distances map[string]time.Duration
}

// RegionTag is the tag of the requests whose scenario names a region, where the environment has regions.
const RegionTag = "region"

// Bounds of regions. The caches of the instances hear each other once a second at least, from wherever they are.
const (
	fewestRegions    = 2
	mostRegions      = 5
	longestRoundTrip = 300 * time.Millisecond
)

// regions reads the section regions of an environment.
func (r *reader) regions(environment *node) (all []Region) {
	n := environment.get("regions")
	if !given(n) {
		return nil
	}
	for _, e := range n.entries {
		r.regionNames = append(r.regionNames, e.key)
	}
	for _, key := range []string{"instances", "balancer", "replica"} {
		if other := environment.get(key); other != nil {
			r.faultAt(other.keyAt, "remove one of the two", "%s and %s exclude each other: a region has one instance "+
				"and one replica", n.path, other.path)
		}
	}
	if len(n.entries) < fewestRegions || len(n.entries) > mostRegions {
		r.fault(n, "for example {eu: {primary: true}, us: {distances: {eu: 80ms}}}",
			"%s has %d; it must have %d to %d", n.path, len(n.entries), fewestRegions, mostRegions)
		return nil
	}
	primaries := 0
	for _, e := range n.entries {
		r.name(e.at, "the region", e.key)
		one := Region{Name: e.key, Primary: r.flag(e.value.get("primary")), Distances: map[string]time.Duration{}}
		one.Users = r.roundTrip(e.value.get("users"))
		if one.Primary {
			primaries++
		}
		all = append(all, one)
	}
	if primaries != 1 {
		r.fault(n, "give exactly one of them primary: true",
			"%s: the primary is in %d regions, and must be in one", n.path, primaries)
	}
	r.distances(n, all)
	return all
}

// roundTrip reads a round trip, 0 without a node.
func (r *reader) roundTrip(n *node) time.Duration { return r.simulated(n, r.duration(n, 0)) }

// distance reads a round trip above 0.
func (r *reader) distance(n *node) time.Duration {
	d, _ := r.positiveDuration(n)
	return r.simulated(n, d)
}

// simulated is a round trip that is not too long.
func (r *reader) simulated(n *node, d time.Duration) time.Duration {
	if d > longestRoundTrip {
		r.fault(n, "", "%s is %v; round trips of at most %v are simulated", n.path, d, longestRoundTrip)
	}
	return d
}

// distances reads those between regions. Each is given in one of the two.
func (r *reader) distances(n *node, all []Region) {
	before, vague := len(r.errs), false
	for i, e := range n.entries {
		section := e.value.get("distances")
		vague = vague || e.value.bad || section != nil && section.bad
		if section == nil {
			continue
		}
		for _, d := range section.entries {
			k := slices.Index(r.regionNames, d.key)
			_, twice := all[i].Distances[d.key]
			switch {
			case k < 0:
				r.faultAt(d.at, suggest(d.key, r.regionNames), "%s: there is no region %.60q", section.path, d.key)
			case k == i:
				r.faultAt(d.at, "remove it", "%s: a region is not far from itself", section.path)
			case twice:
				r.faultAt(d.at, "give it in one of the two", "the distance between %s and %s is given twice", d.key,
					e.key)
			default:
				all[i].Distances[d.key] = r.distance(d.value)
				all[k].Distances[e.key] = all[i].Distances[d.key]
			}
		}
	}
	if vague || len(r.errs) > before {
		return
	}
	for i, e := range n.entries {
		for _, other := range r.regionNames[:i] {
			if _, known := all[i].Distances[other]; !known {
				r.faultAt(e.at, "for example distances: {"+other+": 80ms}",
					"the distance between %s and %s is missing", e.key, other)
			}
		}
	}
}

// regionOf reads the region of a scenario.
func (r *reader) regionOf(scenario *node) string {
	n := scenario.get("region")
	switch {
	case n != nil && !r.regional:
		r.faultAt(n.keyAt, "add environment: {regions: …}, or remove it",
			"%s names a region, and the environment has none", n.path)
		return ""
	case len(r.regionNames) == 0: // what is wrong with them was reported
		return ""
	case n == nil:
		r.missing(scenario, "region", "region: "+r.regionNames[0])
	}
	region := r.word(n, "", r.regionNames)
	r.vague = r.vague || region == "" // what thresholds may select is not known then
	return region
}

// faultyRegion reads the region that a fault happens to.
func (r *reader) faultyRegion(fault, n *node, regions []Region) string {
	for _, key := range []string{"target", "instance"} {
		if other := fault.get(key); other != nil {
			r.faultAt(n.keyAt, "remove one of the two", "%s has %s and region", fault.path, key)
		}
	}
	if !r.regional {
		r.faultAt(n.keyAt, "add environment: {regions: …}", "%s happens to a region, and the environment has none",
			fault.path)
		return ""
	}
	name := r.word(n, "", r.regionNames)
	for _, g := range regions {
		if g.Name == name && g.Primary {
			r.fault(n, "lose another region, or let target: primary fail",
				"%s: the primary is in region %s, and no replica takes its place here", fault.path, name)
		}
	}
	return name
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/scenarios"
)

// regionsOf are the regions of a plan's environment.
func regionsOf(e scenarios.Environment) (all []containers.Region) {
	for _, r := range e.Regions {
		all = append(all, containers.Region(r))
	}
	return all
}

// inRegions are the specs of an instance in each region, which uses the servers as that reaches them.
func inRegions(spec referenceSpec, regions []containers.RegionServers) (specs []referenceSpec) {
	for _, r := range regions {
		one := spec.called(r.Name)
		one.variables = slices.Concat(spec.variables, []string{ // the last of a name counts
			"HEADROOM_POSTGRES_URL=" + r.PostgresURL,
			"HEADROOM_POSTGRES_REPLICA_URL=" + r.ReplicaURL,
			"HEADROOM_CACHE_URL=" + r.CacheURL,
			fmt.Sprintf("HEADROOM_CACHE_IS_FAR=%t", r.CacheIsFar),
		})
		specs = append(specs, one)
	}
	return specs
}

// openRegions starts what leads the users of each region to the instances. The load goes there.
func (s *system) openRegions(say func(string)) error {
	regions := s.environment.Regions
	if len(regions) == 0 {
		return nil
	}
	instances := map[string]string{}
	for i, r := range regions {
		instances[r.Name] = strings.TrimPrefix(s.servers[i].url, "http://")
	}
	proxies, err := s.environment.OpenRegions(instances)
	if err != nil {
		return fmt.Errorf("start the proxies of the regions: %w", err)
	}
	s.regions = map[string]string{}
	var urls []string
	for _, r := range regions {
		s.regions[r.Name] = "http://" + proxies[r.Name]
		urls = append(urls, s.regions[r.Name])
		say(fmt.Sprintf("region %s: its users at %s", r.Name, s.regions[r.Name]))
	}
	s.isAt(urls)
	s.others = nil // they are not instances of one place, among which a scenario's requests would be spread
	return nil
}

// regionFault injects a fault into the instance of a region and its replica.
func (s *system) regionFault(ctx context.Context, f scenarios.Fault) error {
	i := slices.IndexFunc(s.environment.Regions, func(r containers.RegionServers) bool { return r.Name == f.Region })
	if i < 0 {
		return fmt.Errorf("fault %s: there is no such region", f)
	}
	replica := func() error { return s.environment.Fault(ctx, serverOf(f), containers.Action(f.Action)) }
	var err error
	switch f.Action {
	case "kill": // first what users reach
		err = errors.Join(s.servers[i].kill(ctx), replica())
	case "restart": // first what the instance needs
		err = errors.Join(replica(), s.servers[i].restart(ctx))
	default:
		err = errors.New("there is no such action")
	}
	if err != nil {
		return fmt.Errorf("fault %s: %w", f, err)
	}
	return nil
}

// regionTexts are the regions as the record of a run has them.
func regionTexts(regions []scenarios.Region) (texts []string) {
	for i, r := range regions {
		var parts []string
		if r.Primary {
			parts = append(parts, "primary")
		}
		if r.Users > 0 {
			parts = append(parts, fmt.Sprintf("users at %v", r.Users))
		}
		for _, before := range regions[:i] {
			parts = append(parts, fmt.Sprintf("%s at %v", before.Name, r.Distances[before.Name]))
		}
		texts = append(texts, "region "+r.Name+": "+strings.Join(parts, ", "))
	}
	return texts
}

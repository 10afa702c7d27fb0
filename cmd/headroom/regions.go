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

// startInRegions starts an instance in each region. It uses the servers, and tells the edges of a kind what has
// changed, from as far away as they are.
func (s *system) startInRegions(ctx context.Context, spec referenceSpec, kind string, settings []string) error {
	e := s.environment
	var specs []referenceSpec
	for _, r := range e.Regions {
		told := slices.Clone(s.edges)
		for i := range told {
			var err error
			told[i].Address, err = e.Across(r.Name, e.Regions[i].Name, told[i].Address)
			if err != nil {
				return err
			}
		}
		one := spec.called(r.Name)
		one.variables = slices.Concat(spec.variables, []string{ // the last of a name counts
			"HEADROOM_POSTGRES_URL=" + r.PostgresURL,
			"HEADROOM_POSTGRES_REPLICA_URL=" + r.ReplicaURL,
			"HEADROOM_CACHE_URL=" + r.CacheURL,
			fmt.Sprintf("HEADROOM_CACHE_IS_FAR=%t", r.CacheIsFar),
		}, edgeVariables(kind, told, settings))
		specs = append(specs, one)
	}
	var err error
	s.servers, err = startEach(ctx, specs)
	return err
}

// openRegions starts what leads the users of each region to what answers them: the edges, or the instances. The load
// goes there.
func (s *system) openRegions(say func(string)) error {
	regions, answering := s.environment.Regions, s.urls()
	if len(regions) == 0 {
		return nil
	}
	entrances := map[string]string{}
	for i, r := range regions {
		entrances[r.Name] = strings.TrimPrefix(answering[i], "http://")
	}
	proxies, err := s.environment.OpenRegions(entrances)
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

// regionFault injects a fault into the edge of a region, its instance, and its replica.
func (s *system) regionFault(ctx context.Context, f scenarios.Fault) error {
	i := slices.IndexFunc(s.environment.Regions, func(r containers.RegionServers) bool { return r.Name == f.Region })
	if i < 0 {
		return fmt.Errorf("fault %s: there is no such region", f)
	}
	replica := func() error { return s.environment.Fault(ctx, serverOf(f), containers.Action(f.Action)) }
	edge := func() error { return nil }
	if len(s.edges) > 0 {
		edge = func() error { return s.environment.Fault(ctx, containers.EdgeTarget(i), containers.Action(f.Action)) }
	}
	var err error
	switch f.Action {
	case "kill": // first what users reach
		err = errors.Join(edge(), s.servers[i].kill(ctx), replica())
	case "restart": // first what the others need
		err = errors.Join(replica(), s.servers[i].restart(ctx), edge())
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

package main

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// startFronts starts what the plan wants before the instances. The first of it gets the load in their place.
func (s *system) startFronts(ctx context.Context, wanted scenarios.Environment, say func(string)) error {
	e := s.environment
	if wanted.Balancer != "" {
		if err := e.StartBalancer(ctx, s.servers.behind("")); err != nil {
			return err
		}
		s.isAt([]string{e.BalancerURL})
		say(fmt.Sprintf("balancer: %s %s at %s, before %s", e.Balancer.Name, e.Balancer.Version, s.url,
			reports.Plural(len(s.servers), "instance")))
	}
	if wanted.Edge == "" {
		return nil
	}
	if err := e.StartEdge(ctx, strings.TrimPrefix(s.url, "http://")); err != nil {
		return err
	}
	s.isAt([]string{e.EdgeURL})
	s.snapshot, s.sample = s.withEdge(s.snapshot), s.withEdge(s.sample)
	say(fmt.Sprintf("edge: %s %s at %s", e.Edge.Name, e.Edge.Version, s.url))
	return nil
}

// account is how the service is asked for its account.
type account func(ctx context.Context) (results.Snapshot, error)

// withEdge adds the edge's counters to an account of the servers behind it.
func (s *system) withEdge(servers account) account {
	return func(ctx context.Context) (results.Snapshot, error) {
		all, err := servers(ctx)
		if err != nil {
			return all, err
		}
		hits, misses, err := s.environment.EdgeCounts(ctx)
		tiers := map[string]results.TierStats{scenarios.EdgeTier: {Hits: hits, Misses: misses}}
		maps.Copy(tiers, all.Tiers)
		all.Tiers = tiers // and not in place: a server's account may be given again
		return all, err
	}
}

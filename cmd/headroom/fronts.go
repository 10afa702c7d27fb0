package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/policycortex/headroom/containers"
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
	if len(s.edges) == 0 {
		return nil
	}
	origins := s.urls() // one for each edge: regions have an instance each, and elsewhere all are behind the balancer
	for i, spec := range s.edges {
		spec.Origin = strings.TrimPrefix(origins[i], "http://")
		if err := e.StartEdge(ctx, spec); err != nil {
			return err
		}
	}
	s.isAt(e.EdgeURLs)
	s.snapshot, s.sample = s.withEdge(s.snapshot), s.withEdge(s.sample)
	say(fmt.Sprintf("edge: %s %s at %s", e.Edge.Name, e.Edge.Version, strings.Join(e.EdgeURLs, ", ")))
	return nil
}

// How long an edge may answer by itself: one that is told of changes, and one that is not.
const (
	toldTTL   = time.Minute
	untoldTTL = time.Second
)

// edgeSpecs are edges before a service that is yet to be started, at addresses that its instances can be told.
func edgeSpecs(n int) (specs []containers.EdgeSpec, err error) {
	token := rand.Text()
	for range n {
		spec := containers.EdgeSpec{Token: token}
		spec.Address, err = containers.LastingAddress()
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// edgeVariables let edges of a kind keep answers, and tell the instances where those are that take invalidations. How
// long they may keep them can be set in the scenario and in the environment of this process.
func edgeVariables(kind string, specs []containers.EdgeSpec, settings []string) (vars []string) {
	ttl := untoldTTL
	switch {
	case len(specs) == 0:
		return nil
	case kind == containers.EdgeVarnish:
		ttl = toldTTL
		urls := make([]string, len(specs))
		for i, spec := range specs {
			urls[i] = "http://" + spec.Address
		}
		vars = append(vars, "HEADROOM_EDGE_URLS="+strings.Join(urls, ","), "HEADROOM_EDGE_TOKEN="+specs[0].Token)
	}
	if !isSet(settings, "HEADROOM_EDGE_TTL") {
		vars = append(vars, "HEADROOM_EDGE_TTL="+ttl.String())
	}
	return vars
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

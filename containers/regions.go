package containers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/policycortex/headroom/containers/distance"
)

// Region is a part of an environment that is far from the others: a replica of the primary, and the instance that the
// caller starts beside it. It is simulated: all of them run on this machine, and what goes from one to another is
// delayed (see package distance).
type Region struct {
	Name string
	// Primary says that the primary and the cache are here. They are in one of the regions.
	Primary bool
	// Users is the round trip between the region and its users; 0 for none.
	Users time.Duration
	// Distances are the round trips to the other regions, by their names.
	Distances map[string]time.Duration
}

// RegionServers are the servers of the environment as an instance in a region reaches them.
type RegionServers struct {
	Name string
	// PostgresURL is the address of the primary, and CacheURL that of the cache: as far away as the region of the
	// primary is.
	PostgresURL string
	CacheURL    string
	// CacheIsFar says that the cache is in another region.
	CacheIsFar bool
	// ReplicaURL is the address of the region's own replica, and Replica what it is.
	ReplicaURL string
	Replica    Server
}

// ReplicaOf is the target of faults that is the replica of a region.
func ReplicaOf(region string) Target { return TargetReplica + "-" + Target(region) }

// checkRegions returns an *UnavailableError if a provider is asked for regions and has none.
func checkRegions(provider string, o Options) error {
	if len(o.Regions) == 0 || provider == providerProcess {
		return nil
	}
	return &UnavailableError{
		Provider: provider, Detail: "it has no regions",
		Todo: "use provider process, which starts a replica for each and delays what goes between them",
	}
}

// startRegions starts the replica of each region, which streams from the primary from as far away as it is.
func (w *workshop) startRegions(ctx context.Context, env *Environment, b binaries, primary map[string]string,
	o Options,
) error {
	home := ""
	for _, r := range o.Regions {
		if r.Primary {
			home = r.Name
		}
	}
	for i, r := range o.Regions {
		o.Progress(fmt.Sprintf("starting replica of region %s (process: %s)", r.Name, b.postgres()))
		s := RegionServers{Name: r.Name, CacheIsFar: r.Name != home}
		var err, err2 error
		s.PostgresURL, err = w.across(env.PostgresURL, r.Distances[home])
		s.CacheURL, err2 = w.across(env.CacheURL, r.Distances[home])
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		s.ReplicaURL, s.Replica, err = w.startReplica(ctx, env, b.postgresDir, primary,
			standby{ReplicaOf(r.Name), fmt.Sprintf("%s_%d", replicationSlot, i+1), s.PostgresURL})
		if err != nil {
			return fmt.Errorf("start the replica of region %s: %w", r.Name, err)
		}
		env.Regions = append(env.Regions, s)
	}
	return nil
}

// across is the address, a URL, of a server so far away.
func (w *workshop) across(address string, roundTrip time.Duration) (string, error) {
	if roundTrip == 0 {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	u.Host, err = w.proxy(distance.Upstream{Address: u.Host, RoundTrip: roundTrip})
	return u.String(), err
}

// proxy starts a proxy that is closed with the workshop, and returns its address.
func (w *workshop) proxy(upstreams ...distance.Upstream) (string, error) {
	proxy, err := distance.Listen(upstreams...)
	if err != nil {
		return "", err
	}
	w.proxies = append(w.proxies, proxy)
	return proxy.Address(), nil
}

// Across is how a region reaches an address, host:port, in another one: from as far away as that is.
func (e *Environment) Across(from, to, address string) (string, error) {
	for _, r := range e.options.Regions {
		if roundTrip := r.Distances[to]; r.Name == from && roundTrip > 0 {
			return e.workshop.proxy(distance.Upstream{Address: address, RoundTrip: roundTrip})
		}
	}
	return address, nil
}

// OpenRegions starts a proxy for the users of each region, before what answers them in each, whose addresses
// (host:port) are given by region, and returns the proxies' addresses by region. A connection leads to the users' own
// region, and while nothing accepts it there to the nearest one that does, at its distance. It stays where it leads.
func (e *Environment) OpenRegions(entrances map[string]string) (map[string]string, error) {
	proxies := map[string]string{}
	for _, r := range e.options.Regions {
		upstreams := []distance.Upstream{{Address: entrances[r.Name], RoundTrip: r.Users}}
		for _, other := range e.options.Regions {
			if other.Name != r.Name {
				upstreams = append(upstreams, distance.Upstream{
					Address: entrances[other.Name], RoundTrip: r.Users + r.Distances[other.Name],
				})
			}
		}
		slices.SortStableFunc(upstreams[1:], func(a, b distance.Upstream) int {
			return cmp.Compare(a.RoundTrip, b.RoundTrip)
		})
		var err error
		proxies[r.Name], err = e.workshop.proxy(upstreams...)
		if err != nil {
			return nil, err
		}
	}
	return proxies, nil
}

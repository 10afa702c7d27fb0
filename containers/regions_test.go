package containers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const betweenRegions = 30 * time.Millisecond

// twoRegions are far from each other. The primary is in the first.
func twoRegions() []Region {
	return []Region{
		{Name: "eu", Primary: true, Distances: map[string]time.Duration{"us": betweenRegions}},
		{Name: "us", Distances: map[string]time.Duration{"eu": betweenRegions}},
	}
}

// TestRegions: each region has a replica of its own, reaches the primary and the cache from as far away as it is, and
// loses its replica alone.
func TestRegions(t *testing.T) {
	needPostgres(t)
	needCache(t)
	dir := publicTemp(t)
	env := mustStart(t, Options{Provider: "process", Regions: twoRegions()})
	if len(env.Regions) != 2 || env.ReplicaURL != "" {
		t.Fatalf("regions %+v, replica %q", env.Regions, env.ReplicaURL)
	}
	eu, us := env.Regions[0], env.Regions[1]
	if eu.PostgresURL != env.PostgresURL || eu.CacheURL != env.CacheURL || eu.CacheIsFar {
		t.Errorf("the region of the primary has %+v", eu)
	}
	if us.PostgresURL == env.PostgresURL || us.CacheURL == env.CacheURL || !us.CacheIsFar {
		t.Errorf("the other region has %+v", us)
	}
	requireFar(t, us)
	for _, r := range env.Regions {
		requireReplica(t, r)
	}
	mustFault(t, env, ReplicaOf("us"), ActionKill)
	if listens(t, us.ReplicaURL) || !answers(t, identifyReplica, eu.ReplicaURL, patience) {
		t.Error("killed was not the replica of us, or not alone")
	}
	mustFault(t, env, ReplicaOf("us"), ActionRestart)
	requireReplica(t, us)
	mustStop(t, env)
	requireNothingLeft(t, dir, eu.PostgresURL, eu.ReplicaURL, eu.CacheURL, us.PostgresURL, us.ReplicaURL, us.CacheURL)
}

// requireReplica waits until the replica of a region has what requireFar has written.
func requireReplica(t *testing.T, r RegionServers) {
	t.Helper()
	if !r.Replica.Standby {
		t.Errorf("region %s has no replica but %+v", r.Name, r.Replica)
	}
	eventually(t, func() string {
		var there bool
		query(t, r.ReplicaURL, "SELECT to_regclass('far') IS NOT NULL", &there)
		if !there {
			return "the replica of " + r.Name + " has not got the table"
		}
		return ""
	})
}

// requireFar writes to the primary from a region, and holds that each question takes the round trip.
func requireFar(t *testing.T, r RegionServers) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), r.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{"CREATE TABLE far (value text)", "INSERT INTO far VALUES ('hello')", "SELECT 1"} {
		began := time.Now()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < betweenRegions {
			t.Errorf("the primary answered %s after %v, and is %v away", r.Name, took, betweenRegions)
		}
	}
}

// TestUsersGoToTheNextRegion: connections lead to the region's own instance, and to the nearest other one while it is
// down.
func TestUsersGoToTheNextRegion(t *testing.T) {
	w, err := openWorkshop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := &Environment{workshop: w, stop: w.close, options: Options{Regions: []Region{
		{Name: "eu", Distances: map[string]time.Duration{"us": 2 * time.Millisecond, "ap": 3 * time.Millisecond}},
		{Name: "us", Distances: map[string]time.Duration{"eu": 2 * time.Millisecond, "ap": time.Millisecond}},
		{Name: "ap", Distances: map[string]time.Duration{"eu": 3 * time.Millisecond, "us": time.Millisecond}},
	}}}
	defer mustStop(t, env)
	listeners, addresses := map[string]net.Listener{}, map[string]string{}
	for _, r := range env.options.Regions {
		listeners[r.Name] = nameTeller(t, r.Name)
		addresses[r.Name] = listeners[r.Name].Addr().String()
	}
	proxies, err := env.OpenRegions(addresses)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ lost, eu, us, ap string }{
		{"", "eu", "us", "ap"},
		{"us", "eu", "ap", "ap"},
		{"ap", "eu", "eu", "eu"},
	} {
		if step.lost != "" {
			if err := listeners[step.lost].Close(); err != nil {
				t.Fatal(err)
			}
		}
		got := fmt.Sprint(whoAnswers(t, proxies["eu"]), whoAnswers(t, proxies["us"]), whoAnswers(t, proxies["ap"]))
		if want := fmt.Sprint(step.eu, step.us, step.ap); got != want {
			t.Errorf("after the loss of %q the users are at %s, want %s", step.lost, got, want)
		}
	}
}

// nameTeller starts a server that says its name.
func nameTeller(t *testing.T, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, name)
			_ = conn.Close()
		}
	}()
	return l
}

func whoAnswers(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	name, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(name)
}

func TestRegionsNeedProcesses(t *testing.T) {
	o := Options{Regions: twoRegions()}
	for _, p := range providers() {
		_, err := p.canServe(t.Context(), o)
		unavailable, ok := errors.AsType[*UnavailableError](err)
		refused := ok && strings.Contains(unavailable.Error(), "it has no regions; use provider process")
		if refused != (p.name != providerProcess) {
			t.Errorf("provider %s: %v", p.name, err)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/scenarios"
)

// TestRegionsInARun is the shipped scenario in a quarter of its time: reads stay in their region, writes take the
// distance, and the users of a region that is lost are answered from the other one. Its gates on the slowest twentieth
// are left to a machine that does nothing else.
func TestRegionsInARun(t *testing.T) {
	t.Parallel()
	p, out := small(t, "regions",
		"environment.fixtures.resources=500", "environment.server.postgres_max_conns=3",
		"environment.regions.us.distances.eu=40ms",
		"scenarios.eu_reads.duration=11s", "scenarios.eu_reads.warmup=1s", "scenarios.eu_reads.rate=30",
		"scenarios.us_reads.duration=5s", "scenarios.us_reads.warmup=1s", "scenarios.us_reads.rate=30",
		"scenarios.us_writes.duration=5s", "scenarios.us_writes.warmup=1s",
		"scenarios.us_during_the_loss.startTime=5s", "scenarios.us_during_the_loss.duration=3s",
		"scenarios.us_after_the_loss.startTime=8s", "scenarios.us_after_the_loss.duration=3s",
		"scenarios.us_after_the_loss.warmup=1s", "faults.0.at=6s",
		"thresholds.http_req_duration{region:eu}=max<20000",
		"thresholds.http_req_duration{scenario:us_reads}=min<40",
		"thresholds.http_req_duration{scenario:us_writes,name:create}=min>50",
		"thresholds.http_req_duration{scenario:us_after_the_loss}=min>50",
		"thresholds.http_req_failed{scenario:us_during_the_loss}=rate<0.5")
	run := p.holds(t, out)
	m := &run.Measurements
	for selector, want := range map[string]int64{"eu_reads": 300, "us_reads": 120, "us_after_the_loss": 120} {
		all, err := m.Summarize(map[string]string{"scenario": selector})
		if err != nil || all.Requests != want || all.Failed != 0 {
			t.Errorf("%s: %d of %d requests failed, %v", selector, all.Failed, all.Requests, err)
		}
	}
	if len(m.Marks) != 1 || m.Marks[0].Text != "kill region us" || m.Marks[0].Error != "" || len(m.Incidents) > 0 {
		t.Errorf("marks %+v, incidents %v", m.Marks, m.Incidents)
	}
	// The reads of both regions went to the replicas.
	view := m.View("us_reads")
	if view == nil {
		t.Fatalf("no account of the servers: %q", m.Warnings)
	}
	gets := view.Queries["get_resource"]
	if gets.Count == 0 || 2*gets.Replica < gets.Count {
		t.Errorf("%d of %d gets were read from a replica", gets.Replica, gets.Count)
	}
	e := run.Environment
	for _, want := range []string{"region eu: primary, users at 10ms", "region us: users at 10ms, eu at 40ms"} {
		if !slices.Contains(e.Settings, want) {
			t.Errorf("recorded are %q, without %q", e.Settings, want)
		}
	}
	var roles []string
	for _, s := range e.Servers {
		roles = append(roles, s.Role)
	}
	if got := strings.Join(roles, ", "); got != "postgres, cache, replica in eu, replica in us" {
		t.Errorf("servers: %s", got)
	}
}

// TestReadYourWritesAcrossRegions: what has been acknowledged in one region is read at once in the other one, through
// its edge and its instance: by its id, and in a list that was cached. It stays so while a region is lost and its users
// are in the other one, and once it is back.
func TestReadYourWritesAcrossRegions(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	needBalancer(t, "varnishd")
	s := twoRegions(t, ctx)
	region := []string{"eu", "us"}
	round := 0
	write := func(rounds int) {
		t.Helper()
		for range rounds {
			id := create(t, s.regions[region[round%2]], round)
			exchange(t, http.MethodGet, s.regions[region[(round+1)%2]]+"/api/v1/resources/"+id, "", http.StatusOK)
			for _, name := range region {
				listed := exchange(t, http.MethodGet, s.regions[name]+farList, "", http.StatusOK)
				if !strings.Contains(listed, id) {
					t.Errorf("round %d: the list in %s is without %s", round, name, id)
				}
			}
			round++
		}
	}
	write(6)
	loss := scenarios.Fault{Target: scenarios.TargetRegion, Region: "us", Action: "kill"}
	if err := s.fault(ctx, loss); err != nil {
		t.Fatal(err)
	}
	write(2)
	loss.Action = "restart"
	if err := s.fault(ctx, loss); err != nil {
		t.Fatal(err)
	}
	tellEdges(t, ctx, s.servers[0].url)
	// The users are in their own region again, and it has what it has missed.
	before := gets(t, ctx, s.servers[1])
	write(4)
	if after := gets(t, ctx, s.servers[1]); after < before+4 {
		t.Errorf("of four reads in us, its own instance answered %d", after-before)
	}
}

// tellEdges waits until an instance has told all edges what they have missed. Before that a lost one that is back may
// answer what is older.
func tellEdges(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	pending := regexp.MustCompile(`(?m)^headroom_edge_pending_keys\{.*\} [^0]`)
	for pending.MatchString(exchange(t, http.MethodGet, url+"/metrics", "", http.StatusOK)) {
		if ctx.Err() != nil {
			t.Fatal("an edge that is back is not told what it has missed")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

const farList = "/api/v1/resources?subscription_id=far&limit=100"

// twoRegions starts eu, which has the primary, and us.
func twoRegions(t *testing.T, ctx context.Context) *system {
	t.Helper()
	const between = 30 * time.Millisecond
	s := &system{}
	t.Cleanup(func() { _ = s.stop(context.Background()) })
	var err error
	s.environment, err = containers.Start(ctx, containers.Options{
		Provider: "process", Edge: containers.EdgeVarnish, Regions: []containers.Region{
			{Name: "eu", Primary: true, Distances: map[string]time.Duration{"us": between}},
			{Name: "us", Distances: map[string]time.Duration{"eu": between}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.edges, err = edgeSpecs(2)
	if err != nil {
		t.Fatal(err)
	}
	err = s.startInRegions(ctx, referenceSpec{
		program: binary(t), log: filepath.Join(t.TempDir(), "server.log"),
		variables: []string{"HEADROOM_POSTGRES_MAX_CONNS=3", "GOMAXPROCS=1"},
	}, containers.EdgeVarnish, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.isAt(s.servers.urls())
	silent := func(string) {}
	err = errors.Join(s.startFronts(ctx, scenarios.Environment{}, silent), s.openRegions(silent))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// create makes a resource and returns its id.
func create(t *testing.T, url string, number int) string {
	t.Helper()
	answer := exchange(t, http.MethodPost, url+"/api/v1/resources", fmt.Sprintf(
		`{"azure_resource_id": "/subscriptions/far/vm/%d", "subscription_id": "far", "resource_group_name": "rg",
		"name": "vm", "type": "Microsoft.Compute/virtualMachines", "location": "westus", "properties": {}, "tags": {}}`,
		number), http.StatusCreated)
	var created struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &created); err != nil || created.ID == "" {
		t.Fatalf("created %s, %v", answer, err)
	}
	return created.ID
}

// gets is how many reads have come to the cache of an instance.
func gets(t *testing.T, ctx context.Context, s *referenceServer) int64 {
	t.Helper()
	account, err := s.sample(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := account.Tiers["overall"]
	return all.Hits + all.Misses
}

// exchange sends a request of a tenant, over a connection of its own, and returns the body of its answer.
func exchange(t *testing.T, method, url, body string, status int) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Tenant-ID", "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30")
	q.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		t.Fatalf("%s %s: %s, %v\n%s", method, url, answer.Status, err, text)
	}
	return string(text)
}

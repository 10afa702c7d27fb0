package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/scenarios"
)

// untoldScenario reads few resources through an edge that is told of no change.
const untoldScenario = `name: untold
environment:
  fixtures: {resources: 500}
  instances: 2
  balancer: nginx
  edge: nginx
  server: {postgres_max_conns: 4}
scenarios:
  reads:
    executor: constant-arrival-rate
    rate: 200
    duration: 8s
    warmup: 2s
    requests:
      - name: get
        path: /api/v1/resources/{{resource}}
        headers: {X-Tenant-ID: "{{tenant}}"}
        values:
          resource: {fixture: resource_id, first: 50}
          tenant: {fixture: tenant_id, first: 1}
thresholds:
  http_req_failed: rate==0
  cache_hit_ratio{tier:edge}: rate>0.5
  http_req_cache_hit: rate>0.5
`

// TestEdgeInARun: most requests are answered before they reach the servers, and the run says so. With Varnish it is the
// shipped scenario in a quarter of its time, so every change is read back through the edge.
func TestEdgeInARun(t *testing.T) {
	t.Parallel()
	shipped := []string{
		"environment.fixtures.resources=500", "environment.server.postgres_max_conns=4", "scenarios.reads.rate=200",
		"scenarios.reads.duration=8s", "scenarios.reads.warmup=2s", "scenarios.changes.rate=60",
		"scenarios.changes.duration=8s", "thresholds.cache_hit_ratio{tier:edge}=rate>0.5",
		"thresholds.http_req_duration{scenario:reads}=p(95)<20000",
		"thresholds.http_req_duration{scenario:changes,name:replace}=max<20000",
		// A server waits a second for its edge, which may be too short while other tests use all processors.
		"thresholds.http_req_failed=rate<0.005",
	}
	for _, c := range []struct {
		edge, program, scenario string
		sets                    []string
		requests                int64 // of reads
	}{
		{"varnish", "varnishd", "edge", shipped, 1200},
		{"nginx", "nginx", "untold", nil, 1200},
	} {
		t.Run(c.edge, func(t *testing.T) {
			t.Parallel()
			needBalancer(t, c.program)
			needBalancer(t, "nginx")
			p, out := small(t, c.scenario, c.sets...)
			write(t, p.Dir, "untold.yaml", untoldScenario)
			run := p.holds(t, out)
			m := &run.Measurements
			reads, err := m.Summarize(map[string]string{"scenario": "reads"})
			if err != nil || reads.Requests != c.requests || reads.Failed != 0 {
				t.Errorf("%d of %d reads failed, %v", reads.Failed, reads.Requests, err)
			}
			view := m.View("reads")
			if view == nil || len(m.Incidents) > 0 {
				t.Fatalf("the servers' view %+v, incidents %v, warnings %q", view, m.Incidents, m.Warnings)
			}
			// The accounts are taken one after the other, while requests go on, and late on a busy machine.
			all, behind := view.Tiers["edge"], view.Tiers["overall"]
			looked := all.Hits + all.Misses
			if looked < c.requests/2 || looked > c.requests*3/2 || behind.Hits+behind.Misses > looked/2 {
				t.Errorf("of %d requests the edge has %+v and the servers %+v", c.requests, all, behind)
			}
			if s := run.Environment.Servers; len(s) < 2 || s[0].Role != "edge" || s[1].Role != "balancer" {
				t.Errorf("servers %+v", s)
			}
			for _, name := range []string{"HEADROOM_EDGE_TOKEN", "HEADROOM_EDGE_URLS"} {
				if value, ok := run.Environment.ServerSettings[name]; ok {
					t.Errorf("%s=%s is recorded, and would make every run another", name, value)
				}
			}
		})
	}
}

// Reads of the test of coherence. HEADROOM_TEST_EDGE_READS asks for another number.
const (
	coherentReads    = 4000
	coherentReadsVar = "HEADROOM_TEST_EDGE_READS"
)

// coherentTenant owns what the test of coherence changes.
const coherentTenant = "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"

// coherent is the test of coherence: who has acknowledged what, and what was read.
type coherent struct {
	t       *testing.T
	client  *http.Client
	ids     []string
	acked   []atomic.Int64 // by resource: the version of the last change that was acknowledged
	tags    sync.Map       // of ETag to version
	through []*reading     // the edges
	left    atomic.Int64   // reads
	done    atomic.Int64
	changes atomic.Int64
}

// reading counts what was read through an edge.
type reading struct {
	url                string
	reads, hits, stale atomic.Int64
	example            atomic.Pointer[string]
}

// TestNothingStaleThroughEdges: what is read through either of two edges, a balancer and two instances is never older
// than a change that was acknowledged before the read began: by id, in a list, and as 304. A third edge, which the
// instances are not told of, shows that the test would notice.
func TestNothingStaleThroughEdges(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"varnishd", "nginx"} {
		needBalancer(t, program)
	}
	reads := coherentReads
	if text := os.Getenv(coherentReadsVar); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < coherentReads {
			t.Fatalf("%s is %q; set it to a number from %d", coherentReadsVar, text, coherentReads)
		}
		reads = n
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	edges := startEdges(ctx, t, 3, 2)
	c := &coherent{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	defer c.client.CloseIdleConnections()
	for _, url := range edges {
		c.through = append(c.through, &reading{url: url})
	}
	c.create(8)
	c.left.Store(int64(reads))
	var readers, writers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() { c.read(uint64(i)) })
	}
	over := make(chan struct{})
	for i := range 2 {
		writers.Go(func() { c.change(i, over) })
	}
	readers.Wait()
	close(over)
	writers.Wait()
	if t.Failed() {
		return
	}
	for i, e := range c.through {
		n, hits, stale := e.reads.Load(), e.hits.Load(), e.stale.Load()
		t.Logf("edge %d: %d reads, %d of them answered by it, %d stale", i+1, n, hits, stale)
		if hits < n/3 || n < int64(reads/8) {
			t.Errorf("edge %d answered %d of %d reads itself, too few to show anything", i+1, hits, n)
		}
		told := i < 2
		switch {
		case told && stale > 0:
			t.Errorf("edge %d: %d of %d reads were stale, such as %s", i+1, stale, n, *e.example.Load())
		case !told && stale == 0:
			t.Error("an edge that is told nothing was never stale: the test notices nothing")
		}
	}
	t.Logf("%d changes", c.changes.Load())
	if c.changes.Load() < int64(reads/changeEvery)/2 {
		t.Errorf("only %d changes", c.changes.Load())
	}
}

// startEdges starts so many edges before a balancer and two instances, which tell the first of the edges what changes.
func startEdges(ctx context.Context, t *testing.T, n, told int) (urls []string) {
	t.Helper()
	env, err := containers.Start(ctx, containers.Options{Provider: "process", Balancer: "nginx", Edge: "varnish"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop(context.Background()) })
	specs, err := edgeSpecs(n)
	if err != nil {
		t.Fatal(err)
	}
	all, err := startReferences(ctx, referenceSpec{
		program: binary(t), log: filepath.Join(t.TempDir(), "server.log"),
		variables: slices.Concat(addressVariables(env),
			instanceVariables(scenarios.Environment{Instances: 2, Balancer: "nginx"}, nil, strings.Repeat("c", 32)),
			edgeVariables("varnish", specs[:told], nil), []string{"HEADROOM_POSTGRES_MAX_CONNS=4", "GOMAXPROCS=1"}),
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.stop(context.Background()) })
	if err := env.StartBalancer(ctx, all.behind("")); err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		spec.Origin = strings.TrimPrefix(env.BalancerURL, "http://")
		if err := env.StartEdge(ctx, spec); err != nil {
			t.Fatal(err)
		}
	}
	return env.EdgeURLs
}

// versioned is what is read of a resource.
type versioned struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

// body is a resource as a client sends it.
func (c *coherent) body(number int) string {
	return fmt.Sprintf(`{"azure_resource_id": "/subscriptions/edges/vm/%d", "subscription_id": "edges",
		"resource_group_name": "rg", "name": "vm", "type": "Microsoft.Compute/virtualMachines", "location": "westus",
		"properties": {}, "tags": {}}`, number)
}

// send sends a request through an edge. It returns no answer when the test has failed.
func (c *coherent) send(edge *reading, method, path, tag, body string) (resp *http.Response, text []byte) {
	q, err := http.NewRequestWithContext(c.t.Context(), method, edge.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return nil, nil
	}
	q.Header.Set("X-Tenant-ID", coherentTenant)
	if tag != "" {
		q.Header.Set("If-None-Match", tag)
	}
	resp, err = c.client.Do(q)
	if err != nil {
		c.t.Error(err)
		return nil, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		c.t.Errorf("%s %s: %s, %v\n%s", method, path, resp.Status, err, text)
		return nil, nil
	}
	return resp, text
}

// create creates the resources, in their first version.
func (c *coherent) create(n int) {
	c.ids, c.acked = make([]string, n), make([]atomic.Int64, n)
	for i := range n {
		var made versioned
		resp, text := c.send(c.through[0], http.MethodPost, "/api/v1/resources", "", c.body(i))
		if resp == nil || json.Unmarshal(text, &made) != nil || made.ID == "" {
			c.t.Fatalf("created %s", text)
		}
		c.ids[i] = made.ID
		c.acked[i].Store(made.Version)
		c.tags.Store(resp.Header.Get("ETag"), made.Version)
	}
}

// Reads and changes keep pace on any machine: every changeEvery reads there is a change, and no more than maxAhead
// reads are done before it is due.
const (
	changeEvery = 25
	maxAhead    = 100
)

// change replaces the resources whose number is odd, or even, one after the other.
func (c *coherent) change(first int, over <-chan struct{}) {
	for turn := 0; !c.t.Failed(); turn++ {
		for due := false; !due; { // there are two of us
			due = c.done.Load() >= int64(turn)*2*changeEvery
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
		}
		i := (first + 2*turn) % len(c.ids)
		var now versioned
		resp, text := c.send(c.through[turn%2], http.MethodPut, "/api/v1/resources/"+c.ids[i], "", c.body(i))
		if resp == nil {
			return
		}
		if err := json.Unmarshal(text, &now); err != nil || now.Version <= c.acked[i].Load() {
			c.t.Errorf("replaced: %s, %v", text, err)
			return
		}
		c.tags.Store(resp.Header.Get("ETag"), now.Version)
		c.acked[i].Store(now.Version)
		c.changes.Add(1)
	}
}

// read reads until there are no reads left: of four one by id, one by id if it has changed, one that is a HEAD, and one
// of the list.
func (c *coherent) read(seed uint64) {
	tags := make([]string, len(c.ids))
	for n := seed; c.left.Add(-1) >= 0 && !c.t.Failed(); n++ {
		for c.done.Load() > c.changes.Load()*changeEvery+maxAhead && !c.t.Failed() {
			time.Sleep(time.Millisecond)
		}
		edge := c.through[n%uint64(len(c.through))]
		i := int(n*2654435761>>7) % len(c.ids)
		floors := make([]int64, len(c.ids))
		for j := range floors {
			floors[j] = c.acked[j].Load()
		}
		var resp *http.Response
		switch n / 3 % 4 {
		case 0:
			resp = c.readOne(edge, http.MethodGet, i, "", floors[i], tags)
		case 1:
			resp = c.readOne(edge, http.MethodGet, i, tags[i], floors[i], tags)
		case 2:
			resp = c.readOne(edge, http.MethodHead, i, "", floors[i], tags)
		case 3:
			resp = c.readList(edge, floors)
		}
		if resp == nil {
			return
		}
		edge.reads.Add(1)
		c.done.Add(1)
		if resp.Header.Get("X-Cache") == "hit" {
			edge.hits.Add(1)
		}
	}
}

// readOne reads a resource whose version is to be floor or later.
func (c *coherent) readOne(edge *reading, method string, i int, tag string, floor int64, tags []string,
) *http.Response {
	resp, text := c.send(edge, method, "/api/v1/resources/"+c.ids[i], tag, "")
	if resp == nil {
		return nil
	}
	got := versioned{}
	answered := resp.Header.Get("ETag")
	switch {
	case resp.StatusCode == http.StatusNotModified || method == http.MethodHead:
		// A change may be readable before it is acknowledged, and so its tag be unknown yet; it is new then.
		version, known := c.tags.Load(answered)
		if !known {
			return resp
		}
		got.Version = version.(int64)
	default:
		if err := json.Unmarshal(text, &got); err != nil || got.ID != c.ids[i] {
			c.t.Errorf("read %s, %v", text, err)
			return nil
		}
		tags[i] = answered
		c.tags.LoadOrStore(answered, got.Version)
	}
	if got.Version < floor {
		c.isStale(edge, fmt.Sprintf("%s %s: version %d after %d was acknowledged, X-Cache %s, Age %s", method,
			resp.Status, got.Version, floor, resp.Header.Get("X-Cache"), resp.Header.Get("Age")))
	}
	return resp
}

// readList reads all resources in one list.
func (c *coherent) readList(edge *reading, floors []int64) *http.Response {
	resp, text := c.send(edge, http.MethodGet, "/api/v1/resources?subscription_id=edges&limit=100", "", "")
	if resp == nil {
		return nil
	}
	var list struct{ Data []versioned }
	if err := json.Unmarshal(text, &list); err != nil || len(list.Data) != len(c.ids) {
		c.t.Errorf("the list is %s, %v", text, err)
		return nil
	}
	for _, got := range list.Data {
		if floor := floors[slices.Index(c.ids, got.ID)]; got.Version < floor {
			c.isStale(edge, fmt.Sprintf("the list: version %d after %d was acknowledged, X-Cache %s, Age %s",
				got.Version, floor, resp.Header.Get("X-Cache"), resp.Header.Get("Age")))
			break
		}
	}
	return resp
}

func (c *coherent) isStale(edge *reading, example string) {
	edge.stale.Add(1)
	edge.example.Store(&example)
}

package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/policycortex/headroom/containers/containerstest"
)

// scrape returns the samples of /metrics by name and labels, as `name{label="value"}` in the order of the labels. Of a
// histogram it returns name_count and name_sum.
func scrape(t testing.TB, r *running) map[string]float64 {
	t.Helper()
	body := send(t, newRequest(t, http.MethodGet, "http://"+r.addr+"/metrics", "", nil), http.StatusOK)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]float64{}
	for name, family := range families {
		for _, m := range family.Metric {
			labels := labelled(m)
			switch {
			case m.Histogram != nil:
				samples[name+"_count"+labels] = float64(m.Histogram.GetSampleCount())
				samples[name+"_sum"+labels] = m.Histogram.GetSampleSum()
			case m.Counter != nil:
				samples[name+labels] = m.Counter.GetValue()
			case m.Gauge != nil:
				samples[name+labels] = m.Gauge.GetValue()
			}
		}
	}
	return samples
}

func labelled(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.Label {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if len(pairs) == 0 {
		return ""
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// grown are the samples that what TestMetricsMove does makes grow; still are others, that are there from the start.
var (
	grown = []string{
		`headroom_http_request_duration_seconds_count{route="/api/v1/resources",status="2xx"}`,
		`headroom_db_query_duration_seconds_count{query="list_resources"}`,
		`headroom_db_query_duration_seconds_sum{query="list_resources"}`,
		`headroom_db_queries_total{query="insert_resources",server="primary"}`,
		`headroom_db_queries_total{query="get_resource",server="replica"}`,
		`headroom_db_pool_acquires_total{server="primary"}`,
		`headroom_db_pool_acquires_total{server="replica"}`,
		`headroom_db_pool_acquire_duration_seconds_count{server="primary"}`,
		`headroom_db_pool_waits_total{server="primary"}`,
		`headroom_db_pool_wait_seconds_total{server="primary"}`,
		`headroom_cache_hits_total{level="l1"}`,
		`headroom_cache_misses_total{level="l3"}`,
		`headroom_cache_invalidations_total`,
		`headroom_cache_evictions_total{cause="size",level="l1"}`,
		`headroom_cache_evictions_total{cause="invalidation",level="l1"}`,
		`headroom_cache_prefetched_total{relation="items"}`,
		`headroom_cache_prefetch_used_total{relation="items"}`,
		`headroom_cache_prefetch_wasted_total{relation="items"}`,
		`headroom_cache_compression_in_bytes_total{format="s2"}`,
		`headroom_cache_compression_out_bytes_total{format="s2"}`,
		`headroom_cache_compression_in_bytes_total{format="gzip"}`,
		`headroom_cache_compression_out_bytes_total{format="gzip"}`,
		`headroom_cache_stored_gzip_total`,
		`headroom_cache_l1_bytes`,
		`headroom_cache_l1_entries`,
	}
	still = []string{
		`headroom_db_query_errors_total{query="list_resources"}`,
		`headroom_db_pool_waits_total{server="replica"}`,
		`headroom_db_pool_max_connections{server="primary"}`,
		`headroom_db_pool_max_connections{server="replica"}`,
		`headroom_db_pool_in_use_connections{server="primary"}`,
		`headroom_db_pool_idle_connections{server="primary"}`,
		`headroom_replica_healthy`,
		`headroom_replica_lag_seconds`,
		`headroom_replica_lag_bytes`,
		`headroom_replica_fallbacks_total`,
		`headroom_breaker_state{breaker="primary",state="closed"}`,
		`headroom_breaker_state{breaker="replica",state="open"}`,
		`headroom_breaker_state{breaker="l2",state="half-open"}`,
		`headroom_breaker_state{breaker="l3",state="closed"}`,
		`headroom_breaker_state{breaker="rate_limit",state="closed"}`,
		`headroom_cache_evictions_total{cause="lifetime",level="l1"}`,
		`headroom_cache_evictions_total{cause="size",level="l2"}`,
		`headroom_cache_evictions_total{cause="lifetime",level="l2"}`,
		`headroom_cache_evictions_total{cause="lifetime",level="l3"}`,
		`headroom_cache_prefetch_failed_total{relation="successor"}`,
		`headroom_cache_prefetch_dropped_total`,
		`headroom_cache_stale_total`,
		`headroom_cache_refreshes_total`,
		`headroom_cache_l1_max_bytes`,
		`headroom_cache_l1_bound_bytes{bound="smallest"}`,
		`headroom_cache_l1_bound_bytes{bound="largest"}`,
		`headroom_cache_l1_ttl_seconds{kind="resource"}`,
		`headroom_cache_l1_ttl_seconds{kind="costs"}`,
		`go_memstats_heap_alloc_bytes`,
	}
)

// TestMetricsMove scrapes a real server before and after requests that make it do all that is measured.
func TestMetricsMove(t *testing.T) {
	env := containerstest.SharedWithReplica(t)
	o := options(t)
	o.PostgresURL, o.PostgresReplicaURL, o.CacheURL = env.PostgresURL, env.ReplicaURL, env.CacheURL
	o.PostgresMaxConns, o.RateLimitShared = 2, true
	o.L1Bytes, o.L1MinBytes, o.L1MaxBytes = 256<<10, 256<<10, 256<<10
	r := start(t, o)
	defer r.stop(t)
	u := &user{t: t, r: r, tenant: uuid.NewString()}
	for deadline := time.Now().Add(30 * time.Second); scrape(t, r)["headroom_replica_healthy"] != 1; {
		if time.Now().After(deadline) {
			t.Fatal("the replica is not read from")
		}
		time.Sleep(20 * time.Millisecond)
	}
	before := scrape(t, r)
	u.insert(300)
	missing := func() (names []string) {
		now := scrape(t, r)
		for _, name := range grown {
			if now[name] <= before[name] {
				names = append(names, fmt.Sprintf("%s: %v and then %v", name, before[name], now[name]))
			}
		}
		return names
	}
	for deadline := time.Now().Add(20 * time.Second); len(missing()) > 0; u.work() {
		if time.Now().After(deadline) {
			t.Fatalf("these do not grow:\n%s", strings.Join(missing(), "\n"))
		}
	}
	now := scrape(t, r)
	for _, name := range still {
		if _, there := now[name]; !there {
			t.Errorf("missing: %s", name)
		}
	}
	if now[`headroom_breaker_state{breaker="primary",state="closed"}`] != 1 ||
		now[`headroom_db_pool_max_connections{server="replica"}`] != 2 ||
		now[`headroom_cache_l1_max_bytes`] != 256<<10 || now[`headroom_cache_l1_ttl_seconds{kind="resource"}`] != 60 {
		t.Errorf("among %v", slices.Sorted(maps.Keys(now)))
	}
}

// user sends the requests of one tenant.
type user struct {
	t      *testing.T
	r      *running
	tenant string
	ids    []string
}

func (u *user) insert(n int) {
	u.t.Helper()
	var all []map[string]any
	for i := range n {
		all = append(all, map[string]any{
			"azure_resource_id": fmt.Sprint("a", i), "subscription_id": "s", "resource_group_name": "g", "name": "n",
			"type": "t", "location": "l", "properties": map[string]any{"text": strings.Repeat("long ", 400)},
		})
	}
	body, err := json.Marshal(map[string]any{"resources": all})
	if err != nil {
		u.t.Fatal(err)
	}
	var answer struct{ Created []string }
	u.into(newRequest(u.t, http.MethodPost, u.url("/batch"), u.tenant, bytes.NewReader(body)), http.StatusCreated,
		&answer)
	u.ids = answer.Created
}

func (u *user) url(path string) string { return "http://" + u.r.addr + "/api/v1/resources" + path }

func (u *user) into(r *http.Request, status int, into any) {
	u.t.Helper()
	err := json.Unmarshal(send(u.t, r, status), into)
	if err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) get(path string) {
	u.t.Helper()
	send(u.t, newRequest(u.t, http.MethodGet, u.url(path), u.tenant, nil), http.StatusOK) // net/http asks for gzip
}

// work has each family move once it has been called a few times: hits, so that values are prefetched; more values than
// L1 has room for; more reads at a time than there are connections; and a change.
func (u *user) work() {
	u.t.Helper()
	for range 500 {
		u.get("/" + u.ids[0])
	}
	for range 3 {
		u.get("?limit=10")
		time.Sleep(5 * time.Millisecond) // what was found is compressed beside the requests
	}
	var page struct{ Data []struct{ ID string } }
	u.into(newRequest(u.t, http.MethodGet, u.url("?limit=10"), u.tenant, nil), http.StatusOK, &page)
	for _, item := range page.Data {
		u.get("/" + item.ID)
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() { u.get(fmt.Sprintf("?limit=%d", 10+i)) })
	}
	all.Wait()
	for _, id := range u.ids {
		u.get("/" + id)
	}
	another := strings.Replace(oneResource, `_id":"a"`, `_id":"`+uuid.NewString()+`"`, 1)
	send(u.t, newRequest(u.t, http.MethodPost, u.url("/batch"), u.tenant, strings.NewReader(another)),
		http.StatusCreated)
}

package cache_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/report"
)

// With no data there is null, and never 0 where a ratio would be, or NaN (which JSON cannot say).
func TestReportWithoutData(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	text, err := json.Marshal(c.Report())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{
		"overall_hit_rate", "load_latency", "reaccess", "peak_hours_utc",
		"size_distribution", "warming",
	} {
		if value, there := got[field]; !there || value != nil {
			t.Errorf("%s is %v, want null", field, value)
		}
	}
	for _, level := range []string{"l1", "l2", "l3"} {
		l := got["levels"].(map[string]any)[level].(map[string]any)
		if l["hit_rate"] != nil || l["latency"] != nil {
			t.Errorf("%s: %v, want null for hit rate and latency", level, l)
		}
	}
	if got["prefetch"].(map[string]any)["effectiveness"] != nil || got["compression"].(map[string]any)["ratio"] != nil {
		t.Error("prefetch effectiveness and compression ratio are not null")
	}
	if r, ok := got["recommendations"].([]any); !ok || len(r) != 0 {
		t.Errorf("recommendations are %v, want an empty list", got["recommendations"])
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	tenant := newID()
	item := itemKey(tenant, newID())
	expect(t, c, item, returning("small"), "small", cache.Miss)
	for range 1280 {
		expect(t, c, item, returning("no"), "small", cache.L1)
	}
	big := strings.Repeat("compressible ", 1000)
	for n := range 3 {
		expect(t, c, listKey(tenant, fmt.Sprintf("limit=%d&type=t", n)), returning(big), big, cache.Miss)
	}
	waitForL2(t, redisClient(t, l2URL(t)), item)
	c.ForgetL1(item)
	expect(t, c, item, returning("no"), "small", cache.L2)
	invalidateLists(t, c, tenant)

	r := c.Report()
	checkRates(t, &r)
	if l := r.Levels.L1.Latency; l == nil || l.Count == 0 || l.P50US <= 0 || l.P99US < l.P50US {
		t.Errorf("latency of L1: %+v", l)
	}
	if l := r.Levels.L2.Latency; l == nil || l.Count != 1 || l.MeanUS < 1 {
		t.Errorf("latency of L2: %+v", l)
	}
	if r.LoadLatency == nil || r.LoadLatency.Count != 4 || r.Levels.L3.Latency != nil {
		t.Errorf("latency of loads %+v, of L3 %+v", r.LoadLatency, r.Levels.L3.Latency)
	}
	if r.Invalidations != 1 || r.L1.Entries < 1 || r.L1.Bytes == 0 || r.L1.MaxBytes != 16<<20 || r.L1.TTLSeconds != 60 {
		t.Errorf("%d invalidations, L1 %+v", r.Invalidations, r.L1)
	}
	if z := r.Compression; z.Ratio == nil || *z.Ratio < 5 || z.BytesBefore < uint64(len(big)) {
		t.Errorf("compression %+v", z)
	}
	checkForms(t, &r)
	if r.Breakers["l2"] != "closed" || r.Breakers["l3"] != "" { // there is no L3
		t.Errorf("breakers %v", r.Breakers)
	}
	sum := uint64(0)
	for _, n := range r.RequestsByHour {
		sum += n
	}
	if sum != r.Requests {
		t.Errorf("%d requests by the hour, of %d", sum, r.Requests)
	}
}

func checkRates(t *testing.T, r *report.Report) {
	t.Helper()
	// 1280 hits in L1 and 1 in L2 of 1285: each request counts once.
	if r.Requests != 1285 || *r.OverallHitRate != 0.9969 || *r.Levels.L1.HitRate != 0.9961 ||
		*r.Levels.L2.HitRate != 0.2 || *r.Levels.L3.HitRate != 0 {
		t.Errorf("%d requests, hit rates %v, L1 %v, L2 %v, L3 %v", r.Requests, *r.OverallHitRate, *r.Levels.L1.HitRate,
			*r.Levels.L2.HitRate, *r.Levels.L3.HitRate)
	}
}

func checkForms(t *testing.T, r *report.Report) {
	t.Helper()
	var forms []string
	for _, p := range r.KeyPatterns {
		forms = append(forms, p.Pattern)
	}
	if !slices.Equal(forms, []string{"*:resource:*", "*:resources:limit=*&type=*"}) {
		t.Errorf("forms of keys: %v", r.KeyPatterns)
	}
	for _, class := range r.SizeDistribution {
		want := uint64(0)
		switch {
		case class.Below == nil:
		case *class.Below == 256:
			want = 1
		case *class.Below == 16<<10:
			want = 3
		}
		if class.Values != want {
			t.Errorf("size class %v has %d values, want %d", class.Below, class.Values, want)
		}
	}
}

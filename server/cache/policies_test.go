package cache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
)

func TestParseTTLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", " resource = 60s, search=10s,": "", "costs=24h,compliance=1s": "",
		"pages=1s":                  `"pages" is no class; the classes are resource, resources, policy, policies,`,
		"resource":                  "resource=60s",
		"resource=0s":               "from 1s to 24h",
		"resource=1s,resource=2s":   "twice",
		"resource=never,policy=48h": `"policy=48h"`,
	} {
		_, err := cache.ParseTTLs(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func openWith(t *testing.T, o cache.Options) *cache.Cache {
	t.Helper()
	o.L2URL, o.L1Bytes = l2URL(t), 16<<20
	c, err := cache.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	joinCache(t, c)
	t.Cleanup(c.Close)
	return c
}

// TestLifetimesByClass: no level keeps a value for longer than its class allows, and being asked for again changes
// nothing about that.
func TestLifetimesByClass(t *testing.T) {
	t.Parallel()
	ttls, err := cache.ParseTTLs("resource=5s,search=7s,resources=2h")
	if err != nil {
		t.Fatal(err)
	}
	c, client := openWith(t, cache.Options{TTLs: ttls}), redisClient(t, l2URL(t))
	body := strings.Repeat(`{"name":"vm-1"},`, 200)
	for _, test := range []struct {
		name    string
		key     cache.Key
		l1, l2  time.Duration // at most: the lifetime in L1 with the time in which it may be served meanwhile
		l2Least time.Duration
	}{
		{"resource", itemKey(newID(), newID()), 10 * time.Second, 5500 * time.Millisecond, 0},
		{"search", listKey(newID(), "order_by=name&q=disk&limit=20"), 14 * time.Second, 7700 * time.Millisecond, 0},
		{"resources", listKey(newID(), "limit=20"), 2 * time.Minute, 132 * time.Minute, 100 * time.Minute},
		{"costs", cache.Key{Kind: cache.Costs, Tenant: newID()}, 2 * time.Minute, 33 * time.Minute, 20 * time.Minute},
	} {
		keepInL2(t, c, client, test.key, body)
		expect(t, c, test.key, returning("no"), body, cache.L1)
		eventually(t, "the compressed form", func() bool { return c.L1Entry(test.key).Gzip != nil })
		if left := c.L1Lifetime(test.key); left > test.l1 {
			t.Errorf("L1 keeps %s for %s, at most %s are allowed", test.name, left, test.l1)
		}
		left, err := client.PTTL(t.Context(), cache.L2Name(test.key)).Result()
		if err != nil || left > test.l2 || left < test.l2Least {
			t.Errorf("L2 keeps %s for %s, error %v; at most %s are allowed", test.name, left, err, test.l2)
		}
	}
	report := c.Report().TTLs
	if r := report["resource"]; r.L1Seconds != 5 || r.L2Seconds != 5 || r.L3Seconds != nil {
		t.Errorf("the report has %+v of resource", r)
	}
	if r := report["search"]; r.L1Seconds != 7 || r.L3Seconds == nil || *r.L3Seconds != 7 {
		t.Errorf("the report has %+v of search", r)
	}
	if r := report["evaluations"]; r.L1Seconds != 60 || r.L2Seconds != 1800 || r.L3Seconds == nil ||
		*r.L3Seconds != 3600 {
		t.Errorf("the report has %+v of evaluations", r)
	}
}

// TestThresholds: what is a little larger than the threshold is compressed, at both places.
func TestThresholds(t *testing.T) {
	t.Parallel()
	c, client := openWith(t, cache.Options{CompressionThreshold: 300}), redisClient(t, l2URL(t))
	for size, compressed := range map[int]bool{299: false, 400: true} {
		key, body := itemKey(newID(), newID()), strings.Repeat("x", size)
		keepInL2(t, c, client, key, body)
		stored, err := client.StrLen(t.Context(), cache.L2Name(key)).Result()
		if err != nil || (stored < int64(size)) != compressed {
			t.Errorf("%d bytes are stored as %d, error %v", size, stored, err)
		}
		expect(t, c, key, returning("no"), body, cache.L1)
		if compressed {
			eventually(t, "the compressed form", func() bool { return c.L1Entry(key).Gzip != nil })
		}
	}
}

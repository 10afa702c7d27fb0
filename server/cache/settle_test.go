package cache_test

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/cache"
)

// What is asked for twice is compressed, and is in L1 for as long as anything.
func TestSecondRequestSettlesAnEntry(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	key := listKey(newID(), "limit=20")
	body := strings.Repeat(`{"name":"vm-1"},`, 200)
	expect(t, c, key, returning(body), body, cache.Miss)
	if e := c.L1Entry(key); e.Gzip != nil {
		t.Error("it was compressed for one request")
	}
	expect(t, c, key, returning("no"), body, cache.L1)
	eventually(t, "the compressed form", func() bool { return c.L1Entry(key).Gzip != nil })
	expectGzip(t, c.L1Entry(key), body)
	if left := c.L1Lifetime(key); left < 40*1e9 {
		t.Errorf("it stays for %s", left)
	}
}

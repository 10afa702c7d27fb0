package cache_test

import (
	"context"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

func TestPatternsAreInvalidatedEverywhere(t *testing.T) {
	first, second := openCache(t, l2URL(t)), openCache(t, l2URL(t))
	defer first.Close()
	defer second.Close()
	client := redisClient(t, l2URL(t))
	tenant, other := newID(), newID()
	list, item, theirs := listKey(tenant, "tag=a/b:c&limit=20"), itemKey(tenant, newID()), listKey(other, "limit=20")
	for _, key := range []cache.Key{list, item, theirs} {
		keepInL2(t, first, client, key, "old")
		expect(t, second, key, returning("no"), "old", cache.L2)
	}
	removed, err := first.InvalidatePattern(t.Context(), 0, uuidString(tenant)+":resources:*a/b*")
	if err != nil || removed != 2 { // in the first's L1 and in L2
		t.Errorf("removed %d, error %v; want 2", removed, err)
	}
	expect(t, second, list, returning("new"), "new", cache.Miss)
	expect(t, second, item, returning("no"), "old", cache.L1)
	expect(t, second, theirs, returning("no"), "old", cache.L1)
	if _, err := first.InvalidatePattern(t.Context(), 0, "[a"); err == nil {
		t.Error("a class without an end was accepted")
	}
}

// A load that began before the pattern was invalidated and ends after it leaves nothing behind.
func TestSlowLoadDoesNotOutliveItsPattern(t *testing.T) {
	first, second := openCache(t, l2URL(t)), openCache(t, l2URL(t))
	defer first.Close()
	defer second.Close()
	key := listKey(newID(), "limit=20")
	loading, release := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		expect(t, second, key, func(context.Context, cache.Key, store.LSN) ([]byte, error) {
			close(loading)
			<-release
			return []byte("old"), nil
		}, "old", cache.Miss)
	}()
	<-loading
	if _, err := first.InvalidatePattern(t.Context(), 0, "*:resources:*"); err != nil {
		t.Fatal(err)
	}
	close(release)
	<-done
	time.Sleep(300 * time.Millisecond) // what would be written to L2 has been, and the new generation is known
	keepInL2(t, second, redisClient(t, l2URL(t)), key, "new")
	expect(t, first, key, returning("newer"), "new", cache.L2)
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbbd", false},
		{"a?c", "a/c", true},
		{"a*/c", "a/b/c", true},
		{"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"*a*b*c*", "xxaxxbxxcxx", true},
		{"*a*b*c*", "xxaxxcxxbxx", false},
		{"[a]", "a", true},
		{"abc", "ab", false},
		{"ab", "abc", false},
	} {
		if got, err := cache.MatchGlob(c.pattern, c.name); err != nil || got != c.want {
			t.Errorf("%q matches %q: %v, %v; want %v", c.pattern, c.name, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "[a", `a\`, "[a-", `[\`, strings.Repeat("a", 1025)} {
		if _, err := cache.MatchGlob(bad, "a"); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// Where there is no slash, globs are those of package path.
func FuzzGlob(f *testing.F) {
	f.Add("a*[b-d]?", "axcy")
	f.Add("*a*b", "aabab")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got, err := cache.MatchGlob(pattern, name)
		if strings.Contains(name, "/") || !ascii(pattern) || !ascii(name) || err != nil {
			return
		}
		if want, err := path.Match(pattern, name); err == nil && got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

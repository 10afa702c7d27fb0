package containers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// edgeMode is the prefix of an edge's name that makes it the mode of a helper.
const edgeMode = "edge-"

func forEdges(t *testing.T, test func(t *testing.T, name string)) {
	for _, f := range edges {
		t.Run(f.name, func(t *testing.T) {
			need(t, f.find(), f.program)
			test(t, f.name)
		})
	}
}

// edgeBefore starts an edge alone, before an origin.
func edgeBefore(ctx context.Context, name, origin string) (*Environment, error) {
	env := &Environment{Provider: providerExternal, options: Options{Edge: name, Progress: func(string) {}}}
	return env.orStopped(ctx, env.StartEdge(ctx, origin))
}

// TestEdge: the edge answers what the origin lets it keep, each tenant's own, and counts.
func TestEdge(t *testing.T) {
	forEdges(t, func(t *testing.T, name string) {
		dir := publicTemp(t)
		var answered atomic.Int64
		origin := startStandIn(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Cache", "miss")
			w.Header().Set(InstanceHeader, "1")
			w.Header().Set("Vary", "X-Tenant-ID, Accept-Encoding")
			w.Header().Set("Cache-Control", "max-age=0, s-maxage=60, stale-while-revalidate=30")
			if r.URL.Path == "/private" {
				w.Header().Set("Cache-Control", "private, no-cache")
			}
			fmt.Fprintf(w, "%s for %s, answer %d", r.URL, r.Header.Get("X-Tenant-ID"), answered.Add(1))
		})
		env, err := edgeBefore(bounded(t), name, origin.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = env.Stop(context.Background()) })
		if !strings.EqualFold(env.Edge.Name, name) || env.Edge.Version == "" {
			t.Errorf("the edge is %+v", env.Edge)
		}
		for i, c := range []struct {
			method, tenant, path string
			want                 string // the answer
			hit                  bool
		}{
			{"GET", "a", "/shared?x=1", "/shared?x=1 for a, answer 1", false},
			{"GET", "a", "/shared?x=1", "/shared?x=1 for a, answer 1", true},
			{"GET", "b", "/shared?x=1", "/shared?x=1 for b, answer 2", false}, // not that of another tenant
			{"GET", "b", "/shared?x=1", "/shared?x=1 for b, answer 2", true},
			{"GET", "", "/shared?x=1", "/shared?x=1 for , answer 3", false}, // nor to nobody
			{"GET", "a", "/shared?x=2", "/shared?x=2 for a, answer 4", false},
			{"POST", "a", "/shared?x=1", "/shared?x=1 for a, answer 5", false},
			{"GET", "a", "/private", "/private for a, answer 6", false},
			{"GET", "a", "/private", "/private for a, answer 7", false},
			{"GET", "a", "/shared?x=1", "/shared?x=1 for a, answer 1", true},
		} {
			req, err := http.NewRequestWithContext(bounded(t), c.method, env.EdgeURL+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.tenant != "" {
				req.Header.Set("X-Tenant-ID", c.tenant)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			level, instance := "miss", "1"
			if c.hit {
				level, instance = "hit", "" // of the edge, which asked nobody
			}
			if got := resp.Header; err != nil || string(body) != c.want || got.Get("X-Cache") != level ||
				got.Get(InstanceHeader) != instance {
				t.Errorf("%d: %s %s of %q answered %q, X-Cache %q, instance %q, %v; want %q", i, c.method, c.path,
					c.tenant,
					body, got.Get("X-Cache"), got.Get(InstanceHeader), err, c.want)
			}
		}
		eventually(t, func() string { // nginx writes its counters every tenth of a second
			hits, misses, err := env.EdgeCounts(t.Context())
			if err != nil || hits != 3 || misses != 6 { // a POST is not looked up
				return fmt.Sprintf("the edge counts %d hits and %d misses, %v; want 3 and 6", hits, misses, err)
			}
			return ""
		})
		mustStop(t, env)
		requireNothingLeft(t, dir, env.EdgeURL)
	})
}

func TestEdgeLeavesNothingWhenKilled(t *testing.T) {
	forEdges(t, func(t *testing.T, name string) {
		dir := publicDir(t)
		h := startHelper(t, edgeMode+name, dir, "")
		r := h.report(t)
		if r.Error != "" {
			t.Fatal(r.Error)
		}
		if !listens(t, r.Environment.EdgeURL) {
			t.Fatal("the helper's edge does not listen")
		}
		h.kill(t)
		requireNothingLeft(t, dir, r.Environment.EdgeURL)
	})
}

func TestVarnishStatThatSaysNothing(t *testing.T) {
	for _, text := range []string{"", "{}", `{"counters": {"MAIN.cache_hit": {"value": 1}}}`, `{"counters": []}`} {
		if _, _, err := readVarnishStat(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzVarnishStat(f *testing.F) {
	f.Add(`{"version": 1, "counters": {"MAIN.cache_hit": {"value": 3}, "MAIN.cache_miss": {"value": 4}}}`)
	f.Fuzz(func(_ *testing.T, text string) { _, _, _ = readVarnishStat(text) })
}

package containers

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestEdge: the edge answers what the origin lets it keep, each tenant's own, and counts.
func TestEdge(t *testing.T) {
	forEdges(t, func(t *testing.T, name string) {
		dir := publicTemp(t)
		origin := startEdgeOrigin(t, "max-age=0, s-maxage=600, stale-while-revalidate=30")
		env := edgeFor(t, name, origin)
		if !strings.EqualFold(env.Edge.Name, name) || env.Edge.Version == "" {
			t.Errorf("the edge is %+v", env.Edge)
		}
		for i, c := range []struct {
			method, tenant, path string
			answer               int
			hit                  bool
		}{
			{"GET", tenantA, onePath, 1, false},
			{"GET", tenantA, onePath, 1, true},
			{"GET", tenantB, onePath, 2, false}, // not that of another tenant
			{"GET", tenantB, onePath, 2, true},
			{"GET", tenantA, listPath, 3, false},
			{"GET", tenantA, listPath, 3, true},
			{"GET", tenantA, costsPath, 4, false},
			{"GET", tenantA, costsPath, 4, true},
			{"POST", tenantA, onePath, 5, false},
			{"GET", tenantA, "/api/v1/policies", 6, false}, // the origin keeps it private
			{"GET", tenantA, "/api/v1/policies", 7, false},
			{"GET", tenantA, onePath, 1, true},
		} {
			got := through(t, env, c.method, c.path, "X-Tenant-ID", c.tenant)
			want := fmt.Sprintf("%s of %s, answer %d", c.path, c.tenant, c.answer)
			if got.status != http.StatusOK || got.body != want || got.hit() != c.hit {
				t.Errorf("%d: %s %s of %q answered %d %q, X-Cache %q; want %q", i, c.method, c.path, c.tenant,
					got.status, got.body, got.header.Get("X-Cache"), want)
			}
			instance, id := "1", "of-the-origin"
			if c.hit {
				instance, id = "", "" // nobody else was asked
			}
			if got.header.Get(InstanceHeader) != instance || got.header.Get("X-Request-Id") != id ||
				got.header.Get("Surrogate-Key") != "" {
				t.Errorf("%d: headers %v", i, got.header)
			}
		}
		misses := int64(6)            // a POST is not looked up
		eventually(t, func() string { // nginx writes its counters every tenth of a second
			hits, missed, err := env.EdgeCounts(t.Context())
			if err != nil || hits != 5 || missed != misses {
				return fmt.Sprintf("the edge counts %d hits and %d misses, %v; want 5 and %d", hits, missed,
					err, misses)
			}
			return ""
		})
		mustStop(t, env)
		requireNothingLeft(t, dir, env.EdgeURLs[0])
	})
}

// TestEdgeKeepsNothingUnnamed: Varnish keeps nothing whose key is not that of the request, because it could not be told
// when that changes.
func TestEdgeKeepsNothingUnnamed(t *testing.T) {
	t.Parallel()
	need(t, edges[0].find(), edges[0].program)
	origin := startEdgeOrigin(t, "s-maxage=600")
	env := edgeFor(t, EdgeVarnish, origin)
	for _, path := range []string{"/api/v1/evaluations", "/api/v1/something", "/x", onePath + "?x=1"} {
		for range 2 {
			if got := through(t, env, "GET", path, "X-Tenant-ID", tenantA); got.status != http.StatusOK || got.hit() {
				t.Errorf("%s: status %d, hit %v", path, got.status, got.hit())
			}
		}
	}
}

// ban sends Varnish an invalidation, as package server/edge does.
func ban(t *testing.T, env *Environment, token, expression string) int {
	t.Helper()
	return through(t, env, "BAN", "/", "X-Edge-Token", token, "Surrogate-Key", expression).status
}

// TestEdgeForgets: a ban makes Varnish forget what has the key, and nothing else.
func TestEdgeForgets(t *testing.T) {
	t.Parallel()
	need(t, edges[0].find(), edges[0].program)
	origin := startEdgeOrigin(t, "s-maxage=600")
	env := edgeFor(t, EdgeVarnish, origin)
	all := []struct{ tenant, path string }{
		{tenantA, onePath},
		{tenantA, listPath},
		{tenantA, "/api/v1/resources"},
		{tenantA, costsPath},
		{tenantA, "/api/v1/compliance/summary"},
		{tenantA, "/api/v1/costs/totals"},
		{tenantB, onePath},
		{tenantB, listPath},
		{strings.ToUpper(tenantB), "/api/v1/policies/" + strings.ToUpper(resource)},
	}
	fill := func() {
		for _, c := range all {
			through(t, env, "GET", c.path, "X-Tenant-ID", c.tenant)
			if !through(t, env, "GET", c.path, "X-Tenant-ID", c.tenant).hit() {
				t.Errorf("%s of %s is not kept", c.path, c.tenant)
			}
		}
	}
	for expression, matched := range map[string][]int{
		"^(?:" + keyOf(tenantA, onePath) + ")$":                                    {0},
		"^(?:" + keyOf(tenantA, listPath) + ")$":                                   {1, 2},
		"^(?:" + keyOf(tenantA, costsPath) + "|" + keyOf(tenantB, onePath) + ")$":  {3, 6},
		"^(?:" + tenantB + ":.*)$":                                                 {6, 7, 8},
		"^(?:" + keyOf(tenantB, "/api/v1/policies/"+resource) + ")$":               {8},
		"^(?:[^:]+:compliance:.*)$":                                                {4},
		"^(?:.*)$":                                                                 {0, 1, 2, 3, 4, 5, 6, 7, 8},
		"^(?:" + keyOf("dddddddd-0000-4000-8000-00000000000d", onePath) + "|x:y)$": nil,
	} {
		fill()
		if status := ban(t, env, edgeToken, expression); status != http.StatusNoContent {
			t.Fatalf("%s: status %d", expression, status)
		}
		for i, c := range all {
			hit := through(t, env, "GET", c.path, "X-Tenant-ID", c.tenant).hit()
			if hit == slices.Contains(matched, i) {
				t.Errorf("after %s: %s of %s is kept: %v", expression, c.path, c.tenant, hit)
			}
		}
	}
	fill()
	for _, c := range []struct {
		token, expression string
		status            int
	}{
		{"", ".*", http.StatusForbidden},
		{"wrong", ".*", http.StatusForbidden},
		{edgeToken, "^(?:", http.StatusBadRequest},
	} {
		got := ban(t, env, c.token, c.expression)
		if got != c.status {
			t.Errorf("a ban of %q by %q: status %d, want %d", c.expression, c.token, got, c.status)
		}
	}
	if !through(t, env, "GET", onePath, "X-Tenant-ID", tenantA).hit() {
		t.Error("a refused ban was heeded")
	}
}

// TestEdgeForgetsWhatIsUnderWay: what is being fetched during a ban, and may be from before the change, is not served
// to anybody who asks after it.
func TestEdgeForgetsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	need(t, edges[0].find(), edges[0].program)
	origin := startEdgeOrigin(t, "s-maxage=600, stale-while-revalidate=600")
	env := edgeFor(t, EdgeVarnish, origin)
	for _, path := range []string{onePath, listPath} {
		made, send := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		slow := func(string) {
			if once.CompareAndSwap(false, true) {
				close(made) // from here on the answer is old
				<-send
			}
		}
		origin.before.Store(&slow)
		first := make(chan said, 1)
		go func() { first <- through(t, env, "GET", path, "X-Tenant-ID", tenantA) }()
		<-made
		if status := ban(t, env, edgeToken, "^(?:"+keyOf(tenantA, path)+")$"); status != http.StatusNoContent {
			t.Fatalf("status %d", status)
		}
		// The old one is still under way.
		second := through(t, env, "GET", path, "X-Tenant-ID", tenantA)
		close(send)
		old := <-first
		third := through(t, env, "GET", path, "X-Tenant-ID", tenantA)
		if old.body == second.body || third.body != second.body || !third.hit() {
			t.Errorf("%s: answers %q, %q and %q, the last by the edge: %v", path, old.body, second.body, third.body,
				third.hit())
		}
	}
}

// TestEdgeServesStale: what has expired is served while it is fetched again, and while the origin fails, for as long as
// the origin allows.
func TestEdgeServesStale(t *testing.T) {
	t.Parallel()
	forEdges(t, func(t *testing.T, name string) {
		origin := startEdgeOrigin(t, "max-age=0, s-maxage=1, stale-while-revalidate=600, stale-if-error=600")
		env := edgeFor(t, name, origin)
		get := func(path string) said { return through(t, env, "GET", path, "X-Tenant-ID", tenantA) }
		get(onePath)
		eventually(t, func() string { // three times it has expired, and nobody has waited
			got := get(onePath)
			if got.status != http.StatusOK || !got.hit() {
				t.Fatalf("status %d, hit %v", got.status, got.hit())
			}
			if origin.answers.Load() < 4 {
				return "it is not fetched again"
			}
			return ""
		})

		control := "max-age=0, s-maxage=1, stale-if-error=600"
		origin.control.Store(&control)
		for _, failure := range []int32{http.StatusInternalServerError, http.StatusServiceUnavailable, aborting} {
			want := get(listPath).body
			origin.failing.Store(failure)
			asked := origin.requests.Load()
			eventually(t, func() string {
				if got := get(listPath); got.status != http.StatusOK || got.body != want {
					t.Fatalf("failure %d: %d %q", failure, got.status, got.body)
				}
				if origin.requests.Load() < asked+2 {
					return "the origin is not asked"
				}
				return ""
			})
			if got := get(costsPath); got.status < 500 {
				t.Errorf("failure %d: what the edge does not have has status %d", failure, got.status)
			}
			// Another tenant gets nothing of it.
			other := through(t, env, "GET", listPath, "X-Tenant-ID", tenantB)
			if other.status < 500 {
				t.Errorf("failure %d: another tenant gets %d %q", failure, other.status, other.body)
			}
			origin.failing.Store(0)
			eventually(t, func() string {
				if got := get(listPath); got.status != http.StatusOK || got.body == want {
					return fmt.Sprintf("failure %d: %d %q after the origin recovered", failure, got.status, got.body)
				}
				return ""
			})
		}
	})
}

// TestEdgeAndOtherProtocols: a connection that leaves HTTP leads through the edge to the origin, and events that are
// streamed are passed on one by one.
func TestEdgeAndOtherProtocols(t *testing.T) {
	t.Parallel()
	forEdges(t, func(t *testing.T, name string) {
		env, err := edgeBefore(bounded(t), name, startEcho(t).address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = env.Stop(context.Background()) })
		isHeard(t, env.EdgeURLs[0])

		received := make(chan struct{})
		stream := startStandIn(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Accel-Buffering", "no")
			fmt.Fprint(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-received:
				fmt.Fprint(w, "data: 2\n\n")
			case <-r.Context().Done():
			}
		})
		other, err := edgeBefore(bounded(t), name, stream.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Stop(context.Background()) })
		req, err := http.NewRequestWithContext(bounded(t), http.MethodGet, other.EdgeURLs[0]+"/api/v1/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Tenant-ID", tenantA)
		req.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		if !lines.Scan() || lines.Text() != "data: 1" {
			t.Fatalf("the first event is %q, %v", lines.Text(), lines.Err())
		}
		close(received) // the second is sent once the first has arrived
		lines.Scan()    // an empty line
		if !lines.Scan() || lines.Text() != "data: 2" {
			t.Errorf("the second event is %q, %v", lines.Text(), lines.Err())
		}
	})
}

// askedBy is a way of asking for what belongs to tenant A; as is who may get an answer, or nobody.
type askedBy struct {
	method, path, as string
	headers          []string
}

// attempts are those of somebody who is not tenant A, and knows everything about what the edge keeps for it.
func attempts(etag string) (all []askedBy) {
	for _, path := range []string{onePath, listPath, costsPath, "/api/v1/compliance/summary"} {
		key := keyOf(tenantA, path)
		for _, method := range []string{"GET", "HEAD"} {
			for _, extra := range [][]string{
				nil,
				{"If-None-Match", etag},
				{"If-None-Match", "*"},
				{"If-Match", etag},
				{"If-Modified-Since", "Mon, 30 Nov 2099 00:00:00 GMT"},
				{"Range", "bytes=0-9"},
				{"Range", "bytes=0-9", "If-Range", etag},
				{"Cache-Control", "only-if-cached"},
				{"Cache-Control", "max-stale"},
				{"X-Edge-Key", key},
				{"X-Edge-Key", key, "X-Edge-Epoch", "1", "X-Edge-Way", "stale"},
				{"Surrogate-Key", key},
				{"X-Forwarded-For", "127.0.0.1", "X-Original-URL", path, "X-HTTP-Method-Override", "GET"},
				{"Accept-Encoding", "gzip"},
				{"Accept-Encoding", "identity"},
				{"Prefer", "performance"},
				{"Authorization", "Bearer x"},
				{"Cookie", "tenant=" + tenantA},
				{"Host", "another.example"},
			} {
				all = append(all, askedBy{method, path, tenantB, append([]string{"X-Tenant-ID", tenantB}, extra...)})
				for _, nobody := range [][]string{
					nil,
					{"X-Tenant-ID", tenantA, "X-Tenant-ID", tenantB},
					{"X-Tenant-ID", tenantB, "X-Tenant-ID", tenantA},
					{"X-Tenant-ID", tenantA + "," + tenantB},
					{"X-Tenant-ID", tenantA + ", " + tenantB},
					{"X-Tenant-ID", tenantA + ";" + tenantB},
					{"X-Tenant-ID", "{" + tenantA + "}"},
					{"X_Tenant_ID", tenantA},
					{"X-Tenant", tenantA},
				} {
					all = append(all, askedBy{method, path, "", append(slices.Clone(nobody), extra...)})
				}
			}
		}
	}
	return all
}

// TestEdgeGivesNobodyElsesAnswers: whatever somebody sends who is not the tenant, the edge gives nothing of what it
// keeps for that tenant, neither in a body nor by saying that it has not changed; not while the origin fails either.
func TestEdgeGivesNobodyElsesAnswers(t *testing.T) {
	t.Parallel()
	forEdges(t, func(t *testing.T, name string) {
		origin := startEdgeOrigin(t, "max-age=0, s-maxage=1, stale-while-revalidate=600, stale-if-error=600")
		env := edgeFor(t, name, origin)
		tag := ""
		keep := func() {
			for _, path := range []string{onePath, listPath, costsPath, "/api/v1/compliance/summary"} {
				got := through(t, env, "GET", path, "X-Tenant-ID", tenantA)
				if got.status != http.StatusOK || !strings.Contains(got.body, tenantA) {
					t.Fatalf("%s: %d %q", path, got.status, got.body)
				}
				tag = cmp.Or(tag, got.header.Get("ETag"))
			}
		}
		for _, failing := range []bool{false, true} {
			keep()
			if failing {
				origin.failing.Store(http.StatusServiceUnavailable)
			}
			for _, a := range attempts(tag) {
				got := through(t, env, a.method, a.path, a.headers...)
				own := a.as != "" && (got.status == http.StatusOK || got.status == http.StatusPartialContent ||
					got.status == http.StatusNotModified)
				switch {
				case strings.Contains(got.body, tenantA) || strings.Contains(got.header.Get("ETag"), tenantA):
					t.Fatalf("%+v got what is tenant A's: %d %v %q", a, got.status, got.header, got.body)
				case !own && got.status < 400:
					t.Errorf("%+v got %d %v %q", a, got.status, got.header, got.body)
				case got.status == http.StatusNotModified && slices.Contains(a.headers, tag):
					t.Errorf("%+v is told that what tenant A has has not changed", a)
				case !failing && a.as != "" && got.status >= 400 && got.status != http.StatusPreconditionFailed &&
					got.status != http.StatusRequestedRangeNotSatisfiable && got.status != http.StatusGatewayTimeout:
					t.Errorf("%+v got %d", a, got.status)
				}
			}
		}
	})
}

func TestEdgeLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	forEdges(t, func(t *testing.T, name string) {
		dir := publicDir(t)
		h := startHelper(t, edgeMode+name, dir, "")
		r := h.report(t)
		if r.Error != "" {
			t.Fatal(r.Error)
		}
		if !listens(t, r.Environment.EdgeURLs[0]) {
			t.Fatal("the helper's edge does not listen")
		}
		h.kill(t)
		requireNothingLeft(t, dir, r.Environment.EdgeURLs[0])
	})
}

func TestReadVarnishStat(t *testing.T) {
	const whole = `{"counters": {"MAIN.client_req": {"value": 100}, "MAIN.s_pass": {"value": 7},
		"MAIN.s_pipe": {"value": 2}, "MAIN.s_synth": {"value": 1}, "MAIN.s_bgfetch": {"value": 5},
		"VBE.boot.origin.req": {"value": 35}}}`
	hits, misses, err := readVarnishStat(whole)
	if err != nil || hits != 60 || misses != 30 {
		t.Errorf("%d hits and %d misses, %v; want 60 and 30", hits, misses, err)
	}
	for _, text := range []string{
		"", "{}", `{"counters": []}`, strings.Replace(whole, "s_pass", "x", 1),
		strings.Replace(whole, "VBE.boot", "VBE.x", 1),
	} {
		if _, _, err := readVarnishStat(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzVarnishStat(f *testing.F) {
	f.Add(`{"version": 1, "counters": {"MAIN.client_req": {"value": 3}, "MAIN.s_pass": {"value": 4}}}`)
	f.Fuzz(func(_ *testing.T, text string) { _, _, _ = readVarnishStat(text) })
}

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

// edgeToken is the secret of the edges of tests.
const edgeToken = "a-secret-of-tests"

// Tenants and resources of the origin behind edges.
const (
	tenantA   = "aaaaaaaa-0000-4000-8000-00000000000a"
	tenantB   = "bbbbbbbb-0000-4000-8000-00000000000b"
	resource  = "cccccccc-0000-4000-8000-00000000000c"
	onePath   = "/api/v1/resources/" + resource
	listPath  = "/api/v1/resources?limit=10"
	costsPath = "/api/v1/costs?from=2026-01-01&resource_id=" + resource
)

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
	return env.orStopped(ctx, env.StartEdge(ctx, EdgeSpec{Origin: origin, Token: edgeToken}))
}

const aborting = -1

// edgeOrigin answers as the reference server does: about one tenant, with its key, and differently each time.
type edgeOrigin struct {
	*standIn
	control atomic.Pointer[string]       // Cache-Control
	before  atomic.Pointer[func(string)] // called with a path once the answer is made up, before it is sent
	// failing is the status of all answers; 0 for none, and aborting to end the connection in their place.
	failing atomic.Int32
	answers atomic.Int64
}

func startEdgeOrigin(t *testing.T, control string) *edgeOrigin {
	t.Helper()
	o := &edgeOrigin{}
	o.control.Store(&control)
	o.standIn = startStandIn(t, o.answer)
	return o
}

// keyOf is the Surrogate-Key of what a path names.
func keyOf(tenant, path string) string {
	name, query, _ := strings.Cut(strings.TrimPrefix(path, "/api/v1/"), "?")
	kind, id, _ := strings.Cut(name, "/")
	switch {
	case name == "compliance/summary", name == "costs/totals":
		id = ""
	case kind == "resources" && id != "":
		kind = "resource"
	case kind == "policies" && id != "":
		kind = "policy"
	case kind == "costs":
		_, id, _ = strings.Cut(query, "resource_id=")
	}
	return strings.ToLower(tenant + ":" + kind + ":" + id)
}

func (o *edgeOrigin) answer(w http.ResponseWriter, r *http.Request) {
	header, tenants := w.Header(), r.Header["X-Tenant-Id"]
	header.Set("X-Cache", "miss")
	header.Set(InstanceHeader, "1")
	header.Set("X-Request-Id", "of-the-origin")
	header.Set("Cache-Control", "no-store")
	switch status := int(o.failing.Load()); {
	case status == aborting:
		panic(http.ErrAbortHandler)
	case status != 0:
		http.Error(w, "failing", status)
		return
	case len(tenants) != 1 || len(tenants[0]) != 36:
		http.Error(w, "no tenant", http.StatusBadRequest)
		return
	}
	tenant := strings.ToLower(tenants[0])
	body := fmt.Sprintf("%s of %s, answer %d", r.URL, tenant, o.answers.Add(1))
	if before := o.before.Load(); before != nil {
		(*before)(r.URL.Path)
	}
	header.Set("Cache-Control", *o.control.Load())
	header.Set("Vary", "X-Tenant-ID, Accept-Encoding")
	header.Set("ETag", fmt.Sprintf(`W/"%s-%d"`, tenant, o.answers.Load()))
	header.Set("Surrogate-Key", keyOf(tenant, r.URL.String()))
	switch {
	case r.URL.Path == "/api/v1/policies":
		header.Set("Cache-Control", "private, no-cache")
	case r.Header.Get("Prefer") != "":
		header.Set("Cache-Control", "no-store")
	case r.URL.Path == "/api/v1/evaluations":
		header.Set("Surrogate-Key", "another")
	}
	fmt.Fprint(w, body)
}

// said is an answer through an edge.
type said struct {
	status int
	body   string
	header http.Header
}

// hit reports whether the edge gave it.
func (s said) hit() bool { return s.header.Get("X-Cache") == "hit" }

// through sends a request with headers, given as name and value in turn. An empty value is left out.
func through(t *testing.T, env *Environment, method, path string, headers ...string) said {
	t.Helper()
	req, err := http.NewRequestWithContext(bounded(t), method, env.EdgeURLs[0]+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return said{resp.StatusCode, string(body), resp.Header}
}

// edgeFor starts an edge before an origin.
func edgeFor(t *testing.T, name string, origin *edgeOrigin) *Environment {
	t.Helper()
	env, err := edgeBefore(bounded(t), name, origin.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop(context.Background()) })
	return env
}

package edge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache/key"
	"github.com/policycortex/headroom/server/edge"
)

const token = "a-secret-of-tests"

// patience bounds what a test waits for.
const patience = 20 * time.Second

// standIn is an edge that notes the bans that it is sent.
type standIn struct {
	*httptest.Server
	mu      sync.Mutex
	bans    []string
	status  int           // of the answers; 0 is 204
	hold    chan struct{} // answers wait until it is closed; nil for none
	arrived chan struct{} // gets a value for each request
}

func startStandIn(t *testing.T) *standIn {
	t.Helper()
	s := &standIn{arrived: make(chan struct{}, 10_000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "BAN" || r.URL.Path != "/" || r.Header.Get("X-Edge-Token") != token ||
			r.Header["Idempotency-Key"] != nil {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		s.arrived <- struct{}{}
		s.mu.Lock()
		hold, status := s.hold, s.status
		if status == 0 {
			s.bans = append(s.bans, r.Header.Get("Surrogate-Key"))
			status = http.StatusNoContent
		}
		s.mu.Unlock()
		if hold != nil {
			<-hold
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// taken are the bans that it has answered with 204, or is about to.
func (s *standIn) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bans)
}

// forgot reports whether a ban matched a key.
func (s *standIn) forgot(t *testing.T, name string) bool {
	t.Helper()
	return slices.ContainsFunc(s.taken(), func(expression string) bool {
		pattern, err := regexp.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		return pattern.MatchString(name)
	})
}

func open(t *testing.T, edges ...*standIn) *edge.Edges {
	t.Helper()
	o := edge.Options{Token: token, Logger: slog.New(slog.DiscardHandler)}
	for _, e := range edges {
		o.URLs = append(o.URLs, e.URL)
	}
	opened, err := edge.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened
}

// scopeOf is one of a tenant; ID 0 is that of its lists.
func scopeOf(tenant, id int) key.Scope {
	s := key.Scope{Kind: key.Resource}
	s.Tenant[0], s.Tenant[14], s.Tenant[15] = 0xaa, byte(tenant>>8), byte(tenant)
	if id == 0 {
		s.Kind = key.Resources
		return s
	}
	s.ID[0], s.ID[14], s.ID[15] = 0xcc, byte(id>>8), byte(id)
	return s
}

func eventually(t *testing.T, problem func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		text := problem()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
	}
}

func TestInvalidateTellsAllEdges(t *testing.T) {
	t.Parallel()
	one, two := startStandIn(t), startStandIn(t)
	edges := open(t, one, two)
	item, list := scopeOf(1, 7), scopeOf(1, 0)
	if err := edges.Invalidate(t.Context(), item, list); err != nil {
		t.Fatal(err)
	}
	want := []string{"^(?:" + item.Name() + "|" + list.Name() + ")$"}
	if item.Name() != "aa000000-0000-0000-0000-000000000001:resource:cc000000-0000-0000-0000-000000000007" ||
		list.Name() != "aa000000-0000-0000-0000-000000000001:resources:" {
		t.Errorf("names %s and %s", item.Name(), list.Name())
	}
	for _, e := range []*standIn{one, two} {
		if got := e.taken(); !slices.Equal(got, want) {
			t.Errorf("an edge was told %q, want %q", got, want)
		}
	}
	if err := edges.Invalidate(t.Context()); err != nil || len(one.taken()) != 1 {
		t.Errorf("without scopes: %v, %q", err, one.taken())
	}
	if err := errors.Join(edges.InvalidateKind(t.Context(), key.Compliance),
		edges.InvalidateAll(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := one.taken()[1:]; !slices.Equal(got, []string{"^(?:[^:]+:compliance:.*)$", "^(?:.*)$"}) {
		t.Errorf("told %q", got)
	}
	for _, s := range edges.Stats() {
		if s.Sent != 3 || s.Failed != 0 || s.Pending != 0 || !s.Answered {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestNoEdges(t *testing.T) {
	t.Parallel()
	edges, err := edge.Open(edge.Options{})
	if err != nil || edges != nil {
		t.Fatalf("%v, %v", edges, err)
	}
	err = errors.Join(edges.Invalidate(t.Context(), scopeOf(1, 1)), edges.InvalidateKind(t.Context(), key.Costs),
		edges.InvalidateAll(t.Context()))
	if err != nil || edges.Stats() != nil {
		t.Errorf("%v, %v", err, edges.Stats())
	}
	edges.Close()
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "127.0.0.1:80", "ftp://x", "http://", "http://u:p@x", "http://x/path", "http://x?q", "http://x/#f",
		"http://x:y",
	} {
		if _, err := edge.Open(edge.Options{URLs: []string{url}}); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
}

// TestChangesShareABan: what is invalidated while a ban is under way goes with the next one, and each caller waits for
// the one that has its scopes.
func TestChangesShareABan(t *testing.T) {
	t.Parallel()
	e := startStandIn(t)
	hold := make(chan struct{})
	e.hold = hold
	edges := open(t, e)
	outcomes := make(chan error, 51)
	go func() { outcomes <- edges.Invalidate(t.Context(), scopeOf(1, 1)) }()
	<-e.arrived
	for id := range 50 {
		go func() { outcomes <- edges.Invalidate(t.Context(), scopeOf(1, 2+id)) }()
	}
	eventually(t, func() string {
		if n := edges.Stats()[0].Pending; n != 51 {
			return fmt.Sprintf("%d keys are pending, want 51", n)
		}
		return ""
	})
	select {
	case err := <-outcomes:
		t.Fatalf("a change returned before the edge has answered: %v", err)
	default:
	}
	close(hold)
	for range 51 {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
	if got := e.taken(); len(got) != 3 { // 50 keys are 4200 bytes, and a ban has up to 4096
		t.Errorf("%d bans, of %d bytes at first", len(got), len(got[0]))
	}
	for id := range 51 {
		scope := scopeOf(1, 1+id)
		if !e.forgot(t, scope.Name()) {
			t.Errorf("%s was not told", scope.Name())
		}
	}
}

// TestSilentEdge: an edge that refuses or does not listen holds up one change, for a bounded time, and no other; it is
// told everything when it comes back. The other edge is told at once.
func TestSilentEdge(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]func(*standIn) (end func()){
		"refuses": func(e *standIn) func() {
			e.answer(http.StatusForbidden)
			return func() { e.answer(0) }
		},
		"redirects": func(e *standIn) func() {
			e.answer(http.StatusFound)
			return func() { e.answer(0) }
		},
		"hangs": func(e *standIn) func() {
			hold := make(chan struct{})
			e.mu.Lock()
			e.hold, e.status = hold, http.StatusInternalServerError
			e.mu.Unlock()
			return func() {
				e.mu.Lock()
				e.hold, e.status = nil, 0
				e.mu.Unlock()
				close(hold)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent, other := startStandIn(t), startStandIn(t)
			end := silence(silent)
			edges := open(t, silent, other)
			for id := 1; id <= 40; id++ {
				// The first waits. Were the others to, this would take 40 times as long as one may.
				if err := edges.Invalidate(t.Context(), scopeOf(1, id)); !errors.Is(err, edge.ErrUnreached) ||
					!strings.Contains(err.Error(), silent.URL) {
					t.Errorf("change %d: %v", id, err)
				}
				if id == 1 {
					eventually(t, func() string {
						if edges.Stats()[0].Answered {
							return "the edge is not given up"
						}
						return ""
					})
				}
			}
			if s := edges.Stats(); s[0].Failed == 0 || s[0].Pending != 40 || s[1].Failed != 0 {
				t.Errorf("stats %+v", s)
			}
			end()
			eventually(t, func() string {
				if s := edges.Stats()[0]; !s.Answered || s.Pending > 0 {
					return fmt.Sprintf("stats %+v", s)
				}
				return ""
			})
			for id := 1; id <= 40; id++ {
				scope := scopeOf(1, id)
				if !silent.forgot(t, scope.Name()) {
					t.Errorf("%s was not told", scope.Name())
				}
				eventually(t, func() string {
					if !other.forgot(t, scope.Name()) {
						return scope.Name() + " was not told to the other edge"
					}
					return ""
				})
			}
			if err := edges.Invalidate(t.Context(), scopeOf(2, 1)); err != nil {
				t.Errorf("after it came back: %v", err)
			}
		})
	}
}

// TestFarEdge: an edge is reached that is 300 ms away, where a request over a new connection takes two round trips.
func TestFarEdge(t *testing.T) {
	t.Parallel()
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(600 * time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(far.Close)
	edges := open(t, &standIn{Server: far})
	_ = edges.Invalidate(t.Context(), scopeOf(1, 1)) // on a busy machine, only a later attempt may reach it
	eventually(t, func() string {
		if s := edges.Stats()[0]; s.Sent == 0 || !s.Answered {
			return fmt.Sprintf("stats %+v", s)
		}
		return ""
	})
}

// TestWhatIsKeptIsBounded: of too many keys, those of whole tenants take the place, and of too many tenants all keys.
func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tenants, keys int
		spared        bool // what nobody changed
	}{
		"few":               {2, 100, true},
		"many of tenants":   {3, 1000, true},
		"many of everybody": {2000, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startStandIn(t)
			e.answer(http.StatusServiceUnavailable)
			edges := open(t, e)
			_ = edges.Invalidate(t.Context(), scopeOf(0, 1)) // it is silent now
			eventually(t, func() string {
				if edges.Stats()[0].Answered {
					return "the edge is not given up"
				}
				return ""
			})
			most := 0
			for tenant := range c.tenants {
				scopes := make([]key.Scope, c.keys)
				for i := range scopes {
					scopes[i] = scopeOf(tenant, 1+i)
				}
				_ = edges.Invalidate(t.Context(), scopes...)
				most = max(most, edges.Stats()[0].Pending)
			}
			if most > 2*1024 { // what is under way, and what has come since
				t.Errorf("%d keys were kept", most)
			}
			e.answer(0)
			eventually(t, func() string {
				if s := edges.Stats()[0]; !s.Answered || s.Pending > 0 {
					return fmt.Sprintf("stats %+v", s)
				}
				return ""
			})
			for tenant := range c.tenants {
				scope := scopeOf(tenant, c.keys)
				if !e.forgot(t, scope.Name()) {
					t.Fatalf("%s was not told", scope.Name())
				}
			}
			scope := scopeOf(5000, 1)
			if e.forgot(t, scope.Name()) == c.spared {
				t.Errorf("what nobody changed was forgotten: %v", !c.spared)
			}
		})
	}
}

// TestCloseSendsWhatIsLeft: what an edge has missed is tried once more at the end.
func TestCloseSendsWhatIsLeft(t *testing.T) {
	t.Parallel()
	e := startStandIn(t)
	e.answer(http.StatusServiceUnavailable)
	edges := open(t, e)
	scope := scopeOf(1, 1)
	if err := edges.Invalidate(t.Context(), scope); !errors.Is(err, edge.ErrUnreached) {
		t.Fatal(err)
	}
	e.answer(0)
	edges.Close()
	if !e.forgot(t, scope.Name()) {
		t.Error("it was not told")
	}
}

// TestCallerLeaves: a caller whose context ends gets its error, and the edge is told nevertheless.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	e := startStandIn(t)
	hold := make(chan struct{})
	e.hold = hold
	edges := open(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error)
	scope := scopeOf(1, 1)
	go func() { outcome <- edges.Invalidate(ctx, scope) }()
	<-e.arrived
	cancel()
	if err := <-outcome; !errors.Is(err, context.Canceled) || !errors.Is(err, edge.ErrUnreached) {
		t.Error(err)
	}
	close(hold)
	eventually(t, func() string {
		if s := edges.Stats()[0]; s.Sent != 1 || s.Pending != 0 {
			return fmt.Sprintf("stats %+v", s)
		}
		return ""
	})
}

// BenchmarkInvalidate is what a change costs for an edge on loopback, alone and with 16 others.
func BenchmarkInvalidate(b *testing.B) {
	for _, parallel := range []int{1, 16} {
		b.Run(fmt.Sprintf("parallel=%d", parallel), func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNoContent)
			}))
			defer server.Close()
			edges, err := edge.Open(edge.Options{
				URLs: []string{server.URL}, Token: token, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			defer edges.Close()
			b.ReportAllocs()
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				scopes := []key.Scope{scopeOf(1, 1), scopeOf(1, 0)}
				for pb.Next() {
					if err := edges.Invalidate(b.Context(), scopes...); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
